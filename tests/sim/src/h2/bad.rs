//! What no client may send over HTTP/2: what ends the connection, with its error code and reason, and what ends its stream only.

use trilane_semantics::Reason;

use crate::h2::pack::plain;
use crate::h2::wire::{PREFACE, flag, frame, kind, number, settings};

/// Bytes that end a connection.
#[derive(Clone, Debug)]
pub struct Bad {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Why.
    pub reason: Reason,
    /// What GOAWAY says (RFC 9113 §7).
    pub code: u32,
    /// The status of the last answer, where one is still given.
    pub status: Option<u16>,
}

const HEAD: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/nothing"), (":authority", "sim")];

/// Whole connections that begin as none may (RFC 9113 §3.4).
#[must_use]
pub fn beginnings() -> Vec<Bad> {
    let bytes = [PREFACE, &frame(kind::PING, 0, 0, &[0; 8])].concat();
    let ack = [PREFACE, &frame(kind::SETTINGS, flag::ACK, 0, &[])].concat();
    [bytes, ack].map(|bytes| Bad { bytes, reason: Reason::Preface, code: 1, status: None }).into()
}

/// Bytes that may come nowhere on a connection whose next stream is `next`.
#[must_use]
pub fn connection(next: u32) -> Vec<Bad> {
    let mut all: Vec<Bad> = frames(next)
        .into_iter()
        .map(|(bytes, reason, code)| Bad { bytes, reason, code, status: None })
        .collect();
    // RFC 9113 §10.5.1: a section that is too long, one byte of which can be many, and one in too many frames.
    let long = |n| frame(kind::CONTINUATION, 0, next, &vec![0; n]);
    let block = [frame(kind::HEADERS, 1, next, &plain(HEAD)), long(16_384).repeat(5)].concat();
    all.push(Bad { bytes: block, reason: Reason::FieldsTooLarge, code: 11, status: Some(431) });
    let many = [frame(kind::HEADERS, 1, next, &plain(HEAD)), long(1).repeat(17)].concat();
    all.push(Bad { bytes: many, reason: Reason::Continuations, code: 11, status: None });
    // RFC 9113 §10.5: floods.
    let one = |id| [slow(id), number(kind::RST_STREAM, id, 8)].concat();
    let resets = (0..400).flat_map(|n| one(next + 2 * n)).collect();
    all.push(Bad { bytes: resets, reason: Reason::Resets, code: 11, status: None });
    let pings = frame(kind::PING, 0, 0, &[7; 8]).repeat(600);
    all.push(Bad { bytes: pings, reason: Reason::Flood, code: 11, status: None });
    all
}

/// A request whose answer takes a while.
fn slow(id: u32) -> Vec<u8> {
    let mut lines = HEAD.to_vec();
    lines[2].1 = "/slow/3000";
    frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &plain(&lines))
}

/// RFC 9113 §6, one after the other.
fn frames(next: u32) -> Vec<(Vec<u8>, Reason, u32)> {
    let headers = |block: &[u8]| frame(kind::HEADERS, flag::END_HEADERS | 1, next, block);
    let padded = frame(kind::HEADERS, flag::END_HEADERS | flag::PADDED, next, &[9, 0x82]);
    let broken = [frame(kind::HEADERS, 0, next, &[0x82]), frame(kind::PING, 0, 0, &[0; 8])];
    vec![
        (frame(kind::DATA, 0, 0, b"x"), Reason::Frame, 1),
        (frame(kind::DATA, 0, next, b"x"), Reason::Frame, 1),
        (frame(kind::DATA, 0, 1, &[0; 16_385]), Reason::FrameSize, 6),
        (frame(kind::HEADERS, flag::END_HEADERS, 0, &plain(HEAD)), Reason::Frame, 1),
        (frame(kind::HEADERS, flag::END_HEADERS, 2, &plain(HEAD)), Reason::Frame, 1),
        (padded, Reason::Frame, 1),
        (headers(&[0x80]), Reason::Compression, 9),
        (headers(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Reason::Compression, 9),
        (frame(kind::PRIORITY, 0, 0, &[0; 5]), Reason::Frame, 1),
        (number(kind::RST_STREAM, 0, 8), Reason::Frame, 1),
        (number(kind::RST_STREAM, next, 8), Reason::Frame, 1),
        (frame(kind::RST_STREAM, 0, 1, &[0; 3]), Reason::FrameSize, 6),
        (frame(kind::SETTINGS, 0, 1, &[]), Reason::Frame, 1),
        (frame(kind::SETTINGS, 0, 0, &[0; 5]), Reason::FrameSize, 6),
        (settings(&[(2, 2)]), Reason::Setting, 1),
        (settings(&[(4, 1 << 31)]), Reason::FlowControl, 3),
        (settings(&[(5, 16_383)]), Reason::Setting, 1),
        (frame(kind::PUSH_PROMISE, flag::END_HEADERS, next, &[0; 4]), Reason::Frame, 1),
        (frame(kind::PING, 0, 1, &[0; 8]), Reason::Frame, 1),
        (frame(kind::PING, 0, 0, &[0; 7]), Reason::FrameSize, 6),
        (frame(kind::GOAWAY, 0, 1, &[0; 8]), Reason::Frame, 1),
        (frame(kind::GOAWAY, 0, 0, &[0; 7]), Reason::FrameSize, 6),
        (number(kind::WINDOW_UPDATE, 0, 0), Reason::Frame, 1),
        (number(kind::WINDOW_UPDATE, next, 1), Reason::Frame, 1),
        (number(kind::WINDOW_UPDATE, 0, 0x7fff_ffff), Reason::FlowControl, 3),
        (frame(kind::CONTINUATION, flag::END_HEADERS, next, &[]), Reason::Frame, 1),
        (broken.concat(), Reason::Frame, 1),
    ]
}

/// A request that its stream does not survive: its lines, its content, its reason; and what RST_STREAM says after the answer.
pub type Malformed = (Vec<(&'static str, &'static str)>, &'static [u8], Reason, u32);

/// Header sections that are no request (RFC 9113 §8.2, §8.3), and content of another length than they say (§8.1.1).
#[must_use]
pub fn requests() -> Vec<Malformed> {
    let with = |more: &[(&'static str, &'static str)]| [HEAD, more].concat();
    let read = |more: &[(&'static str, &'static str)]| {
        let mut lines = with(more);
        (lines[0].1, lines[2].1) = ("POST", "/echo");
        lines
    };
    let without = |name| HEAD.iter().filter(|line| line.0 != name).copied().collect::<Vec<_>>();
    vec![
        (with(&[("X-a", "b")]), b"", Reason::FieldLine, 1),
        (with(&[("x-a", "b\r\nc")]), b"", Reason::FieldLine, 1),
        (with(&[("connection", "close")]), b"", Reason::ConnectionField, 1),
        (with(&[("te", "gzip")]), b"", Reason::ConnectionField, 1),
        (with(&[(":path", "/")]), b"", Reason::PseudoField, 1),
        (with(&[("x-a", "b"), (":unknown", "c")]), b"", Reason::PseudoField, 1),
        (without(":path"), b"", Reason::PseudoField, 1),
        (without(":method"), b"", Reason::PseudoField, 1),
        (with(&[("content-length", "2")]), b"", Reason::ContentLength, 1),
        (read(&[("content-length", "2")]), b"abc", Reason::ContentLength, 1),
        (read(&[("content-length", "4")]), b"abc", Reason::ContentLength, 1),
        (with(&[("expect", "magic")]), b"abc", Reason::Expectation, 0),
    ]
}
