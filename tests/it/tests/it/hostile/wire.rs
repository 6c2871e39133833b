//! The table over a real socket, against the demo: the answers really arrive, in order and whole, before the close;
//! the close is a FIN and no reset; and nothing after a refused message is ever answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Row, limits, rows};
use crate::parity::{Clear, House};

const PROBE: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n";
/// What every case waits for at most.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// A client that says what it is told and reads what comes.
pub(crate) struct Wire {
    pub(super) socket: TcpStream,
    input: Vec<u8>,
}

/// A final response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket.set_write_timeout(Some(SOON)).unwrap();
        Self { socket, input: Vec::new() }
    }

    /// Sends; a server that has had enough is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Nothing more will be sent.
    pub(crate) fn shut(&self) -> std::io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Reads once more. `Ok(false)` at the end.
    fn more(&mut self) -> Result<bool, ErrorKind> {
        let mut buffer = [0; 16 << 10];
        let n = self.socket.read(&mut buffer).map_err(|error| error.kind())?;
        self.input.extend_from_slice(&buffer[..n]);
        Ok(n > 0)
    }

    /// The next final response; `is_head` if it answers HEAD.
    pub(crate) fn reply(&mut self, is_head: bool) -> Result<Reply, String> {
        loop {
            let end = loop {
                if let Some(at) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                self.need("a head")?;
            };
            let head = String::from_utf8(self.input.drain(..end).collect()).unwrap();
            let status: u16 =
                head.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status")?;
            if status < 200 {
                continue;
            }
            let body = if is_head || status == 204 || status == 304 {
                Vec::new()
            } else {
                self.body(&head)?
            };
            return Ok(Reply { status, head: head.to_ascii_lowercase(), body });
        }
    }

    fn body(&mut self, head: &str) -> Result<Vec<u8>, String> {
        let head = head.to_ascii_lowercase();
        if let Some((_, rest)) = head.split_once("\r\ncontent-length: ") {
            let length: usize = rest.split('\r').next().unwrap().parse().unwrap();
            while self.input.len() < length {
                self.need("content")?;
            }
            return Ok(self.input.drain(..length).collect());
        }
        let mut body = Vec::new();
        if head.contains("\r\ntransfer-encoding: chunked") {
            loop {
                let line = loop {
                    if let Some(at) = self.input.windows(2).position(|two| two == b"\r\n") {
                        break at;
                    }
                    self.need("a chunk")?;
                };
                let size = String::from_utf8(self.input.drain(..line + 2).collect()).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                while self.input.len() < size + 2 {
                    self.need("a chunk")?;
                }
                body.extend(self.input.drain(..size + 2).take(size));
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        while self.more().map_err(|error| format!("{error:?} in content"))? {}
        Ok(std::mem::take(&mut self.input))
    }

    fn need(&mut self, what: &str) -> Result<(), String> {
        match self.more() {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("the end instead of {what}")),
            Err(error) => Err(format!("{error:?} instead of {what}")),
        }
    }

    /// How the connection ends, once all that came was read: `Ok` with what nobody asked for, or an error.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, ErrorKind> {
        while self.more()? {}
        Ok(std::mem::take(&mut self.input))
    }

    /// Whether the next thing that happens is the end, a FIN.
    pub(super) fn ends(&mut self) -> bool {
        self.end() == Ok(Vec::new())
    }
}

/// Waits until it is so, for as long as a case waits for anything.
#[track_caller]
pub(super) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn check(house: &House, row: &Row, tail: &[u8]) -> Result<(), String> {
    let mut wire = Wire::open(house.address());
    wire.send(&[&row.bytes, tail].concat());
    if row.expected.half_closes {
        wire.shut().map_err(|error| error.to_string())?;
    }
    let is_head = row.bytes.starts_with(b"HEAD");
    for (at, answer) in row.expected.answers.iter().enumerate() {
        let reply = wire.reply(is_head)?;
        if !answer.statuses.contains(&reply.status) {
            return Err(format!("answer {at} is {}, not {:?}", reply.status, answer.statuses));
        }
        let is_last = at + 1 == row.expected.answers.len();
        let says_close = reply.head.contains("\r\nconnection: close");
        // RFC 9112 §9.6: whoever closes SHOULD say so in its last message.
        if says_close && (!is_last || row.expected.is_open) {
            return Err("says close and is not the last".to_owned());
        }
    }
    if row.expected.is_open {
        wire.send(PROBE);
        let reply = wire.reply(false)?;
        return if reply.status == 200 {
            Ok(())
        } else {
            Err(format!("the next one: {}", reply.status))
        };
    }
    match wire.end() {
        Ok(rest) if rest.is_empty() => Ok(()),
        Ok(rest) => Err(format!("then {:?}", String::from_utf8_lossy(&rest))),
        Err(error) => Err(format!("ended by {error:?}")),
    }
}

fn run(tail: impl Fn(&Row) -> Option<Vec<u8>>) {
    let house = House::speaking(Clear::Http1, limits);
    let (mut wrong, mut slow) = (String::new(), Duration::ZERO);
    for row in rows() {
        let Some(tail) = tail(&row) else { continue };
        let began = Instant::now();
        if let Err(error) = check(&house, &row, &tail) {
            wrong.push_str(&format!("\n{}: {error}", row.text()));
        }
        slow = slow.max(began.elapsed());
    }
    assert!(wrong.is_empty(), "{wrong}");
    // A refusal comes at once, not when a timer says so.
    assert!(slow < Duration::from_secs(2), "{slow:?}");
    house.settle();
}

#[test]
fn every_row_is_answered_as_it_should_be() {
    run(|_| Some(Vec::new()));
}

/// RFC 9112 §9.6: the answer is not lost to a reset when the client goes on sending; §11.2: and nothing of what it
/// goes on with is answered.
#[test]
fn whoever_goes_on_after_the_last_answer_still_gets_it() {
    let more = [PROBE, &[b'x'; 100_000]].concat();
    run(|row| {
        // What comes after a head that expects 100 is its content.
        let waits = row.bytes.windows(12).any(|word| word.eq_ignore_ascii_case(b"100-continue"));
        let is_last = !row.expected.is_open && !row.expected.half_closes;
        let takes_more = row.section == "Limits discard" || waits;
        (is_last && !takes_more).then(|| more.clone())
    });
}
