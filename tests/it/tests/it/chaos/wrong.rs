//! Clients that do wrong: they leave in the middle, read nothing, say half of it, or say what nobody understands.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::Chaos;
use super::chance::Chance;
use crate::parity::{Ask, LANES, Length, Over, Place};

/// Why connections end here: what right and wrong clients do, and upgrades. Any other cause is a finding.
pub(super) const CAUSES: [&str; 24] = [
    "peer",
    "transport",
    "peer_left",
    "last_message",
    "aborted",
    "drain",
    "idle_timeout",
    "tls_handshake",
    "tls_record",
    "tls_alert",
    "request_line",
    "bare_lf",
    "bare_cr",
    "field_line",
    "method",
    "target",
    "host",
    "version",
    "framing",
    "chunk",
    "incomplete",
    "frame",
    "frame_size",
    "fields_too_large",
];

/// How long a wrong client looks at what comes.
const LOOK: Duration = Duration::from_millis(30);

/// The preface of HTTP/2 and SETTINGS, after which anything may come (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Does wrong until it is over.
pub(super) fn load(chaos: &Chaos, mut chance: Chance) {
    while chaos.goes_on() {
        if chance.below(2) == 0 {
            in_protocol(chaos, &mut chance);
        } else {
            below_it(chaos, &mut chance);
        }
        chaos.wrong.fetch_add(1, SeqCst);
    }
}

/// Speaks the protocol, and then stops to.
fn in_protocol(chaos: &Chaos, chance: &mut Chance) {
    let lane = LANES[chance.below(LANES.len() as u64) as usize];
    let mut client = lane.open(&chaos.addresses);
    match chance.below(6) {
        // Gone before the answer, or in its midst.
        0 => drop(client.begin(&Ask::get("/bytes/3000000"))),
        1 => {
            let id = client.begin(&Ask::get("/stream/50"));
            let _ = client.next_within(id, LOOK);
        }
        2 => drop(client.begin(&Ask::get("/slow/200"))),
        // Half a head, half a message.
        3 => client.dangle(&Ask::get("/plaintext")),
        4 => {
            let id = client.begin(&Ask::post("/echo", Length::Exact(50_000)));
            let len = chance.below(40_000) as usize;
            let _ = client.send(id, &chance.bytes(len));
        }
        // Nothing at all.
        _ => {}
    }
}

/// Says what is no protocol.
fn below_it(chaos: &Chaos, chance: &mut Chance) {
    let addresses = &chaos.addresses;
    let len = 1 + chance.below(2000) as usize;
    let noise = chance.bytes(len);
    if chance.below(4) == 0 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = socket.send_to(&noise[..noise.len().min(1400)], addresses.address(Over::Quic));
        return;
    }
    let over = if chance.below(2) == 0 { Over::Tcp } else { Over::Tls };
    let mut socket = TcpStream::connect(addresses.address(over)).unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    let begin: &[u8] = match chance.below(5) {
        0 => PREFACE,
        1 => b"GET /bytes/3000000 HTTP/1.1\r\nhost: a\r\n\r\n",
        2 => b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        // The beginning of a ClientHello (RFC 8446 §5.1).
        3 => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        _ => b"",
    };
    // It may be refused at any point, and then it is.
    let _ = socket.write_all(begin).and_then(|()| socket.write_all(&noise));
    if chance.below(2) == 0 {
        let _ = socket.read(&mut [0; 512]);
    }
}
