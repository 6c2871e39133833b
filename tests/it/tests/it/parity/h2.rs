//! HTTP/2, in clear by prior knowledge (RFC 9113 §3.3) and over TLS (§3.2), over a real socket: a small blocking client of the suite's own. Its
//! windows are as large as they can be, so that it is TCP that holds a server back; the machine's own tests close them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::NameRef;

use super::lane::{Ability, Ask, Client, Gone, Got, Head, Id, Lane, Length, Over, Place, SOON};
use super::wire::Wire;
use crate::h2::frames::{PREFACE, write as frame};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const WINDOW: u32 = 0x7fff_ffff;
const LINE_COST: usize = 32;

/// HTTP/2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H2(pub(crate) Over);

impl Lane for H2 {
    fn name(&self) -> &'static str {
        match self.0 {
            Over::Tcp => "h2c",
            _ => "h2",
        }
    }

    fn protocol(&self) -> &'static str {
        "HTTP/2"
    }

    fn can(&self, ability: Ability) -> bool {
        // Its content goes in frames, and its heads go one after the other.
        !matches!(ability, Ability::Files | Ability::Apart)
    }

    fn open(&self, server: &dyn Place) -> Box<dyn Client> {
        let mut hello = PREFACE.to_vec();
        let window = [&[0, 4][..], &WINDOW.to_be_bytes()].concat();
        frame(&mut hello, SETTINGS, 0, 0, &window);
        frame(&mut hello, WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes());
        Box::new(Connection {
            wire: Wire::open(server, self.0, "h2"),
            scheme: match self.0 {
                Over::Tcp => "http",
                _ => "https",
            },
            hello,
            goes: false,
            dangles: false,
            streams: Vec::new(),
            window: 65_535,
            initial: 65_535,
            encoder: Encoder::new(),
            decoder: Decoder::new(4096),
        })
    }
}

struct Stream {
    /// What came and was not asked for yet.
    got: VecDeque<Got>,
    window: i64,
    /// Content that is missing by what the head said.
    missing: Option<u64>,
    /// The server wants nothing more: because its answer is complete, or because it has given up.
    stopped: Option<Result<(), Gone>>,
    is_over: bool,
    has_head: bool,
}

struct Connection {
    wire: Wire,
    scheme: &'static str,
    /// What goes before the first request, and with it.
    hello: Vec<u8>,
    /// GOAWAY came, or was sent.
    goes: bool,
    /// A header section was begun that never ends.
    dangles: bool,
    streams: Vec<Stream>,
    window: i64,
    initial: i64,
    encoder: Encoder,
    decoder: Decoder,
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(*payload.first_chunk().unwrap())
}

/// The name and value of each line of a head.
pub(super) fn lines(ask: &Ask, scheme: &str) -> Vec<(String, String)> {
    let connect = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":authority", "it"),
        (":scheme", scheme),
        (":path", &ask.target),
    ];
    let all = [
        (":method", ask.method),
        (":authority", if ask.method == "CONNECT" { &ask.target } else { "it" }),
        (":scheme", scheme),
        (":path", &ask.target),
    ];
    // RFC 9113 §8.5: CONNECT has no more than the first two.
    let pseudo = match ask.method {
        // RFC 8441 §4, §5.
        _ if ask.is_websocket => &connect[..],
        "CONNECT" => &all[..2],
        _ => &all,
    };
    let mut lines: Vec<_> =
        pseudo.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in &ask.fields {
        lines.push((name.to_ascii_lowercase(), value.clone()));
    }
    if let Length::Exact(n) = ask.length {
        lines.push(("content-length".to_owned(), n.to_string()));
    }
    lines
}

impl Connection {
    const fn id(at: usize) -> u32 {
        2 * at as u32 + 1
    }

