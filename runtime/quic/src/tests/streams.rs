//! Streams, from both ends.

use trilane_semantics::{Payload, Priority};

use super::support::*;
use crate::{DatagramError, Ended, Read, Settings, Stopped};

fn read_all(server: &mut Server, stream: u64) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buffer = [0; 1_000];
    loop {
        match server.only().read(stream, &mut buffer) {
            Read::Bytes(length, fin) => {
                all.extend_from_slice(&buffer[..length]);
                if fin {
                    return (all, true);
                }
            }
            Read::Nothing => return (all, false),
            Read::Reset(code) => panic!("reset {code}"),
        }
    }
}

fn client_reads(client: &mut Client, stream: u64) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buffer = [0; 5_000];
    while let Ok((length, fin)) = client.connection.stream_recv(stream, &mut buffer) {
        all.extend_from_slice(&buffer[..length]);
        if fin {
            return (all, true);
        }
    }
    (all, false)
}

#[test]
fn a_handshake_then_a_request_and_its_answer() {
    let (mut client, mut server) = connected(Settings::default());
    assert_eq!(server.only().alpn(), b"h3");
    let info = server.only().tls_info();
    assert_eq!(info.server_name.as_deref(), Some("localhost"));
    assert_eq!(info.group, Some("X25519MLKEM768"));
    assert!(info.cipher_suite.starts_with("TLS_") && !info.resumed && info.client.is_none());
    client.connection.stream_send(0, b"GET", true).unwrap();
    pump(&mut client, &mut server);
    assert_eq!(server.only().next_readable(), Some(0));
    assert_eq!(server.only().next_readable(), None);
    assert_eq!(read_all(&mut server, 0), (b"GET".to_vec(), true));
    assert_eq!(server.only().write(0, b"head ", false), Ok(5));
    let mut body = Payload::from("body");
    assert_eq!(server.only().write_payload(0, &mut body, true), Ok(true));
    assert!(body.is_empty());
    // On a stream of our own too.
    assert_eq!(server.only().write(3, b"control", false), Ok(7));
    pump(&mut client, &mut server);
    assert_eq!(client_reads(&mut client, 0), (b"head body".to_vec(), true));
    assert_eq!(client_reads(&mut client, 3), (b"control".to_vec(), false));
    // The stream is over, and forgotten: what comes late is dropped.
    assert_eq!(server.only().write(0, b"late", true), Ok(4));
    assert_eq!(server.only().write_payload(0, &mut Payload::from("late"), true), Ok(true));
}

#[test]
fn content_goes_as_there_is_room() {
    let (mut client, mut server) = connected(Settings::default());
    client.connection.stream_send(0, b"GET", true).unwrap();
    pump(&mut client, &mut server);
    read_all(&mut server, 0);
    let whole: Vec<u8> = (0..1_000_000u32).map(|at| at as u8 ^ (at >> 8) as u8).collect();
    let mut body = Payload::from(whole.clone());
    let mut got = Vec::new();
    let mut is_done = server.only().write_payload(0, &mut body, true).unwrap();
    assert!(!is_done && body.len() > 900_000, "{}", body.len());
    assert_eq!(server.only().room(0), Ok(0));
    while got.len() < whole.len() {
        pump(&mut client, &mut server);
        got.extend(client_reads(&mut client, 0).0);
        pump(&mut client, &mut server);
        if !is_done {
            assert_eq!(server.only().next_writable(), Some(0), "{} of it", got.len());
            is_done = server.only().write_payload(0, &mut body, true).unwrap();
        }
    }
    assert!(is_done && got == whole && client.connection.stream_finished(0));
}

