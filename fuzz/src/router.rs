//! The router against a naive model: any routes, any paths.
//!
//! Steps: `+/a/{id}` adds a route, `?/a/b` asks for a path. What is answered by a route is matched by it; what matches
//! some route is answered; a route without parameters wins; and no dot segment, however written, reaches a handler.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Waker};

use trilane_exchange::{
    Address, ConnectionInfo, Exchange, Incoming, Outgoing, Reply, Request, Service, Shard,
    WakeQueue,
};
use trilane_semantics::{Instant, Method, RequestHead};
use trilane_service::{App, Router, any};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::rng::Rng;

use crate::script::Script;

/// `data` as a script.
pub fn router(data: &[u8]) {
    let script = Script::new(data);
    let texts = |op| {
        let steps = script.0.iter().filter(move |step| step.op == op);
        steps.filter_map(|step| std::str::from_utf8(step.rest).ok())
    };
    let mut routes: Vec<&str> = Vec::new();
    for path in texts(b'+').take(24) {
        // A path that conflicts, or is malformed, is an error and no route.
        if table(&routes).try_route(path, answer(0)).is_ok() {
            routes.push(path);
        }
    }
    let Ok(app) = table(&routes).build() else { panic!("each route was accepted") };
    for target in texts(b'?') {
        ask(&app, &routes, target);
    }
}

fn table(routes: &[&str]) -> Router {
    let numbered = routes.iter().enumerate();
    numbered.fold(Router::new(), |router, (at, path)| router.route(path, answer(at)))
}

fn answer(number: usize) -> trilane_service::MethodRouter {
    any(move || async move { number.to_string() })
}

fn ask(app: &App, routes: &[&str], target: &str) {
    let Some(head) = RequestHead::new(Method::GET, target) else { return };
    let path = head.path().to_owned();
    if !path.starts_with('/') {
        return;
    }
    let (status, text) = send(app, head);
    let matching: Vec<usize> =
        (0..routes.len()).filter(|&at| matches(routes[at].as_bytes(), path.as_bytes())).collect();
    match naive_check(&path) {
        Some(expected) => assert_eq!(status, expected, "{path}"),
        None if matching.is_empty() => assert_eq!(status, 404, "{path} in {routes:?}"),
        None => {
            assert_eq!(status, 200, "{path} in {routes:?}");
            let by: usize = text.parse().unwrap_or(usize::MAX);
            assert!(matching.contains(&by), "{path} by {by} of {routes:?}");
            let plain = matching.iter().find(|&&at| !routes[at].contains('{'));
            assert!(plain.is_none_or(|&plain| plain == by), "{path} by {by} of {routes:?}");
        }
    }
}

/// The status that refuses a path before any route is looked at.
fn naive_check(path: &str) -> Option<u16> {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let [byte, tail @ ..] = rest {
        let mut value = *byte;
        rest = tail;
        if *byte == b'%' {
            let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            let is_hex = |two: &&str| two.bytes().all(|byte| byte.is_ascii_hexdigit());
            let digits = digits.filter(is_hex).and_then(|two| u8::from_str_radix(two, 16).ok());
            let Some(digits) = digits.filter(|value| *value != 0) else { return Some(400) };
            (value, rest) = (digits, &tail[2..]);
        }
        decoded.push(value);
    }
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| matches!(segment, b"." | b"..")).then_some(404)
}

/// Whether a route's path, `{name}`, `{*name}`, `{{` and `}}` in it, matches: by trying everything.
fn matches(route: &[u8], path: &[u8]) -> bool {
    match route {
        [] => path.is_empty(),
        [b'{', b'{', rest @ ..] => path.first() == Some(&b'{') && matches(rest, &path[1..]),
        [b'}', b'}', rest @ ..] => path.first() == Some(&b'}') && matches(rest, &path[1..]),
        [b'{', rest @ ..] => {
            let close = rest.iter().position(|&byte| byte == b'}').unwrap_or(rest.len());
            let after = rest.get(close + 1..).unwrap_or_default();
            let is_rest = rest.first() == Some(&b'*');
            let end = if is_rest {
                path.len()
            } else {
                path.iter().position(|&byte| byte == b'/').unwrap_or(path.len())
            };
            (1..=end).any(|at| matches(after, &path[at..]))
        }
        [byte, rest @ ..] => path.first() == Some(byte) && matches(rest, &path[1..]),
    }
}

fn send(app: &App, head: RequestHead) -> (u16, String) {
    let queue = WakeQueue::new(|| ());
    let shard = SimShard::new(Rc::new(Clock::default()), Rng::new(1), queue);
    let address = Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80));
    let info = Rc::new(ConnectionInfo::new(address, address));
    let exchange = Exchange::new(head, info, Shard::new(Rc::new(shard)), Instant::default());
    let request = Request::new(Rc::new(exchange), Incoming::empty());
    let reply = app.call(request, &mut Context::from_waker(Waker::noop()));
    let Reply::Ready(response) = reply else { panic!("an answer at once") };
    let text = match &response.body {
        Outgoing::Full(payload) => String::from_utf8_lossy(payload.as_ref()).into_owned(),
        _ => String::new(),
    };
    (response.head.status.as_u16(), text)
}
