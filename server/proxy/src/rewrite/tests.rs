//! Heads go in, heads come out.

use trilane_exchange::{Address, Client};
use trilane_semantics::{Fields, Method, Protocol, RequestHead, ResponseHead, StatusCode};

use super::{BadAnswer, Bridge, Facts, Host, Policy, Refusal, Rewritten, Upstream};

mod forwarded;
mod response;
mod websocket;

pub(crate) fn policy() -> Policy {
    Policy::new("us").unwrap().x_forwarded(false)
}

pub(crate) fn upstream(protocol: Protocol) -> Upstream<'static> {
    Upstream { protocol, is_secure: false, authority: "10.0.0.1:8080" }
}

pub(crate) fn facts() -> Facts<'static> {
    let peer = Address::Ip(([192, 0, 2, 1], 4711).into());
    Facts {
        client: Client { address: peer, is_secure: false },
        peer,
        is_trusted: false,
        is_early: false,
        request_id: b"",
        trace: None,
        nonce: 0,
        upstream: upstream(Protocol::Http11),
    }
}

pub(crate) fn fields(lines: &[&str]) -> Fields {
    let mut fields = Fields::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        fields.append(name, value).unwrap();
    }
    fields
}

/// A head over HTTP/1.1: `GET /path`, and lines.
pub(crate) fn head(start: &str, lines: &[&str]) -> RequestHead {
    let (method, target) = start.split_once(' ').unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    RequestHead::with_fields(method, Protocol::Http11, fields(lines), target).unwrap()
}

pub(crate) fn lines(fields: &Fields) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

/// The lines that a request leaves with, but for our Via.
pub(crate) fn leaves(front: &RequestHead, facts: &Facts<'_>, policy: &Policy) -> Vec<String> {
    let Rewritten { head, .. } = super::request(front, facts, policy).unwrap();
    let mut lines = lines(&head.fields);
    lines.retain(|line| line != "via: 1.1 us");
    lines
}

fn target_of(
    front: &RequestHead,
    upstream: Upstream<'_>,
    policy: &Policy,
) -> Result<String, Refusal> {
    let facts = Facts { upstream, ..facts() };
    super::request(front, &facts, policy).map(|it| it.head.target().to_owned())
}

#[test]
fn a_browser_s_get_leaves_as_it_came() {
    let front = head(
        "GET /a/b?c=d",
        &["Host: a.example", "Accept: */*", "Cookie: a=b", "X-Own: 1", "Connection: keep-alive"],
    );
    let Rewritten { head, bridge } = super::request(&front, &facts(), &policy()).unwrap();
    assert_eq!((&head.method, head.target(), bridge), (&Method::GET, "/a/b?c=d", Bridge::None));
    let expected = ["host: a.example", "accept: */*", "cookie: a=b", "x-own: 1", "via: 1.1 us"];
    assert_eq!(lines(&head.fields), expected);
    assert_eq!(front.fields.len(), 5, "the head that came is as it was");
}

/// RFC 9110 §7.6.1: intermediaries MUST remove what Connection names, and these whether it does or not. RFC 9112 §6.1, §6.3: the
/// framing is said by the machine that sends.
#[test]
fn what_is_about_the_connection_stays_behind() {
    for gone in [
        &["Connection: close"][..],
        &["Connection: X-Own, , keep-ALIVE", "X-Own: 1", "x-OWN: 2"],
        &["Connection: x-own", "Connection: accept", "Accept: a", "x-own: 1"],
        &["Connection: cookie", "Cookie: a=b"],
        &["Keep-Alive: timeout=5"],
        &["Proxy-Connection: keep-alive"],
        &["TE: gzip, trailers;q=0.5"],
        &["Transfer-Encoding: chunked"],
        &["Content-Length: 5"],
        &[
            "Upgrade: h2c",
            "Connection: upgrade, http2-settings",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ],
        &["Upgrade: websocket"],
        &["Expect: 100-continue"],
        &["Proxy-Authorization: Basic eDp5"],
        &["Content_Length: 5"],
        &["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Anything: x", "Forwarded: for=1.2.3.4"],
        &[
            "X-Forwarded-Proto: https",
            "X-Real-IP: 1.2.3.4",
            "X-Original-URL: /admin",
            "X-Rewrite-URL: /admin",
        ],
    ] {
        let front = head("POST /", &[&["Host: a"], gone, &["Date: x"]].concat());
        assert_eq!(leaves(&front, &facts(), &policy()), ["host: a", "date: x"], "{gone:?}");
    }
    // What is removed because it is named is none of these: a request needs them.
    let front =
        head("OPTIONS *", &["Host: a", "Connection: host, max-forwards", "Max-Forwards: 1"]);
    assert_eq!(leaves(&front, &facts(), &policy()), ["host: a", "max-forwards: 0"]);
    let many = |count: usize| {
        let names = (0..count).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
        super::request(
            &head("GET /", &["host: a", &format!("connection: {names}")]),
            &facts(),
            &policy(),
        )
    };
    assert!(many(16).is_ok());
    assert_eq!(many(17).err(), Some(Refusal::Ambiguous));
}