#[test]
fn who_writes_no_more_than_there_is_room_for_is_told_when_there_is_more() {
    for incremental in [false, true] {
        let (mut client, mut server) = connected(Settings::default());
        client.connection.stream_send(0, b"GET", true).unwrap();
        pump(&mut client, &mut server);
        read_all(&mut server, 0);
        server.only().prioritize(0, Priority { urgency: 3, incremental });
        let (mut sent, mut got) = (0, 0);
        while sent < 500_000 {
            assert_eq!(server.only().next_writable(), Some(0), "after {sent}");
            assert_eq!(server.only().next_writable(), None);
            loop {
                let room = server.only().room(0).unwrap();
                if room == 0 {
                    break;
                }
                assert_eq!(server.only().write(0, &vec![7; room], false), Ok(room));
                sent += room;
            }
            while got < sent {
                pump(&mut client, &mut server);
                got += client_reads(&mut client, 0).0.len();
            }
            pump(&mut client, &mut server);
        }
    }
}

/// Content is moved: whoever has it counts who else does.
#[test]
fn content_is_not_copied() {
    struct Lent(Vec<u8>);
    impl trilane_semantics::Memory for Lent {
        fn as_slice(&self) -> &[u8] {
            &self.0
        }
    }
    let (mut client, mut server) = connected(Settings::default());
    client.connection.stream_send(0, b"GET", true).unwrap();
    pump(&mut client, &mut server);
    let memory: std::rc::Rc<dyn trilane_semantics::Memory> =
        std::rc::Rc::new(Lent(vec![1; 50_000]));
    let mut body = Payload::from_lease(std::rc::Rc::clone(&memory), 0, 50_000);
    assert_eq!(server.only().write_payload(0, &mut body, true), Ok(false));
    // Ours, what is left, and what the connection has.
    assert_eq!(std::rc::Rc::strong_count(&memory), 3);
    while !body.is_empty() {
        pump(&mut client, &mut server);
        server.only().write_payload(0, &mut body, true).unwrap();
    }
    pump(&mut client, &mut server);
    assert_eq!(client_reads(&mut client, 0), (vec![1; 50_000], true));
    // What was acknowledged is given back.
    assert_eq!(std::rc::Rc::strong_count(&memory), 1);
}

#[test]
fn what_is_not_read_holds_the_client_back() {
    let settings =
        Settings { stream_window: 10_000, stream_window_max: 10_000, ..Settings::default() };
    let (mut client, mut server) = connected(settings);
    let sent = client.connection.stream_send(0, &[7; 20_000], true).unwrap();
    assert_eq!(sent, 10_000);
    pump(&mut client, &mut server);
    assert_eq!(client.connection.stream_capacity(0), Ok(0));
    assert_eq!(read_all(&mut server, 0).0.len(), 10_000);
    pump(&mut client, &mut server);
    assert_eq!(client.connection.stream_capacity(0), Ok(10_000));
}

#[test]
fn streams_are_given_up_by_either_side() {
    let (mut client, mut server) = connected(Settings::default());
    for stream in [0, 4] {
        client.connection.stream_send(stream, b"POST", false).unwrap();
    }
    pump(&mut client, &mut server);
    // RFC 9000 §19.4, §19.5: by the client.
    client.connection.stream_shutdown(0, quiche::Shutdown::Write, 0x10c).unwrap();
    client.connection.stream_shutdown(0, quiche::Shutdown::Read, 0x10d).unwrap();
    pump(&mut client, &mut server);
    assert_eq!(server.only().next_writable(), Some(0));
    assert_eq!(server.only().room(0), Err(Stopped(0x10d)));
    assert_eq!(server.only().write(0, b"x", false), Err(Stopped(0x10d)));
    assert_eq!(server.only().write_payload(0, &mut Payload::from("x"), true), Err(Stopped(0x10d)));
    assert_eq!(server.only().read(0, &mut [0; 9]), Read::Reset(0x10c));
    // It is over now.
    assert_eq!(server.only().room(0), Ok(usize::MAX));
    assert_eq!(server.only().write(0, b"x", false), Ok(1));
    // By us.
    server.only().stop(4, 0x107);
    server.only().reset(4, 0x108);
    pump(&mut client, &mut server);
    assert_eq!(
        client.connection.stream_send(4, b"x", false),
        Err(quiche::Error::StreamStopped(0x107))
    );
    assert_eq!(
        client.connection.stream_recv(4, &mut [0; 9]),
        Err(quiche::Error::StreamReset(0x108))
    );
    // Of streams that there are not, there is nothing.
    assert_eq!(server.only().read(400, &mut [0; 9]), Read::Nothing);
    assert_eq!(server.only().room(400), Ok(0));
}

