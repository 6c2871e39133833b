//! FEATURES R5: 100 requests at a time for what is not stored, over two shards, are one call and 100 equal answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use trilane::{Cache, CacheConfig, Path, Request, Response, Router, StatusCode, get};

use super::super::parity::{Ability, Ask, House, LANES, eventually};

const MANY: usize = 100;

/// What the handler and the test tell each other.
#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    /// Handlers go on.
    is_open: AtomicBool,
    /// The next so many calls fail.
    fails: AtomicUsize,
}

fn house(shared: &Arc<Shared>) -> House {
    // A busy machine may need longer to bring a hundred together than a request usually waits.
    let config = CacheConfig::new().patience(Duration::from_secs(60));
    let (shared, cache) = (Arc::clone(shared), Cache::new(config));
    House::serving(move |_| {
        let shared = Arc::clone(&shared);
        let handler = move |Path(_): Path<String>, request: Request| {
            let shared = Arc::clone(&shared);
            async move {
                let count = shared.calls.fetch_add(1, SeqCst) + 1;
                while !shared.is_open.load(SeqCst) {
                    request.shard().sleep(Duration::from_millis(1)).await;
                }
                let fail = |left: usize| left.checked_sub(1);
                if shared.fails.fetch_update(SeqCst, SeqCst, fail).is_ok() {
                    return Response::new(StatusCode::BAD_GATEWAY);
                }
                let response = Response::new(StatusCode::OK).field("cache-control", "max-age=99");
                response.body(format!("call {count}"))
            }
        };
        Router::new().route("/{lane}", get(handler)).layer(cache.clone())
    })
}

#[test]
fn a_hundred_misses_are_one_call() {
    let shared = Arc::<Shared>::default();
    let house = house(&shared);
    for lane in LANES {
        for (round, fails) in [0, 1].into_iter().enumerate() {
            shared.calls.store(0, SeqCst);
            shared.is_open.store(false, SeqCst);
            shared.fails.store(fails, SeqCst);
            let ask = Ask::get(format!("/{}-{round}", lane.name()));
            let each =
                if lane.can(Ability::Many) && !lane.name().starts_with("h1") { 10 } else { 1 };
            let mut clients: Vec<_> = (0..MANY / each).map(|_| lane.open(&house)).collect();
            let before = house.sum(|stats| stats.requests.get());
            let asked: Vec<Vec<_>> = clients
                .iter_mut()
                .map(|client| (0..each).map(|_| client.begin(&ask)).collect())
                .collect();
            eventually("all have come", || {
                house.sum(|stats| stats.requests.get()) == before + MANY as u64
            });
            assert_eq!(shared.calls.load(SeqCst), 1, "{}", lane.name());
            let shards = house.sum(|stats| u64::from(stats.requests.get() > 0));
            assert_eq!(shards, 2, "both shards take part");
            shared.is_open.store(true, SeqCst);
            let mut answers = Vec::new();
            for (client, asked) in clients.iter_mut().zip(asked) {
                answers.extend(asked.into_iter().map(|id| client.answer(id).whole()));
            }
            // A failure is its own request's alone: the next one asks, and the others get its answer.
            let failed = answers.iter().filter(|answer| answer.head.status == 502).count();
            assert_eq!((failed, shared.calls.load(SeqCst)), (fails, 1 + fails), "{}", lane.name());
            let expected = format!("call {}", 1 + fails);
            let equal = answers.iter().filter(|answer| answer.text() == expected).count();
            assert_eq!((answers.len(), equal), (MANY, MANY - fails), "{}", lane.name());
            let collapsed = |status: &&str| status.ends_with("; collapsed");
            let told = answers.iter().filter_map(|answer| answer.head.field("cache-status"));
            // After a failure it may be stored before those who wait have looked again.
            assert!(fails > 0 || told.filter(collapsed).count() > 0, "{}", lane.name());
        }
    }
}

/// Who has credentials neither waits nor is waited for, and who asks first may leave.
#[test]
fn strangers_and_deserters() {
    let shared = Arc::<Shared>::default();
    let house = house(&shared);
    for lane in LANES {
        shared.calls.store(0, SeqCst);
        shared.is_open.store(false, SeqCst);
        let ask = Ask::get(format!("/{}", lane.name()));
        let secret = ask.clone().field("authorization", "Basic eDp5");
        let mut known: Vec<_> = (0..2).map(|_| lane.open(&house)).collect();
        let asked: Vec<_> = known.iter_mut().map(|client| client.begin(&secret)).collect();
        eventually("both ask", || shared.calls.load(SeqCst) == 2);
        let mut first = lane.open(&house);
        first.begin(&ask);
        eventually("a third asks", || shared.calls.load(SeqCst) == 3);
        let before = house.sum(|stats| stats.requests.get());
        let mut others: Vec<_> = (0..4).map(|_| lane.open(&house)).collect();
        let waiting: Vec<_> = others.iter_mut().map(|client| client.begin(&ask)).collect();
        eventually("they have come", || house.sum(|stats| stats.requests.get()) == before + 4);
        assert_eq!(shared.calls.load(SeqCst), 3, "{}", lane.name());
        first.leave();
        eventually("another asks in its place", || shared.calls.load(SeqCst) == 4);
        shared.is_open.store(true, SeqCst);
        for (client, id) in others.iter_mut().zip(waiting) {
            assert_eq!(client.answer(id).whole().text(), "call 4", "{}", lane.name());
        }
        for (client, id) in known.iter_mut().zip(asked) {
            client.answer(id).whole().status(200);
        }
        assert_eq!(shared.calls.load(SeqCst), 4);
    }
}