/// RFC 9110 §10.1.4, RFC 9113 §8.2.2.
#[test]
fn a_client_that_takes_trailers_has_it_said() {
    let front = head("POST /", &["Host: a", "TE: gzip, Trailers", "Connection: te"]);
    let expected = ["host: a", "te: trailers", "connection: te"];
    assert_eq!(leaves(&front, &facts(), &policy()), expected);
    let facts = Facts { upstream: upstream(Protocol::Http2), ..facts() };
    assert_eq!(leaves(&front, &facts, &policy()), expected[..2]);
}

/// RFC 9112 §3.2.1, §3.2.2, §3.2.4.
#[test]
fn targets_and_hosts() {
    let h1 = upstream(Protocol::Http11);
    let secure = |protocol| Upstream { is_secure: true, ..upstream(protocol) };
    for (start, upstream, expected, host) in [
        ("GET /x?y", h1, "/x?y", "b"),
        ("GET http://a.example/x?y", h1, "/x?y", "a.example"),
        ("GET http://a.example?y", h1, "/?y", "a.example"),
        ("OPTIONS http://a.example", h1, "*", "a.example"),
        ("OPTIONS http://a/a", h1, "/a", "a"),
        ("OPTIONS http://a/", h1, "/", "a"),
        ("OPTIONS *", h1, "*", "b"),
        ("GET /x?y", upstream(Protocol::Http2), "/x?y", "b"),
        ("GET /x?y", secure(Protocol::Http11), "/x?y", "b"),
        ("GET /x?y", secure(Protocol::Http2), "https://b/x?y", "b"),
        ("GET http://a.example/x?y", secure(Protocol::Http3), "https://a.example/x?y", "a.example"),
        ("OPTIONS *", secure(Protocol::Http2), "https://b", "b"),
    ] {
        let front = head(start, &["Host: b"]);
        assert_eq!(target_of(&front, upstream, &policy()), Ok(expected.into()), "{start}");
        assert_eq!(leaves(&front, &facts(), &policy()), [format!("host: {host}")], "{start}");
    }
    for (host, expected) in
        [(Host::Server, "10.0.0.1:8080"), (Host::Fixed("c".into()), "c"), (Host::Keep, "b")]
    {
        let policy = policy().host(host);
        let front = head("GET /", &["Host: b", "X-Own: 1"]);
        let mut left = leaves(&front, &facts(), &policy);
        left.sort();
        assert_eq!(left, [format!("host: {expected}"), "x-own: 1".into()]);
    }
    // HTTP/1.0 need not say.
    assert_eq!(leaves(&head("GET /", &[]), &facts(), &policy()), ["host: 10.0.0.1:8080"]);
    let twice = head("GET /", &["Host: a", "Host: b"]);
    assert_eq!(target_of(&twice, h1, &policy()), Err(Refusal::Ambiguous));
}

#[test]
fn prefixes_of_paths_are_replaced() {
    for (from, to, path, expected) in [
        ("/api", "/", "/api/users?a=/api", "/users?a=/api"),
        ("/api", "/", "/api", "/"),
        ("/api", "/", "/api?q", "/?q"),
        ("/api/", "/", "/api/", "/"),
        ("/api", "/", "/apis/x", "/apis/x"),
        ("/api", "/", "/x/api/y", "/x/api/y"),
        ("/api", "/v2", "/api", "/v2"),
        ("/api", "/v2/", "/api/x%2Fy", "/v2/x%2Fy"),
        ("/", "/v2", "/x", "/v2/x"),
        ("/", "/v2", "/", "/v2/"),
        ("/", "/", "/x", "/x"),
        ("/api", "/", "/api//x", "//x"),
    ] {
        let policy = policy().path(from, to);
        policy.check().unwrap();
        let front = head(&format!("GET {path}"), &["Host: a"]);
        let result = target_of(&front, upstream(Protocol::Http11), &policy);
        assert_eq!(result, Ok(expected.into()), "{from} {to} {path}");
    }
    for (path, is_passed) in [
        ("/a/..;/b", false),
        ("/a/.;x=1/b", false),
        ("/a/%2e%2E;/b", false),
        ("/a%2f..;", false),
        ("/a\\..;/b", false),
        ("/a;b/c;d..", true),
        ("/a/...;/b", true),
        ("/a/b;..", true),
        ("/%61dmin", false),
        ("/admi%6E/x", false),
        ("/v%31", false),
        ("/my%2dname", false),
        ("/a/%2Egit", false),
        ("/group%2Fname/a%2Erb", true),
        ("/%C3%A9%20%7Ea%25", true),
        ("/x?%61", true),
    ] {
        let front = head(&format!("GET {path}"), &["Host: a"]);
        let result = target_of(&front, upstream(Protocol::Http11), &policy());
        assert_eq!(result.is_ok(), is_passed, "{path}");
    }
}

