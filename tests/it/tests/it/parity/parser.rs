//! A strict reader of HTTP/1 responses (RFC 9112), which shares nothing with the product: what it does not
//! expect is a panic, and so a failed test.

use super::lane::{Got, Head};

/// What the response answers: its framing depends on it (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Head,
    Http10,
    Upgrade,
    Other,
}

/// Where the response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    Exact(u64),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
    End,
}

/// One response, from its first byte.
#[derive(Debug)]
pub(crate) struct Parser {
    to: To,
    at: At,
    /// Whether the connection is good for another response after this one.
    pub(crate) keeps: bool,
}

impl Parser {
    pub(crate) const fn new(to: To) -> Self {
        Self { to, at: At::Head, keeps: true }
    }

    /// What comes next, and how many bytes it took; `None` when more bytes are needed. `Nothing` is a step
    /// in which only framing was taken.
    pub(crate) fn next(&mut self, bytes: &[u8], is_end: bool) -> Option<(Got, usize)> {
        if is_end && bytes.is_empty() {
            let is_whole = matches!(self.at, At::UntilClose | At::End | At::Exact(0));
            return Some((if is_whole { Got::End } else { Got::Cut }, 0));
        }
        match self.at {
            At::Head => self.head(bytes),
            At::End | At::Exact(0) => Some((Got::End, 0)),
            At::Exact(left) => {
                let n = bytes.len().min(usize::try_from(left).unwrap());
                self.at = At::Exact(left - n as u64);
                (n > 0).then(|| (Got::Data(bytes[..n].to_vec()), n))
            }
            At::UntilClose => (!bytes.is_empty()).then(|| (Got::Data(bytes.to_vec()), bytes.len())),
            At::Trailers => self.trailers(bytes),
            At::ChunkSize | At::Chunk(_) | At::ChunkEnd => self.chunk(bytes),
        }
    }

    fn chunk(&mut self, bytes: &[u8]) -> Option<(Got, usize)> {
        let mut at = 0;
        loop {
            match self.at {
                At::Chunk(left) => {
                    let n = left.min(bytes.len() - at);
                    if n == 0 {
                        break;
                    }
                    self.at = if n == left { At::ChunkEnd } else { At::Chunk(left - n) };
                    return Some((Got::Data(bytes[at..at + n].to_vec()), at + n));
                }
                At::ChunkEnd => {
                    let Some(end) = bytes.get(at..at + 2) else { break };
                    assert_eq!(end, b"\r\n", "RFC 9112 §7.1: a chunk ends in CRLF");
                    (self.at, at) = (At::ChunkSize, at + 2);
                }
                _ => {
                    let Some(line) = line(&bytes[at..]) else { break };
                    let valid = !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
                    assert!(valid, "RFC 9112 §7.1: not a chunk size: {line:?}");
                    let size = usize::from_str_radix(line, 16).unwrap();
                    at += line.len() + 2;
                    if size == 0 {
                        self.at = At::Trailers;
                        return Some((Got::Nothing, at));
                    }
                    self.at = At::Chunk(size);
                }
            }
        }
        if at > 0 { Some((Got::Nothing, at)) } else { None }
    }

    fn trailers(&mut self, bytes: &[u8]) -> Option<(Got, usize)> {
        let (fields, n) = fields(bytes)?;
        self.at = At::End;
        Some((if fields.is_empty() { Got::End } else { Got::Trailers(fields) }, n))
    }

