//! The content of `multipart/form-data` taken apart (RFC 2046 §5.1, RFC 7578): bytes in, parts out. No I/O.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem::Finder;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins, with these header lines as they came.
    Part(Bytes),
    /// Some of its content, at least a byte.
    Data(Bytes),
    /// It is complete.
    End,
    /// All parts are complete.
    Done,
    /// More bytes are needed.
    NeedInput,
}

/// What is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A boundary line has something else on it.
    Boundary,
    /// The header lines of a part are longer than they may be.
    Headers,
    /// The content ends before its last boundary.
    Incomplete,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boundary => "a boundary line has something else on it",
            Self::Headers => "the header of a part is too long",
            Self::Incomplete => "it ends before its last boundary",
        })
    }
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary: its line may be the very first one, without a line break before it.
    Preamble {
        at_start: bool,
    },
    /// After a boundary, in its line.
    Line,
    /// Between a boundary line and content.
    Headers,
    Content,
    /// After the last boundary: what follows is nobody's (RFC 2046 §5.1.1).
    Epilogue,
}

/// Bytes that a boundary line may have after its boundary: white space that gateways add (RFC 2046 §5.1.1).
const MOST_PADDING: usize = 64;

/// Takes content apart.
pub(super) struct Parser {
    /// A line break, two dashes and the boundary.
    delimiter: Finder<'static>,
    /// Bytes that are not taken apart yet.
    bytes: Bytes,
    state: State,
    most_headers: usize,
    is_last: bool,
}

impl Parser {
    /// For that boundary; header lines of a part may have that many bytes together.
    pub(super) fn new(boundary: &[u8], most_headers: usize) -> Self {
        let delimiter = Finder::new(&[b"\r\n--", boundary].concat()).into_owned();
        let state = State::Preamble { at_start: true };
        Self { delimiter, bytes: Bytes::new(), state, most_headers, is_last: false }
    }

