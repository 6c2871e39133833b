//! Ids of ours, and whose each datagram is.

use std::collections::HashSet;
use std::time::Instant;

use super::support::*;
use crate::cid::{Ids, LAYOUT, LENGTH, Owner};
use crate::header::{Header, Long};
use crate::{Place, Route, Secrets, Settings, Why};

fn ids(place: Place, secrets: &Secrets) -> Ids {
    Ids::new(place, secrets).unwrap()
}

#[test]
fn an_id_names_its_shard_and_nobody_else_can_make_one() {
    let secrets = Secrets::new(&acceptor()).unwrap();
    let ours = ids(PLACE, &secrets);
    let other = ids(Place { shard: 3, ..PLACE }, &secrets);
    let later = ids(Place { generation: 6, ..PLACE }, &secrets);
    let fewer = ids(Place { shards: 2, ..PLACE }, &secrets);
    let stranger = ids(PLACE, &Secrets::new(&acceptor()).unwrap());
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let cid = other.mint().unwrap();
        assert!(seen.insert(cid));
        assert_eq!(ours.owner(&cid), Some(Owner::Shard(3)));
        assert_eq!(other.owner(&cid), Some(Owner::Ours));
        assert_eq!(later.owner(&cid), Some(Owner::Gone));
        assert_eq!(fewer.owner(&cid), Some(Owner::Gone));
        assert_eq!(stranger.owner(&cid), None);
        // What the kernel's program reads.
        assert_eq!(cid[LAYOUT.shard] ^ cid[LAYOUT.mask], 3);
        assert_eq!(cid[LAYOUT.kind], LAYOUT.version | 5);
    }
    // Each bit counts.
    let cid = ours.mint().unwrap();
    for bit in 0..8 * LENGTH {
        let mut changed = cid;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(ours.owner(&changed), None, "bit {bit}");
    }
    // All shards have the same reset tokens, and each id another one.
    assert_eq!(ours.reset_token(&cid).unwrap(), other.reset_token(&cid).unwrap());
    assert_ne!(ours.reset_token(&cid).unwrap(), ours.reset_token(&other.mint().unwrap()).unwrap());
    assert_ne!(ours.reset_token(&cid).unwrap(), stranger.reset_token(&cid).unwrap());
}

