//! RFC 9114 §4.1.2, §4.2 to §4.4: what makes a message malformed. Each is an error of its stream and of no other.

use super::Row;
use super::frames::{code, data, frame, headers, kind, literal, post, pseudo, section};
use super::peer::Expected;

pub(super) fn rows() -> Vec<Row> {
    let all = [names(), pseudo_fields(), connection_fields(), values(), contents(), tunnels()];
    all.into_iter().chain([fine()]).flatten().collect()
}

/// The head of an honest GET with these fields too.
pub(super) fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(&[&pseudo("GET", "/plaintext"), fields].concat())
}

/// A GET of these fields, and no others.
fn whole(of: &'static str, fields: &[(&str, &str)]) -> Row {
    Row::new(of).fin(0, &headers(fields)).malformed(0)
}

/// An honest GET, and these fields.
fn with(of: &'static str, fields: &[(&str, &str)]) -> Row {
    Row::new(of).fin(0, &get_with(fields)).malformed(0)
}

/// An honest GET but for one pseudo-field.
fn without(name: &str) -> Row {
    let fields: Vec<_> =
        pseudo("GET", "/plaintext").into_iter().filter(|(known, _)| *known != name).collect();
    whole("9114 §4.3.1 a pseudo-field is missing", &fields)
}

/// An honest GET in which one pseudo-field says something else.
fn saying(of: &'static str, name: &str, value: &str) -> Row {
    let mut fields = pseudo("GET", "/plaintext");
    fields.iter_mut().filter(|(known, _)| *known == name).for_each(|field| field.1 = value);
    whole(of, &fields)
}

/// §4.2.
fn names() -> Vec<Row> {
    let mut rows: Vec<Row> =
        [("X-Own", "1"), ("x own", "1"), ("x\0", "1"), ("x:y", "1"), ("", "1")]
            .map(|field| with("9114 §4.2 a name", &[field]))
            .into();
    rows.extend(
        [("x\u{e9}", "1"), ("x\n", "1"), ("x\u{7f}", "1"), ("Content-Length", "0")]
            .map(|field| with("9114 §4.2 a name", &[field])),
    );
    rows
}

/// §4.3, §4.3.1.
fn pseudo_fields() -> Vec<Row> {
    let honest = pseudo("GET", "/plaintext");
    let late = [&honest[..3], &[("x", "1"), (":path", "/plaintext")]].concat();
    let mut rows = vec![
        with("9114 §4.3 an unknown one", &[(":test", "1")]),
        with("9114 §4.3 a response's", &[(":status", "200")]),
        with("9114 §4.3 in upper case", &[(":Method", "GET")]),
        with("9114 §4.3 with no name", &[(":", "1")]),
        whole("9114 §4.3 after a field", &late),
        whole("9114 §4.3.1 none at all", &[]),
        whole("9114 §4.3.1 fields alone", &[("x", "1")]),
        saying("9114 §4.3.1 an empty path", ":path", ""),
        saying("9114 §4.3.1 an empty method", ":method", ""),
        saying("9114 §4.3.1 an empty scheme", ":scheme", ""),
        saying("9114 §4.3.1 an empty authority", ":authority", ""),
        without(":method"),
        without(":scheme"),
        without(":path"),
        without(":authority"),
        with("9114 §4.3.1 Host says something else", &[("host", "other")]),
        with("9114 §4.3.1 Host twice", &[("host", "it"), ("host", "other")]),
        whole("9114 §4.3.1 an empty Host alone", &[honest[0], honest[1], honest[3], ("host", "")]),
    ];
    rows.extend(honest.map(|field| with("9114 §4.3.1 twice", &[field])));
    rows.extend([":method", ":scheme", ":authority", ":path", ":status", ":x"].map(|name| {
        let trailers = headers(&[(name, "/")]);
        Row::new("9114 §4.3 in trailers")
            .fin(0, &[post(&[]), data(b"test"), trailers].concat())
            .malformed(0)
    }));
    rows
}

/// §4.2: what HTTP/1.1 says of its connection, and what smuggles a request into it.
fn connection_fields() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("connection", ""),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "trailers, deflate;q=0.5"),
        ("te", "gzip"),
    ]
    .map(|field| with("9114 §4.2 a field of connections", &[field]))
    .into();
    rows.push(
        Row::new("9114 §4.2 in trailers")
            .fin(0, &[post(&[]), headers(&[("connection", "close")])].concat())
            .malformed(0),
    );
    rows
}

/// §4.2, §10.3: what would be another message once it is written in HTTP/1.1.
fn values() -> Vec<Row> {
    let mut rows: Vec<Row> = ["a\r\nx: y", "a\nb", "a\rb", "a\0b", " a", "a ", "\ta", "a\t"]
        .map(|value| with("9114 §10.3 a value", &[("x", value)]))
        .into();
    for method in ["GE T", "GET / HTTP/1.1\r\nx: y", "G\0T", "G\u{e9}T"] {
        rows.push(saying("9114 §4.3.1 a method", ":method", method));
    }
    for path in ["/a b", "/ HTTP/1.1\r\nx: y", "plaintext", "*", "/a\0b", "/a\tb", "https://it/"] {
        rows.push(saying("9114 §4.3.1 a path", ":path", path));
    }
    for authority in ["it\r\nx: y", "a b", "user@it", "it/x", "it\0"] {
        rows.push(saying("9114 §4.3.1 an authority", ":authority", authority));
    }
    for scheme in ["https://it/?", "ht tps", "https\r\nx: y"] {
        rows.push(saying("9114 §4.3.1 a scheme", ":scheme", scheme));
    }
    rows
}

