//! Rate limits through a router: whose budget, what clients are told, several limits at once.

use std::time::Duration;

use trilane_exchange::{Client, Response};

use super::support::{built, over_unix, request_of, send};
use crate::testing::TestClient;
use crate::{
    App, Envelope, Hook, Phases, Principal, Quota, RateLimit, Redis, Request, Router, get,
};

const SECOND: Duration = Duration::from_secs(1);

fn app(limit: &RateLimit) -> App {
    let hi = || get(|| async { "hi" });
    let router = Router::new().route("/a", hi()).route("/b/{x}", hi()).layer(limit.clone());
    built(router.layer(Envelope))
}

/// The answer to a GET of `/a`, `seconds` after the start.
fn ask(app: &App, peer: &str, seconds: u32) -> Response {
    send(app, request_of(peer, "/a", &[], (SECOND * seconds, Duration::ZERO)))
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.head.fields.get_str(name).unwrap_or("none")
}

#[test]
fn what_is_beyond_the_quota_is_429_and_says_when_to_come_back() {
    let limit = RateLimit::new(Quota::per_minute(2));
    let app = app(&limit);
    for left in ["1", "0"] {
        let response = ask(&app, "192.0.2.1", 10);
        assert_eq!(response.head.status.as_u16(), 200);
        let policy = "\"default\";q=2;w=60";
        let state = format!("\"default\";r={left};t=60");
        for (name, value) in [
            ("x-ratelimit-limit", "2"),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", "60"),
            ("ratelimit-policy", policy),
            ("ratelimit", &state),
            ("retry-after", "none"),
        ] {
            assert_eq!(field(&response, name), value, "{name}");
        }
    }
    let response = ask(&app, "192.0.2.1", 30);
    assert_eq!(response.head.status.as_u16(), 429);
    assert_eq!(response.error.as_ref().unwrap().code(), "RATE_LIMIT_EXCEEDED");
    assert_eq!(field(&response, "retry-after"), "40");
    assert_eq!(field(&response, "x-ratelimit-remaining"), "0");
    assert_eq!(field(&response, "cache-control"), "no-store");
    assert_eq!(ask(&app, "192.0.2.1", 70).head.status.as_u16(), 200, "the next window");
    let stats = limit.stats();
    assert_eq!((stats.allowed, stats.limited, stats.evicted), (3, 1, 0));
}

#[test]
fn of_several_limits_the_old_fields_are_of_who_has_least() {
    let (small, large) =
        (RateLimit::new(Quota::per_minute(2)), RateLimit::new(Quota::per_minute(9)));
    for (inner, outer) in [(&small, &large), (&large, &small)] {
        let router = Router::new().route("/a", get(|| async { "hi" }));
        let app = built(router.layer(inner.clone()).layer(outer.clone()));
        let peer = if std::ptr::eq(inner, &small) { "192.0.2.1" } else { "192.0.2.2" };
        let response = ask(&app, peer, 10);
        assert_eq!(field(&response, "x-ratelimit-remaining"), "1");
    }
}

#[test]
fn who_has_no_such_field_goes_by_address_and_unix_sockets_are_one() {
    let limit = RateLimit::new(Quota::per_minute(1)).by_header("x-api-key");
    let app = app(&limit);
    for (peer, status) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.1", 429)] {
        assert_eq!(ask(&app, peer, 10).head.status.as_u16(), status, "{peer}");
    }
    let unix = || over_unix(&request_of("192.0.2.9", "/a", &[], (SECOND, Duration::ZERO)));
    assert_eq!(send(&app, unix()).head.status.as_u16(), 200);
    assert_eq!(send(&app, unix()).head.status.as_u16(), 429);
}

/// There is no network here, and so no Redis.
#[test]
fn without_redis_all_pass_or_none() {
    let limit = || {
        let redis = Redis::new("redis://127.0.0.1:1").unwrap();
        RateLimit::new(Quota::per_minute(1)).shared(redis)
    };
    for (limit, status) in [(limit(), 200), (limit().fail_closed(), 503)] {
        let router = Router::new().route("/", get(|| async { "hi" })).layer(limit.clone());
        let client = TestClient::new(router).unwrap();
        for asked in 1..4 {
            let answer = client.get("/").send();
            assert_eq!(answer.status(), status);
            assert_eq!(answer.field("retry-after").is_some(), status == 503);
            assert_eq!(limit.stats().unavailable, asked);
        }
    }
}

