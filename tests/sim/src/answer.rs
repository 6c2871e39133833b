//! Reads responses as a client must (RFC 9112 §4, §6.3, §7.1). Written on its own, from the RFC, so that it
//! shares no mistake with `trilane-http1`; strict, because it reads only what our server writes.

/// A response, or as much of it as came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub fields: Vec<(String, String)>,
    /// The content, framing removed.
    pub body: Vec<u8>,
    /// The trailer fields.
    pub trailers: Vec<(String, String)>,
    /// Whether it came whole.
    pub is_complete: bool,
}

impl Answer {
    /// The value of the first field with that name, in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }
}

/// How the content goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Exact(usize),
    ChunkLine,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// What a client has received on one connection.
#[derive(Debug)]
pub struct Parser {
    bytes: Vec<u8>,
    at: usize,
    state: State,
    /// For each request in order whether it was HEAD.
    heads: Vec<bool>,
    /// Final responses, the last perhaps incomplete.
    pub answers: Vec<Answer>,
    /// Status codes of interim responses.
    pub interims: Vec<u16>,
    /// Bytes received.
    pub received: usize,
    /// What no server may send.
    pub error: Option<String>,
}

type Result<T> = std::result::Result<T, String>;

impl Parser {
    /// For a connection on which these requests are sent; true stands for HEAD.
    #[must_use]
    pub const fn new(heads: Vec<bool>) -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            state: State::Head,
            heads,
            answers: Vec::new(),
            interims: Vec::new(),
            received: 0,
            error: None,
        }
    }

    /// How many answers came whole.
    #[must_use]
    pub fn complete(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_complete).count()
    }

    /// Bytes came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        self.bytes.extend_from_slice(bytes);
        while self.error.is_none() {
            match self.advance() {
                Ok(true) => (),
                Ok(false) => break,
                Err(error) => self.error = Some(error),
            }
        }
        self.bytes.drain(..self.at);
        self.at = 0;
    }

    /// The server has closed its half.
    pub fn end(&mut self) {
        if self.state == State::UntilClose {
            self.finish();
        }
    }

    /// Whether something could be taken.
    fn advance(&mut self) -> Result<bool> {
        match self.state {
            State::Head => self.head(),
            State::Exact(0) => {
                self.finish();
                Ok(true)
            }
            State::Exact(left) => Ok(self.data(left, State::Exact)),
            State::Chunk(0) => {
                self.state = State::ChunkEnd;
                Ok(true)
            }
            State::Chunk(left) => Ok(self.data(left, State::Chunk)),
            State::UntilClose => Ok(self.data(usize::MAX, |_| State::UntilClose)),
            State::ChunkLine => {
                let Some(line) = self.line()? else { return Ok(false) };
                let size = usize::from_str_radix(&line, 16).map_err(|_| format!("chunk {line}"))?;
                self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                Ok(true)
            }
            State::ChunkEnd => {
                let Some(line) = self.line()? else { return Ok(false) };
                self.state = State::ChunkLine;
                if line.is_empty() { Ok(true) } else { Err(format!("after a chunk: {line}")) }
            }
            State::Trailers => {
                let Some(line) = self.line()? else { return Ok(false) };
                if line.is_empty() {
                    self.finish();
                } else {
                    let field = field(&line)?;
                    self.last().trailers.push(field);
                }
                Ok(true)
            }
        }
    }

    fn head(&mut self) -> Result<bool> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(false);
        };
        let text = String::from_utf8(rest[..end].to_vec()).map_err(|_| "head is not UTF-8")?;
        self.at += end + 4;
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..4))
            .and_then(|code| code.strip_suffix(' '))
            .and_then(|code| code.parse::<u16>().ok())
            .ok_or_else(|| format!("status line {line:?}"))?;
        let fields = lines.map(field).collect::<Result<Vec<_>>>()?;
        if (100..200).contains(&status) && status != 101 {
            self.interims.push(status);
            return Ok(true);
        }
        let is_head = self.heads.get(self.answers.len()).copied().unwrap_or_default();
        self.answers.push(Answer { status, fields, ..Answer::default() });
        self.state = self.framing(status, is_head)?;
        Ok(true)
    }

    /// RFC 9112 §6.3.
    fn framing(&self, status: u16, is_head: bool) -> Result<State> {
        let Some(answer) = self.answers.last() else { return Ok(State::Head) };
        let length = answer.field("content-length");
        let coding = answer.field("transfer-encoding");
        match (coding, length) {
            _ if status == 101 => Ok(State::UntilClose),
            _ if is_head || status == 204 || status == 304 => Ok(State::Exact(0)),
            (Some(_), Some(_)) => Err("both a length and a coding".to_owned()),
            (Some("chunked"), None) => Ok(State::ChunkLine),
            (Some(other), None) => Err(format!("coding {other}")),
            (None, Some(length)) => {
                length.parse().map(State::Exact).map_err(|_| format!("length {length}"))
            }
            (None, None) => Ok(State::UntilClose),
        }
    }

    fn data(&mut self, left: usize, state: fn(usize) -> State) -> bool {
        let n = left.min(self.bytes.len() - self.at);
        if n == 0 {
            return false;
        }
        let piece = self.bytes[self.at..self.at + n].to_vec();
        self.at += n;
        self.last().body.extend_from_slice(&piece);
        self.state = state(left - n);
        true
    }

    fn line(&mut self) -> Result<Option<String>> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8(rest[..end].to_vec()).map_err(|_| "line is not UTF-8")?;
        self.at += end + 2;
        Ok(Some(line))
    }

    fn finish(&mut self) {
        self.last().is_complete = true;
        self.state = State::Head;
    }

    fn last(&mut self) -> &mut Answer {
        if self.answers.is_empty() {
            self.answers.push(Answer::default());
        }
        let at = self.answers.len() - 1;
        &mut self.answers[at]
    }
}

fn field(line: &str) -> Result<(String, String)> {
    let (name, value) = line.split_once(": ").ok_or_else(|| format!("field line {line:?}"))?;
    if name.is_empty() || name.contains(' ') {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi\
        HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n\
        HTTP/1.1 200 OK\r\n\r\nto the end";

    #[test]
    fn every_framing_cut_at_every_byte() {
        for cut in 0..=WIRE.len() {
            let mut parser = Parser::new(vec![false, true, false, false]);
            parser.feed(&WIRE[..cut]);
            parser.feed(&WIRE[cut..]);
            assert_eq!((parser.complete(), &parser.error), (3, &None));
            parser.end();
            assert_eq!((parser.complete(), &parser.interims[..]), (4, &[100][..]));
            let bodies: Vec<_> = parser.answers.iter().map(|a| &a.body[..]).collect();
            assert_eq!(bodies, [&b"hi"[..], b"", b"abc", b"to the end"]);
            assert_eq!(parser.answers[2].trailers, [("x-t".to_owned(), "1".to_owned())]);
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        for wire in [
            &b"HTTP/1.1 200\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            let mut parser = Parser::new(vec![false]);
            parser.feed(wire);
            assert!(parser.error.is_some());
        }
    }
}