/// §4.1.2.
fn contents() -> Vec<Row> {
    let row = |length, frames: &[Vec<u8>]| {
        let head = post(&[("content-length", length)]);
        Row::new("9114 §4.1.2 content-length").fin(0, &[head, frames.concat()].concat())
    };
    let trailers = || headers(&[("x-sum", "1")]);
    vec![
        row("1", &[data(b"test")]).malformed(0),
        row("1", &[data(b"t"), data(b"est")]).malformed(0),
        row("5", &[data(b"test")]).malformed(0),
        row("5", &[]).malformed(0),
        row("0", &[data(b"t")]).malformed(0),
        row("5", &[data(b"test"), trailers()]).malformed(0),
        row("+4", &[data(b"test")]).malformed(0),
        row("-1", &[data(b"test")]).malformed(0),
        row("4x", &[data(b"test")]).malformed(0),
        row("", &[data(b"test")]).malformed(0),
        row("4, 4", &[data(b"test")]).malformed(0),
        row("18446744073709551616", &[data(b"test")]).malformed(0),
        Row::new("9114 §4.1.2 content-length twice")
            .fin(
                0,
                &[post(&[("content-length", "4"), ("content-length", "5")]), data(b"test")]
                    .concat(),
            )
            .malformed(0),
        row("4", &[data(b"test")]).answer(0),
        row("8", &[data(b"test"), data(b""), data(b"test")]).answer(0),
        row("4", &[data(b"test"), trailers()]).answer(0),
        row("0", &[data(b"")]).answer(0),
        Row::new("9114 §4.1.2 more than was said, and no end")
            .send(0, &[post(&[("content-length", "1")]), data(b"test")].concat())
            .malformed(0),
        Row::new("9114 §4.1.2 more than was said, before it comes")
            .send(0, &[&post(&[("content-length", "1")])[..], &[0, 4]].concat())
            .malformed(0),
        with("9114 §4.1.2 the end of the message, and a length", &[("content-length", "4")]),
    ]
}

/// §4.4, and RFC 9220 §3.
fn tunnels() -> Vec<Row> {
    let extended = [&pseudo("CONNECT", "/"), &[(":protocol", "websocket")][..]].concat();
    vec![
        whole("9114 §4.4 with a path", &pseudo("CONNECT", "/")),
        whole(
            "9114 §4.4 with a scheme",
            &[(":method", "CONNECT"), (":scheme", "https"), (":authority", "it:1")],
        ),
        whole("9114 §4.4 without an authority", &[(":method", "CONNECT")]),
        whole("9114 §4.4 without a port", &[(":method", "CONNECT"), (":authority", "it")]),
        whole("9114 §4.4 port 0", &[(":method", "CONNECT"), (":authority", "it:0")]),
        with("9220 §3 :protocol without CONNECT", &[(":protocol", "websocket")]),
        whole("9220 §3 no authority", &[&extended[..2], &extended[3..]].concat()),
        whole("9220 §3 no path", &[&extended[..3], &extended[4..]].concat()),
        whole("9220 §3 twice", &[&extended[..], &[(":protocol", "websocket")]].concat()),
    ]
}

/// What looks odd, and is not.
fn fine() -> Vec<Row> {
    let row = |of, fields: &[(&str, &str)]| Row::new(of).fin(0, &get_with(fields)).answer(0);
    let honest = pseudo("GET", "/plaintext");
    let host = [honest[0], honest[1], honest[3], ("host", "it")];
    let mixed = [honest[3], honest[2], honest[1], honest[0]];
    let raw = [section(&honest), literal(b"x", b"a\x80\xff b\tc")].concat();
    vec![
        row("9114 §4.2 te: trailers", &[("te", "trailers")]),
        row("9114 §4.2.1 cookies in pieces", &[("cookie", "a=b"), ("cookie", "c=d")]),
        row("9114 §4.3.1 Host says the same", &[("host", "it")]),
        Row::new("9114 §4.3.1 Host in place of :authority").fin(0, &headers(&host)).answer(0),
        Row::new("9114 §4.3 in any order").fin(0, &headers(&mixed)).answer(0),
        row("9110 §5.5 an empty value", &[("x", "")]),
        row("9110 §5.3 a field three times", &[("x", "1"), ("x", "2"), ("x", "3")]),
        row("9110 §5.6.2 every character of a token", &[("x!#$%&'*+-.^_`|~09az", "1")]),
        Row::new("9110 §5.5 obs-text").fin(0, &frame(kind::HEADERS, &raw)).answer(0),
        Row::new("9110 §15.6.2 a method that nobody knows")
            .fin(0, &headers(&pseudo("BREW", "/plaintext")))
            .expect(Expected::Answer(0, 501))
            .alive(),
        Row::new("9110 §9.3.7 OPTIONS *").fin(0, &headers(&pseudo("OPTIONS", "*"))).alive(),
        Row::new("9114 §4.1 an answer before the end, then the end")
            .send(0, &post(&[("expect", "a-miracle")]))
            .expect(Expected::Answer(0, 417))
            .alive(),
        Row::new("9114 §8.1 a request given up after its answer")
            .send(0, &headers(&pseudo("POST", "/nothing")))
            .expect(Expected::Answer(0, 404))
            .give_up(0, code::CANCELLED)
            .alive(),
    ]
}
