//! One request over HTTP/2, and what its answer must be. The routes are those of the demo application.

use crate::ask::{Ask, Check};
use crate::h2::pack::Line;
use crate::h2::peer::Stream;
use crate::rng::Rng;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its header section.
    pub lines: Vec<Line>,
    /// Its content.
    pub content: Vec<u8>,
    /// Its trailers.
    pub trailers: Vec<Line>,
    /// What its answer must be; nothing of the request is in here.
    pub ask: Ask,
    /// Whether content waits for 100 (Continue) or a final answer.
    pub expects: bool,
    /// Content follows, or may: the header section does not end the stream.
    pub is_open: bool,
    /// Trailers that must come back.
    pub echoes: bool,
}

fn line(name: &str, value: &str) -> Line {
    (name.to_owned(), value.to_owned())
}

/// How the length of a request's content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// By content-length.
    Said,
    /// By the end of the stream.
    Unsaid,
    /// The same, and trailers come before it.
    Trailers,
}

impl Request {
    /// A request without content.
    #[must_use]
    pub fn new(method: &str, path: &str, status: u16, check: Check) -> Self {
        let lines = [(":method", method), (":scheme", "http"), (":path", path)];
        let mut lines: Vec<Line> = lines.iter().map(|(name, value)| line(name, value)).collect();
        lines.push(line(":authority", "sim"));
        let is_head = method == "HEAD";
        let ask = Ask { is_head, ..Ask::new(method, path, "", "").expecting(status, check) };
        Self {
            lines,
            content: Vec::new(),
            trailers: Vec::new(),
            ask,
            expects: false,
            is_open: false,
            echoes: false,
        }
    }

    /// GET.
    #[must_use]
    pub fn get(path: &str, status: u16, check: Check) -> Self {
        Self::new("GET", path, status, check)
    }

    /// GET of `n` bytes.
    #[must_use]
    pub fn sized(n: usize) -> Self {
        Self::get(&format!("/bytes/{n}"), 200, Check::Exact(vec![b'x'; n]))
    }

    /// POST of `content`.
    #[must_use]
    pub fn post(path: &str, content: Vec<u8>, length: Length) -> Self {
        let mut request = Self::new("POST", path, 200, Check::Any);
        match length {
            Length::Said => request.lines.push(line("content-length", &content.len().to_string())),
            Length::Unsaid => (),
            Length::Trailers => request.trailers.push(line("x-sum", &content.len().to_string())),
        }
        Self { content, is_open: true, ..request }
    }

    /// With another answer expected.
    #[must_use]
    pub fn expecting(mut self, status: u16, check: Check) -> Self {
        (self.ask.status, self.ask.check) = (status, check);
        self
    }

    /// With another field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.lines.push(line(name, value));
        self
    }

    /// One that waits for 100 (Continue).
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { expects: true, ..self.with("expect", "100-continue") }
    }

    /// POST whose answer is its content, and its trailers where nobody collects it.
    #[must_use]
    pub fn echo(rng: &mut Rng, path: &str) -> Self {
        let n = rng.pick(&[0, 1, 2047, 2048, 16_384, 16_385, 65_535, 65_536, 150_000, 300_000]);
        let content = rng.bytes(n);
        let length = rng.pick(&[Length::Said, Length::Unsaid, Length::Trailers]);
        let check = Check::Exact(content.clone());
        let request = Self::post(path, content, length).expecting(200, check);
        Self { echoes: length == Length::Trailers && path == "/echo/stream", ..request }
    }

    /// POST that is counted.
    #[must_use]
    pub fn upload(rng: &mut Rng) -> Self {
        let n = rng.range(0, 300_000) as usize;
        let length = rng.pick(&[Length::Said, Length::Unsaid, Length::Trailers]);
        let check = Check::Exact(format!("{{\"bytes\":{n}}}").into_bytes());
        Self::post("/upload", rng.bytes(n), length).expecting(200, check)
    }

    /// GET whose answer names the fields that the server saw: they come out of its table.
    #[must_use]
    pub fn marked(rng: &mut Rng) -> Self {
        let mark = format!("mark-{}", rng.range(0, 12)).repeat(rng.range(1, 60) as usize);
        let name = format!("x-sim-{}", rng.range(0, 5));
        let check = Check::Has(format!("{name}: {mark}\n").into_bytes());
        Self::get("/headers", 200, check).with(&name, &mark)
    }

    /// One of the menu, without faults.
    #[must_use]
    pub fn any(rng: &mut Rng) -> Self {
        let request = match rng.range(0, 16) {
            0 => Self::get("/plaintext", 200, Check::Exact(b"Hello, World!".to_vec())),
            1 | 2 => Self::sized(rng.pick(&[0, 1, 8192, 16_384, 16_385, 70_000, 300_000])),
            3 => Self::get(&format!("/slow/{}", rng.range(0, 200)), 200, Check::Any),
            4 => {
                let n = rng.range(1, 9);
                Self::get(&format!("/stream/{n}"), 200, Check::AtLeast(8 * n as usize))
            }
            5 | 6 => Self::echo(rng, "/echo"),
            7 | 8 => Self::echo(rng, "/echo/stream"),
            9 => Self::upload(rng),
            10 => Self::get("/panic", 500, Check::Any),
            11..14 => Self::marked(rng),
            14 => {
                let path = rng.pick(&["/plaintext", "/bytes/5000", "/bytes/70000"]);
                Self::new("HEAD", path, 200, Check::Exact(Vec::new()))
            }
            _ => {
                let content = vec![b'\n'; rng.range(0, 60_000) as usize];
                Self::post("/nothing", content, Length::Said).expecting(404, Check::Any)
            }
        };
        match rng.range(0, 3) {
            0 => {
                let incremental = rng.pick(&["", ", i"]);
                request.with("priority", &format!("u={}{incremental}", rng.range(0, 8)))
            }
            _ => request,
        }
    }

    /// What is wrong with what came on a stream, if anything. What is not whole must be the beginning of what is right.
    #[must_use]
    pub fn wrong(&self, stream: &Stream) -> Option<String> {
        // RFC 9110 §10.1.1: 100 (Continue) is sent once, to who waits for it; our handlers send no other.
        if stream.interims.len() > usize::from(self.expects) {
            return Some(format!("interim answers {:?}", stream.interims));
        }
        if !stream.has_head {
            return None;
        }
        let answer = &stream.answer;
        if self.echoes && answer.is_complete && answer.trailers != self.trailers {
            return Some(format!("trailers {:?}", answer.trailers));
        }
        self.ask.wrong(answer)
    }
}
