//! Clients that move, those that are silent, and what is written of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::support::*;
use crate::{Path, Route, Settings};

fn pump_from(client: &mut Client, server: &mut Server, port: u16) {
    client.port = port;
    pump(client, server);
}

/// RFC 9000 §9.3: a client whose network gives it another address does not know.
#[test]
fn a_client_with_another_address_is_followed() {
    let (mut client, mut server) = connected(Settings::default());
    assert_eq!(server.only().moved(), None);
    let mut streams = (0..).step_by(4);
    for port in [7, 8] {
        for stream in streams.by_ref().take(3) {
            client.connection.stream_send(stream, b"GET", false).unwrap();
            pump_from(&mut client, &mut server, port);
        }
    }
    let path = |port| Path { local: SERVER, peer: at(port) };
    assert_eq!(server.only().path(), path(8));
    assert_eq!(server.only().moved(), Some((path(1), path(8))));
    assert_eq!(server.only().moved(), None);
    assert_eq!(server.endpoint.stats().moved, 2);
}

/// What was on its way to the old address is sent again to the new one, all of it.
#[test]
fn what_went_to_the_old_address_is_not_lost() {
    let (mut client, mut server) = connected(Settings::default());
    client.connection.stream_send(0, b"GET", false).unwrap();
    pump(&mut client, &mut server);
    let (content, mut came) = (vec![7; 400_000], Vec::new());
    let (mut sent, mut turn, began) = (0, 0, Instant::now());
    while came.len() < content.len() {
        turn += 1;
        // Timers of quiche's have to run out meanwhile; a test that hangs ends.
        assert!(began.elapsed() < Duration::from_secs(20), "{} of 400,000", came.len());
        if let Ok(taken) = server.only().write(0, &content[sent..], false) {
            sent += taken;
        }
        if turn == 4 {
            // A whole window is lost with it.
            assert!(server.flight().len() > 10);
            client.port = 7;
            client.connection.send_ack_eliciting().unwrap();
        }
        pump(&mut client, &mut server);
        let mut buffer = [0; 4_096];
        while let Ok((len, _)) = client.connection.stream_recv(0, &mut buffer) {
            came.extend_from_slice(&buffer[..len]);
        }
        let due = server.only().timeout().is_some_and(|at| at <= Instant::now());
        if due {
            server.only().on_timeout();
        }
    }
    assert_eq!((came == content, server.only().path().peer), (true, at(7)));
}

/// What is late on its way from there does not make a client return.
#[test]
fn who_has_left_returns_by_more_than_one_packet() {
    let (mut client, mut server) = connected(Settings::default());
    for (turn, (port, expected)) in
        [(7, 7), (1, 7), (1, 7), (7, 7), (1, 7), (1, 7), (1, 1), (8, 8)].into_iter().enumerate()
    {
        client.connection.stream_send(4 * turn as u64, b"GET", false).unwrap();
        client.port = port;
        for datagram in client.flight() {
            server.take(&datagram, from(port));
        }
        assert_eq!(server.only().path().peer, at(expected), "turn {turn}");
    }
}

/// RFC 9000 §9.2: on purpose, with another id.
#[test]
fn a_client_that_migrates_is_followed() {
    let (mut client, mut server) = connected(Settings::default());
    // It needs an id of its own for the new path too.
    let id = quiche::ConnectionId::from_ref(&[9; 16]);
    client.connection.new_scid(&id, 9, false).unwrap();
    pump(&mut client, &mut server);
    client.connection.migrate(at(9), SERVER).unwrap();
    client.connection.stream_send(0, b"GET", true).unwrap();
    let mut buffer = [0; 2_000];
    for _ in 0..10 {
        while let Ok((length, info)) = client.connection.send(&mut buffer) {
            server.take(&buffer[..length], Path { local: SERVER, peer: info.from });
        }
        for (datagram, path) in server.flight() {
            let info = quiche::RecvInfo { from: path.local, to: path.peer };
            let _ = client.connection.recv(&mut datagram.clone(), info);
        }
    }
    assert_eq!(server.only().moved(), Some((from(1), from(9))));
    assert_eq!(server.endpoint.stats().moved, 1);
}

#[test]
fn migration_can_be_forbidden() {
    let (client, _server) = connected(Settings { migration: false, ..Settings::default() });
    assert!(client.connection.peer_transport_params().unwrap().disable_active_migration);
    let (client, _server) = connected(Settings::default());
    assert!(!client.connection.peer_transport_params().unwrap().disable_active_migration);
}

/// RFC 9000 §10.1.2.
#[test]
fn a_silent_client_is_asked_for_a_packet() {
    let (mut client, mut server) = connected(Settings::default());
    pump(&mut client, &mut server);
    server.only().on_timeout();
    assert!(server.flight().is_empty());
    let settings = Settings { keep_alive: Some(Duration::ZERO), ..Settings::default() };
    let (mut client, mut server) = connected(settings);
    pump(&mut client, &mut server);
    assert!(server.only().timeout().is_some_and(|at| at <= Instant::now()));
    server.only().on_timeout();
    let asked = server.flight();
    assert_eq!(asked.len(), 1);
    client.take(&asked[0].0);
    assert_eq!(client.flight().len(), 1, "an acknowledgement");
}

#[test]
fn a_connection_can_be_looked_into() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (mut client, mut server) = (Client::new(1), Server::new(Settings::default()));
    let (mut first, log) = (client.flight().remove(0), Log::default());
    let route = server.endpoint.route(Instant::now(), &mut first, from(1));
    let Route::New(mut session) = route else { panic!("{route:?}") };
    session.log_to(Box::new(log.clone()));
    assert_eq!(session.name().len(), 32);
    session.receive(&mut first, from(1)).unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains(session.name()) && text.contains("packet_received"), "{text}");
}