    fn head(&mut self, bytes: &[u8]) -> Option<(Got, usize)> {
        let start = line(bytes)?;
        let (fields, n) = fields(&bytes[start.len() + 2..])?;
        let n = n + start.len() + 2;
        // RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]; ours is always 1.1 (RFC 9110 §2.5).
        let rest = start.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{start:?}"));
        assert_eq!(rest.as_bytes().get(3), Some(&b' '), "RFC 9112 §4: {start:?}");
        let status: u16 = rest[..3].parse().unwrap();
        let head = Head { status, fields };
        let length = head.field("content-length").map(|text| {
            assert!(text.bytes().all(|b| b.is_ascii_digit()), "RFC 9110 §8.6: {text:?}");
            text.parse().unwrap()
        });
        let is_chunked = head.field("transfer-encoding").map(|coding| coding == "chunked");
        if status == 101 {
            assert_eq!(self.to, To::Upgrade, "RFC 9110 §15.2.2: {head:?}");
            // What follows is the tunnel's.
            (self.keeps, self.at) = (false, At::UntilClose);
            return Some((Got::Head(head), n));
        }
        if status < 200 {
            assert!(length.is_none() && is_chunked.is_none(), "RFC 9110 §8.6: {head:?}");
            assert_ne!(self.to, To::Http10, "RFC 9110 §15.2: no 1xx to HTTP/1.0");
            return Some((Got::Interim(head), n));
        }
        // RFC 9110 §6.6.1: an origin server with a clock MUST send Date.
        assert!(head.field("date").is_some_and(|date| date.len() == 29), "{head:?}");
        assert!(length.is_none() || is_chunked.is_none(), "RFC 9112 §6.2: {head:?}");
        let says = |word| head.field("connection").is_some_and(|value| value == word);
        self.keeps = if self.to == To::Http10 { says("keep-alive") } else { !says("close") };
        let is_bare = status == 204 || status == 304;
        self.at = match (is_chunked, length) {
            _ if self.to == To::Head => At::End,
            (_, length) if is_bare => {
                assert!(status != 204 || length.is_none(), "RFC 9110 §8.6: {head:?}");
                At::End
            }
            (Some(coding), _) => {
                assert!(coding && self.to != To::Http10, "RFC 9112 §6.1: {head:?}");
                At::ChunkSize
            }
            (None, Some(length)) => At::Exact(length),
            (None, None) => {
                assert!(!self.keeps, "RFC 9112 §6.3: no end in sight: {head:?}");
                At::UntilClose
            }
        };
        Some((Got::Head(head), n))
    }
}

/// A line without its CRLF.
fn line(bytes: &[u8]) -> Option<&str> {
    let feed = bytes.iter().position(|&b| b == b'\n')?;
    let (Some(line), true) = (bytes[..feed].strip_suffix(b"\r"), feed > 0) else {
        panic!("RFC 9112 §2.2: a bare LF in {:?}", String::from_utf8_lossy(&bytes[..feed]))
    };
    assert!(!line.contains(&b'\r'), "RFC 9112 §2.2: a bare CR");
    Some(std::str::from_utf8(line).unwrap())
}

/// A section and its length, the empty line included.
fn fields(bytes: &[u8]) -> Option<(Vec<(String, String)>, usize)> {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        let text = line(&bytes[at..])?;
        at += text.len() + 2;
        if text.is_empty() {
            return Some((all, at));
        }
        let (name, value) = text.split_once(':').unwrap_or_else(|| panic!("{text:?}"));
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // RFC 9112 §5.1: no whitespace between the name and the colon; §5.2: no folding.
        assert!(!name.is_empty() && name.bytes().all(token), "RFC 9112 §5.1: {text:?}");
        all.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

#[test]
fn a_response_is_read_the_same_however_it_is_cut() {
    let wire =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 00:00:00 GMT\r\n\
        transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-a: b\r\n\r\n";
    for cut in 0..=wire.len() {
        let (mut parser, mut at, mut events) = (Parser::new(To::Other), 0, Vec::new());
        let mut body = Vec::new();
        for end in [cut, wire.len()] {
            while events.last() != Some(&Got::End)
                && let Some((got, n)) = parser.next(&wire[at..end], false)
            {
                at += n;
                match got {
                    Got::Data(data) => body.extend(data),
                    Got::Nothing => {}
                    other => events.push(other),
                }
            }
        }
        assert_eq!((at, &body[..]), (wire.len(), &b"abc0123456789"[..]), "cut at {cut}");
        assert_eq!(events.len(), 4, "cut at {cut}: {events:?}");
    }
}
