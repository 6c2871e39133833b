//! HTTP/1.1 and HTTP/1.0 over a real socket: a small blocking client of the suite's own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::lane::{Ability, Ask, Client, Gone, Got, Id, Lane, Length, Over, Place};
use super::parser::{Parser, To};
use super::wire::Wire;

/// What the server counts for a field line besides its bytes.
const LINE_COST: usize = 32;

/// HTTP/1, in one of its versions. HTTP/1.0 asks for keep-alive with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct H1 {
    version: Version,
    over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V10,
    V11,
}

impl H1 {
    pub(crate) const V10: Self = Self { version: Version::V10, over: Over::Tcp };
    pub(crate) const V11: Self = Self { version: Version::V11, over: Over::Tcp };
    pub(crate) const TLS: Self = Self { version: Version::V11, over: Over::Tls };
}

impl Lane for H1 {
    fn name(&self) -> &'static str {
        match (self.version, self.over) {
            (Version::V10, _) => "h1.0",
            (Version::V11, Over::Tcp) => "h1",
            (Version::V11, _) => "h1s",
        }
    }

    fn protocol(&self) -> &'static str {
        match self.version {
            Version::V10 => "HTTP/1.0",
            Version::V11 => "HTTP/1.1",
        }
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::Interim | Ability::Unknown => self.version == Version::V11,
            Ability::Apart => false,
            Ability::Many | Ability::Uncopied | Ability::Ordered => true,
            Ability::Files => self.over == Over::Tcp,
        }
    }

    fn open(&self, server: &dyn Place) -> Box<dyn Client> {
        Box::new(Connection {
            lane: *self,
            wire: Wire::open(server, self.over, "http/1.1"),
            begun: 0,
            is_chunked: false,
            under_way: VecDeque::new(),
            got: Vec::new(),
            is_open: true,
        })
    }
}

struct Connection {
    lane: H1,
    wire: Wire,
    begun: Id,
    /// Whether the last request's content is chunked.
    is_chunked: bool,
    under_way: VecDeque<(Id, Parser)>,
    /// What came for each request and was not asked for yet.
    got: Vec<VecDeque<Got>>,
    is_open: bool,
}

impl Connection {
    fn head(&self, ask: &Ask) -> String {
        let mut head =
            format!("{} {} {}\r\nhost: it\r\n", ask.method, ask.target, self.lane.protocol());
        if self.lane.version == Version::V10 {
            head.push_str("connection: keep-alive\r\n");
        }
        for (name, value) in &ask.fields {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if ask.is_websocket {
            // RFC 6455 §4.1.
            head.push_str("connection: upgrade\r\nupgrade: websocket\r\n");
            head.push_str("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        }
        match ask.length {
            _ if ask.is_websocket => {}
            Length::None => {}
            Length::Exact(n) => write!(head, "content-length: {n}\r\n").unwrap(),
            Length::Unknown => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head
    }

    /// Takes one thing off the input. Whether there was one.
    fn parse(&mut self) -> bool {
        let Some((id, parser)) = self.under_way.front_mut() else {
            assert!(
                self.wire.input.is_empty(),
                "RFC 9112 §9.2: bytes that nobody asked for: {:?}",
                String::from_utf8_lossy(&self.wire.input)
            );
            return false;
        };
        let Some((got, n)) = parser.next(&self.wire.input, self.wire.is_end) else {
            if self.wire.is_end && !self.wire.input.is_empty() {
                // A piece of a line, and no more of it.
                self.wire.input.clear();
                return true;
            }
            return false;
        };
        self.wire.input.drain(..n);
        let (id, keeps) = (*id, parser.keeps);
        if matches!(got, Got::End | Got::Cut) {
            self.under_way.pop_front();
            self.is_open &= keeps && got == Got::End;
        }
        if got != Got::Nothing {
            self.got[id].push_back(got);
        }
        true
    }
}

impl Client for Connection {
    fn begin(&mut self, ask: &Ask) -> Id {
        let to = match (ask.method, self.lane.version) {
            ("HEAD", _) => To::Head,
            _ if ask.is_websocket => To::Upgrade,
            (_, Version::V10) => To::Http10,
            _ => To::Other,
        };
        self.under_way.push_back((self.begun, Parser::new(to)));
        self.got.push(VecDeque::new());
        self.begun += 1;
        self.is_chunked = ask.length == Length::Unknown && !ask.is_websocket;
        // A server that is gone says so when its answer is asked for.
        let _ = self.wire.write(self.head(ask).as_bytes());
        self.begun - 1
    }

    fn dangle(&mut self, ask: &Ask) {
        self.under_way.push_back((self.begun, Parser::new(To::Other)));
        self.got.push(VecDeque::new());
        self.begun += 1;
        let head = self.head(ask);
        self.wire.write(&head.as_bytes()[..head.len() - 2]).unwrap();
    }

    fn send(&mut self, id: Id, data: &[u8]) -> Result<(), Gone> {
        assert_eq!(id, self.begun - 1, "HTTP/1 sends one request after the other");
        let is_chunked = self.is_chunked;
        if is_chunked && !data.is_empty() {
            self.wire.write(format!("{:x}\r\n", data.len()).as_bytes())?;
        }
        self.wire.write(data)?;
        if is_chunked && !data.is_empty() { self.wire.write(b"\r\n") } else { Ok(()) }
    }

    fn finish(&mut self, id: Id, trailers: &[(&str, &str)]) -> Result<(), Gone> {
        assert!(id + 1 == self.begun && self.is_chunked, "the length was said before");
        let mut end = "0\r\n".to_owned();
        for (name, value) in trailers {
            write!(end, "{name}: {value}\r\n").unwrap();
        }
        end.push_str("\r\n");
        self.wire.write(end.as_bytes())
    }

    fn next_within(&mut self, id: Id, patience: Duration) -> Got {
        let end = Instant::now() + patience;
        loop {
            if let Some(got) = self.got[id].pop_front() {
                return got;
            }
            if self.parse() {
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Got::Nothing;
            }
            self.wire.read(left);
        }
    }

    fn cost(&self, ask: &Ask) -> (usize, usize) {
        let head = self.head(ask);
        let lines = head.matches("\r\n").count() - 2;
        (head.len() + LINE_COST * lines, lines)
    }

    fn is_closed_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !self.wire.is_end {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.wire.read(left);
        }
        true
    }

    fn ask_no_more(&mut self) {
        self.wire.shut();
        self.is_open = false;
    }

    fn is_open(&self) -> bool {
        self.is_open && !self.wire.is_end
    }

    fn leave(self: Box<Self>) {}
}

#[test]
fn whoever_wants_to_go_is_let_go() {
    let mut client = H1::V11.open(super::House::shared());
    // RFC 9112 §9.6: a server that receives `close` MUST close after its answer, and say so.
    client.ask(&Ask::get("/plaintext").field("connection", "close")).status(200);
    assert!(!client.is_open());
    assert!(client.is_closed_within(Duration::from_secs(5)));
}
