//! The whole demo in the simulator: its router, the default layers and the access log, under a virtual clock,
//! with every kind of client. Nothing here touches a socket.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use trilane::{
    AccessLog, App, Known, Outgoing, Request, Response, Router, Shard, StatusCode, Summary,
    default_layers, get,
};
use trilane_exchange::{Exchange, Refusal, Reply, Service};
use trilane_sim::plan::Kind;
use trilane_sim::{Report, World};

const CLIENTS: usize = 60;

/// The demo, made when the first request brings the shard that it is made on.
struct Demo {
    app: OnceCell<App>,
    log: Rc<RefCell<Vec<String>>>,
}

impl Demo {
    fn app(&self, shard: &Shard) -> &App {
        self.app.get_or_init(|| {
            let lines = Rc::clone(&self.log);
            let log = AccessLog::new(move |line: &str| lines.borrow_mut().push(line.to_owned()));
            let demo = trilane_cli::demo::router(shard, None).merge(more());
            demo.layer(default_layers(Some(log))).build().unwrap()
        })
    }
}

impl Service for Demo {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        let shard = request.shard().clone();
        self.app(&shard).call(request, cx)
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Response {
        self.app(refusal.shard).refuse(refusal)
    }

    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        self.app(exchange.shard()).finished(exchange, summary);
    }
}

/// What the simulator's clients ask for and the demo has not: a tunnel, and a panic after the head.
fn more() -> Router {
    Router::new().route("/tunnel", get(tunnel)).route("/panic/late", get(late_panic))
}

async fn tunnel(request: Request) -> Response {
    Response::new(StatusCode::SWITCHING_PROTOCOLS)
        .field(Known::Connection, "upgrade")
        .field(Known::Upgrade, "sim")
        .body(Outgoing::frames(request.body))
}

async fn late_panic() -> Response {
    Response::new(StatusCode::OK).body(Outgoing::write(|writer| async move {
        writer.send("so far").await;
        panic!("on purpose")
    }))
}

/// What became of a world, and its access log.
fn run(seed: u64, drains: bool) -> (Report, Vec<String>) {
    crate::parity::quietly();
    let log = Rc::default();
    let app = Demo { app: OnceCell::new(), log: Rc::clone(&log) };
    let mut world = World::new(seed, Rc::new(app)).clients(CLIENTS, 10);
    if drains {
        let (at, grace) = (Duration::from_millis(1500), Duration::from_secs(1));
        world = world.draining(at, grace, Duration::from_secs(10));
    }
    let report = world.run();
    (report, log.take())
}

#[test]
fn every_client_gets_right_answers_from_the_demo() {
    for seed in [11, 12] {
        let (report, log) = run(seed, false);
        assert!(report.failures.is_empty(), "seed {seed}:\n{}", report.failures.join("\n"));
        assert!(report.connections >= CLIENTS as u64 && report.requests >= 500, "{report:?}");
        for kind in Kind::ALL {
            assert!(report.tally.contains_key(&format!("client {kind:?}")), "no {kind:?}");
        }
        // One line a request (FEATURES W7), whatever became of it, and one a head that could not be read.
        let (mut requests, mut refused) = (0, 0);
        for line in &log {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["request_id"].is_string() && line["outcome"].is_string(), "{line}");
            if line["method"].is_string() {
                requests += 1;
            } else {
                refused += 1;
                assert!(line["status"].as_u64().unwrap() >= 400, "{line}");
            }
        }
        assert_eq!(requests, report.requests);
        assert!(refused > 0, "no head was refused");
    }
}

#[test]
fn a_drain_of_the_demo_fails_nobody() {
    let (report, _) = run(13, true);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

#[test]
fn a_seed_of_the_demo_repeats_to_the_byte() {
    let first = run(14, false);
    assert_eq!(first, run(14, false));
    assert_ne!(first.0.trace, run(15, false).0.trace);
}
