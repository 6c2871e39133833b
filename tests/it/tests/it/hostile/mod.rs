//! Hostile and limit cases: one table, run against the machine alone and over a real socket.
//!
//! A row is a section, the bytes that a client sends, and what must come of them; see [`Row`] for the small
//! language of that. `lines`, `fields`, `framing` and `sequences` hold the rows, `machine` and `wire` run them;
//! `slow`, `leaving` and `crowd` are what takes time or many connections, `h2` what harms by frames,
//! with its table in `floods`, and `h2_slow` what harms by waiting; `h3` is the same over QUIC. Where the RFC leaves a choice, the row
//! says whom we follow: nginx, hyper, or llhttp in its strict mode.

mod crowd;
mod fields;
mod floods;
mod framing;
mod h2;
mod h2_slow;
mod h3;
mod leaving;
mod lines;
mod machine;
mod sequences;
mod slow;
mod wire;

use trilane::Limits;

pub(crate) use wire::Wire;

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Section of RFC 9110, 9112 or 3986, or the field of `Limits`, and what the case is.
    section: &'static str,
    /// What the client sends, at once.
    pub(crate) bytes: Vec<u8>,
    /// The answers in their order, and how it ends.
    expected: Expected,
}

/// What must come of a row. As text: the statuses of the answers, alternatives with `|`, with an `h` before them
/// where a handler or the router gives them; `+` if the connection is then good for another request, `!` if it is
/// closed, by a FIN, with nothing more said; `$` if the client half-closes once it has sent all.
#[derive(Clone, Debug)]
struct Expected {
    answers: Vec<Answer>,
    is_open: bool,
    half_closes: bool,
}

#[derive(Clone, Debug)]
struct Answer {
    /// Given above the machine.
    is_handlers: bool,
    statuses: Vec<u16>,
}

impl Row {
    pub(crate) fn new(section: &'static str, bytes: impl Into<Vec<u8>>, expected: &str) -> Self {
        Self { section, bytes: bytes.into(), expected: Expected::parse(expected) }
    }

    /// Whether the machine refuses where that answer is due.
    pub(crate) fn refuses(&self, at: usize) -> bool {
        match self.expected.answers.get(at) {
            Some(answer) => !answer.is_handlers && answer.statuses.iter().all(|it| *it >= 400),
            None => !self.expected.is_open || at > self.expected.answers.len(),
        }
    }

    pub(crate) const fn half_closes(&self) -> bool {
        self.expected.half_closes
    }

    /// Whether it is one under the limits of [`limits`] alone.
    pub(crate) fn is_about_limits(&self) -> bool {
        self.section.starts_with("Limits")
    }

    pub(crate) fn text(&self) -> String {
        let cut = self.bytes.len().min(300);
        format!("{}: {:?}", self.section, String::from_utf8_lossy(&self.bytes[..cut]))
    }
}

impl Expected {
    fn parse(text: &str) -> Self {
        let half_closes = text.ends_with('$');
        let text = text.trim_end_matches('$');
        let (answers, end) = text.split_at(text.len() - 1);
        assert!(end == "+" || end == "!", "{text}");
        let answer = |word: &str| Answer {
            is_handlers: word.starts_with('h'),
            statuses: word.trim_start_matches('h').split('|').map(|s| s.parse().unwrap()).collect(),
        };
        let answers = answers.split_whitespace().map(answer).collect();
        Self { answers, is_open: end == "+", half_closes }
    }
}

/// Small enough that a row at a limit stays short.
fn limits(limits: &mut Limits) {
    limits.target = 1000;
    limits.head = 4096;
    limits.field_lines = 20;
    limits.body = 3000;
    limits.chunk_line = 100;
    limits.discard = 5000;
}

pub(crate) fn rows() -> Vec<Row> {
    let all = [lines::rows(), fields::rows(), framing::rows(), sequences::rows()];
    all.into_iter().flatten().collect()
}

/// A line of an HTTP/1.1 request and an honest Host.
fn with_line(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: h\r\n\r\n"].concat()
}

/// A GET with these lines after an honest Host.
fn with_fields(lines: &[u8]) -> Vec<u8> {
    [b"GET /plaintext HTTP/1.1\r\nHost: h\r\n", lines, b"\r\n\r\n"].concat()
}

/// A POST to where content is echoed, with these lines after an honest Host, and that content.
fn post(lines: &[u8], content: &[u8]) -> Vec<u8> {
    [b"POST /test/collect HTTP/1.1\r\nHost: h\r\n", lines, b"\r\n\r\n", content].concat()
}

/// As [`post`], with honest chunked framing.
fn chunked(content: &[u8]) -> Vec<u8> {
    post(b"Transfer-Encoding: chunked", content)
}

#[test]
fn the_table_is_long_and_every_row_has_its_section() {
    let rows = rows();
    assert!(rows.len() >= 250, "{} rows", rows.len());
    for row in &rows {
        let known =
            ["9110 ", "9112 ", "3986 ", "Limits "].iter().any(|of| row.section.starts_with(of));
        assert!(known, "{}", row.text());
    }
    println!("{} rows", rows.len());
}
