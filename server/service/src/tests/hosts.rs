//! Routing by host: which routes, layers and fallbacks a request meets.

use std::cell::RefCell;
use std::rc::Rc;

use trilane_exchange::{Exchange, Service, Summary};

use super::support::{built, request, seen, send};
use crate::{App, Hook, Response, RouteError, Router, get};

fn to(app: &App, host: &str, target: &str) -> (u16, String) {
    let fields = [("host", host)];
    let fields = if host.is_empty() { &[][..] } else { &fields };
    seen(send(app, request("GET", target, fields, "")))
}

fn site(name: &'static str) -> Router {
    Router::new().route("/", get(move || async move { name }))
}

#[test]
fn each_host_has_its_routes_and_the_rest_has_the_others() {
    let b = site("b").route("/only", get(|| async { "only" })).fallback(|| async { "b's own" });
    let below = site("below").route("/only", get(|| async { "for all below" }));
    let app = built(site("any").host("a.example", site("a")).host("B.example", b));
    let patterns = built(site("any").host("*.a.example", below).host("x.a.example", site("x")));
    for (host, target, status, text) in [
        ("b.a.example", "/", 200, "below"),
        ("B.A.example.:80", "/only", 200, "for all below"),
        // Who is named has routes of its own alone.
        ("x.a.example", "/", 200, "x"),
        ("x.a.example", "/only", 404, ""),
        ("c.b.a.example", "/", 200, "any"),
        ("a.example", "/", 200, "any"),
    ] {
        assert_eq!(to(&patterns, host, target), (status, text.to_owned()), "{host} {target}");
    }
    for (host, target, status, text) in [
        ("a.example", "/", 200, "a"),
        ("A.EXAMPLE:8080", "/", 200, "a"),
        ("b.example", "/only", 200, "only"),
        ("b.example", "/none", 200, "b's own"),
        // A host's router answers for all of its paths.
        ("a.example", "/only", 404, ""),
        ("c.example", "/", 200, "any"),
        ("", "/", 200, "any"),
        // RFC 9112 §3.2.2: the host of an absolute target wins over Host.
        ("b.example", "http://a.example/", 200, "a"),
    ] {
        assert_eq!(to(&app, host, target), (status, text.to_owned()), "{host} {target}");
    }
}

/// Notes what it sees.
struct Seen(Rc<RefCell<Vec<String>>>, &'static str);

impl Hook for Seen {
    fn after(&self, exchange: &Exchange, _: &mut Response) {
        self.0.borrow_mut().push(format!("{} {}", self.1, exchange.head().path()));
    }

    fn done(&self, exchange: &Exchange, _: &Summary) {
        self.0.borrow_mut().push(format!("{} done {}", self.1, exchange.head().path()));
    }
}

#[test]
fn layers_of_the_whole_are_around_the_hosts() {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner = site("a").layer(Seen(Rc::clone(&seen), "inner"));
    let app = built(site("any").host("a.example", inner).layer(Seen(Rc::clone(&seen), "outer")));
    to(&app, "a.example", "/");
    to(&app, "a.example", "/none");
    to(&app, "", "/");
    assert_eq!(*seen.borrow(), ["inner /", "outer /", "inner /none", "outer /none", "outer /"]);
    seen.borrow_mut().clear();
    let sent = request("GET", "/", &[("host", "a.example")], "");
    let exchange = Rc::clone(sent.exchange());
    let _ = send(&app, sent);
    seen.borrow_mut().clear();
    app.finished(&exchange, &super::logging::summary());
    assert_eq!(*seen.borrow(), ["outer done /", "inner done /"]);
}

#[test]
fn what_cannot_be_put_together() {
    let host = |host: &str| Some(RouteError::Host { host: host.to_owned() });
    let error = |router: Router| router.build().err();
    for wrong in ["", "a:80", "a/b", "*", "*.a:80"] {
        assert_eq!(error(site("x").host(wrong, site("a"))), host(wrong));
    }
    let twice = site("x").host("a", site("a")).host("A", site("a"));
    assert_eq!(error(twice), host("A"));
    assert_eq!(error(site("x").host("a", site("a").host("b", site("b")))), host("a"));
    assert_eq!(error(site("x").nest("/y", site("a").host("b", site("b")))), host("b"));
    let merged = site("x").host("a", site("a")).merge(Router::new().host("a", site("a")));
    assert_eq!(error(merged), host("a"));
    let bad = site("x").host("a", Router::new().route("no", get(|| async {})));
    assert_eq!(error(bad), Some(RouteError::Path { path: "no".to_owned() }));
}
