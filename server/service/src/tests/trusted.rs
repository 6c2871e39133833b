//! The client behind proxies: whose word counts, which of several is the client, and what of strangers is taken out.

use trilane_exchange::Address;

use super::support::{ask, built, over_unix, request, seen, send};
use crate::{
    ClientField, Csrf, ForwardedHost, IpList, Request, RouteError, Router, TrustedProxies, get,
};

/// Address, TLS and host as a handler sees them, for a peer at 192.0.2.1.
fn found(proxies: &TrustedProxies, fields: &[(&str, &str)]) -> String {
    let handler = |request: Request| async move {
        let client = request.exchange().client();
        let host = request.exchange().noted::<ForwardedHost>();
        let host = host.map(|host| host.0.clone()).unwrap_or_default();
        let Address::Ip(address) = client.address else { return "unix".into() };
        format!("{} {} {host} {}", address.ip(), client.is_secure, request.head().fields.len())
    };
    let app = built(Router::new().route("/", get(handler)).layer(proxies.clone()));
    seen(send(&app, request("GET", "/", fields, ""))).1
}

fn of(field: ClientField) -> TrustedProxies {
    TrustedProxies::new(field).trust("192.0.2.0/24").trust("10.0.0.0/8").proto().host()
}

#[test]
fn the_last_address_that_is_no_proxy() {
    let proxies = of(ClientField::XForwardedFor);
    for (lines, client) in [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["203.0.113.9, 10.0.0.1"], "203.0.113.9"),
        (&["203.0.113.9", "10.0.0.1,10.0.0.2"], "203.0.113.9"),
        // What stands further left, the client may have written itself.
        (&["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (&["10.0.0.9, 203.0.113.9, 10.0.0.1"], "203.0.113.9"),
        (&["unknown, 203.0.113.9"], "203.0.113.9"),
        // Behind what cannot be read, our own proxy is the last that is known.
        (&["203.0.113.9, unknown, 10.0.0.1"], "10.0.0.1"),
        (&["203.0.113.9, unknown"], "192.0.2.1"),
        (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        (&["[2001:db8::7]:4711"], "2001:db8::7"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&[""], "192.0.2.1"),
        (&[], "192.0.2.1"),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(found(&proxies, &fields).split(' ').next(), Some(client), "{lines:?}");
    }
}

#[test]
fn one_field_is_believed() {
    let all = [
        ("x-forwarded-for", "203.0.113.1"),
        ("forwarded", "for=203.0.113.2;proto=https;host=f.example, for=10.0.0.1;proto=http"),
        ("x-real-ip", "203.0.113.3"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "x.example"),
    ];
    assert_eq!(found(&of(ClientField::XForwardedFor), &all), "203.0.113.1 true x.example 5");
    assert_eq!(found(&of(ClientField::Forwarded), &all), "203.0.113.2 true f.example 5");
    assert_eq!(found(&of(ClientField::XRealIp), &all), "203.0.113.3 true x.example 5");
    // Scheme and host only where they are asked for.
    let plain = TrustedProxies::new(ClientField::XRealIp).trust("192.0.2.1");
    assert_eq!(found(&plain, &all), "203.0.113.3 false  5");
    let twice = [("x-real-ip", "203.0.113.3"), ("x-real-ip", "203.0.113.4")];
    assert_eq!(found(&plain, &twice), "192.0.2.1 false  2");
    let broken = [("forwarded", "for=\"203.0.113.2")];
    assert_eq!(found(&of(ClientField::Forwarded), &broken), "192.0.2.1 false  1");
    // Nobody hides behind what cannot be read: what our own proxy has added counts all the same.
    for before in ["\"", "for=\"a", "for=a;for=b", &*"for=10.0.0.1,".repeat(99)] {
        let line = format!("{before}, for=203.0.113.2, for=10.0.0.1");
        for fields in [
            &[("forwarded", &*line)][..],
            &[("forwarded", before), ("forwarded", "for=203.0.113.2")],
        ] {
            let client = found(&of(ClientField::Forwarded), fields);
            assert!(client.starts_with("203.0.113.2 "), "{client} {fields:?}");
        }
    }
    let odd = [("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")];
    assert_eq!(found(&of(ClientField::XRealIp), &odd), "192.0.2.1 false  2");
}

#[test]
fn a_stranger_is_not_believed() {
    let spoof = [
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-own", "1"),
    ];
    let others = TrustedProxies::new(ClientField::XForwardedFor).trust("10.0.0.0/8").proto().host();
    assert_eq!(found(&others, &spoof), "192.0.2.1 false  6");
    assert_eq!(found(&others.clone().strip(), &spoof), "192.0.2.1 false  1");
    let others = others.strip();
    assert_eq!(found(&others, &[("x-own", "1")]), "192.0.2.1 false  1");
    for one in &spoof[..5] {
        assert_eq!(found(&others, &[*one]), "192.0.2.1 false  0", "{one:?}");
    }
}

#[test]
fn who_comes_by_a_unix_socket_is_trusted_if_that_is_said() {
    let who = |request: Request| async move { request.exchange().client().address.to_string() };
    let asked = over_unix(&request("GET", "/", &[("x-forwarded-for", "203.0.113.9")], ""));
    for (proxies, client) in [
        (of(ClientField::XForwardedFor), "unix"),
        (of(ClientField::XForwardedFor).trust_unix(), "203.0.113.9:0"),
    ] {
        let app = built(Router::new().route("/", get(who)).layer(proxies));
        assert_eq!(seen(send(&app, over_unix(&asked))).1, client);
    }
}

#[test]
fn lists_of_addresses_go_by_it() {
    let metrics = get(|| async { "metrics" }).layer(IpList::new().allow("203.0.113.0/24"));
    let router = Router::new().route("/metrics", metrics).route("/", get(|| async { "open" }));
    let app = built(router.layer(of(ClientField::XForwardedFor)));
    assert_eq!(ask(&app, "GET", "/metrics").0, 403);
    assert_eq!(ask(&app, "GET", "/").0, 200);
    let fields = [("x-forwarded-for", "203.0.113.7")];
    assert_eq!(seen(send(&app, request("GET", "/metrics", &fields, ""))), (200, "metrics".into()));
}

/// A proxy may ask us by another name than the one that the client's page knows.
#[test]
fn forgery_is_judged_by_the_host_that_the_client_has_asked() {
    let done = crate::post(|| async { "done" });
    let router = Router::new().route("/", done).layer(Csrf::new());
    let app = built(router.layer(of(ClientField::XForwardedFor)));
    let origin = ("origin", "https://shop.example");
    for (host, status) in [("shop.example", 200), ("evil.example", 403), ("", 403)] {
        let fields = [("host", "internal"), origin, ("x-forwarded-host", host)];
        assert_eq!(seen(send(&app, request("POST", "/", &fields, ""))).0, status, "{host}");
    }
}

#[test]
fn what_is_no_network_is_found_at_the_start() {
    let wrong = TrustedProxies::new(ClientField::Forwarded).trust("10.0.0.0/33");
    let list = IpList::new().deny("localhost");
    for (router, name) in [
        (Router::<()>::new().layer(wrong), "TrustedProxies"),
        (Router::new().layer(list), "IpList"),
    ] {
        let error = router.build().err();
        assert!(matches!(error, Some(RouteError::Layer { layer, .. }) if layer == name));
    }
}