/// RFC 9110 §7.6.3: an intermediary MUST add itself; and one that finds itself is in a loop.
#[test]
fn via_is_one_line_that_ends_with_us() {
    for (came, protocol, expected) in [
        (&[][..], Protocol::Http2, Ok("2 us")),
        (
            &["Via: 1.0 a, 1.1 b (c)", "Via: HTTP/3 c"],
            Protocol::Http10,
            Ok("1.0 a, 1.1 b (c), HTTP/3 c, 1.0 us"),
        ),
        (&["Via: 1.1 us2, 1.1 a us"], Protocol::Http3, Ok("1.1 us2, 1.1 a us, 3 us")),
        (&["Via: 1.1 a", "Via: 1.1   US (x)"], Protocol::Http11, Err(Refusal::Loop)),
        (&["Via: 1.1 us"], Protocol::Http11, Err(Refusal::Loop)),
    ] {
        let mut front = head("GET /", &[&["Host: a"], came].concat());
        front.protocol = protocol;
        let result = super::request(&front, &facts(), &policy()).map(|it| lines(&it.head.fields));
        assert_eq!(result, expected.map(|via| vec!["host: a".into(), format!("via: {via}")]));
    }
    assert_eq!(Refusal::Loop.status(), StatusCode::LOOP_DETECTED);
}

/// RFC 9110 §7.6.2, §9.3.6, §9.3.8.
#[test]
fn some_methods_go_no_further() {
    for (start, hops, expected) in [
        ("OPTIONS /", "0", Err(Refusal::LastHop)),
        ("OPTIONS /", "1", Ok("0")),
        ("OPTIONS /", "99999999999999999999", Ok("18446744073709551614")),
        ("OPTIONS /", "-1", Err(Refusal::Ambiguous)),
        ("OPTIONS /", "1, 2", Err(Refusal::Ambiguous)),
        ("GET /", "0", Ok("0")),
        ("TRACE /", "5", Err(Refusal::Method)),
        ("CONNECT a:443", "5", Err(Refusal::Method)),
    ] {
        let front = head(start, &["Host: a", &format!("Max-Forwards: {hops}")]);
        let result = super::request(&front, &facts(), &policy());
        let hops = result.map(|it| it.head.fields.get_str("max-forwards").unwrap().to_owned());
        assert_eq!(hops, expected.map(Into::into), "{start}");
    }
}

#[test]
fn the_configuration_has_the_last_word() {
    let policy =
        policy().set_field("X-Own", "ours").remove_field("Cookie").set_field("Accept", "a");
    let policy = policy.remove_field("x-secret").set_field("X-Real-IP", "fixed");
    policy.check().unwrap();
    let came =
        ["Host: a", "x-own: 1", "Cookie: a=b", "Accept: b", "X-Secret: 1", "X-Real-IP: 1.2.3.4"];
    let expected = ["host: a", "x-own: ours", "accept: a", "x-real-ip: fixed"];
    assert_eq!(leaves(&head("GET /", &came), &facts(), &policy), expected);
    let passes = self::policy().underscores(true);
    assert_eq!(
        leaves(&head("GET /", &["Host: a", "a_b: 1"]), &facts(), &passes),
        ["host: a", "a_b: 1"]
    );
    for bad in [
        self::policy().set_field("Connection", "x"),
        self::policy().set_field("Content-Length", "1"),
        self::policy().set_field("Host", "x"),
        self::policy().set_field("a b", "x"),
        self::policy().set_field("a", "x\r\ny"),
        self::policy().remove_response_field("Transfer-Encoding"),
        self::policy().host(Host::Fixed("a b".into())),
        self::policy().path("api", "/"),
        self::policy().path("/a?b", "/"),
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

/// RFC 9110 §6.5.1.
#[test]
fn trailers_say_nothing_of_heads() {
    let mut fields = fields(&[
        "Digest: x",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: evil",
        "Authorization: x",
        "X-Forwarded-For: 1.2.3.4",
        "X-Real-IP: 1.2.3.4",
        "X_Real_IP: 1.2.3.4",
        "Connection: close",
        "X-Secret: 1",
        "grpc-status: 0",
    ]);
    super::trailers(&mut fields, false, &policy().remove_field("x-secret"));
    assert_eq!(lines(&fields), ["digest: x", "grpc-status: 0"]);
}