#[test]
fn the_urgent_goes_first() {
    let (mut client, mut server) = connected(Settings::default());
    for stream in [0, 4, 8] {
        client.connection.stream_send(stream, b"GET", true).unwrap();
    }
    pump(&mut client, &mut server);
    server.only().prioritize(0, Priority { urgency: 7, incremental: false });
    server.only().prioritize(8, Priority { urgency: 0, incremental: false });
    for stream in [0, 4, 8] {
        assert_eq!(server.only().write(stream, &[1; 3_000], true), Ok(3_000));
    }
    let mut order = Vec::new();
    for (datagram, _) in server.flight() {
        client.take(&datagram);
        for stream in client.connection.readable().filter(|stream| [0, 4, 8].contains(stream)) {
            if !order.contains(&stream) {
                order.push(stream);
            }
        }
    }
    assert_eq!(order, [8, 4, 0]);
}

#[test]
fn unreliable_datagrams_have_queues_with_bounds() {
    let (_, mut server) = connected(Settings::default());
    assert_eq!(server.only().send_datagram(b"x"), Err(DatagramError::Unavailable));
    assert_eq!(server.only().datagram_room(), None);
    let mut server = Server::new(Settings { datagrams: Some((2, 2)), ..Settings::default() });
    let mut config = config();
    config.enable_dgram(true, 9, 9);
    let mut client = Client::with(1, &mut config);
    pump(&mut client, &mut server);
    let room = server.only().datagram_room().unwrap();
    assert_eq!(server.only().send_datagram(&vec![0; room + 1]), Err(DatagramError::TooLarge));
    assert_eq!(server.only().send_datagram(b"one"), Ok(()));
    assert_eq!(server.only().send_datagram(b"two"), Ok(()));
    assert_eq!(server.only().send_datagram(b"three"), Err(DatagramError::Full));
    for datagram in [b"1", b"2", b"3"] {
        client.connection.dgram_send(datagram).unwrap();
    }
    pump(&mut client, &mut server);
    assert_eq!(client.connection.dgram_recv_queue_len(), 2);
    // The oldest is dropped.
    let mut buffer = [0; 9];
    assert_eq!(server.only().datagram(&mut buffer), Some(1));
    assert_eq!(buffer[0], b'2');
    assert_eq!(server.only().datagram(&mut buffer), Some(1));
    assert_eq!(server.only().datagram(&mut buffer), None);
}

#[test]
fn an_end_says_whose_it_was() {
    let (mut client, mut server) = connected(Settings::default());
    assert_eq!(server.only().ended(), None);
    server.only().close(0x100);
    pump(&mut client, &mut server);
    assert_eq!(server.only().ended(), Some(Ended::Ours(0x100)));
    assert!(server.only().is_draining() && !server.only().is_closed());
    assert_eq!(
        client.connection.peer_error().map(|error| (error.is_app, error.error_code)),
        Some((true, 0x100))
    );
    let (mut client, mut server) = connected(Settings::default());
    client.connection.close(true, 0x101, b"").unwrap();
    pump(&mut client, &mut server);
    assert_eq!(server.only().ended(), Some(Ended::Peer(0x101)));
    let (mut client, mut server) = connected(Settings::default());
    client.connection.close(false, 0xa, b"").unwrap();
    pump(&mut client, &mut server);
    assert_eq!(server.only().ended(), Some(Ended::PeerTransport(0xa)));
}
