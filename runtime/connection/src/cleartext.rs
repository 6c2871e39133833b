//! A connection in clear whose protocol its first bytes tell: HTTP/2 by prior knowledge (RFC 9113 §3.3), else HTTP/1.1.
//!
//! Until then it is an HTTP/1.1 conversation to which nothing has come; bytes that may be the preface are kept back from it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::ConnectionInfo;
use trilane_http2::PREFACE;
use trilane_semantics::{Cause, ExchangeId, Instant, Outbox, Payload};

use crate::connection::{Received, Sends};
use crate::conversation::{Conversation, http1, http2, passed_on_to_current};
use crate::describe::Description;
use crate::ending::Goal;
use crate::host::Host;
use crate::piping::Piping;

/// A conversation in clear, in HTTP/1.1 or HTTP/2, server role, over what `sends` can send. `key` is the shard's name for it.
#[must_use]
pub fn cleartext(
    host: &Host,
    now: Instant,
    key: u64,
    info: Rc<ConnectionInfo>,
    sends: Sends,
) -> Box<dyn Conversation> {
    let current = http1(host, now, key, Rc::clone(&info), sends);
    let undecided = Undecided { key, info, kept: Vec::new(), drain: None };
    Box::new(Cleartext { current, undecided: Some(Box::new(undecided)) })
}

struct Cleartext {
    current: Box<dyn Conversation>,
    undecided: Option<Box<Undecided>>,
}

/// What is needed while the protocol is not known.
struct Undecided {
    key: u64,
    info: Rc<ConnectionInfo>,
    /// The front of the preface.
    kept: Vec<u8>,
    drain: Option<Duration>,
}

/// What the first bytes say.
enum Verdict {
    Http1,
    Http2,
    Unknown,
}

/// The first line of the preface: who says that speaks HTTP/2, well or not.
const FIRST_LINE: usize = b"PRI * HTTP/2.0\r\n".len();

fn judge(bytes: &[u8]) -> Verdict {
    if bytes.starts_with(PREFACE) {
        Verdict::Http2
    } else if PREFACE.starts_with(bytes) {
        Verdict::Unknown
    } else if bytes.starts_with(&PREFACE[..FIRST_LINE]) || is_foreign(bytes) {
        // RFC 9113 §3.4: an invalid preface, which that machine refuses.
        Verdict::Http2
    } else {
        Verdict::Http1
    }
}

/// Whether a first line that came whole has the form of a request's, but for a version that is none of HTTP (RFC 9112 §2.3): an
/// answer in HTTP/1.1 would not be understood.
fn is_foreign(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\r' || byte == b'\n');
    let line = lines.next().filter(|line| line.len() < bytes.len()).unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let is_word = |word: &&[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    let words: [Option<&[u8]>; 4] = std::array::from_fn(|_| words.next());
    let [Some(method), Some(target), Some(version), None] = words else { return false };
    let is_http = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP"));
    [method, target, version].iter().all(is_word) && !is_http
}

impl Cleartext {
    /// The first bytes came.
    fn decide(&mut self, host: &Host, now: Instant, received: Received<'_>) {
        let Some(mut undecided) = self.undecided.take() else { return };
        let is_first = undecided.kept.is_empty();
        if !is_first || received.bytes().len() < PREFACE.len() {
            undecided.kept.extend_from_slice(received.bytes());
        }
        let all = if undecided.kept.is_empty() { received.bytes() } else { &undecided.kept };
        match judge(all) {
            Verdict::Unknown => {
                self.undecided = Some(undecided);
                return;
            }
            Verdict::Http1 => (),
            Verdict::Http2 => {
                self.current = http2(host, now, undecided.key, Rc::clone(&undecided.info));
                if let Some(grace) = undecided.drain {
                    self.current.drain(host, now, grace);
                }
            }
        }
        if undecided.kept.is_empty() || is_first {
            self.current.receive(host, now, received);
        } else {
            self.current.receive(host, now, Received::copied(&undecided.kept));
        }
    }
}

impl Conversation for Cleartext {
    fn receive(&mut self, host: &Host, now: Instant, received: Received<'_>) {
        if self.undecided.is_some() {
            self.decide(host, now, received);
        } else {
            self.current.receive(host, now, received);
        }
    }

    fn receive_end(&mut self, host: &Host, now: Instant) {
        if let Some(undecided) = self.undecided.take()
            && !undecided.kept.is_empty()
        {
            self.current.receive(host, now, Received::copied(&undecided.kept));
        }
        self.current.receive_end(host, now);
    }

    fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        if let Some(undecided) = &mut self.undecided {
            undecided.drain = Some(grace);
        }
        self.current.drain(host, now, grace);
    }

    passed_on_to_current!();
}

impl fmt::Debug for Cleartext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9113 §3.4: an invalid preface is HTTP/2's to refuse, as far as it can be told from HTTP/1.1.
    #[test]
    fn the_first_bytes_tell() {
        for (bytes, expected) in [
            (&b""[..], "?"),
            (b"P", "?"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "?"),
            (PREFACE, "2"),
            (b"PRI * HTTP/2.0\r\n\r\nSX", "2"),
            (b"INVALID CONNECTION PREFACE\r\n\r\n", "2"),
            (b"GET / HTTP/1.1\r\n", "1"),
            (b"GET / http/1.1\r\n", "1"),
            (b"PUT / HTTP/1.1\r\n", "1"),
            (b"INVALID CONNECTION PREFACE", "1"),
            (b"GET /\r\n", "1"),
            (b"GET / in HTTP/1.1\r\n", "1"),
            (b"\x16\x03 a b\r\n", "1"),
        ] {
            let verdict = match judge(bytes) {
                Verdict::Http1 => "1",
                Verdict::Http2 => "2",
                Verdict::Unknown => "?",
            };
            assert_eq!(verdict, expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
