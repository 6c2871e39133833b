//! What is said without a connection, as quiche's client takes it.

use std::time::Instant;

use super::support::*;
use crate::reply::SMALLEST_SHORT;
use crate::{Ended, Settings};

/// RFC 9000 §6.1, §6.3, §17.2.1.
#[test]
fn another_version_is_answered_with_ours_and_one_that_never_is() {
    let mut server = Server::new(Settings::default());
    let mut other = Client::new(1).flight().remove(0);
    for version in [0xff00_001du32, 0x3a6a_9a4a, 0x6b33_43cf] {
        other[1..5].copy_from_slice(&version.to_be_bytes());
        assert_eq!(server.take(&other[..1_199], from(1)), Came::Else("Drop(Small)".into()));
        let Came::Reply(reply) = server.take(&other, from(1)) else { panic!() };
        assert!(reply[0] & 0xc0 == 0xc0 && reply[1..5] == [0; 4] && reply.len() < 100);
        // Its ids the other way round.
        let ids = &other[5..5 + 2 + 32];
        assert_eq!((&reply[5..22], &reply[22..39]), (&ids[17..], &ids[..17]));
        let versions: Vec<_> = reply[39..].chunks(4).collect();
        assert_eq!((versions.len(), versions[0]), (2, &[0, 0, 0, 1][..]));
        let reserved = u32::from_be_bytes(versions[1].try_into().unwrap());
        assert_eq!(reserved & 0x0f0f_0f0f, 0x0a0a_0a0a);
        assert_ne!(reserved, version);
    }
    // A client of another version goes on with ours.
    let mut config = quiche::Config::new(0xbaba_baba).unwrap();
    config.set_application_protos(&[b"h3"]).unwrap();
    config.verify_peer(false);
    let mut client = Client::with(2, &mut config);
    pump(&mut client, &mut server);
    assert!(client.connection.is_established());
    assert!(server.endpoint.stats().versions >= 4);
}

/// RFC 9000 §10.3.
#[test]
fn who_uses_a_connection_that_is_gone_is_told() {
    let acceptor = acceptor();
    let secrets = crate::Secrets::new(&acceptor).unwrap();
    let mut server = Server::with(Settings::default(), &acceptor, PLACE, &secrets);
    let mut client = Client::new(1);
    pump(&mut client, &mut server);
    // The client knows the tokens of the ids that it was offered, not of the first one: it takes one of those.
    client.connection.retire_dcid(0).unwrap();
    pump(&mut client, &mut server);
    // Another shard, and another process with the same keys, know the connection as little.
    let place = crate::Place { generation: 6, shard: 0, ..PLACE };
    let mut next = Server::with(Settings::default(), &acceptor, place, &secrets);
    client.connection.stream_send(0, &[0; 500], true).unwrap();
    let asked = client.flight().remove(0);
    let Came::Reply(reset) = next.take(&asked, from(1)) else { panic!() };
    assert_eq!(next.endpoint.stats().resets, 1);
    let key = server.endpoint.ids.reset_token(asked[1..17].try_into().unwrap());
    assert!(reset.len() < asked.len() && reset.ends_with(&key.unwrap()));
    // Of the first id the token is a transport parameter, and that is the one that quiche's client knows.
    let mut client = Client::new(1);
    pump(&mut client, &mut server);
    client.connection.stream_send(0, &[0; 500], true).unwrap();
    let Came::Reply(reset) = next.take(&client.flight().remove(0), from(1)) else { panic!() };
    assert!(!client.connection.is_closed());
    client.take(&reset);
    assert!(client.connection.is_closed() && client.connection.peer_error().is_none());
    // Small ones, and resets themselves, are not answered for ever.
    let small = |length: usize| [&asked[..17], &vec![0; length - 17]].concat();
    for length in [17, 21, SMALLEST_SHORT - 1] {
        assert_eq!(next.take(&small(length), from(1)), Came::Else("Drop(Unknown)".into()));
    }
    for length in [SMALLEST_SHORT, 60, 1_200] {
        let Came::Reply(reply) = next.take(&small(length), from(1)) else { panic!() };
        assert!(reply.len() < length && reply.len() >= 21);
    }
    // Long headers are not either.
    let long = [&[0xe0, 0, 0, 0, 1, 16][..], &asked[1..17], &[0; 100]].concat();
    assert_eq!(next.take(&long, from(1)), Came::Else("Drop(Unknown)".into()));
}

