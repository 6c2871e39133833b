//! Packets that no client of QUIC would send, by a plain UDP socket: what is answered, and with how little (RFC 9000 §5.2, §6, §10.3,
//! §14.1).

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::wire::first_flight;
use crate::parity::{House, Over};

/// How long is waited for what must not come.
const MOMENT: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(10);

struct Socket(UdpSocket);

impl Socket {
    fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        Self(socket)
    }

    /// What is answered to that, if anything.
    fn ask(&self, packet: &[u8], patience: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        self.0.send(packet).unwrap();
        let mut reply = vec![0; 2000];
        let length = self.0.recv(&mut reply).ok()?;
        reply.truncate(length);
        Some(reply)
    }
}

/// A long header of that version, with ids of 8 bytes, and zeros to that length.
fn long(version: u32, length: usize) -> Vec<u8> {
    let mut packet = vec![0xc0];
    packet.extend(version.to_be_bytes());
    packet.extend(b"\x08to-you--\x08from-me-");
    packet.resize(length, 0);
    packet
}

#[test]
fn a_version_that_nobody_knows_is_answered_with_ours() {
    let socket = Socket::new(House::shared().at(Over::Quic));
    for version in [0x1a2a_3a4a, 2, 0xff00_001d] {
        let reply = socket.ask(&long(version, 1200), LATER).unwrap();
        // RFC 8999 §6: version 0, the ids the other way round, and what there is.
        assert!(reply[0] & 0x80 != 0 && reply[1..5] == [0; 4], "{reply:x?}");
        assert_eq!(reply[5..23], *b"\x08from-me-\x08to-you--");
        let versions: Vec<u32> = reply[23..]
            .chunks(4)
            .map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
            .collect();
        assert!(versions.contains(&1) && !versions.contains(&version), "{versions:x?}");
    }
}

#[test]
fn what_is_too_short_is_not_answered() {
    let socket = Socket::new(House::shared().at(Over::Quic));
    // RFC 9000 §6.1, §14.1: nothing under 1200 bytes begins anything.
    for packet in [long(0x1a2a_3a4a, 1199), long(1, 1199), long(1, 30), vec![0xc0], vec![0x40; 20]]
    {
        assert_eq!(socket.ask(&packet, MOMENT), None, "{} bytes", packet.len());
    }
    // RFC 9000 §6.1: what negotiates is not negotiated with.
    assert_eq!(socket.ask(&long(0, 1200), MOMENT), None);
    // An Initial whose seal is broken.
    let mut flight = first_flight(House::shared().at(Over::Quic), None).remove(0);
    flight[600] ^= 1;
    assert_eq!(socket.ask(&flight, MOMENT), None);
}

#[test]
fn a_handshake_is_answered_with_three_times_as_much_at_most() {
    let socket = Socket::new(House::shared().at(Over::Quic));
    let flight = first_flight(House::shared().at(Over::Quic), None);
    let sent: usize = flight.iter().map(Vec::len).sum();
    for datagram in &flight {
        socket.0.send(datagram).unwrap();
    }
    socket.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (mut came, mut reply) = (0, [0; 2000]);
    while let Ok(length) = socket.0.recv(&mut reply) {
        came += length;
    }
    // RFC 9000 §8.1: until it has shown that the address is its own.
    assert!(came >= 1200 && came <= 3 * sent, "{came} for {sent}");
}

#[test]
fn a_reset_is_shorter_than_what_it_answers() {
    let socket = Socket::new(House::shared().at(Over::Quic));
    let mut length = 200;
    // RFC 9000 §10.3.3: so that two that know nothing of each other come to an end.
    while length > 10 {
        let mut packet = vec![0x5a; length];
        packet[0] = 0x40;
        let Some(reply) = socket.ask(&packet, MOMENT) else { break };
        assert!(reply.len() < length && reply[0] & 0xc0 == 0x40, "{length}: {reply:x?}");
        length = reply.len();
    }
    assert!(length > 20, "{length}");
}
