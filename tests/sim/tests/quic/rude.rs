//! Clients that give up, send what nobody reads, take nothing, or make no sense.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use quiche::Shutdown;
use trilane_exchange::{Pool, Reply, Request, Response, Service};
use trilane_quic::Settings;
use trilane_semantics::Limits;

use crate::client::{Ask, config};
use crate::world::{Plan, World};

const LONG: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);
/// RFC 9114 §8.1.
const H3_REQUEST_CANCELLED: u64 = 0x10c;

type Handler = std::pin::Pin<Box<dyn Future<Output = Response>>>;

/// Reads nothing, and never answers.
#[derive(Default)]
struct Deaf {
    pool: Rc<Pool<Handler>>,
}

impl Service for Deaf {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        let handler: Handler = Box::pin(async move {
            let _request = request;
            std::future::pending().await
        });
        self.pool.run(handler, cx)
    }
}

/// How much a client can send to handlers that read nothing, on a hundred streams, each within the stream's window.
fn flooded(limits: Limits) -> u64 {
    let mut world = World::new(Plan { limits, app: Rc::new(Deaf::default()), ..Plan::default() });
    let client = world.client();
    for _ in 0..100 {
        world.clients[client].ask(Ask::post("/", 250_000));
    }
    world.pass(10 * SECOND);
    assert!(world.shards[0].under_way() > 0);
    world.clients[client].sent.1
}

/// `Limits::connection_window` is for all exchanges of a connection, and what they do not take stays in QUIC.
#[test]
fn what_no_handler_reads_is_not_read() {
    let limits = Limits::default();
    let (quic, ours) = (Settings::default().connection_window_max, limits.connection_window);
    let sent = flooded(limits);
    let most = (quic + ours as u64) * 5 / 4;
    assert!(sent < most, "{sent} of {most}");
}

/// `Limits::receive_budget` is for all connections.
#[test]
fn a_full_shard_leaves_content_to_quic() {
    let mut limits = Limits::default();
    limits.receive_budget = 64 << 10;
    let sent = flooded(limits);
    let most = (Settings::default().connection_window_max + (256 << 10)) * 11 / 10;
    assert!(sent < most, "{sent} of {most}");
}

/// RFC 9114 §4.1.1: also where nothing more is read.
#[test]
fn a_request_that_is_given_up_ends_though_nobody_reads_it() {
    let mut world = World::new(Plan { app: Rc::new(Deaf::default()), ..Plan::default() });
    let client = world.client();
    world.clients[client].ask(Ask::post("/", 4 << 20));
    world.pass(SECOND);
    assert_eq!(world.shards[0].under_way(), 1);
    let quic = &mut world.clients[client].quic;
    quic.stream_shutdown(0, Shutdown::Write, H3_REQUEST_CANCELLED).unwrap();
    world.pass(SECOND);
    assert_eq!(world.shards[0].under_way(), 0);
}

/// RFC 9297 §2.1: H3_DATAGRAM_ERROR, and at once.
#[test]
fn a_datagram_without_a_number_ends_the_connection() {
    let settings = Settings { datagrams: Some((10, 10)), ..Settings::default() };
    let mut world = World::new(Plan { settings, ..Plan::default() });
    let mut config = config();
    config.enable_dgram(true, 10, 10);
    let client = world.client_with(&mut config);
    world.clients[client].ask(Ask::get("/plaintext"));
    world.finish(LONG);
    world.pass(SECOND);
    world.clients[client].quic.dgram_send(&[0x40]).unwrap();
    world.pass(SECOND / 10);
    let error = world.clients[client].quic.peer_error();
    assert_eq!(error.map(|error| (error.is_app, error.error_code)), Some((true, 0x33)));
}

/// Who finds no place leaves nothing behind.
#[test]
fn a_full_lane_logs_nobody() {
    let mut world = World::new(Plan::default());
    let logs: Rc<Cell<u32>> = Rc::default();
    let count = Rc::clone(&logs);
    world.shards[0].lane = world.lane(1).logging(move |_| {
        count.set(count.get() + 1);
        None
    });
    for _ in 0..3 {
        let client = world.client();
        world.clients[client].ask(Ask::get("/plaintext"));
        world.pass(SECOND);
    }
    assert!(world.clients[0].is_good());
    assert_eq!((world.open(), logs.get()), (1, 1));
}
