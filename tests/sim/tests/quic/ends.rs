//! How connections end: in silence, in time, on purpose, and after a server that is no more.

use std::time::Duration;

use trilane_quic::Settings;
use trilane_semantics::Limits;

use crate::client::Ask;
use crate::world::{Plan, World};

const LONG: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

/// A world with a client that has had an answer.
fn answered(plan: Plan) -> World {
    let mut world = World::new(plan);
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.finish(LONG);
    world
}

/// What the server has closed the connection with, as far as the client knows.
fn code(world: &World, client: usize) -> Option<(bool, u64)> {
    world.clients[client].quic.peer_error().map(|error| (error.is_app, error.error_code))
}

/// RFC 9000 §10.1: without a word to anybody.
#[test]
fn a_silent_connection_is_forgotten() {
    let settings = Settings { idle_timeout: 30 * SECOND, ..Settings::default() };
    let mut world = answered(Plan { settings, ..Plan::default() });
    world.pass(29 * SECOND);
    assert_eq!(world.open(), 1);
    let received = world.clients[0].received;
    world.pass(3 * SECOND);
    assert_eq!(world.open(), 0);
    assert_eq!(world.clients[0].received, received);
    assert!(world.clients[0].quic.is_timed_out());
    assert_eq!(world.sum(|shard| shard.host.stats().open.get()), 0);
}

/// RFC 9114 §6.2: three streams of the server's are what a client must allow, and what many do allow.
#[test]
fn a_client_need_not_allow_more_than_three_streams() {
    for streams in [3, 4] {
        let mut world = World::new(Plan::default());
        let mut config = crate::client::config();
        config.set_initial_max_streams_uni(streams);
        let client = world.client_with(&mut config);
        for _ in 0..20 {
            world.clients[client].ask(Ask::get("/plaintext"));
            world.pass(5 * SECOND);
        }
        assert!(world.clients[client].is_good(), "{}", world.account());
        assert_eq!(world.clients[client].asks.len(), 20);
    }
}

/// RFC 9114 §5.1: HTTP's idle time is told.
#[test]
fn a_connection_without_requests_is_closed() {
    let settings = Settings { idle_timeout: 600 * SECOND, ..Settings::default() };
    let mut limits = Limits::default();
    limits.idle_timeout = 20 * SECOND;
    let mut world = answered(Plan { settings, limits, ..Plan::default() });
    world.pass(19 * SECOND);
    assert_eq!((world.open(), code(&world, 0)), (1, None));
    world.pass(10 * SECOND);
    assert_eq!(code(&world, 0), Some((true, 0x100)));
    assert_eq!(world.open(), 0);
}

/// RFC 9000 §10.1.2: who is asked for packets is not forgotten while a request is under way.
#[test]
fn a_connection_is_kept_alive() {
    for keep_alive in [Some(10 * SECOND), None] {
        let settings = Settings { idle_timeout: 30 * SECOND, keep_alive, ..Settings::default() };
        let mut limits = Limits::default();
        limits.handler_timeout = LONG;
        let mut world = World::new(Plan { settings, limits, ..Plan::default() });
        let client = world.client();
        world.clients[client].ask(Ask::get("/slow/200000"));
        world.until(LONG, |world| world.clients[client].is_done());
        assert_eq!(world.clients[client].is_good(), keep_alive.is_some());
    }
}

#[test]
fn a_handshake_has_its_time() {
    let settings = Settings { handshake_timeout: 10 * SECOND, ..Settings::default() };
    let mut world = World::new(Plan { settings, ..Plan::default() });
    let client = world.client();
    world.pass(Duration::ZERO);
    world.clients[client].is_mute = true;
    world.pass(9 * SECOND);
    assert_eq!((world.open(), world.shards[0].lane.endpoint().handshakes()), (1, 1));
    world.pass(2 * SECOND);
    assert_eq!((world.open(), world.shards[0].lane.endpoint().handshakes()), (0, 0));
    assert_eq!(world.sum(|shard| shard.host.stats().open.get()), 0);
}

/// RFC 9000 §10.2, RFC 9114 §5.2.
#[test]
fn a_client_that_leaves_is_let_go() {
    let mut world = answered(Plan::default());
    world.clients[0].ask(Ask::get("/slow/10000"));
    world.pass(SECOND);
    world.clients[0].quic.close(true, 0x100, b"").unwrap();
    world.pass(SECOND);
    assert_eq!(world.open(), 0);
    assert_eq!(world.shards[0].under_way(), 0, "its request has ended with it");
}

/// RFC 9114 §5.2: what is under way is finished, and nothing else is begun.
#[test]
fn a_server_that_drains_finishes_what_it_has() {
    // The last word is said once (quiche repeats it to nobody): where it may be lost, nobody can count on it.
    for (loss, at_last) in [(0, 0), (50, 0), (50, 50)] {
        let weather = crate::net::Weather::bad(loss);
        let mut world = World::new(Plan { weather, seed: loss, ..Plan::default() });
        for _ in 0..3 {
            let client = world.client();
            world.clients[client].ask(Ask::get("/plaintext"));
        }
        world.finish(LONG);
        // One is busy, one has a request that is on its way, one is idle.
        world.clients[0].ask(Ask::get("/slow/3000"));
        world.clients[0].ask(Ask::get("/bytes/1000000"));
        world.clients[0].ask(Ask::post("/echo", 300_000));
        world.pass(SECOND / 2);
        world.clients[1].ask(Ask::get("/plaintext"));
        let (now, began) = (world.now, world.now);
        let shard = &mut world.shards[0];
        shard.drain(now, SECOND);
        world.net.weather = crate::net::Weather::bad(at_last);
        world.finish(LONG);
        for client in &world.clients {
            assert!(client.goaway().is_some(), "loss {loss}");
        }
        world.until(LONG, |world| world.open() == 0);
        // The grace, the slowest request, and what it takes to say so.
        assert!(world.now.since(began) < 10 * SECOND, "{:?}", world.now.since(began));
        for client in (0..3).filter(|_| at_last == 0) {
            assert_eq!(code(&world, client), Some((true, 0x100)), "client {client}, loss {loss}");
        }
        let late = world.client();
        world.clients[late].ask(Ask::get("/plaintext"));
        world.until(LONG, |world| world.clients[late].quic.is_closed());
        // CONNECTION_REFUSED (RFC 9000 §20.1).
        assert_eq!((world.open(), code(&world, late)), (0, Some((false, 2))));
    }
}

/// RFC 9000 §10.3: who comes back to a server that was started again is told that it is another one.
#[test]
fn a_server_that_was_started_again_resets_what_it_does_not_know() {
    let mut world = answered(Plan { shards: 2, steered: false, ..Plan::default() });
    world.start();
    world.clients[0].ask(Ask::get("/plaintext"));
    let began = world.now;
    world.until(LONG, |world| world.clients[0].quic.is_closed());
    assert!(world.now.since(began) < SECOND, "{:?}", world.now.since(began));
    assert!(!world.clients[0].quic.is_timed_out());
    let other = world.client();
    world.clients[other].ask(Ask::get("/plaintext"));
    world.until(LONG, |world| world.clients[other].is_done());
    assert!(world.clients[other].is_good());
}
