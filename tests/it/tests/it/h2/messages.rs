//! RFC 9113 §8: what makes a message malformed. Each is an error of its stream and of no other; that it is answered before is the
//! server's choice (§8.1.1).

use super::Row;
use super::frames::{block, code, data, flag, headers, post, pseudo};

const PROTOCOL: &[u32] = &[code::PROTOCOL];

pub(super) fn rows() -> Vec<Row> {
    let all = [names(), pseudo_fields(), connection_fields(), values(), contents(), tunnels()];
    all.into_iter().flatten().collect()
}

/// A GET of these fields, and no others.
fn whole(of: &'static str, fields: &[(&str, &str)]) -> Row {
    Row::new(of).send(&headers(flag::END_STREAM, 1, &block(fields))).reset(1, PROTOCOL)
}

/// An honest GET, and these fields.
fn with(of: &'static str, fields: &[(&str, &str)]) -> Row {
    whole(of, &[&pseudo("GET", "/plaintext"), fields].concat())
}

/// An honest GET but for one pseudo-field.
fn without(name: &str) -> Row {
    let fields: Vec<_> =
        pseudo("GET", "/plaintext").into_iter().filter(|(known, _)| *known != name).collect();
    whole("9113 §8.3.1 a pseudo-field is missing", &fields)
}

/// An honest GET in which one pseudo-field says something else.
fn saying(of: &'static str, name: &str, value: &str) -> Row {
    let mut fields = pseudo("GET", "/plaintext");
    fields.iter_mut().filter(|(known, _)| *known == name).for_each(|field| field.1 = value);
    whole(of, &fields)
}

/// §8.2, §8.2.1.
fn names() -> Vec<Row> {
    [("X-Own", "1"), ("x own", "1"), ("x\0", "1"), ("x:y", "1"), ("", "1"), ("x\u{e9}", "1")]
        .map(|field| with("9113 §8.2.1 a name", &[field]))
        .into()
}

/// §8.3, §8.3.1.
fn pseudo_fields() -> Vec<Row> {
    let late = [&pseudo("GET", "/plaintext")[..3], &[("x", "1"), (":authority", "it")]].concat();
    let mut rows = vec![
        with("9113 §8.3 an unknown one", &[(":test", "1")]),
        with("9113 §8.3 a response's", &[(":status", "200")]),
        whole("9113 §8.3 after a field", &late),
        saying("9113 §8.3.1 an empty path", ":path", ""),
        without(":method"),
        without(":scheme"),
        without(":path"),
        without(":authority"),
        with("9113 §8.3.1 twice", &[(":method", "GET")]),
        with("9113 §8.3.1 twice", &[(":scheme", "http")]),
        with("9113 §8.3.1 twice", &[(":path", "/plaintext")]),
        with("9113 §8.3.1 twice", &[(":authority", "it")]),
        with("9113 §8.3.1 Host says something else", &[("host", "other")]),
        with("9113 §8.3.1 Host twice", &[("host", "it"), ("host", "other")]),
    ];
    let trailers = headers(flag::END_STREAM, 1, &block(&[(":path", "/")]));
    rows.push(
        Row::new("9113 §8.1 in trailers")
            .send(&[post(1, "/test/collect", &[]), data(0, 1, b"test"), trailers].concat())
            .reset(1, PROTOCOL),
    );
    rows
}

/// §8.2.2: what HTTP/1.1 says of its connection, and what smuggles a request into it.
fn connection_fields() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        ("connection", "keep-alive"),
        ("connection", "upgrade, http2-settings"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "trailers, deflate;q=0.5"),
        ("te", "gzip"),
    ]
    .map(|field| with("9113 §8.2.2", &[field]))
    .into();
    let te = block(&[&pseudo("GET", "/plaintext")[..], &[("te", "trailers")]].concat());
    rows.push(Row::new("9113 §8.2.2 te: trailers").send(&headers(1, 1, &te)).answer(1));
    rows
}

