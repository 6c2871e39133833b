//! Recordings as inputs of the fuzz targets, in whose form they are: what the peer has sent, and when.

use std::fmt::Write;
use std::time::Duration;

use trilane_semantics::Protocol;

use crate::recording::{Entry, Recording};
use crate::shown::Streams;
use crate::step::Step;

/// What a client of HTTP/2 says first (RFC 9113 §3.4): its target says it by itself.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first stream of a client that goes one way; mostly the one that leads.
const CONTROL: u64 = 2;

impl Recording {
    /// What came, as inputs: each with the name of its target. None of the client role, and none of what began in the middle over HTTP/2 or
    /// HTTP/3. What the machine did not take is not there.
    #[must_use]
    pub fn corpus(&self) -> Vec<(&'static str, Vec<u8>)> {
        let header = self.header();
        if header.is_client {
            return Vec::new();
        }
        let entries: Vec<_> = self.steps().flatten().collect();
        match header.protocol {
            Protocol::Http3 => vec![("h3_operations", script(&entries, true))],
            Protocol::Http2 => {
                let bytes = all(&entries);
                let frames = bytes.strip_prefix(PREFACE).map(<[u8]>::to_vec);
                frames.map(|frames| ("h2_frames", frames)).into_iter().collect()
            }
            Protocol::Http10 | Protocol::Http11 => {
                vec![("head", all(&entries)), ("connection", script(&entries, false))]
            }
        }
    }
}

/// All that was taken, in one piece.
fn all(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    each(entries, |_, taken| bytes.extend_from_slice(taken));
    bytes
}

/// Calls `came` with what each step took of a stream, and what was left of it.
fn each<'a>(entries: &'a [Entry<'a>], mut came: impl FnMut(&Step<'a>, &[u8])) {
    let Some(mut streams) = Streams::of(entries) else { return };
    for entry in entries {
        let (stream, length) = match &entry.step {
            Step::Poll(poll) => {
                (poll.stream, poll.before.len() as u64 + poll.content + poll.after.len() as u64)
            }
            Step::Rest { stream, bytes } => (*stream, bytes.len() as u64),
            _ => (0, 0),
        };
        let bytes = streams.show(stream, length).unwrap_or_default();
        streams.take(stream, bytes.len());
        came(&entry.step, &bytes);
    }
}

/// How many bytes of the control stream the target says by itself: the type, and SETTINGS (RFC 9114 §6.2.1).
fn known(control: &[u8]) -> usize {
    match control {
        [0, 4, length @ 0..64, rest @ ..] if rest.len() >= usize::from(*length) => {
            3 + usize::from(*length)
        }
        _ => 0,
    }
}

/// Steps between bars, as the targets read them: bytes in hexadecimal digits, milliseconds that pass, and what else a peer does.
fn script(entries: &[Entry<'_>], has_streams: bool) -> Vec<u8> {
    let mut script = String::new();
    let mut nanos = 0;
    let mut control = Vec::new();
    each(entries, |step, bytes| {
        let is_control = matches!(step, Step::Poll(poll) if poll.stream == CONTROL);
        control.extend_from_slice(if is_control { bytes } else { &[] });
    });
    let mut known = if has_streams { known(&control) } else { 0 };
    each(entries, |step, bytes| {
        let is_control = matches!(step, Step::Poll(poll) if poll.stream == CONTROL);
        let skipped = if is_control { known.min(bytes.len()) } else { 0 };
        known -= skipped;
        let bytes = &bytes[skipped..];
        let millis = Duration::from_nanos(nanos).as_millis();
        if !bytes.is_empty() {
            // Writing to a string cannot fail.
            let _ = match (step, has_streams) {
                (Step::Poll(poll), true) => write!(script, "X{}:", poll.stream),
                (Step::Rest { stream, .. }, true) => write!(script, "X{stream}:"),
                _ => write!(script, "X"),
            };
            for byte in bytes {
                let _ = write!(script, "{byte:02x}");
            }
            script.push('|');
        }
        let _ = match step {
            Step::Clock(more) => {
                nanos = nanos.saturating_add(*more);
                Ok(())
            }
            Step::Timeout if millis > 0 => {
                nanos = 0;
                write!(script, "t{millis}|")
            }
            Step::Poll(poll) if poll.fin && has_streams => write!(script, "f{}|", poll.stream),
            Step::Poll(poll) if poll.fin => write!(script, "f|"),
            Step::Reset { stream, .. } => write!(script, "r{stream}|"),
            Step::Stopped { stream, .. } => write!(script, "o{stream}|"),
            Step::Room { stream, room } => write!(script, "w{stream}:{room}|"),
            Step::Drain => write!(script, "d|"),
            _ => Ok(()),
        };
    });
    script.into_bytes()
}
