//! The bounds of the store, what is thrown out, and who may put something in.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use trilane_semantics::{ResponseHead, StatusCode};

use super::*;
use crate::cache::control::Allows;
use crate::cache::flight::Outcome;
use crate::cache::stored::Times;
use crate::cache::vary::Selection;

const BOUNDS: Bounds =
    Bounds { bytes: 10_000, largest: 5_000, entries: 100, variants: 3, flights: 2, followers: 2 };

fn response(size: usize, vary: &str, value: &str) -> Arc<Stored> {
    let (mut fields, mut request) = (Fields::new(), Fields::new());
    fields.append("vary", vary).unwrap();
    request.append("x", value).unwrap();
    let selection = Selection::of(&fields, &request).unwrap();
    let head = ResponseHead::new(StatusCode::OK);
    let times = Times { asked: UNIX_EPOCH, now: UNIX_EPOCH };
    let body = Bytes::from(vec![0; size]);
    Arc::new(Stored::new(head, body, selection, Allows::default(), times, None))
}

fn put(store: &Store, key: &str, stored: &Arc<Stored>) -> bool {
    let (_, ticket) = store.look(store.hash(key), key);
    store.keep(key, ticket, stored)
}

fn has(store: &Store, key: &str) -> bool {
    store.look(store.hash(key), key).0.is_some()
}

/// As if it were asked for.
fn ask(store: &Store, key: &str) {
    store.look(store.hash(key), key).0.unwrap().choose(&Fields::new());
}

#[test]
fn the_bound_in_bytes_holds_at_its_edges() {
    let one = response(100, "", "");
    let two = 2 * (one.weight() + 1);
    for (bytes, left) in [(two - 1, 1), (two, 2), (two + 1, 2)] {
        let store = Store::new(Bounds { bytes, ..BOUNDS });
        assert!(put(&store, "a", &one) && put(&store, "b", &one));
        assert_eq!((store.size().1, has(&store, "b")), (left, true), "{bytes}");
        // In its own place it takes no more.
        assert!(put(&store, "b", &one) && store.size().1 == left);
    }
    for (largest, fits) in [(one.weight() - 1, false), (one.weight(), true)] {
        let store = Store::new(Bounds { largest, ..BOUNDS });
        assert_eq!(put(&store, "a", &one), fits);
    }
    for entries in [1, 2] {
        let store = Store::new(Bounds { entries, ..BOUNDS });
        assert!(["a", "b", "c"].iter().all(|key| put(&store, key, &one)));
        assert_eq!((store.size().1, has(&store, "c")), (entries, true));
    }
}

#[test]
fn who_was_asked_for_stays() {
    let store = Store::new(Bounds { entries: 3, ..BOUNDS });
    let one = response(1, "", "");
    assert!(["a", "b", "c"].iter().all(|key| put(&store, key, &one)));
    ask(&store, "a");
    put(&store, "d", &one);
    assert!(has(&store, "a") && !has(&store, "b") && has(&store, "c") && has(&store, "d"));
    // All were asked for: somebody has to go all the same.
    ["a", "c", "d"].iter().for_each(|key| ask(&store, key));
    put(&store, "e", &one);
    assert_eq!((store.size().1, has(&store, "e")), (3, true));
    for key in ["a", "c", "d", "e"] {
        store.forget(key);
    }
    assert_eq!(store.size(), (0, 0));
}

#[test]
fn variants_have_a_bound_and_the_newest_is_first() {
    let store = Store::new(BOUNDS);
    for value in ["1", "2", "3", "2", "4"] {
        put(&store, "a", &response(1, "x", value));
    }
    let (resource, _) = store.look(store.hash("a"), "a");
    let resource = resource.unwrap();
    let has = |value| {
        let mut request = Fields::new();
        request.append("x", value).unwrap();
        resource.choose(&request).is_some()
    };
    assert_eq!(["1", "2", "3", "4"].map(has), [false, true, true, true]);
    // Of different names the newest response's comes first.
    put(&store, "a", &response(9, "", ""));
    let (newest, _) = store.look(store.hash("a"), "a");
    assert_eq!(newest.unwrap().choose(&Fields::new()).unwrap().body.len(), 9);
    assert!(!resource.is("a"), "it was replaced");
}

#[test]
fn what_was_fetched_before_a_change_is_not_stored() {
    let store = Store::new(BOUNDS);
    let one = response(1, "", "");
    let (_, early) = store.look(store.hash("a"), "a");
    store.forget("a");
    assert!(!store.keep("a", early, &one) && !has(&store, "a"));
    let (_, late) = store.look(store.hash("a"), "a");
    assert!(store.keep("a", late, &one));
    // A resource that another shard has found is known to be gone.
    let (resource, _) = store.look(store.hash("a"), "a");
    store.forget("a");
    assert!(!resource.unwrap().is("a"));
}

#[test]
fn flights_have_bounds_too() {
    let store = Arc::new(Store::new(BOUNDS));
    let board = |key: &str| {
        let (_, ticket) = store.look(store.hash(key), key);
        store.board(key.into(), ticket)
    };
    let Boarding::Lead(first) = board("a") else { panic!("nobody leads") };
    let followers = [board("a"), board("a")];
    assert!(followers.iter().all(|it| matches!(it, Boarding::Follow(_))));
    assert!(matches!(board("a"), Boarding::Alone), "too many wait");
    let Boarding::Lead(second) = board("b") else { panic!("nobody leads") };
    assert!(matches!(board("c"), Boarding::Alone), "too many fly");
    drop(second);
    let Boarding::Lead(third) = board("c") else { panic!("nobody leads") };
    first.land(Outcome::Failed);
    assert!(matches!(board("a"), Boarding::Lead(_)));
    // Who comes after a change does not join who began before it.
    store.forget("c");
    let Boarding::Lead(fourth) = board("c") else { panic!("nobody leads") };
    drop(third);
    assert!(matches!(board("c"), Boarding::Follow(_)), "the flight of another was ended");
    drop(fourth);
    let long = "k".repeat(LONGEST_NAME + 1);
    assert!(matches!(board(&long), Boarding::Alone));
}

#[test]
fn nobody_waits_again_for_what_is_not_for_all() {
    let store = Arc::new(Store::new(BOUNDS));
    let board = || {
        let (_, ticket) = store.look(store.hash("a"), "a");
        store.board("a".into(), ticket)
    };
    let alone = || {
        let Boarding::Lead(leader) = board() else { panic!("nobody leads") };
        leader.land(Outcome::Alone);
    };
    // Nobody has waited in vain.
    alone();
    let Boarding::Lead(leader) = board() else { panic!("nobody leads") };
    let Boarding::Follow(_) = board() else { panic!("nobody follows") };
    leader.land(Outcome::Alone);
    assert!((0..LONELY).all(|_| matches!(board(), Boarding::Alone)));
    alone();
}

#[test]
fn what_goes_by_has_a_bound() {
    let store = Store::new(Bounds { bytes: 10, ..BOUNDS });
    assert!(store.reserve(6) && store.reserve(4) && !store.reserve(1));
    store.release(1);
    assert!(store.reserve(1) && !store.reserve(usize::MAX));
    store.release(10);
    assert!(store.reserve(10));
}
