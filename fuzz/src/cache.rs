//! The response cache (RFC 9111) in front of a handler that says anything, for clients that say anything.
//!
//! Steps: `hname:value` the handler's next field, `x` it says nothing, `aname:value` the next request's field, `g` GET, `m` HEAD,
//! `d` DELETE, `tn` n seconds pass. Whatever is said, an answer that the cache calls a hit is one that the handler has given
//! since the last DELETE, is as old as its Age says at least, and was not plainly forbidden to be kept.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::{Fields, NameRef, StatusCode};
use trilane_service::testing::TestClient;
use trilane_service::{Cache, CacheConfig, Method, Request, Response, Router, any};

use crate::script::Script;

/// What the handler has said since the last change.
struct Said {
    calls: usize,
    at: u64,
    is_forbidden: bool,
}

/// What the handler will say, and has.
#[derive(Default)]
struct Handler {
    lines: Fields,
    now: u64,
    calls: usize,
    said: Vec<Said>,
}

/// `data` as a script.
pub fn cache(data: &[u8]) {
    let handler = Rc::<RefCell<Handler>>::default();
    let ours = Rc::clone(&handler);
    let answer = any(move |request: Request| {
        let response = ours.borrow_mut().answer(request.method());
        async move { response }
    });
    let config =
        CacheConfig::new().heuristic(10, Duration::from_secs(60)).bytes(8 << 10).variants(2);
    let router = Router::new().route("/{*any}", answer).layer(Cache::new(config));
    let Ok(client) = TestClient::new(router) else { panic!("a route and a layer") };
    let mut asks = Fields::new();
    for step in Script::new(data).0 {
        let (name, value) = step.pair();
        match step.op {
            // What is no field is nothing that a handler can say, or a client.
            b'h' => {
                let _ = handler.borrow_mut().lines.append(NameRef::new(name), value);
            }
            b'a' => {
                let _ = asks.append(NameRef::new(name), value);
            }
            b'x' => handler.borrow_mut().lines.clear(),
            b't' => {
                let seconds = step.rest.len() as u64;
                handler.borrow_mut().now += seconds;
                client.advance(Duration::from_secs(seconds));
            }
            b'g' => ask(&client, &handler, Method::GET, &std::mem::take(&mut asks)),
            b'm' => ask(&client, &handler, Method::HEAD, &std::mem::take(&mut asks)),
            b'd' => ask(&client, &handler, Method::DELETE, &std::mem::take(&mut asks)),
            _ => (),
        }
    }
}

impl Handler {
    fn answer(&mut self, method: &Method) -> Response {
        if *method == Method::DELETE {
            self.said.clear();
            return Response::new(StatusCode::NO_CONTENT);
        }
        self.calls += 1;
        let is_forbidden = is_forbidden(&self.lines);
        self.said.push(Said { calls: self.calls, at: self.now, is_forbidden });
        let mut response = Response::new(StatusCode::OK).body(self.calls.to_string());
        response.head.fields = self.lines.clone();
        response
    }
}

/// Whether nobody may keep it, in the plainest words: other ways to say it are not looked for.
fn is_forbidden(lines: &Fields) -> bool {
    let is_plain = lines.all("cache-control").all(|line| !line.contains(&b'"'));
    let has = |token| lines.list_has("cache-control", token);
    is_plain && (has("private") || (has("no-store") && !has("must-understand")))
        || lines.list_has("vary", "*")
}

fn ask(client: &TestClient, handler: &RefCell<Handler>, method: Method, asks: &Fields) {
    let request = client.request(method, "/a");
    let lines = asks
        .iter()
        .fold(request, |request, (name, value)| request.field(NameRef::new(name), value));
    let mut response = lines.send();
    let status = response.field("cache-status").unwrap_or_default().to_owned();
    let handler = handler.borrow();
    if !status.contains("trilane; hit") || response.status() != 200 {
        return;
    }
    let by: Option<usize> = response.text().parse().ok();
    let Some(said) = handler.said.iter().find(|said| Some(said.calls) == by) else {
        // HEAD has no content to tell by.
        assert!(by.is_none() && !handler.said.is_empty(), "nobody said {by:?}: {status}");
        return;
    };
    assert!(!said.is_forbidden, "{status}");
    let age: Option<u64> = response.field("age").and_then(|age| age.parse().ok());
    assert!(age.is_some_and(|age| age >= handler.now - said.at), "{age:?} at {}", handler.now);
}