#[test]
fn a_process_that_takes_over_resets_what_the_one_before_leaves() {
    let secrets = Secrets::new(&acceptor()).unwrap();
    let bytes = secrets.to_bytes();
    let (old, next) = (ids(PLACE, &secrets), Secrets::inherited(&bytes).unwrap());
    let next = ids(Place { generation: PLACE.generation + 1, ..PLACE }, &next);
    let cid = old.mint().unwrap();
    assert_eq!(next.owner(&cid), Some(Owner::Gone));
    assert_eq!(next.reset_token(&cid).unwrap(), old.reset_token(&cid).unwrap());
    for cut in 0..bytes.len() {
        assert!(Secrets::inherited(&bytes[..cut]).is_err(), "{cut}");
    }
    assert!(Secrets::inherited(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn places_that_cannot_be_are_refused() {
    let secrets = Secrets::new(&acceptor()).unwrap();
    for place in [Place { shard: 4, ..PLACE }, Place { generation: 64, ..PLACE }] {
        assert!(Ids::new(place, &secrets).is_err());
    }
}

/// RFC 8999 §5.
#[test]
fn headers_are_read_whole_and_cut_at_every_byte() {
    let long = [0xc3, 0, 0, 0, 1, 3, 1, 2, 3, 2, 8, 9, 0x40, 2, 7, 7, 5];
    let expected = Long {
        version: 1,
        first: 0xc3,
        dcid: &[1, 2, 3],
        scid: &[8, 9],
        rest: &[0x40, 2, 7, 7, 5],
    };
    assert_eq!(Header::read(&long), Some(Header::Long(expected)));
    assert_eq!(expected.token(), Some(&[7, 7][..]));
    for end in 0..12 {
        assert_eq!(Header::read(&long[..end]), None, "{end}");
    }
    for end in 12..16 {
        let Some(Header::Long(header)) = Header::read(&long[..end]) else { panic!("{end}") };
        assert_eq!(header.token(), None, "{end}");
    }
    let mut short = [7; 30];
    short[0] = 0x40;
    assert_eq!(Header::read(&short), Some(Header::Short(&[7; 16])));
    for end in 0..17 {
        assert_eq!(Header::read(&short[..end]), None, "{end}");
    }
    // The bit that is always set, but what other versions mean by it is theirs (RFC 9000 §17.2, §17.3.1).
    short[0] = 0;
    assert_eq!(Header::read(&short), None);
    let mut bare = long;
    bare[0] = 0x83;
    assert_eq!(Header::read(&bare), None);
    bare[4] = 2;
    assert!(Header::read(&bare).is_some());
}

#[test]
fn a_client_gets_all_the_ids_it_may_have_and_more_as_it_retires_some() {
    let (mut client, mut server) = connected(Settings::default());
    assert_eq!(client.connection.available_dcids(), 7);
    assert_eq!(server.only().issued.len(), 8);
    for cid in server.only().issued.clone() {
        let mut datagram = [&[0x40][..], &cid, &[0; 30]].concat();
        assert!(matches!(
            server.endpoint.route(Instant::now(), &mut datagram, from(1)),
            Route::Known(1)
        ));
    }
    let before = server.only().issued.clone();
    client.connection.retire_dcid(1).unwrap();
    pump(&mut client, &mut server);
    assert_eq!(client.connection.available_dcids(), 7);
    let gone: Vec<_> =
        before.iter().filter(|cid| !server.only().issued.contains(cid)).copied().collect();
    assert_eq!((gone.len(), server.only().issued.len()), (1, 8));
    let mut datagram = [&[0x40][..], &gone[0], &[0; 30]].concat();
    assert!(matches!(
        server.endpoint.route(Instant::now(), &mut datagram, from(1)),
        Route::Reply(_)
    ));
    // At its end all are forgotten.
    let session = server.sessions.remove(&1).unwrap();
    server.endpoint.unbind(&session);
    for cid in &session.issued {
        let mut datagram = [&[0x40][..], cid, &[0; 30]].concat();
        assert!(matches!(
            server.endpoint.route(Instant::now(), &mut datagram, from(1)),
            Route::Reply(_)
        ));
    }
    assert_eq!(format!("{:?}", server.endpoint).matches("{}").count(), 2, "{:?}", server.endpoint);
}

#[test]
fn a_handshake_in_several_datagrams_is_one_connection_from_any_address() {
    let (mut client, mut server) = (Client::new(1), Server::new(Settings::default()));
    let flight = client.flight();
    assert!(flight.len() > 1, "a ClientHello with X25519MLKEM768 takes two datagrams");
    for (number, datagram) in flight.iter().enumerate() {
        assert_eq!(server.take(datagram, from(1 + number as u16)), Came::To(1));
    }
    assert_eq!(server.endpoint.handshakes(), 1);
    pump(&mut client, &mut server);
    assert!(server.only().is_established());
    assert_eq!((server.endpoint.handshakes(), server.endpoint.stats().handshakes), (0, 1));
    // The id that the client made up is forgotten with the handshake; a copy begins a connection that leads nowhere.
    assert_eq!(server.take(&flight[0], from(9)), Came::To(2));
    let session = server.sessions.remove(&2).unwrap();
    server.endpoint.unbind(&session);
    assert_eq!((server.endpoint.handshakes(), server.endpoint.stats().failed), (0, 1));
}

#[test]
fn what_is_for_another_shard_is_forwarded_and_first_packets_never() {
    let acceptor = acceptor();
    let secrets = Secrets::new(&acceptor).unwrap();
    let place = |shard| Place { shard, ..PLACE };
    let mut ours = Server::with(Settings::default(), &acceptor, place(1), &secrets);
    let mut other = Server::with(Settings::default(), &acceptor, place(2), &secrets);
    let mut client = Client::new(1);
    for datagram in client.flight() {
        assert_eq!(other.take(&datagram, from(1)), Came::To(1));
    }
    for (datagram, _) in other.flight() {
        client.take(&datagram);
    }
    // Long headers to an id of its, then short ones.
    let handshake = client.flight();
    assert!(!handshake.is_empty());
    for datagram in &handshake {
        assert_eq!(ours.take(datagram, from(1)), Came::Else("Forward(2)".into()));
        other.take(datagram, from(1));
    }
    pump(&mut client, &mut other);
    client.connection.stream_send(0, b"GET", true).unwrap();
    for datagram in client.flight() {
        assert_eq!(ours.take(&datagram, from(1)), Came::Else("Forward(2)".into()));
    }
    assert_eq!(ours.endpoint.stats().forwarded, handshake.len() as u64 + 1);
    // An id of another endpoint's, of which we know nothing.
    assert_eq!(ours.take(&[0x41; 99], from(1)), Came::Else("Drop(Unknown)".into()));
}

#[test]
fn first_packets_to_an_id_of_ours_are_of_a_connection_that_is_over() {
    let mut server = Server::new(Settings::default());
    let mut initial = Client::new(1).flight().remove(0);
    let cid = server.endpoint.ids.mint().unwrap();
    initial[6..22].copy_from_slice(&cid);
    assert_eq!(server.take(&initial, from(1)), Came::Else("Drop(Unknown)".into()));
    initial[6] ^= 0x80;
    assert_eq!(server.take(&initial, from(1)), Came::To(1));
}

/// RFC 9000 §14.1, §7.2, §17.2.
#[test]
fn what_begins_no_connection_is_dropped() {
    let mut server = Server::new(Settings::default());
    let initial = Client::new(1).flight().remove(0);
    assert_eq!(initial.len(), 1_200);
    let mut came = |datagram: &[u8]| server.take(datagram, from(1));
    let dropped = |why: Why| Came::Else(format!("Drop({why:?})"));
    assert_eq!(came(&initial[..1_199]), dropped(Why::Small));
    assert_eq!(came(&[]), dropped(Why::Malformed));
    assert_eq!(came(&initial[..6]), dropped(Why::Malformed));
    let header = |first: u8, dcid: usize, scid: usize| {
        let mut datagram = vec![first, 0, 0, 0, 1, dcid as u8];
        datagram.extend(vec![1; dcid]);
        datagram.push(scid as u8);
        datagram.extend(vec![2; scid]);
        datagram.resize(1_200, 0);
        datagram
    };
    // Ids too short, or too long.
    assert_eq!(came(&header(0xc0, 7, 8)), dropped(Why::Malformed));
    assert_eq!(came(&header(0xc0, 21, 8)), dropped(Why::Malformed));
    assert_eq!(came(&header(0xc0, 8, 21)), dropped(Why::Malformed));
    // 0-RTT, Handshake and Retry packets begin nothing.
    for first in [0xd0, 0xe0, 0xf0] {
        assert_eq!(came(&header(first, 8, 8)), dropped(Why::Unknown));
    }
    // Version negotiation is for clients.
    let mut negotiation = header(0xc0, 8, 8);
    negotiation[4] = 0;
    assert_eq!(came(&negotiation), dropped(Why::Malformed));
    assert_eq!(server.endpoint.stats().dropped, [6, 1, 3, 0, 0]);
    assert_eq!(server.endpoint.handshakes(), 0);
}
