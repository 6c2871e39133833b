//! What a client knows of its connection: streams, windows, and every frame judged by the rules that a server must keep
//! (RFC 9113). Strict, because it reads only what our server writes. It decides nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::answer::Answer;
use crate::h2::wire::{Frame, MOST, flag, kind, setting};

/// A window that nobody has spoken of (RFC 9113 §6.9.2).
const WINDOW: i64 = 65_535;

/// One stream, as its client sees it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// What came of the response.
    pub answer: Answer,
    /// Whether the response's head came.
    pub has_head: bool,
    /// Interim responses.
    pub interims: Vec<u16>,
    /// What the server may still send.
    pub inflow: i64,
    /// What we may still send.
    pub outflow: i64,
    /// The code with which the server has reset it.
    pub reset: Option<u32>,
    /// We have reset it.
    pub is_given_up: bool,
    is_head: bool,
}

impl Stream {
    /// Whether the server will say nothing more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.answer.is_complete || self.reset.is_some() || self.is_given_up
    }
}

/// A client's end of a connection.
pub struct Peer {
    bytes: Vec<u8>,
    decoder: hpack::Decoder<'static>,
    /// A header section of which more is to come: its stream, its flags, its bytes.
    block: Option<(u32, u8, Vec<u8>)>,
    /// Every stream that was begun.
    pub streams: BTreeMap<u32, Stream>,
    /// The streams that were answered whole, in that order.
    pub done: Vec<u32>,
    /// What the server may still send, all streams together.
    pub inflow: i64,
    /// What we may still send, all streams together.
    pub outflow: i64,
    /// Windows of new streams: ours, and those that the server gives.
    window_in: i64,
    window_out: i64,
    /// What our settings take from the windows of streams up to a number, once they are acknowledged.
    changes: Vec<(i64, u32)>,
    /// The most that each window may ever have: (connection, stream).
    caps: (i64, i64),
    /// SETTINGS that the server has sent, and PINGs: to be acknowledged.
    pub unacked: usize,
    /// See `unacked`.
    pub pings: Vec<Vec<u8>>,
    /// Answers to our PINGs.
    pub pongs: usize,
    /// GOAWAY frames: the last stream, and the code.
    pub goaways: Vec<(u32, u32)>,
    /// Bytes received.
    pub received: usize,
    /// What no server may send.
    pub error: Option<String>,
    has_settings: bool,
}

type Result<T> = std::result::Result<T, String>;

impl Peer {
    /// The client's end of a new connection. `caps` are the largest windows that the server may give: the connection's, and
    /// a stream's.
    #[must_use]
    pub fn new(caps: (usize, usize)) -> Self {
        Self {
            bytes: Vec::new(),
            decoder: hpack::Decoder::new(),
            block: None,
            streams: BTreeMap::new(),
            done: Vec::new(),
            inflow: WINDOW,
            outflow: WINDOW,
            window_in: WINDOW,
            window_out: WINDOW,
            changes: Vec::new(),
            caps: (caps.0 as i64, caps.1 as i64),
            unacked: 0,
            pings: Vec::new(),
            pongs: 0,
            goaways: Vec::new(),
            received: 0,
            error: None,
            has_settings: false,
        }
    }

    /// We say these settings.
    pub fn say(&mut self, settings: &[(u16, u32)]) {
        let window = settings.iter().rev().find(|it| it.0 == setting::INITIAL_WINDOW_SIZE);
        let by = window.map_or(0, |it| i64::from(it.1) - self.window_in);
        self.window_in += by;
        // More is in force at once, less when the server says that it knows.
        self.streams.values_mut().for_each(|stream| stream.inflow += by.max(0));
        let last = self.streams.keys().next_back().copied().unwrap_or_default();
        self.changes.push((by.min(0), last));
    }

    /// We begin a stream.
    pub fn begin(&mut self, id: u32, is_head: bool) {
        let (inflow, outflow) = (self.window_in, self.window_out);
        self.streams.insert(id, Stream { inflow, outflow, is_head, ..Stream::default() });
    }

    /// How many of our SETTINGS were not acknowledged.
    #[must_use]
    pub fn unheard(&self) -> usize {
        self.changes.len()
    }