    fn block(&mut self, lines: &[(String, String)]) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for (name, value) in lines {
            let name = match name.as_bytes() {
                pseudo @ [b':', ..] => NameRef::Other(pseudo),
                other => NameRef::new(other),
            };
            let field = Field { name, value: value.as_bytes(), sensitive: false };
            self.encoder.field(&mut block, field);
        }
        block
    }

    fn start(&mut self, ask: &Ask, flags: u8) -> Id {
        let missing = match ask.length {
            Length::Exact(n) => Some(n),
            Length::None => Some(0),
            Length::Unknown => None,
        };
        let window = self.initial;
        let (got, stopped) = (VecDeque::new(), None);
        let stream = Stream { got, window, missing, stopped, is_over: false, has_head: false };
        self.streams.push(stream);
        let at = self.streams.len() - 1;
        let block = self.block(&lines(ask, self.scheme));
        let flags = flags | if missing == Some(0) { END_STREAM } else { 0 };
        let mut bytes = std::mem::take(&mut self.hello);
        frame(&mut bytes, HEADERS, flags, Self::id(at), &block);
        // A server that is gone says so when its answer is asked for.
        let _ = self.wire.write(&bytes);
        at
    }

    /// Takes all frames off the input that are whole.
    fn parse(&mut self) {
        let input = std::mem::take(&mut self.wire.input);
        let mut rest = &input[..];
        while let Some(&[a, b, c, kind, flags, s0, s1, s2, s3]) = rest.first_chunk() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(payload) = rest.get(9..9 + length) else { break };
            rest = &rest[9 + length..];
            self.frame(kind, flags, u32::from_be_bytes([s0, s1, s2, s3]), payload);
        }
        // What came while an answer to it was written lies behind.
        let behind = std::mem::replace(&mut self.wire.input, rest.to_vec());
        self.wire.input.extend(behind);
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut reply = Vec::new();
        let at = (stream.wrapping_sub(1) / 2) as usize;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks(6).filter(|it| it[..2] == [0, 4]) {
                    let window = i64::from(number(&setting[2..]));
                    let by = window - std::mem::replace(&mut self.initial, window);
                    self.streams.iter_mut().for_each(|stream| stream.window += by);
                }
                frame(&mut reply, SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => frame(&mut reply, PING, ACK, 0, payload),
            GOAWAY => self.goes = true,
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(number(payload)),
            WINDOW_UPDATE => self.streams[at].window += i64::from(number(payload)),
            RST_STREAM => {
                let is_early = self.streams[at].is_over && number(payload) == 0;
                self.streams[at].stopped = Some(if is_early { Ok(()) } else { Err(Gone) });
                self.end(at, Got::Cut);
            }
            DATA if !payload.is_empty() => {
                self.streams[at].got.push_back(Got::Data(payload.to_vec()));
                let n = (payload.len() as u32).to_be_bytes();
                frame(&mut reply, WINDOW_UPDATE, 0, 0, &n);
                frame(&mut reply, WINDOW_UPDATE, 0, stream, &n);
            }
            HEADERS => {
                assert!(flags & END_HEADERS != 0, "no head of the suite is that long");
                self.head(at, payload);
            }
            _ => (),
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.end(at, Got::End);
        }
        // RFC 9113 §6.10: in the middle of a header section nothing else may be sent.
        if !self.dangles {
            let _ = self.wire.write(&reply);
        }
    }

    fn head(&mut self, at: usize, block: &[u8]) {
        let (mut status, mut fields) = (None, Vec::new());
        let decoded = self.decoder.decode(block, |field| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match field.name.as_bytes() {
                b":status" => status = Some(text(field.value).parse().unwrap()),
                name => fields.push((text(name), text(field.value))),
            }
            Ok::<_, ()>(())
        });
        decoded.unwrap();
        let stream = &mut self.streams[at];
        stream.got.push_back(match status {
            Some(status @ 100..200) => Got::Interim(Head { status, fields }),
            Some(status) if !stream.has_head => {
                stream.has_head = true;
                Got::Head(Head { status, fields })
            }
            _ => Got::Trailers(fields),
        });
    }

    fn end(&mut self, at: usize, how: Got) {
        if !std::mem::replace(&mut self.streams[at].is_over, true) {
            self.streams[at].got.push_back(how);
        }
    }

    /// Sends a frame of content, once the windows let it through.
    fn piece(&mut self, id: Id, piece: &[u8], flags: u8) -> Result<(), Gone> {
        let end = Instant::now() + SOON;
        loop {
            self.parse();
            if let Some(stopped) = self.streams[id].stopped {
                return stopped;
            }
            if self.window.min(self.streams[id].window) >= piece.len() as i64 {
                break;
            }
            assert!(Instant::now() < end, "the windows stay closed");
            if self.wire.is_end {
                return Err(Gone);
            }
            self.wire.read(Duration::from_millis(20));
        }
        self.window -= piece.len() as i64;
        self.streams[id].window -= piece.len() as i64;
        let mut bytes = Vec::new();
        frame(&mut bytes, DATA, flags, Self::id(id), piece);
        self.wire.write(&bytes)
    }
}

impl Client for Connection {
    fn begin(&mut self, ask: &Ask) -> Id {
        self.start(ask, END_HEADERS)
    }

    fn dangle(&mut self, ask: &Ask) {
        self.start(ask, 0);
        self.dangles = true;
    }

    fn send(&mut self, id: Id, data: &[u8]) -> Result<(), Gone> {
        for piece in data.chunks(16_384) {
            let missing = &mut self.streams[id].missing;
            *missing = missing.map(|left| left - piece.len() as u64);
            let flags = if *missing == Some(0) { END_STREAM } else { 0 };
            self.piece(id, piece, flags)?;
        }
        Ok(())
    }

    fn finish(&mut self, id: Id, trailers: &[(&str, &str)]) -> Result<(), Gone> {
        if trailers.is_empty() {
            return self.piece(id, b"", END_STREAM);
        }
        let lower = |(name, value): &(&str, &str)| (name.to_ascii_lowercase(), (*value).to_owned());
        let lines: Vec<_> = trailers.iter().map(lower).collect();
        let block = self.block(&lines);
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_STREAM | END_HEADERS, Self::id(id), &block);
        self.wire.write(&bytes)
    }

    fn next_within(&mut self, id: Id, patience: Duration) -> Got {
        let end = Instant::now() + patience;
        loop {
            if let Some(got) = self.streams[id].got.pop_front() {
                return got;
            }
            let had = self.wire.input.len();
            self.parse();
            if self.wire.input.len() != had {
                continue;
            }
            if self.wire.is_end {
                self.end(id, Got::Cut);
                return self.streams[id].got.pop_front().unwrap_or(Got::Nothing);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Got::Nothing;
            }
            self.wire.read(left);
        }
    }

    fn cost(&self, ask: &Ask) -> (usize, usize) {
        let lines = lines(ask, self.scheme);
        let bytes = lines.iter().map(|(name, value)| name.len() + value.len() + LINE_COST).sum();
        (bytes, lines.len() - 4)
    }

    fn is_closed_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !self.wire.is_end {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.wire.read(left);
            self.parse();
        }
        true
    }

    fn ask_no_more(&mut self) {
        let mut bytes = Vec::new();
        frame(&mut bytes, GOAWAY, 0, 0, &[0; 8]);
        self.wire.write(&bytes).unwrap();
        self.goes = true;
    }

    fn is_open(&self) -> bool {
        !self.goes && !self.wire.is_end
    }

    fn leave(self: Box<Self>) {}
}
