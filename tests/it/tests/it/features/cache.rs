//! FEATURES R4: a second GET is a hit with an Age, conditions are answered, and what must not be shared is not, over every
//! protocol and from both shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use trilane::{Cache, CacheConfig, Path, Query, Request, Response, Router, StatusCode, any};

use super::super::parity::{Answer, Ask, Client, House, LANES, Lane};

/// A server whose handler answers with the fields that its query names, and counts.
struct Place {
    house: House,
    calls: Arc<AtomicUsize>,
}

impl Place {
    fn new() -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let (counted, cache) = (Arc::clone(&calls), Cache::new(CacheConfig::new()));
        let house = House::serving(move |_| {
            let calls = Arc::clone(&counted);
            let handler = move |Path(_): Path<String>,
                                Query(lines): Query<Vec<(String, String)>>,
                                request: Request| {
                let count = calls.fetch_add(1, SeqCst) + 1;
                async move {
                    let tag = lines.iter().find(|(name, _)| name == "etag");
                    let asked = request.head().fields.get_str("if-none-match");
                    let is_same = tag.is_some_and(|(_, tag)| asked == Some(tag));
                    let status = if is_same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
                    let mut response = Response::new(status);
                    for (name, value) in &lines {
                        response = response.field(&**name, value);
                    }
                    if is_same { response } else { response.body(format!("call {count}")) }
                }
            };
            Router::new().route("/{lane}", any(handler)).layer(cache.clone())
        });
        Self { house, calls }
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, SeqCst)
    }

    /// Connections to both shards, and a target that nobody asked for.
    fn visit(&self, lane: &dyn Lane, query: &str) -> Visit {
        // A fresh connection goes to the idler shard, when there are enough of them to tell.
        let clients = (0..8).map(|_| lane.open(&self.house)).collect();
        self.calls();
        Visit { clients, target: format!("/{}?{query}", lane.name()) }
    }
}

struct Visit {
    clients: Vec<Box<dyn Client>>,
    target: String,
}

impl Visit {
    fn get(&self) -> Ask {
        Ask::get(&*self.target)
    }

    /// The same from each connection.
    fn ask_all(&mut self, ask: &Ask) -> Vec<Answer> {
        self.clients.iter_mut().map(|client| client.ask(ask)).collect()
    }
}

fn told(answer: &Answer) -> &str {
    answer.head.field("cache-status").unwrap().strip_prefix("trilane; ").unwrap()
}

#[test]
fn one_call_answers_all_and_says_how_old_it_is() {
    let place = Place::new();
    for lane in LANES {
        let mut visit = place.visit(*lane, "cache-control=max-age=100&age=30&etag=%22v1%22");
        let ask = visit.get();
        let answers = visit.ask_all(&ask);
        assert_eq!(place.calls(), 1, "{}", lane.name());
        assert!(told(&answers[0]).starts_with("fwd=uri-miss; ttl="), "{}", told(&answers[0]));
        for answer in &answers[1..] {
            assert!(told(answer).starts_with("hit; ttl="), "{}", told(answer));
            let age: u32 = answer.head.field("age").unwrap().parse().unwrap();
            assert!((30..90).contains(&age) && answer.body == answers[0].body);
            assert!(answer.head.field("date").is_some());
        }
        // HEAD, a condition, and ranges, from what is stored.
        let target = visit.target.clone();
        for head in visit.ask_all(&Ask::new("HEAD", target)) {
            let length = answers[0].body.len().to_string();
            assert_eq!((told(&head).starts_with("hit"), head.body.len()), (true, 0));
            assert_eq!(head.head.field("content-length"), Some(&*length), "{}", lane.name());
        }
        for answer in visit.ask_all(&ask.clone().field("if-none-match", "W/\"v1\"")) {
            let answer = answer.status(304);
            assert!(answer.body.is_empty() && answer.head.field("etag") == Some("\"v1\""));
        }
        for answer in visit.ask_all(&ask.clone().field("range", "bytes=0-3")) {
            assert_eq!(answer.clone().status(206).text(), "call");
            let range = format!("bytes 0-3/{}", answers[0].body.len());
            assert_eq!(answer.head.field("content-range"), Some(&*range));
        }
        assert_eq!(place.calls(), 0);
    }
}

#[test]
fn what_must_not_be_shared_is_not() {
    let place = Place::new();
    for lane in LANES {
        for value in ["no-store", "private", "max-age=0", "no-cache"] {
            let mut visit = place.visit(*lane, &format!("cache-control={value}"));
            let ask = visit.get();
            let answers = visit.ask_all(&ask);
            assert!(answers.iter().all(|answer| told(answer) == "fwd=uri-miss"), "{value}");
            assert_eq!(place.calls(), answers.len(), "{value}");
        }
        let mut visit = place.visit(*lane, "cache-control=max-age=99");
        let ask = visit.get().field("authorization", "Basic eDp5");
        let count = visit.ask_all(&ask).len();
        assert_eq!(place.calls(), count, "Authorization over {}", lane.name());
        let mut visit = place.visit(*lane, "cache-control=max-age=99&vary=x-kind");
        for kind in ["a", "b"] {
            let ask = visit.get().field("x-kind", kind);
            let answers = visit.ask_all(&ask);
            assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        }
        assert_eq!(place.calls(), 2, "Vary over {}", lane.name());
    }
}

#[test]
fn stale_ones_are_asked_about_and_a_change_is_seen_everywhere() {
    let place = Place::new();
    for lane in LANES {
        let mut visit = place.visit(*lane, "cache-control=max-age=0&etag=%22v1%22");
        let ask = visit.get();
        let answers = visit.ask_all(&ask);
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        for answer in &answers[1..] {
            assert_eq!(told(answer), "fwd=stale; fwd-status=304; ttl=0; stored");
        }
        assert_eq!(place.calls(), answers.len());
        let mut visit = place.visit(*lane, "cache-control=max-age=99&x=y");
        let ask = visit.get();
        for changer in 0..visit.clients.len() {
            visit.ask_all(&ask);
            assert_eq!(place.calls(), 1);
            let delete = Ask::new("DELETE", &*visit.target);
            assert_eq!(told(&visit.clients[changer].ask(&delete)), "fwd=method");
            place.calls();
        }
        // And only-if-cached.
        let answer = visit.clients[0].ask(&ask.clone().field("cache-control", "only-if-cached"));
        assert_eq!(answer.status(504).json()["error"]["code"], "GATEWAY_TIMEOUT");
    }
}

/// The demo's route for looking at the cache from outside.
#[test]
fn the_demo_counts_its_calls() {
    let house = House::shared();
    for lane in LANES {
        let mut client = lane.open(house);
        let target = format!("/cached/{}?cc=max-age%3D99&etag=%22a%22&lm=-60&size=10", lane.name());
        for told in ["fwd=uri-miss", "hit"] {
            let answer = client.ask(&Ask::get(&*target)).status(200);
            assert!(answer.head.field("cache-status").unwrap().contains(told));
            assert_eq!(
                (answer.head.field("x-calls"), answer.text()),
                (Some("1"), "0123456789".into())
            );
        }
        client.ask(&Ask::new("DELETE", &*target)).status(204);
        let answer = client.ask(&Ask::get(&*target)).status(200);
        assert_eq!(answer.head.field("x-calls"), Some("2"));
        client.ask(&Ask::get("/cached/x?status=99")).status(400);
    }
}
