//! One request: its bytes, and what its answer must be. The routes are those of the demo application.

use std::time::Duration;

use crate::answer::Answer;
use crate::rng::Rng;

/// A request and what is expected of its answer.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request line and the fields, with the empty line.
    pub head: Vec<u8>,
    /// The content as it goes over the wire.
    pub body: Vec<u8>,
    /// Whether the method is HEAD.
    pub is_head: bool,
    /// The status of the answer.
    pub status: u16,
    /// The content of the answer.
    pub check: Check,
}

/// What the content of an answer must be.
#[derive(Clone, Debug)]
pub enum Check {
    /// Anything.
    Any,
    /// These bytes.
    Exact(Vec<u8>),
    /// These bytes somewhere.
    Has(Vec<u8>),
    /// At least that many bytes.
    AtLeast(usize),
}

/// How the content of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Content-Length.
    Length,
    /// The chunked coding, with a trailer field.
    Chunked,
}

impl Ask {
    /// GET of `target`.
    #[must_use]
    pub fn get(target: &str, status: u16, check: Check) -> Self {
        Self::new("GET", target, "HTTP/1.1", "").expecting(status, check)
    }

    /// A request without content; `fields` are whole lines.
    #[must_use]
    pub fn new(method: &str, target: &str, version: &str, fields: &str) -> Self {
        let head = format!("{method} {target} {version}\r\nhost: sim\r\n{fields}\r\n").into_bytes();
        let is_head = method == "HEAD";
        Self { head, body: Vec::new(), is_head, status: 200, check: Check::Any }
    }

    /// POST of `content`; `fields` are whole lines.
    #[must_use]
    pub fn post(
        rng: &mut Rng,
        target: &str,
        fields: &str,
        content: &[u8],
        framing: Framing,
    ) -> Self {
        let (line, body) = match framing {
            Framing::Length => (format!("content-length: {}\r\n", content.len()), content.to_vec()),
            Framing::Chunked => ("transfer-encoding: chunked\r\n".to_owned(), chunk(rng, content)),
        };
        Self { body, ..Self::new("POST", target, "HTTP/1.1", &format!("{fields}{line}")) }
    }

    /// With that answer expected.
    #[must_use]
    pub fn expecting(self, status: u16, check: Check) -> Self {
        Self { status, check, ..self }
    }

    /// One of the menu, without faults.
    #[must_use]
    pub fn any(rng: &mut Rng) -> Self {
        match rng.range(0, 14) {
            0 => Self::get("/plaintext", 200, Check::Exact(b"Hello, World!".to_vec())),
            1 | 2 => {
                let n = rng.pick(&[0, 1, 100, 8191, 8192, 8193, 70_000, 300_000]);
                Self::sized(n)
            }
            3 => Self::get(&format!("/slow/{}", rng.range(0, 200)), 200, Check::Any),
            4 => {
                let n = rng.range(1, 9);
                Self::get(&format!("/stream/{n}"), 200, Check::AtLeast(n as usize))
            }
            5 | 6 => Self::echo(rng, "/echo"),
            7 | 8 => Self::echo(rng, "/echo/stream"),
            9 => Self::upload(rng),
            10 => Self::get("/panic", 500, Check::Any),
            11 => {
                let mark = format!("mark-{}", rng.bits());
                let fields = format!("x-sim: {mark}\r\n");
                let check = Check::Has(mark.into_bytes());
                Self::new("GET", "/headers", "HTTP/1.1", &fields).expecting(200, check)
            }
            12 => {
                let target = rng.pick(&["/plaintext", "/bytes/5000"]);
                Self::new("HEAD", target, "HTTP/1.1", "").expecting(200, Check::Exact(Vec::new()))
            }
            _ => Self::unread(rng),
        }
    }

    /// GET of `n` bytes.
    #[must_use]
    pub fn sized(n: usize) -> Self {
        Self::get(&format!("/bytes/{n}"), 200, Check::Exact(vec![b'x'; n]))
    }