#[test]
fn who_gives_way_is_counted() {
    let limit = RateLimit::new(Quota::per_minute(2)).entries(8);
    let app = app(&limit);
    for peer in 0..10 {
        assert_eq!(ask(&app, &format!("192.0.2.{peer}"), 10).head.status.as_u16(), 200);
    }
    assert_eq!(limit.stats().evicted, 2);
}

#[test]
fn addresses_have_a_budget_each_and_networks_share_one() {
    let limit = RateLimit::new(Quota::per_minute(1));
    let app = app(&limit);
    for (peer, status) in [
        ("192.0.2.1", 200),
        ("::ffff:192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::ffff:1", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        assert_eq!(ask(&app, peer, 1).head.status.as_u16(), status, "{peer}");
    }
}

/// Sets the client, as a layer that trusts a proxy does, or says who has logged in.
struct Known;

impl Hook for Known {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let fields = &request.head().fields;
        if let Some(ip) = fields.get_str("x-from") {
            let address =
                trilane_exchange::Address::Ip((ip.parse::<std::net::IpAddr>().unwrap(), 0).into());
            request.exchange().set_client(Client { address, is_secure: false });
        }
        if let Some(user) = fields.get_str("x-user") {
            request.exchange().note(Principal::from(user));
        }
        None
    }
}

#[test]
fn keys_are_headers_users_routes_and_what_a_function_says() {
    let none: &[(&str, &str)] = &[];
    let header: &[(&str, &str)] = &[("x-api-key", "k")];
    let (ann, bob): (&[_], &[_]) = (&[("x-user", "ann")], &[("x-user", "bob")]);
    let proxied: &[(&str, &str)] = &[("x-from", "198.51.100.7")];
    let one = || RateLimit::new(Quota::per_minute(1));
    let own = |request: &Request, key: &mut crate::rate::Key| {
        key.part(request.path().as_bytes());
        match request.head().fields.get_str("x-user") {
            Some("ann") => key.exempt(),
            Some("bob") => return Some("more"),
            _ => (),
        }
        None
    };
    let cases = [
        ("header", one().by_header("x-api-key"), ("/a", header), ("/b/1", header), 429),
        ("none of it", one().by_header("x-api-key"), ("/a", none), ("/a", header), 200),
        ("client", one(), ("/a", none), ("/a", proxied), 200),
        ("client again", one(), ("/a", proxied), ("/a", proxied), 429),
        ("user", one().by_user(), ("/a", ann), ("/b/1", ann), 429),
        ("another user", one().by_user(), ("/a", ann), ("/a", bob), 200),
        ("route", one().by_route(), ("/b/1", ann), ("/b/2", proxied), 429),
        ("another route", one().by_route(), ("/a", none), ("/b/1", none), 200),
        ("route and user", one().by_route().by_user(), ("/a", ann), ("/a", bob), 200),
        ("own", one().by(own), ("/a", none), ("/a", proxied), 429),
        ("exempt", one().by(own), ("/a", ann), ("/a", ann), 200),
        ("class", one().class("more", Quota::per_minute(9)).by(own), ("/a", bob), ("/a", bob), 200),
    ];
    for (what, limit, first, second, status) in cases {
        let route = || get(|| async { "hi" });
        let router = Router::new().route("/a", route()).route("/b/{x}", route());
        let app = built(router.layer(limit).layer(Known));
        let ask = |(target, fields): (&str, &[(&str, &str)])| {
            let request = request_of("192.0.2.1", target, fields, (SECOND, Duration::ZERO));
            send(&app, request).head.status.as_u16()
        };
        assert_eq!((ask(first), ask(second)), (200, status), "{what}");
    }
}

#[test]
fn a_class_has_its_own_quota_and_name() {
    let limit = RateLimit::new(Quota::per_minute(1)).class("paid", Quota::bucket(2, SECOND, 5)).by(
        |request, key| {
            key.ip(request);
            request.head().fields.contains("x-paid").then_some("paid")
        },
    );
    let app = app(&limit);
    let request = request_of("192.0.2.1", "/a", &[("x-paid", "1")], (SECOND, Duration::ZERO));
    let response = send(&app, request);
    assert_eq!(field(&response, "ratelimit-policy"), "\"paid\";q=5;w=3");
    assert_eq!(field(&response, "ratelimit"), "\"paid\";r=4;t=1");
    assert_eq!(field(&ask(&app, "192.0.2.1", 1), "ratelimit"), "\"default\";r=0;t=60");
}

