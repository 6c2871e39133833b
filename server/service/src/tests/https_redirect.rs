//! From HTTP to HTTPS: where to, and what becomes no Location.

use trilane_exchange::{Address, Client, Request, Response};
use trilane_semantics::{Known, Method, RequestHead};

use super::support::{built, request, send};
use crate::{HttpsRedirect, InvalidHost, Phases, Router, get};

fn redirect() -> HttpsRedirect {
    HttpsRedirect::new(["Example.org", "*.example.org", "[::1]", "127.0.0.1"]).unwrap()
}

/// Status and Location of the answer to a request for that target of that host.
fn ask(redirect: &HttpsRedirect, host: Option<&str>, target: &str) -> (u16, Option<String>) {
    let fields: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
    let app = built(Router::new().route("/", get(|| async {})).layer(redirect.clone()));
    let method = if target == "*" { "OPTIONS" } else { "GET" };
    told(&send(&app, request(method, target, &fields, "")))
}

fn told(response: &Response) -> (u16, Option<String>) {
    let location = response.head.fields.get_str(Known::Location).map(str::to_owned);
    (response.head.status.as_u16(), location)
}

#[test]
fn path_and_query_are_kept() {
    for (host, target, expected) in [
        ("example.org", "/", "https://example.org/"),
        ("EXAMPLE.org:8080", "/a%20b?c=d&e", "https://example.org/a%20b?c=d&e"),
        ("example.org.", "/?", "https://example.org/?"),
        ("WWW.example.org", "/x", "https://www.example.org/x"),
        ("[::1]:80", "/x", "https://[::1]/x"),
        ("127.0.0.1", "//evil.example/", "https://127.0.0.1//evil.example/"),
        ("example.org", "*", "https://example.org/"),
        // The target's authority counts (RFC 9112 §3.2.2).
        ("evil.example", "http://example.org?q", "https://example.org/?q"),
        ("evil.example", "http://example.org/a?q", "https://example.org/a?q"),
    ] {
        let expected = (308, Some(expected.to_owned()));
        assert_eq!(ask(&redirect(), Some(host), target), expected, "{host} {target}");
    }
}

#[test]
fn who_is_not_ours_is_misdirected() {
    for host in [
        "evil.example",
        "example.org.evil.example",
        "xexample.org",
        "a.b.example.org",
        ".example.org",
        "a/b.example.org",
        "a@b.example.org",
        "a%2eb.example.org",
        "127.0.0.2",
        "[::2]",
        "",
    ] {
        assert_eq!(ask(&redirect(), Some(host), "/"), (421, None), "{host}");
    }
    assert_eq!(ask(&redirect(), None, "/"), (421, None));
    let connect = RequestHead::new(Method::CONNECT, "example.org:443").unwrap();
    assert_eq!(redirect().answer(&connect, 443).map(|it| told(&it)), Some((421, None)));
}

#[test]
fn where_to_can_be_said() {
    let asked = |redirect: &HttpsRedirect| ask(redirect, Some("example.org"), "/x");
    let to = |status, location: &str| (status, Some(location.to_owned()));
    assert_eq!(asked(&redirect().port(8443)), to(308, "https://example.org:8443/x"));
    assert_eq!(asked(&redirect().port(443)), to(308, "https://example.org/x"));
    assert_eq!(asked(&redirect().moved_permanently()), to(301, "https://example.org/x"));
    let other = redirect().to("other.example").unwrap();
    assert_eq!(asked(&other), to(308, "https://other.example/x"));
    assert_eq!(ask(&other, Some("evil.example"), "/x"), (421, None));
    let head = RequestHead::new(Method::GET, "http://example.org/").unwrap();
    let answer = |redirect: HttpsRedirect| told(&redirect.answer(&head, 8443).unwrap());
    assert_eq!(answer(redirect()), to(308, "https://example.org:8443/"));
    assert_eq!(answer(redirect().port(1)), to(308, "https://example.org:1/"));
    assert!(Phases::BEFORE.has(crate::Hook::phases(&other)));
}

#[test]
fn what_is_excepted_is_answered_in_clear() {
    let acme = redirect().except("/.well-known/acme-challenge/");
    let path = "/.well-known/acme-challenge/token";
    assert_eq!(ask(&acme, Some("evil.example"), path), (404, None));
    assert_eq!(ask(&acme, Some("example.org"), "/.well-known/acme").0, 308);
    // Nothing else is to be had by that way.
    let dots = "/.well-known/acme-challenge/../../";
    assert_eq!(ask(&acme, Some("example.org"), dots), (404, None));
}

#[test]
fn who_is_safe_already_goes_on() {
    let app = built(Router::new().route("/", get(|| async {})).layer(redirect()));
    let asked = |is_secure| {
        let asked: Request = request("GET", "/", &[("host", "example.org")], "");
        asked.exchange().set_client(Client { address: Address::Unix, is_secure });
        send(&app, asked).head.status.as_u16()
    };
    assert_eq!((asked(true), asked(false)), (200, 308));
}

#[test]
fn what_is_no_host_is_found_at_the_start() {
    for bad in ["", "a:80", "a/b", "*.", "*", "a.*", "x@y"] {
        let error = HttpsRedirect::new([bad]).err();
        assert!(error.is_some_and(|InvalidHost(host)| host == bad), "{bad}");
        assert!(redirect().to(bad).is_err(), "{bad}");
    }
    assert!(HttpsRedirect::new(["a", "A", "*.a", "*.a"]).is_ok(), "twice is no mistake");
    assert!(redirect().to("*.a").is_err());
}
