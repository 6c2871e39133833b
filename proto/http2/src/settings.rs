//! SETTINGS (RFC 9113 §6.5): what the peer allows, and what we say that we do. Never says when.

use trilane_semantics::{Limits, Reason};

use crate::flow::WINDOW;
use crate::frame::{self, MOST, kind};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
/// RFC 8441 §3.
const ENABLE_CONNECT_PROTOCOL: u16 = 8;
/// RFC 9218 §2.1.
const NO_RFC7540_PRIORITIES: u16 = 9;

/// What we allow the decoder's table, in bytes: the default, so that it need not be said.
pub(crate) const TABLE: usize = 4096;

/// What the peer allows, as far as it matters to who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Its decoder's table, in bytes.
    pub(crate) table: usize,
    /// A new stream's window.
    pub(crate) window: i32,
    /// The largest payload of a frame.
    pub(crate) frame: usize,
}

impl Settings {
    /// Before the peer has said anything (RFC 9113 §6.5.2).
    pub(crate) const fn new() -> Self {
        Self { table: 4096, window: WINDOW, frame: MOST }
    }

    /// Takes the payload of a SETTINGS frame in, whose length is a multiple of 6. What is not known is ignored.
    ///
    /// # Errors
    /// A value that its setting cannot have (RFC 9113 §6.5.2, RFC 8441 §3).
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), Reason> {
        let (settings, _) = payload.as_chunks::<6>();
        for &[i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => self.table = value as usize,
                ENABLE_PUSH | ENABLE_CONNECT_PROTOCOL | NO_RFC7540_PRIORITIES if value > 1 => {
                    return Err(Reason::Setting);
                }
                INITIAL_WINDOW_SIZE => {
                    self.window = i32::try_from(value).map_err(|_| Reason::FlowControl)?;
                }
                MAX_FRAME_SIZE => match value as usize {
                    size @ MOST..=0xff_ffff => self.frame = size,
                    _ => return Err(Reason::Setting),
                },
                _ => (),
            }
        }
        Ok(())
    }
}

/// Writes our SETTINGS, and the credit that makes the connection's window as large as it may be: the server's preface
/// (RFC 9113 §3.4).
pub(crate) fn write(bytes: &mut Vec<u8>, limits: &Limits) {
    // All of them are bounded by `Limits::usable`, or cut here to what can be said.
    let say = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let settings = [
        (MAX_CONCURRENT_STREAMS, say(limits.streams)),
        (INITIAL_WINDOW_SIZE, say(limits.stream_window)),
        (MAX_HEADER_LIST_SIZE, say(limits.head)),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (NO_RFC7540_PRIORITIES, 1),
    ];
    frame::write(bytes, kind::SETTINGS, 0, 0, 6 * settings.len());
    for (id, value) in settings {
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    let more = say(limits.connection_window).saturating_sub(WINDOW as u32);
    if more > 0 {
        frame::write_number(bytes, kind::WINDOW_UPDATE, 0, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(id: u16, value: u32) -> Result<Settings, Reason> {
        let mut settings = Settings::new();
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        settings.apply(&payload).map(|()| settings)
    }

    /// RFC 9113 §6.5.2, each bound at n-1, n, n+1.
    #[test]
    fn values_have_their_bounds() {
        for id in [2, 8, 9] {
            assert_eq!(apply(id, 1), Ok(Settings::new()), "{id}");
            assert_eq!(apply(id, 2), Err(Reason::Setting), "{id}");
        }
        assert_eq!(apply(4, i32::MAX as u32).map(|it| it.window), Ok(i32::MAX));
        assert_eq!(apply(4, i32::MAX as u32 + 1), Err(Reason::FlowControl));
        for (value, expected) in [
            (16_383, Err(Reason::Setting)),
            (16_384, Ok(16_384)),
            (16_777_215, Ok(16_777_215)),
            (16_777_216, Err(Reason::Setting)),
        ] {
            assert_eq!(apply(5, value).map(|it| it.frame), expected, "{value}");
        }
        assert_eq!(apply(1, 7).map(|it| it.table), Ok(7));
        // RFC 9113 §6.5.2: an unknown setting MUST be ignored.
        assert_eq!(apply(0xfafa, u32::MAX), Ok(Settings::new()));
    }
}