#[test]
fn costs_and_answers_that_do_not_count() {
    let limit = RateLimit::new(Quota::per_minute(10))
        .cost(|request| if request.path() == "/a" { 4 } else { 0 })
        .counts(|response| response.head.status.as_u16() != 404);
    let router = Router::new().route("/a", get(|| async { "hi" }));
    let app = built(router.layer(limit));
    let ask = |target| {
        let response = send(&app, request_of("::1", target, &[], (SECOND, Duration::ZERO)));
        (response.head.status.as_u16(), field(&response, "x-ratelimit-remaining").to_owned())
    };
    assert_eq!(ask("/a"), (200, "6".to_owned()));
    assert_eq!(ask("/a"), (200, "2".to_owned()));
    assert_eq!(ask("/nowhere"), (404, "2".to_owned()));
    assert_eq!(ask("/a"), (429, "2".to_owned()));
    let limit =
        RateLimit::new(Quota::per_minute(1)).counts(|response| !response.head.status.is_success());
    let app = self::app(&limit);
    for _ in 0..3 {
        let response = self::ask(&app, "192.0.2.1", 1);
        assert_eq!(
            (response.head.status.as_u16(), field(&response, "x-ratelimit-remaining")),
            (200, "1")
        );
    }
}

#[test]
fn of_two_limits_the_tighter_is_shown_and_both_are_named() {
    let inner = RateLimit::new(Quota::per_minute(9)).name("all").by_route();
    let outer = RateLimit::new(Quota::per_second(3)).name("each");
    let route = get(|| async { "hi" }).layer(inner);
    let app = built(Router::new().route("/a", route).layer(outer));
    let response = ask(&app, "192.0.2.1", 1);
    assert_eq!(field(&response, "x-ratelimit-limit"), "3");
    let states: Vec<_> = response.head.fields.all("ratelimit").collect();
    assert_eq!(states, [b"\"all\";r=8;t=60", b"\"each\";r=2;t=1\0".strip_suffix(b"\0").unwrap()]);
}

#[test]
fn quotas_shrink_while_requests_wait_and_grow_again() {
    let limit = RateLimit::new(Quota::per_minute(100)).adaptive(Duration::from_millis(10));
    let app = app(&limit);
    let ask = |peer: &str, delay| {
        let request = request_of(peer, "/a", &[], (SECOND, Duration::from_millis(delay)));
        field(&send(&app, request), "x-ratelimit-limit").parse::<u64>().unwrap()
    };
    assert_eq!(ask("192.0.2.1", 5), 100);
    for at in 0..200_u8 {
        ask(&format!("192.0.3.{at}"), 40);
    }
    assert_eq!(ask("192.0.4.1", 40), 25, "a quarter, at four times the target");
    for at in 0..200_u8 {
        ask(&format!("192.0.5.{at}"), 0);
    }
    assert_eq!(ask("192.0.6.1", 0), 100);
}

#[test]
fn a_budget_is_shared_by_clones_and_by_threads() {
    let limit = RateLimit::new(Quota::per_minute(1000));
    let allowed: usize = std::thread::scope(|scope| {
        let shards = [(); 4].map(|()| {
            let limit = limit.clone();
            scope.spawn(move || {
                let app = app(&limit);
                (0..500).filter(|_| ask(&app, "192.0.2.1", 1).head.status.is_success()).count()
            })
        });
        shards.into_iter().map(|shard| shard.join().unwrap()).sum()
    });
    assert_eq!(allowed, 1000);
    let stats = limit.stats();
    assert_eq!((stats.allowed, stats.limited), (1000, 1000));
}

#[test]
fn a_name_that_fits_no_field_is_an_error_of_the_router() {
    let limit = RateLimit::new(Quota::per_minute(1)).name("a\"b");
    let router: Router = Router::new().route("/a", get(|| async { "hi" })).layer(limit);
    assert!(router.build().unwrap_err().to_string().contains("RateLimit"));
}