    /// POST whose answer is its content.
    #[must_use]
    pub fn echo(rng: &mut Rng, target: &str) -> Self {
        let n = rng.pick(&[0, 1, 2047, 2048, 2049, 30_000, 65_535, 65_536, 65_537, 150_000]);
        let content = rng.bytes(n);
        let framing = rng.pick(&[Framing::Length, Framing::Chunked]);
        Self::post(rng, target, "", &content, framing).expecting(200, Check::Exact(content))
    }

    /// POST that is counted.
    #[must_use]
    pub fn upload(rng: &mut Rng) -> Self {
        let n = rng.range(0, 300_000) as usize;
        let content = rng.bytes(n);
        let framing = rng.pick(&[Framing::Length, Framing::Chunked]);
        let check = Check::Exact(format!("{{\"bytes\":{n}}}").into_bytes());
        Self::post(rng, "/upload", "", &content, framing).expecting(200, check)
    }

    /// POST whose content nobody reads: it must be discarded, not taken for a request.
    fn unread(rng: &mut Rng) -> Self {
        let n = rng.range(0, 60_000) as usize;
        let content = vec![b'\n'; n];
        let framing = rng.pick(&[Framing::Length, Framing::Chunked]);
        Self::post(rng, "/nothing", "", &content, framing).expecting(404, Check::Any)
    }

    /// Whether it waits for 100 (Continue).
    #[must_use]
    pub fn expects(&self) -> bool {
        self.head.windows(8).any(|window| window == b"\nexpect:")
    }

    /// Head and content.
    #[must_use]
    pub fn wire(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// What is wrong with an answer to this, if anything. An incomplete one must be the beginning of a
    /// right one.
    #[must_use]
    pub fn wrong(&self, answer: &Answer) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("{} instead of {}", answer.status, self.status));
        }
        if answer.field("date").is_none_or(|date| !date.contains(" 2026 ")) {
            return Some(format!("date {:?}", answer.field("date")));
        }
        let (body, done) = (&answer.body[..], answer.is_complete);
        let is_right = match &self.check {
            Check::Any => true,
            Check::Exact(all) if done => all == body,
            Check::Exact(all) => all.starts_with(body),
            Check::Has(part) => !done || body.windows(part.len()).any(|window| window == part),
            Check::AtLeast(n) => !done || body.len() >= *n,
        };
        (!is_right).then(|| format!("{} bytes of wrong content", body.len()))
    }
}

/// How long a handler of `/slow` must take to be cut by its timeout.
pub const TOO_SLOW: Duration = Duration::from_secs(40);

/// The chunked coding of `content`, in pieces of any size, with an extension and a trailer field.
fn chunk(rng: &mut Rng, content: &[u8]) -> Vec<u8> {
    let (mut wire, mut rest) = (Vec::new(), content);
    while !rest.is_empty() {
        let (piece, left) = rest.split_at((rng.range(1, 40_000) as usize).min(rest.len()));
        let extension = rng.pick(&["", ";a=b", " ; c"]);
        wire.extend_from_slice(format!("{:x}{extension}\r\n", piece.len()).as_bytes());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
        rest = left;
    }
    wire.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_seen() {
        let ask = Ask::sized(3);
        let date = ("date".to_owned(), "Thu, 01 Jan 2026 00:00:00 GMT".to_owned());
        let fields = vec![date];
        let answer = |status, body: &[u8], is_complete| Answer {
            status,
            fields: fields.clone(),
            body: body.to_vec(),
            is_complete,
            ..Answer::default()
        };
        assert_eq!(ask.wrong(&answer(200, b"xxx", true)), None);
        assert_eq!(ask.wrong(&answer(200, b"xx", false)), None);
        for (status, body) in [(200, &b"xx"[..]), (200, b"xxxx"), (200, b"xxy"), (404, b"xxx")] {
            assert!(ask.wrong(&answer(status, body, true)).is_some());
        }
    }
}
