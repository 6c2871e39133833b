//! How connections begin: with what is lost, with a proof of the address, and with data in the first flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use trilane_quic::{EarlyData, Retry, Settings};

use crate::client::{Ask, SERVER, at, config};
use crate::net::Datagram;
use crate::world::{Plan, World};

const LONG: Duration = Duration::from_secs(600);
/// There and back.
const ROUND: Duration = Duration::from_millis(10);

/// RFC 9002 §6.2: whichever of the first datagrams is lost, or all of a moment.
#[test]
fn handshakes_survive_losses() {
    for lost in 0u32..64 {
        let mut world = World::new(Plan { seed: lost.into(), ..Plan::default() });
        let (mut there, mut back) = (0, 0);
        world.net.filter = Some(Box::new(move |datagram| {
            let (count, bits) = match datagram.to == SERVER {
                true => (&mut there, lost & 7),
                false => (&mut back, lost >> 3),
            };
            *count += 1;
            *count > 3 || bits & (1 << (*count - 1)) == 0
        }));
        let client = world.client();
        world.clients[client].ask(Ask::get("/plaintext"));
        world.clients[client].ask(Ask::post("/echo", 5_000));
        let time = world.finish(LONG);
        assert!(time < Duration::from_secs(20), "{lost:06b}: {time:?}");
    }
}

/// RFC 9000 §8.1.2.
#[test]
fn a_client_shows_that_it_receives() {
    for (retry, rounds, is_asked) in [(Retry::Never, 2, false), (Retry::Always, 3, true)] {
        let settings = Settings { retry, ..Settings::default() };
        let mut world = World::new(Plan { settings, shards: 2, ..Plan::default() });
        let client = world.client();
        world.clients[client].ask(Ask::get("/plaintext"));
        assert_eq!(world.finish(LONG), rounds * ROUND);
        let retries: u64 =
            world.shards.iter_mut().map(|shard| shard.lane.endpoint().stats().retries).sum();
        assert_eq!(retries > 0, is_asked);
    }
}

/// A world that takes early data, and what a client needs to send some.
fn early(early_data: EarlyData) -> (World, Vec<u8>) {
    let settings = Settings { early_data, ..Settings::default() };
    let mut world = World::new(Plan { settings, shards: 2, steered: false, ..Plan::default() });
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.finish(LONG);
    world.pass(Duration::from_secs(1));
    let ticket = world.clients[client].quic.session().unwrap().to_vec();
    (world, ticket)
}

/// RFC 9001 §4.6, RFC 8470.
#[test]
fn early_requests_are_answered_if_that_may_be_done_twice() {
    for (early_data, rounds, post) in
        [(EarlyData::Idempotent, 1, 425), (EarlyData::On, 1, 425), (EarlyData::Off, 2, 200)]
    {
        let (mut world, ticket) = early(early_data);
        let client = world.client();
        world.clients[client].quic.set_session(&ticket).unwrap();
        world.clients[client].ask(Ask::get("/plaintext"));
        world.clients[client].ask(Ask::post("/echo", 10));
        let began = world.now;
        world
            .until(LONG, |world| world.clients[client].asks.get(&0).is_some_and(|ask| ask.is_over));
        assert_eq!(world.now.since(began), rounds * ROUND, "{early_data:?}");
        world.until(LONG, |world| world.clients[client].is_done());
        assert!(world.clients[client].asks[&0].is_good());
        assert_eq!(world.clients[client].asks[&4].status(), Some(post), "{}", world.account());
        // After the handshake it is a request like any other.
        world.clients[client].ask(Ask::post("/echo", 10));
        world.until(LONG, |world| world.clients[client].is_done());
        assert!(world.clients[client].asks[&8].is_good());
    }
}

/// RFC 8446 §8: the same flight again, to the same shard or another one, from anywhere.
#[test]
fn early_requests_are_answered_once() {
    let (mut world, ticket) = early(EarlyData::On);
    let flight: Rc<RefCell<Vec<Datagram>>> = Rc::default();
    let (copy, is_first) = (Rc::clone(&flight), Cell::new(true));
    world.net.filter = Some(Box::new(move |datagram| {
        if is_first.get() && datagram.to == SERVER {
            copy.borrow_mut().push(datagram.clone());
        } else {
            is_first.set(false);
        }
        true
    }));
    let client = world.client();
    world.clients[client].quic.set_session(&ticket).unwrap();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.until(LONG, |world| world.clients[client].is_done());
    assert!(world.clients[client].is_good());
    world.pass(Duration::from_secs(1));
    let requests = |world: &World| world.sum(|shard| shard.host.stats().requests.get());
    let before = requests(&world);
    assert_eq!(before, 2);
    assert!(!flight.borrow().is_empty());
    for port in 1..=4 {
        for datagram in flight.borrow().iter() {
            let again = Datagram { from: at([10, 1, 0, 9], port), ..datagram.clone() };
            world.net.send(world.now, again);
        }
        world.pass(Duration::from_secs(1));
    }
    assert!(world.open() > 2, "they were taken for somebody");
    assert_eq!(requests(&world), before);
    // Not even a ticket's own connection is hurt.
    world.clients[client].ask(Ask::get("/plaintext"));
    world.until(LONG, |world| world.clients[client].is_done());
    assert!(world.clients[client].is_good());
}

/// A client without ids of its own, as browsers have it (RFC 9000 §5.1).
#[test]
fn a_client_may_have_no_id() {
    let mut world = World::new(Plan { shards: 2, steered: false, ..Plan::default() });
    let client = world.nameless(&mut config());
    world.clients[client].ask(Ask::get("/bytes/100000"));
    world.finish(LONG);
    world.net.rebind(crate::world::home(0, 0), at([10, 2, 0, 0], 50_001), false);
    world.clients[client].ask(Ask::post("/echo", 100_000));
    world.finish(LONG);
}