    /// Takes in more. What is left of what came before is short, but for header lines.
    pub(super) fn feed(&mut self, more: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = more;
            return;
        }
        // In place if nobody else has it: a header that comes byte by byte is not copied each time.
        let left = std::mem::take(&mut self.bytes);
        let mut joined = left.try_into_mut().unwrap_or_else(|left| BytesMut::from(&left[..]));
        joined.extend_from_slice(&more);
        self.bytes = joined.freeze();
    }

    /// No more will come.
    pub(super) const fn finish(&mut self) {
        self.is_last = true;
    }

    /// What comes next. After [`Event::Done`] and errors it comes again.
    pub(super) fn next(&mut self) -> Result<Event, Malformed> {
        loop {
            let event = match self.state {
                State::Preamble { at_start } => self.preamble(at_start),
                State::Line => self.line()?,
                State::Headers => self.headers()?,
                State::Content => self.content(),
                State::Epilogue => {
                    self.bytes.clear();
                    return Ok(Event::Done);
                }
            };
            match event {
                Some(Event::NeedInput) if self.is_last => return Err(Malformed::Incomplete),
                Some(event) => return Ok(event),
                None => (),
            }
        }
    }

    fn preamble(&mut self, at_start: bool) -> Option<Event> {
        if at_start {
            let first = &self.delimiter.needle()[2..];
            let common = first.len().min(self.bytes.len());
            if self.bytes[..common] == first[..common] {
                if common < first.len() {
                    return Some(Event::NeedInput);
                }
                self.bytes.advance(common);
                self.state = State::Line;
                return None;
            }
            self.state = State::Preamble { at_start: false };
        }
        match self.delimiter.find(&self.bytes) {
            Some(at) => {
                self.bytes.advance(at + self.delimiter.needle().len());
                self.state = State::Line;
                None
            }
            None => {
                self.bytes.advance(self.safe());
                Some(Event::NeedInput)
            }
        }
    }

    /// The rest of a boundary's line: white space and a line break, or two dashes.
    fn line(&mut self) -> Result<Option<Event>, Malformed> {
        if self.bytes.starts_with(b"--") {
            self.state = State::Epilogue;
            return Ok(None);
        }
        let end =
            self.bytes.iter().position(|&b| b != b' ' && b != b'\t').unwrap_or(self.bytes.len());
        match &self.bytes[end..] {
            _ if end > MOST_PADDING => Err(Malformed::Boundary),
            [] | [b'\r'] => Ok(Some(Event::NeedInput)),
            [b'-'] if end == 0 => Ok(Some(Event::NeedInput)),
            [b'\r', b'\n', ..] => {
                // The line break stays: it may be the first half of an empty line.
                self.bytes.advance(end);
                self.state = State::Headers;
                Ok(None)
            }
            _ => Err(Malformed::Boundary),
        }
    }

    /// Header lines up to an empty one. The line break of the boundary is still in front of them.
    fn headers(&mut self) -> Result<Option<Event>, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        match memchr::memmem::find(&self.bytes, END) {
            Some(at) if at > self.most_headers => Err(Malformed::Headers),
            Some(at) => {
                let mut lines = self.bytes.split_to(at + END.len());
                lines.truncate(at);
                // A part without a header has only the line break of its boundary.
                lines.advance(2.min(at));
                self.state = State::Content;
                Ok(Some(Event::Part(lines)))
            }
            None if self.bytes.len() > self.most_headers + END.len() => Err(Malformed::Headers),
            None => Ok(Some(Event::NeedInput)),
        }
    }

    fn content(&mut self) -> Option<Event> {
        match self.delimiter.find(&self.bytes) {
            Some(0) => {
                self.bytes.advance(self.delimiter.needle().len());
                self.state = State::Line;
                Some(Event::End)
            }
            Some(at) => Some(Event::Data(self.bytes.split_to(at))),
            None => match self.safe() {
                0 => Some(Event::NeedInput),
                safe => Some(Event::Data(self.bytes.split_to(safe))),
            },
        }
    }

    /// How many of the bytes that are there can be no part of a delimiter that is not complete yet.
    fn safe(&self) -> usize {
        let (bytes, needle) = (&self.bytes[..], self.delimiter.needle());
        let from = bytes.len().saturating_sub(needle.len() - 1);
        let starts = memchr::memchr_iter(b'\r', &bytes[from..]).map(|at| from + at);
        starts.into_iter().find(|&at| needle.starts_with(&bytes[at..])).unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"to be ignored\r\n--not it\r\n--b-1 \t\r\n\
        A: 1\r\nB: 2\r\n\r\none\r\n--b-\r\n--b\r\n--b-1\r\n\r\n\r\n--b-1\r\nC: 3\r\n\r\n\r\n\r\r\n--b-1--\r\nalso ignored --b-1";
    const EXPECTED: &str = "[A: 1\r\nB: 2]one\r\n--b-\r\n--b. []. [C: 3]\r\n\r. done";

    /// The events of content that comes in these pieces, in short.
    fn read(pieces: &[&[u8]], most_headers: usize) -> String {
        let (mut parser, mut seen, mut left) =
            (Parser::new(b"b-1", most_headers), String::new(), pieces.iter());
        loop {
            match parser.next() {
                Ok(Event::Part(lines)) => seen += &format!("[{}]", String::from_utf8_lossy(&lines)),
                Ok(Event::Data(data)) => {
                    assert!(!data.is_empty());
                    seen += &String::from_utf8_lossy(&data);
                }
                Ok(Event::End) => seen += ". ",
                Ok(Event::Done) if left.len() == 0 => return seen + "done",
                Err(error) => return seen + &error.to_string(),
                Ok(Event::Done | Event::NeedInput) => match left.next() {
                    Some(piece) => parser.feed(Bytes::copy_from_slice(piece)),
                    None => parser.finish(),
                },
            }
        }
    }

    #[test]
    fn parts_are_the_same_however_they_are_cut() {
        assert_eq!(read(&[WHOLE], 100), EXPECTED);
        for cut in 0..WHOLE.len() {
            let (front, rest) = WHOLE.split_at(cut);
            assert_eq!(read(&[front, rest], 100), EXPECTED, "{cut}");
            for second in [1, 2, 7] {
                let (middle, rest) = rest.split_at(second.min(rest.len()));
                assert_eq!(read(&[front, middle, rest], 100), EXPECTED, "{cut} {second}");
            }
        }
        let bytes: Vec<&[u8]> = WHOLE.chunks(1).collect();
        assert_eq!(read(&bytes, 100), EXPECTED);
    }

    #[test]
    fn the_first_boundary_may_come_at_once() {
        assert_eq!(read(&[b"--b-1--"], 9), "done");
        assert_eq!(read(&[b"--b-1\r\n\r\nx\r\n--b-1--"], 9), "[]x. done");
        assert_eq!(read(&[b"--b-2\r\n--b-1--"], 9), "done");
    }

    #[test]
    fn what_is_malformed() {
        let long = [&b"--b-1"[..], &[b' '; MOST_PADDING + 1], b"\r\n\r\n"].concat();
        for (content, expected) in [
            (&b""[..], "it ends before its last boundary"),
            (b"--b-1", "it ends before its last boundary"),
            (b"--b-1-", "it ends before its last boundary"),
            (b"--b-1\r\nA: 1\r\n", "it ends before its last boundary"),
            (b"--b-1\r\n\r\nx\r\n--b-", "[]x\r\n--b-it ends before its last boundary"),
            (b"--b-1x\r\n\r\n", "a boundary line has something else on it"),
            (b"--b-1 --\r\n", "a boundary line has something else on it"),
            (b"--b-1\n\n", "a boundary line has something else on it"),
            (b"--b-1\r\nA: 12345\r\n\r\n--b-1--", "the header of a part is too long"),
            (b"--b-1\r\nA: 1234567890123456", "the header of a part is too long"),
            (&long, "a boundary line has something else on it"),
        ] {
            for cut in 0..content.len().max(1) {
                let (front, rest) = content.split_at(cut);
                // What there was of content before the end is told, or not, as it came.
                let seen = read(&[front, rest], 9);
                assert!(
                    seen == expected || seen == expected.replace("\r\n--b-", ""),
                    "{seen} {cut}"
                );
            }
        }
    }
}