    /// Bytes came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while self.error.is_none() {
            let Some((frame, end)) = Frame::read(&self.bytes[at..]) else { break };
            at += end;
            let what = (frame.kind, frame.stream);
            self.error = self.frame(frame).err().map(|error| format!("{error}: {what:?}"));
        }
        self.bytes.drain(..at);
    }

    /// What is wrong when nothing more will come.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        let is_half = !self.bytes.is_empty() || self.block.is_some();
        is_half.then(|| "it ends in the middle of a frame".to_owned())
    }

    fn frame(&mut self, frame: Frame) -> Result<()> {
        // RFC 9113 §4.2, §3.4, §6.10.
        rule(frame.payload.len() <= MOST, "larger than we allow")?;
        rule(self.has_settings || frame.kind == kind::SETTINGS, "before SETTINGS")?;
        rule(self.block.is_none() || frame.kind == kind::CONTINUATION, "within a block")?;
        match frame.kind {
            kind::DATA => self.data(frame),
            kind::HEADERS => {
                rule(!frame.has(flag::PADDED | flag::PRIORITY), "nobody asked for that")?;
                self.block = Some((frame.stream, frame.flags, Vec::new()));
                self.continuation(frame)
            }
            kind::CONTINUATION => self.continuation(frame),
            kind::RST_STREAM => {
                let code = frame.number(0).filter(|_| frame.payload.len() == 4);
                let code = code.ok_or("not 4 bytes")?;
                let stream = self.stream(frame.stream)?;
                // RFC 9113 §5.4.2: SHOULD NOT be sent twice; a server remembers only so many streams.
                stream.reset.get_or_insert(code);
                Ok(())
            }
            kind::SETTINGS => self.settings(frame),
            kind::PING => {
                rule(frame.stream == 0 && frame.payload.len() == 8, "not a PING")?;
                if frame.has(flag::ACK) {
                    self.pongs += 1;
                } else {
                    self.pings.push(frame.payload);
                }
                Ok(())
            }
            kind::GOAWAY => {
                let last = frame.number(0).ok_or("too short")?;
                let code = frame.number(4).ok_or("too short")?;
                // RFC 9113 §6.8: it MUST NOT grow.
                let before = self.goaways.last().map_or(u32::MAX, |before| before.0);
                rule(frame.stream == 0 && last <= before, "GOAWAY grows")?;
                self.goaways.push((last, code));
                Ok(())
            }
            kind::WINDOW_UPDATE => self.window_update(frame),
            _ => Err("no frame of a server".to_owned()),
        }
    }

    fn stream(&mut self, id: u32) -> Result<&mut Stream> {
        self.streams.get_mut(&id).ok_or_else(|| "on no stream of ours".to_owned())
    }

    fn data(&mut self, frame: Frame) -> Result<()> {
        let length = frame.payload.len() as i64;
        self.inflow -= length;
        rule(self.inflow >= 0, "more than the connection's window")?;
        let id = frame.stream;
        let stream = self.stream(id)?;
        stream.inflow -= length;
        // RFC 9113 §6.9: what ends a stream and is empty needs no window.
        rule(stream.inflow >= 0 || length == 0, "more than the stream's window")?;
        rule(!frame.has(flag::PADDED), "nobody asked for padding")?;
        rule(stream.has_head && !stream.answer.is_complete, "DATA out of order")?;
        rule(stream.reset.is_none(), "DATA after RST_STREAM")?;
        stream.answer.body.extend_from_slice(&frame.payload);
        if frame.has(flag::END_STREAM) { self.end(id) } else { Ok(()) }
    }

    fn continuation(&mut self, frame: Frame) -> Result<()> {
        let Some((id, flags, mut bytes)) = self.block.take() else {
            return Err("it continues nothing".to_owned());
        };
        rule(frame.stream == id, "it continues another stream")?;
        bytes.extend_from_slice(&frame.payload);
        if !frame.has(flag::END_HEADERS) {
            self.block = Some((id, flags, bytes));
            return Ok(());
        }
        let lines = self.decoder.decode(&bytes).map_err(|error| format!("{error:?}"))?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned());
        let lines = lines.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
        let lines = lines.collect::<Result<Vec<_>>>()?;
        for (name, _) in &lines {
            // RFC 9113 §8.2.1, §8.2.2.
            rule(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "a name in capitals")?;
            let is_hop = ["connection", "keep-alive", "transfer-encoding", "upgrade"];
            rule(!is_hop.contains(&name.as_str()), "a field of the connection")?;
        }
        self.section(id, lines, flags & flag::END_STREAM != 0)
    }

    fn section(&mut self, id: u32, mut lines: Vec<(String, String)>, ends: bool) -> Result<()> {
        let stream = self.stream(id)?;
        rule(!stream.answer.is_complete, "a section after the end")?;
        rule(stream.reset.is_none(), "a section after RST_STREAM")?;
        if stream.has_head {
            // RFC 9113 §8.1: trailers end the stream.
            rule(ends && lines.iter().all(|line| !line.0.starts_with(':')), "not trailers")?;
            stream.answer.trailers = lines;
            return self.end(id);
        }
        // RFC 9113 §8.3.2.
        rule(lines.first().is_some_and(|line| line.0 == ":status"), "no status")?;
        let status = lines.remove(0).1.parse::<u16>().map_err(|error| error.to_string())?;
        rule(lines.iter().all(|line| !line.0.starts_with(':')), "a pseudo-field too many")?;
        if (100..200).contains(&status) {
            rule(!ends && status != 101, "an interim response")?;
            stream.interims.push(status);
            return Ok(());
        }
        (stream.has_head, stream.answer.status, stream.answer.fields) = (true, status, lines);
        if ends { self.end(id) } else { Ok(()) }
    }

    /// The server has ended its half.
    fn end(&mut self, id: u32) -> Result<()> {
        let stream = self.stream(id)?;
        stream.answer.is_complete = true;
        let answer = &stream.answer;
        let length = answer.field("content-length").map(str::parse::<usize>);
        let has_none = stream.is_head || matches!(answer.status, 204 | 304);
        // RFC 9113 §8.1.1.
        match length {
            Some(Ok(length)) if !has_none => rule(length == answer.body.len(), "another length")?,
            Some(Err(error)) => return Err(error.to_string()),
            _ => rule(!has_none || answer.body.is_empty(), "content where there is none")?,
        }
        self.done.push(id);
        Ok(())
    }

    fn settings(&mut self, frame: Frame) -> Result<()> {
        rule(frame.stream == 0 && frame.payload.len().is_multiple_of(6), "not SETTINGS")?;
        if frame.has(flag::ACK) {
            rule(frame.payload.is_empty() && !self.changes.is_empty(), "an ACK for nothing")?;
            let (by, last) = self.changes.remove(0);
            self.streams.range_mut(..=last).for_each(|(_, stream)| stream.inflow += by);
            return Ok(());
        }
        self.has_settings = true;
        self.unacked += 1;
        for at in (0..frame.payload.len()).step_by(6) {
            let id = u16::from_be_bytes([frame.payload[at], frame.payload[at + 1]]);
            let value = i64::from(frame.number(at + 2).unwrap_or_default());
            match id {
                setting::INITIAL_WINDOW_SIZE => {
                    let by = value - self.window_out;
                    self.window_out = value;
                    self.streams.values_mut().for_each(|stream| stream.outflow += by);
                    rule(value <= self.caps.1, "a window larger than configured")?;
                }
                // RFC 9113 §6.5.2: a server MUST NOT say that it takes pushes.
                setting::ENABLE_PUSH => rule(value == 0, "ENABLE_PUSH")?,
                _ => (),
            }
        }
        Ok(())
    }

    /// No window grows past what was configured: credit is for what was sent.
    fn window_update(&mut self, frame: Frame) -> Result<()> {
        let by = frame.number(0).filter(|by| *by > 0 && frame.payload.len() == 4);
        let by = i64::from(by.ok_or("no increment")?);
        if frame.stream == 0 {
            self.outflow += by;
            return rule(self.outflow <= self.caps.0, "more credit than the connection has used");
        }
        let most = self.caps.1;
        let stream = self.stream(frame.stream)?;
        stream.outflow += by;
        rule(stream.outflow <= most, "more credit than the stream has used")
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

fn rule(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::pack::plain;
    use crate::h2::wire::{frame, goaway, number, settings};

    fn said(frames: &[Vec<u8>]) -> Option<String> {
        let mut peer = Peer::new((100_000, 70_000));
        peer.begin(1, false);
        peer.feed(&settings(&[]));
        frames.iter().for_each(|frame| peer.feed(frame));
        peer.error.or(peer.streams[&1].answer.is_complete.then(|| "complete".to_owned()))
    }

    #[test]
    fn a_server_that_breaks_a_rule_is_seen() {
        let head = |length: &str, flags| {
            let lines = [(":status", "200"), ("content-length", length)];
            frame(kind::HEADERS, flag::END_HEADERS | flags, 1, &plain(&lines))
        };
        let data = |flags, n| frame(kind::DATA, flags, 1, &vec![0; n]);
        let update = |id, n| number(kind::WINDOW_UPDATE, id, n);
        let good = [head("2", 0), data(1, 2), number(kind::RST_STREAM, 1, 0)];
        assert_eq!(said(&good), Some("complete".to_owned()));
        for (bad, what) in [
            (vec![head("3", 0), data(1, 2)], "another length"),
            (vec![data(1, 2)], "out of order"),
            (vec![head("2", 1), data(1, 2)], "another length"),
            (vec![head("0", 1), data(1, 2)], "out of order"),
            (vec![head("9", 0), number(kind::RST_STREAM, 1, 2), data(0, 1)], "after RST_STREAM"),
            (vec![head("99999", 0), data(0, 16_385)], "larger than we allow"),
            (vec![[head("99999", 0), data(0, 16_384).repeat(4)].concat()], "connection's window"),
            (vec![update(0, 34_465)], ""),
            (vec![update(0, 34_466)], "connection has used"),
            (vec![update(1, 4_465)], ""),
            (vec![update(1, 4_466)], "stream has used"),
            (vec![update(3, 1)], "no stream of ours"),
            (vec![goaway(3, 0), goaway(5, 0)], "GOAWAY grows"),
            (vec![frame(kind::SETTINGS, flag::ACK, 0, &[])], "an ACK for nothing"),
        ] {
            let said = said(&bad).unwrap_or_default();
            assert!(said.contains(what) && said.is_empty() == what.is_empty(), "{what}: {said}");
        }
    }
}
