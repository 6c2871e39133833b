//! Bytes that no client may send, each with the reason for which a server must refuse them.

use trilane_semantics::Reason;

/// Every kind of bad request that one write can carry: bytes, and the reason of its refusal.
#[must_use]
pub fn all() -> Vec<(Vec<u8>, Reason)> {
    let mut all: Vec<(Vec<u8>, Reason)> = PLAIN
        .iter()
        .map(|(lines, reason)| (format!("{lines}\r\n\r\n").into_bytes(), *reason))
        .collect();
    let long = "a".repeat(9000);
    all.push((format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n").into(), Reason::TargetTooLong));
    let method = "M".repeat(65);
    all.push((format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n").into(), Reason::Method));
    let lines = "a: b\r\n".repeat(130);
    all.push((format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n").into(), Reason::FieldsTooLarge));
    let large = "a".repeat(70_000);
    all.push((format!("GET / HTTP/1.1\r\nx: {large}\r\n\r\n").into(), Reason::FieldsTooLarge));
    for (chunk, reason) in CHUNKS {
        let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        all.push((format!("{head}{chunk}").into(), *reason));
    }
    all
}

const PLAIN: &[(&str, Reason)] = &[
    // RFC 9112 §2.2.
    ("GET / HTTP/1.1\nhost: a", Reason::BareLineFeed),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb", Reason::BareCarriageReturn),
    // RFC 9112 §3.
    ("GET /  HTTP/1.1\r\nhost: a", Reason::RequestLine),
    ("G(T / HTTP/1.1\r\nhost: a", Reason::RequestLine),
    // RFC 9112 §5, §5.1.
    ("GET / HTTP/1.1\r\nhost : a", Reason::FieldLine),
    ("GET / HTTP/1.1\r\nhost: a\r\nno colon", Reason::FieldLine),
    // RFC 9112 §5.2.
    ("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b", Reason::FoldedField),
    // RFC 9112 §3.2.
    ("GET x HTTP/1.1\r\nhost: a", Reason::Target),
    ("CONNECT / HTTP/1.1\r\nhost: a", Reason::Target),
    ("GET / HTTP/1.1", Reason::Host),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: a", Reason::Host),
    // RFC 9112 §6.1, §6.3.
    (
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked",
        Reason::Framing,
    ),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1", Reason::Framing),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1", Reason::Framing),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked", Reason::TransferCoding),
    // RFC 9110 §10.1.1.
    ("POST / HTTP/1.1\r\nhost: a\r\nexpect: magic\r\ncontent-length: 1", Reason::Expectation),
    // RFC 9112 §2.3.
    ("GET / HTTP/2.0\r\nhost: a", Reason::Version),
];

/// RFC 9112 §7.1: content that breaks the coding, after a good head.
const CHUNKS: &[(&str, Reason)] = &[
    ("x\r\n", Reason::Chunk),
    ("3\r\nabcd\r\n", Reason::Chunk),
    ("3\r\nabc\r\nfffffffffffffffff\r\n", Reason::Chunk),
    ("3\r\nabc\r\n0\r\nbad line\r\n\r\n", Reason::FieldLine),
];
