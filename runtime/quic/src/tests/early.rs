//! Early data: accepted once, by the process that made the ticket.

use trilane_tls::Acceptor;

use super::support::*;
use crate::{EarlyData, Place, Read, Secrets, Settings};

fn settings() -> Settings {
    Settings { early_data: EarlyData::On, ..Settings::default() }
}

/// A session of that server's.
fn session(server: &mut Server) -> Vec<u8> {
    let mut client = Client::new(1);
    pump(&mut client, server);
    server.sessions.clear();
    client.connection.session().unwrap().to_vec()
}

/// The first flight of a client with early data.
fn flight(session: &[u8]) -> (Client, Vec<Vec<u8>>) {
    let mut client = Client::new(1);
    client.connection.set_session(session).unwrap();
    let mut flight = client.flight();
    assert!(client.connection.is_in_early_data());
    client.connection.stream_send(0, b"GET early", true).unwrap();
    flight.extend(client.flight());
    (client, flight)
}

/// What a server reads of it before the handshake is over.
fn reads(server: &mut Server, flight: &[Vec<u8>], port: u16) -> usize {
    let mut key = 0;
    for datagram in flight {
        if let Came::To(other) = server.take(datagram, from(port)) {
            key = other;
        }
    }
    let session = server.sessions.get_mut(&key).unwrap();
    assert!(!session.is_established());
    let length = match session.read(0, &mut [0; 99]) {
        Read::Bytes(length, _) => length,
        _ => 0,
    };
    assert_eq!(session.is_early(), length > 0);
    length
}

/// After the handshake a client repeats what was refused, once it takes it for lost: three later packets are acknowledged.
fn say_again(client: &mut Client, server: &mut Server) {
    for stream in [4, 8, 12, 16] {
        client.connection.stream_send(stream, b"GET", true).unwrap();
        pump(client, server);
    }
}

/// RFC 8446 §8, RFC 9001 §9.2.
#[test]
fn a_flight_that_is_sent_again_is_refused_by_all_shards_from_all_addresses() {
    let acceptor = acceptor();
    let secrets = Secrets::new(&acceptor).unwrap();
    let start = |shard| Server::with(settings(), &acceptor, Place { shard, ..PLACE }, &secrets);
    let (mut ours, mut other) = (start(1), start(2));
    let session = session(&mut ours);
    let (mut client, flight) = flight(&session);
    assert_eq!(reads(&mut ours, &flight, 1), 9);
    pump(&mut client, &mut ours);
    assert!(ours.only().is_established() && !ours.only().is_early());
    assert_eq!(ours.endpoint.stats().early, 1);
    for port in [1, 2] {
        assert_eq!(reads(&mut ours, &flight, port), 0);
        assert_eq!(reads(&mut other, &flight, port), 0);
        for server in [&mut ours, &mut other] {
            for session in std::mem::take(&mut server.sessions).into_values() {
                server.endpoint.unbind(&session);
            }
        }
    }
    assert_eq!(secrets.early_refused(), (4, 0));
    // The same ticket with a new ClientHello is another client, as far as we know.
    assert_eq!(reads(&mut other, &self::flight(&session).1, 3), 9);
}

#[test]
fn a_ticket_of_another_process_resumes_without_early_data() {
    let acceptor = acceptor();
    let start = |acceptor: &Acceptor| {
        let secrets = Secrets::new(acceptor).unwrap();
        (Server::with(settings(), acceptor, PLACE, &secrets), secrets)
    };
    let session = session(&mut start(&acceptor).0);
    let (mut next, secrets) = start(&acceptor);
    let (mut client, flight) = flight(&session);
    assert_eq!(reads(&mut next, &flight, 1), 0);
    pump(&mut client, &mut next);
    assert!(client.connection.is_established() && client.connection.is_resumed());
    assert_eq!(secrets.early_refused(), (0, 1));
    say_again(&mut client, &mut next);
    assert_eq!(next.only().read(0, &mut [0; 99]), Read::Bytes(9, true));
    assert_eq!(next.endpoint.stats().early, 0);
}

#[test]
fn early_data_can_be_off() {
    let acceptor = acceptor();
    let secrets = Secrets::new(&acceptor).unwrap();
    let mut on = Server::with(settings(), &acceptor, PLACE, &secrets);
    let mut off = Server::with(Settings::default(), &acceptor, PLACE, &secrets);
    let session = session(&mut on);
    let (mut client, flight) = flight(&session);
    assert_eq!(reads(&mut off, &flight, 1), 0);
    pump(&mut client, &mut off);
    assert!(client.connection.is_resumed());
    say_again(&mut client, &mut off);
    assert_eq!(off.only().read(0, &mut [0; 99]), Read::Bytes(9, true));
}
