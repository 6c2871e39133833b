//! What servers are told of those before us.

use std::net::SocketAddr;

use trilane_exchange::TraceContext;

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn address(text: &str) -> Address {
    if text == "unix" { Address::Unix } else { Address::Ip(text.parse::<SocketAddr>().unwrap()) }
}

fn told(policy: &Policy, facts: &Facts<'_>, came: &[&str]) -> Vec<String> {
    let front = head("GET /", &[&["Host: a.example:81"], came].concat());
    leaves(&front, facts, policy).split_off(1)
}

#[test]
fn strangers_are_not_believed() {
    let policy = Policy::new("us").unwrap().x_forwarded_port(true).x_real_ip(true).forwarded(true);
    let came = [
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
    ];
    for (peer, ip, element) in [
        ("192.0.2.109:4711", "192.0.2.109", "192.0.2.109"),
        ("[::ffff:10.0.0.5]:4711", "10.0.0.5", "10.0.0.5"),
        ("[2001:db8::1]:4711", "2001:db8::1", "\"[2001:db8::1]\""),
    ] {
        let client = Client { address: address(peer), is_secure: false };
        let facts = Facts { client, peer: address(peer), ..facts() };
        let expected = [
            format!("x-forwarded-for: {ip}"),
            "x-forwarded-proto: http".into(),
            "x-forwarded-host: a.example:81".into(),
            "x-forwarded-port: 81".into(),
            format!("x-real-ip: {ip}"),
            format!("forwarded: for={element};host=\"a.example:81\";proto=http"),
        ];
        assert_eq!(told(&policy, &facts, &came), expected, "{peer}");
    }
    let client = Client { address: Address::Unix, is_secure: true };
    let unix = Facts { client, peer: Address::Unix, ..facts() };
    assert_eq!(
        told(&policy, &unix, &came),
        [
            "x-forwarded-proto: https",
            "x-forwarded-host: a.example:81",
            "x-forwarded-port: 81",
            "forwarded: for=unknown;host=\"a.example:81\";proto=https",
        ]
    );
    let front = head("GET /", &["Host: a"]);
    let secure =
        Policy::new("us").unwrap().x_forwarded(false).x_forwarded_port(true).forwarded(true);
    let secure = leaves(&front, &unix, &secure.hide_client(true));
    assert_eq!(
        secure,
        ["host: a", "x-forwarded-port: 443", "forwarded: for=_hidden;host=a;proto=https"]
    );
}

#[test]
fn proxies_that_we_trust_are_believed_and_added_to() {
    let client = Client { address: address("198.51.100.7:0"), is_secure: true };
    let trusted = Facts { client, is_trusted: true, ..facts() };
    let policy = Policy::new("us").unwrap().x_real_ip(true).forwarded(true);
    let came = [
        "X-Forwarded-For: 1.2.3.4, 198.51.100.7",
        "X-Forwarded-For: ",
        "X-Forwarded-For: 10.0.0.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: b.example",
        "Forwarded: for=198.51.100.7;proto=https",
    ];
    let mut expected = vec![
        "x-forwarded-for: 1.2.3.4, 198.51.100.7, 10.0.0.9, 192.0.2.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: b.example",
        "x-real-ip: 198.51.100.7",
        "forwarded: for=198.51.100.7;proto=https, for=192.0.2.1;host=\"a.example:81\"",
    ];
    let mut got = told(&policy, &trusted, &came);
    got.sort();
    expected.sort_unstable();
    assert_eq!(got, expected);
    // By another field than those.
    let got = told(&Policy::new("us").unwrap(), &trusted, &[]);
    let expected = [
        "x-forwarded-for: 198.51.100.7, 192.0.2.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: a.example:81",
    ];
    assert_eq!(got, expected);
    // What we do not write ourselves goes on as the proxy wrote it.
    let got = told(&super::policy(), &trusted, &["X-Forwarded-For: 1.2.3.4", "Forwarded: for=_x"]);
    assert_eq!(got, ["x-forwarded-for: 1.2.3.4", "forwarded: for=_x"]);
    let hidden = Policy::new("us").unwrap().x_real_ip(true).hide_client(true);
    let got = told(&hidden, &trusted, &["X-Forwarded-For: 1.2.3.4", "X-Real-IP: 1.2.3.4"]);
    assert_eq!(got, ["x-forwarded-proto: https", "x-forwarded-host: a.example:81"]);
}

#[test]
fn ids_and_traces_and_early_data() {
    let trace =
        TraceContext::parse(PARENT.replace("00f067aa0ba902b7", "00000000000000aa").as_bytes());
    let facts = Facts { request_id: b"id-1", trace, is_early: true, ..facts() };
    let ours = format!("traceparent: {}", trace.unwrap());
    let parent = format!("Traceparent: {PARENT}");
    let came = ["X-Request-Id: theirs", &parent, "Tracestate: a=1", "tracestate: b=2"];
    let expected = ["x-request-id: id-1", &ours, "tracestate: a=1,b=2", "early-data: 1"];
    assert_eq!(told(&policy(), &facts, &came), expected);
    // Another trace than that which came: what was added to that is not said.
    let other = PARENT.replace("4bf9", "0bf9");
    let came = ["Early-Data: 1", &format!("Traceparent: {other}"), "Tracestate: a=1"];
    assert_eq!(told(&policy(), &facts, &came), ["early-data: 1", "x-request-id: id-1", &ours]);
    let came = ["x-request-id: theirs", "traceparent: any", "tracestate: any"];
    assert_eq!(told(&policy(), &super::facts(), &came), came);
}
