//! Retry, and its tokens.

use super::support::*;
use crate::registry::First;
use crate::token::{LIFETIME, Tokens, Worth};
use crate::{Identity, Place, Retry, Secrets, Settings};

fn settings(retry: Retry) -> Settings {
    Settings { retry, ..Settings::default() }
}

/// RFC 9000 §8.1.2.
#[test]
fn an_address_is_shown_by_coming_again_with_a_token() {
    let mut server = Server::new(settings(Retry::Always));
    let mut client = Client::new(1);
    let first = client.flight();
    let Came::Reply(retry) = server.take(&first[0], from(1)) else { panic!() };
    assert!(retry.len() < 300 && server.sessions.is_empty());
    client.take(&retry);
    pump(&mut client, &mut server);
    assert!(client.connection.is_established());
    assert_eq!((server.endpoint.stats().retries, server.endpoint.stats().handshakes), (1, 1));
}

#[test]
fn any_holder_of_the_keys_takes_a_token() {
    let acceptor = acceptor();
    let secrets = Secrets::new(&acceptor).unwrap();
    let server = |shard, generation| {
        let place = Place { shard, generation, ..PLACE };
        Server::with(settings(Retry::Always), &acceptor, place, &secrets)
    };
    let (mut ours, mut next) = (server(1, 5), server(2, 6));
    let mut client = Client::new(1);
    let Came::Reply(retry) = ours.take(&client.flight()[0], from(1)) else { panic!() };
    client.take(&retry);
    pump(&mut client, &mut next);
    assert!(client.connection.is_established());
    assert_eq!(next.endpoint.stats().retries, 0);
}

#[test]
fn a_reload_brings_the_keys_of_tokens() {
    let (first, second) = (acceptor(), acceptor());
    let start = |acceptor| {
        let secrets = Secrets::new(acceptor).unwrap();
        Server::with(settings(Retry::Always), acceptor, PLACE, &secrets)
    };
    let (mut ours, mut other) = (start(&first), start(&second));
    let mut client = Client::new(1);
    let Came::Reply(retry) = ours.take(&client.flight()[0], from(1)) else { panic!() };
    client.take(&retry);
    let again = client.flight();
    assert!(matches!(other.take(&again[0], from(1)), Came::Reply(_)));
    assert_eq!(other.endpoint.stats().retries, 1);
    other.endpoint.replace(&Identity::new(&first)).unwrap();
    assert_eq!(other.take(&again[0], from(1)), Came::To(1));
}

#[test]
fn retries_begin_under_load() {
    let mut server = Server::new(Settings { busy: 1, ..settings(Retry::UnderLoad) });
    let (mut first, mut second) = (Client::new(1), Client::new(2));
    let (first, second) = (first.flight(), second.flight());
    assert_eq!(server.take(&first[0], from(1)), Came::To(1));
    assert!(matches!(server.take(&second[0], from(2)), Came::Reply(_)));
    let mut server = Server::new(Settings { busy: 0, ..settings(Retry::Never) });
    assert_eq!(server.take(&first[0], from(1)), Came::To(1));
}

/// RFC 9000 §8.1.2.
#[test]
fn a_token_of_another_address_ends_in_invalid_token() {
    let mut server = Server::new(settings(Retry::Always));
    let mut client = Client::new(1);
    let Came::Reply(retry) = server.take(&client.flight()[0], from(1)) else { panic!() };
    client.take(&retry);
    let again = client.flight();
    let Came::Reply(refusal) = server.take(&again[0], from(2)) else { panic!() };
    assert!(server.sessions.is_empty());
    client.take(&refusal);
    let error = client.connection.peer_error().unwrap();
    assert_eq!((error.is_app, error.error_code), (false, 0x0b));
    assert_eq!(server.endpoint.stats().refused, 1);
}

#[test]
fn a_token_holds_for_one_address_one_id_and_a_while() {
    let roots = [[1; 32], [2; 32]];
    let tokens = |roots: &[[u8; 32]]| Tokens::of(roots.iter()).unwrap();
    let ours = tokens(&roots);
    let (cid, peer, first) = ([7; 16], at(1), First::new(&[5; 8]).unwrap());
    let token = ours.seal_at(1_000, &[5; 8], &cid, peer).unwrap();
    let life = LIFETIME.as_secs();
    for (now, worth) in [
        (1_000, Worth::Valid(first)),
        (1_000 + life, Worth::Valid(first)),
        (1_001 + life, Worth::Invalid),
        (1_000 - life, Worth::Valid(first)),
        (999 - life, Worth::Invalid),
    ] {
        assert_eq!(ours.open_at(now, &token, &cid, peer), worth, "{now}");
    }
    assert_eq!(ours.open_at(1_000, &token, &[8; 16], peer), Worth::Invalid);
    assert_eq!(ours.open_at(1_000, &token, &cid, at(2)), Worth::Invalid);
    let elsewhere = "[::1]:1".parse().unwrap();
    assert_eq!(ours.open_at(1_000, &token, &cid, elsewhere), Worth::Invalid);
    // Keys change: new ones seal, old ones open.
    assert_eq!(tokens(&[[2; 32], [1; 32]]).open_at(1_000, &token, &cid, peer), Worth::Valid(first));
    assert_eq!(tokens(&[[2; 32]]).open_at(1_000, &token, &cid, peer), Worth::Foreign);
    // Whole and cut at every byte, and each bit counts.
    for end in 0..token.len() {
        let worth = ours.open_at(1_000, &token[..end], &cid, peer);
        assert!(!matches!(worth, Worth::Valid(_)), "{end}");
    }
    for bit in 0..8 * token.len() {
        let mut changed = token.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let worth = ours.open_at(1_000, &changed, &cid, peer);
        assert_eq!(worth, if bit < 72 { Worth::Foreign } else { Worth::Invalid }, "bit {bit}");
    }
}

/// RFC 9000 §8.1.3: a token that we know nothing of is none.
#[test]
fn a_token_of_others_is_as_good_as_none() {
    let token = [9; 40];
    let mut with = Client::new(1).flight().remove(0);
    // First byte, version, two ids of 16 bytes; then the token, empty until now, and a length of two bytes.
    let at = 1 + 4 + 2 * 17;
    assert_eq!(with[at], 0);
    with.splice(at..=at, [&[40][..], &token].concat());
    let mut server = Server::new(settings(Retry::Always));
    assert!(matches!(server.take(&with, from(1)), Came::Reply(_)));
    assert_eq!(server.endpoint.stats().retries, 1);
    let mut server = Server::new(settings(Retry::Never));
    assert_eq!(server.take(&with, from(1)), Came::To(1));
}