/// §8.2.1, §8.3.1, §10.3: what would be another message once it is written in HTTP/1.1.
fn values() -> Vec<Row> {
    let mut rows: Vec<Row> = ["a\r\nx: y", "a\nb", "a\rb", "a\0b", " a", "a ", "\ta"]
        .map(|value| with("9113 §8.2.1 a value", &[("x", value)]))
        .into();
    for method in ["GE T", "GET / HTTP/1.1\r\nx: y", "", "G\0T"] {
        rows.push(saying("9113 §8.3.1 a method", ":method", method));
    }
    for path in ["/a b", "/ HTTP/1.1\r\nx: y", "plaintext", "*", "/a\0b", "/a\tb", "http://it/"] {
        rows.push(saying("9113 §8.3.1 a path", ":path", path));
    }
    for authority in ["it\r\nx: y", "a b", "user@it", "it/x", ""] {
        rows.push(saying("9113 §8.3.1 an authority", ":authority", authority));
    }
    rows.push(saying("9113 §8.3.1 a scheme", ":scheme", "http://it/?"));
    rows
}

/// §8.1, §8.1.1.
fn contents() -> Vec<Row> {
    let row = |length, frames: &[Vec<u8>]| {
        let head = post(1, "/test/collect", &[("content-length", length)]);
        Row::new("9113 §8.1.1 content-length").send(&[head, frames.concat()].concat())
    };
    let wanted = |target: &str| {
        let head = post(1, target, &[("content-length", "1")]);
        Row::new("9113 §8.1.1 content-length, when it is answered").send(&head)
    };
    let more = headers(0, 1, &block(&[("x", "1")]));
    vec![
        row("1", &[data(1, 1, b"test")]).reset(1, PROTOCOL),
        row("1", &[data(0, 1, b"test"), data(1, 1, b"test")]).reset(1, PROTOCOL),
        row("5", &[data(1, 1, b"test")]).reset(1, PROTOCOL),
        row("8", &[data(0, 1, b"test"), data(1, 1, b"test")]).answer(1),
        row("+4", &[data(1, 1, b"test")]).reset(1, PROTOCOL),
        row("4, 4", &[data(1, 1, b"test")]).reset(1, PROTOCOL),
        // An answer that came before does not make it right.
        wanted("/plaintext")
            .expect(super::Expected::Answer(1, 405))
            .send(&[data(0, 1, b"test"), data(1, 1, b"test")].concat())
            .reset(1, PROTOCOL),
        with("9113 §8.1.1 the end of the message, and a length", &[("content-length", "4")]),
        Row::new("9113 §8.1 a second head that ends nothing")
            .send(&[post(1, "/test/collect", &[]), data(0, 1, b"test"), more].concat())
            .reset(1, PROTOCOL),
        Row::new("9113 §8.1 trailers with connection: close")
            .send(&post(1, "/test/collect", &[]))
            .send(&headers(1, 1, &block(&[("connection", "close")])))
            .reset(1, PROTOCOL),
    ]
}

/// §8.5, and RFC 8441 §4.
fn tunnels() -> Vec<Row> {
    let extended = [&pseudo("CONNECT", "/"), &[(":protocol", "websocket")][..]].concat();
    let refused = |fields: &[(&str, &str)]| {
        Row::new("9110 §9.3.6 nobody tunnels here").send(&headers(0, 1, &block(fields)))
    };
    vec![
        whole("9113 §8.5 with a path", &pseudo("CONNECT", "/")),
        whole("9113 §8.5 without an authority", &[(":method", "CONNECT")]),
        whole("9113 §8.5 without a port", &[(":method", "CONNECT"), (":authority", "it")]),
        whole("9113 §8.5 port 0", &[(":method", "CONNECT"), (":authority", "it:0")]),
        with("8441 §4 :protocol without CONNECT", &[(":protocol", "websocket")]),
        whole("8441 §4 no authority", &[&extended[..3], &extended[4..]].concat()),
        refused(&[(":method", "CONNECT"), (":authority", "it:1")]).reset(1, &[code::NO_ERROR]),
        refused(&extended).reset(1, &[code::NO_ERROR]),
    ]
}