#[test]
fn replies_have_an_allowance() {
    let acceptor = acceptor();
    let secrets = crate::Secrets::new(&acceptor).unwrap();
    let settings = Settings { replies: 2, ..Settings::default() };
    let mut server = Server::with(settings, &acceptor, PLACE, &secrets);
    let cid = server.endpoint.ids.mint().unwrap();
    let mut stray = [&[0x40][..], &cid, &[0; 40]].concat();
    let now = Instant::now();
    let routes: Vec<_> = (0..4)
        .map(|_| matches!(server.endpoint.route(now, &mut stray, from(1)), crate::Route::Reply(_)))
        .collect();
    assert_eq!(routes, [true, true, false, false]);
    assert_eq!(server.endpoint.stats().dropped, [0, 0, 0, 2, 0]);
}

/// RFC 9000 §5.2.2.
#[test]
fn who_comes_to_a_full_or_draining_shard_is_refused_and_told() {
    let refused = Some((false, 0x02));
    let told = |client: &Client| {
        client.connection.peer_error().map(|error| (error.is_app, error.error_code))
    };
    let settings = Settings { handshakes: 1, busy: 9, ..Settings::default() };
    let mut server = Server::new(settings);
    let (mut first, mut second) = (Client::new(1), Client::new(2));
    assert_eq!(server.take(&first.flight()[0], from(1)), Came::To(1));
    pump(&mut second, &mut server);
    assert_eq!((told(&second), server.sessions.len()), (refused, 1));
    // What was lost of the first comes again in time, or the connection goes.
    let mut session = server.sessions.remove(&1).unwrap();
    server.endpoint.unbind(&session);
    assert_eq!(session.ended(), None);
    session.close(1);
    let mut third = Client::new(3);
    pump(&mut third, &mut server);
    assert!(third.connection.is_established());
    server.endpoint.drain();
    let mut fourth = Client::new(4);
    pump(&mut fourth, &mut server);
    assert_eq!(told(&fourth), refused);
    // Those that there are live on.
    third.connection.stream_send(0, b"GET", true).unwrap();
    pump(&mut third, &mut server);
    assert_eq!(server.only().next_readable(), Some(0));
    assert!(server.endpoint.stats().refused >= 2);
}

/// RFC 9000 §8.1: three times what came, before an address is known.
#[test]
fn an_address_that_is_not_known_is_sent_three_times_what_came() {
    let mut server = Server::new(Settings::default());
    let mut client = Client::new(1);
    let came: usize = client
        .flight()
        .iter()
        .map(|datagram| {
            server.take(datagram, from(1));
            datagram.len()
        })
        .sum();
    let mut sent = 0;
    for _ in 0..20 {
        sent += server.flight().iter().map(|(datagram, _)| datagram.len()).sum::<usize>();
        server.only().on_timeout();
    }
    assert!(sent > 0 && sent <= 3 * came, "{sent} for {came}");
}

#[test]
fn a_handshake_that_is_late_ends_without_a_word() {
    let settings = Settings { handshake_timeout: std::time::Duration::ZERO, ..Settings::default() };
    let mut server = Server::new(settings);
    let mut client = Client::new(1);
    for datagram in client.flight() {
        server.take(&datagram, from(1));
    }
    let session = server.only();
    assert!(!session.is_closed() && session.timeout().is_some_and(|at| at <= Instant::now()));
    session.on_timeout();
    assert!(session.is_closed());
    assert_eq!((session.ended(), session.timeout()), (Some(Ended::HandshakeTimeout), None));
}
