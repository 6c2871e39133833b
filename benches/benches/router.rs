//! A router with 300 routes: from a request to the answer of its handler, with matchit alone as the floor.

use std::hint::black_box;
use std::rc::Rc;
use std::task::{Context, Waker};

use criterion::{BatchSize, Criterion};
use trilane_exchange::{
    Address, ConnectionInfo, Exchange, Incoming, Reply, Request, Service, Shard, WakeQueue,
};
use trilane_semantics::{Instant, Method, RequestHead, StatusCode};
use trilane_service::{App, Router, default_layers, get};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::rng::Rng;

/// What is asked for: a path of each kind, not the first of it.
const ASKED: [(&str, &str); 3] = [
    ("static", "/api/v1/things57/recent"),
    ("parameter", "/api/v1/things57/items/1234567"),
    ("not found", "/api/v1/things57/nothing"),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    routes(&mut criterion);
    criterion.final_summary();
}

/// 100 collections with three paths each.
fn paths() -> impl Iterator<Item = String> {
    (0..100).flat_map(|n| {
        let path = move |rest| format!("/api/v1/things{n}{rest}");
        [path(""), path("/recent"), path("/items/{id}")]
    })
}

fn app(layers: bool) -> App {
    let mut router = Router::new();
    for path in paths() {
        router = router.route(&path, get(|| async { "here" }));
    }
    let router = if layers { router.layer(default_layers(None)) } else { router };
    match router.build() {
        Ok(app) => app,
        Err(error) => panic!("{error}"),
    }
}

fn routes(criterion: &mut Criterion) {
    let mut tree = matchit::Router::new();
    assert!(paths().zip(0..).all(|(path, n)| tree.insert(path, n).is_ok()));
    let capabilities = SimShard::new(Rc::new(Clock::default()), Rng::new(1), WakeQueue::new(|| ()));
    let shard = Shard::new(Rc::new(capabilities));
    let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
    let request = |path: &str| {
        let Some(head) = RequestHead::new(Method::GET, path) else { panic!("{path}") };
        let exchange = Exchange::new(head, Rc::clone(&info), shard.clone(), Instant::default());
        Request::new(Rc::new(exchange), Incoming::empty())
    };
    let mut group = criterion.benchmark_group("router, 300 routes");
    for (name, path) in ASKED {
        let is_there = name != "not found";
        group.bench_function(format!("{name}, matchit alone"), |bencher| {
            bencher.iter(|| assert_eq!(tree.at(black_box(path)).is_ok(), is_there));
        });
        for (kind, app) in [("bare", app(false)), ("default layers", app(true))] {
            let expected = if is_there { StatusCode::OK } else { StatusCode::NOT_FOUND };
            group.bench_function(format!("{name}, {kind}"), |bencher| {
                bencher.iter_batched(
                    || request(path),
                    |request| {
                        let reply = app.call(request, &mut Context::from_waker(Waker::noop()));
                        let Reply::Ready(response) = reply else { panic!("not ready") };
                        assert_eq!(response.head.status, expected);
                        response
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}
