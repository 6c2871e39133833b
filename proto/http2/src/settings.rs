//! SETTINGS (RFC 9113 §6.5): what the peer allows, and what we say that we do. Never says when.

use trilane_semantics::{Limits, Reason};

use crate::flow::WINDOW;
use crate::frame::{self, MOST, PREFACE, kind};
use crate::state::Role;

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

/// How many streams are begun before the peer has said how many it takes: what RFC 9113 §6.5.2 asks of it at least.
const STREAMS: u32 = 100;

/// What the peer allows, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Its decoder's table, in bytes.
    pub(crate) table: u32,
    /// The smallest that it was in the last frame: the encoder has to say it (RFC 7541 §4.2).
    pub(crate) least_table: u32,
    /// A new stream's window.
    pub(crate) window: i32,
    /// Streams that we may begin.
    pub(crate) streams: u32,
    /// It takes promises.
    pub(crate) push: bool,
    /// It takes extended CONNECT (RFC 8441 §3).
    pub(crate) connect: bool,
    /// It has spoken.
    is_known: bool,
}

impl Settings {
    /// Before the peer has said anything (RFC 9113 §6.5.2).
    pub(crate) const fn new() -> Self {
        Self {
            table: 4096,
            least_table: 4096,
            window: WINDOW,
            streams: STREAMS,
            push: true,
            connect: false,
            is_known: false,
        }
    }

    /// Takes the payload of a SETTINGS frame in that came to `role`, whose length is a multiple of 6. What is not known is ignored.
    ///
    /// # Errors
    /// A value that its setting cannot have (RFC 9113 §6.5.2, RFC 8441 §3).
    pub(crate) fn apply(&mut self, payload: &[u8], role: Role) -> Result<(), Reason> {
        if !std::mem::replace(&mut self.is_known, true) {
            self.streams = u32::MAX;
        }
        self.least_table = self.table;
        let (settings, _) = payload.as_chunks::<6>();
        for &[i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => {
                    (self.table, self.least_table) = (value, value.min(self.least_table));
                }
                ENABLE_PUSH | ENABLE_CONNECT_PROTOCOL | NO_RFC7540_PRIORITIES if value > 1 => {
                    return Err(Reason::Setting);
                }
                // RFC 9113 §6.5.2: a server MUST NOT say 1.
                ENABLE_PUSH if role == Role::Client && value == 1 => return Err(Reason::Setting),
                ENABLE_PUSH => self.push = value == 1,
                MAX_CONCURRENT_STREAMS => self.streams = value,
                // RFC 8441 §3: what was said cannot be taken back.
                ENABLE_CONNECT_PROTOCOL if self.connect && value == 0 => {
                    return Err(Reason::Setting);
                }
                ENABLE_CONNECT_PROTOCOL => self.connect = value == 1,
                INITIAL_WINDOW_SIZE => {
                    self.window = i32::try_from(value).map_err(|_| Reason::FlowControl)?;
                }
                // RFC 9113 §4.2: what everybody takes is the largest that we send.
                MAX_FRAME_SIZE if !(MOST..=0xff_ffff).contains(&(value as usize)) => {
                    return Err(Reason::Setting);
                }
                _ => (),
            }
        }
        Ok(())
    }
}

/// Writes our SETTINGS, and the credit that makes the connection's window as large as it may be: the preface of `role`
/// (RFC 9113 §3.4).
pub(crate) fn write(bytes: &mut Vec<u8>, limits: &Limits, role: Role) {
    // All of them are bounded by `Limits::usable`, or cut here to what can be said.
    let say = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    // RFC 9113 §5.1.2, §8.4: how many requests a server takes, how many promises a client does; RFC 8441 §3.
    let (theirs, special) = match role {
        Role::Client => (limits.pushes, (ENABLE_PUSH, u32::from(limits.pushes > 0))),
        Role::Server => (limits.streams, (ENABLE_CONNECT_PROTOCOL, 1)),
    };
    let settings = [
        (MAX_CONCURRENT_STREAMS, say(theirs)),
        (INITIAL_WINDOW_SIZE, say(limits.stream_window)),
        (MAX_HEADER_LIST_SIZE, say(limits.head)),
        special,
        (NO_RFC7540_PRIORITIES, 1),
    ];
    if role == Role::Client {
        bytes.extend_from_slice(PREFACE);
    }
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
        settings.apply(&payload, Role::Server).map(|()| settings)
    }

    /// What a client makes of settings, one frame each.
    fn client(said: &[(u16, u32)]) -> Result<Settings, Reason> {
        let mut settings = Settings::new();
        for (id, value) in said {
            let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
            settings.apply(&payload, Role::Client)?;
        }
        Ok(settings)
    }

    /// RFC 9113 §6.5.2, each bound at n-1, n, n+1.
    #[test]
    fn values_have_their_bounds() {
        for id in [2, 8, 9] {
            assert!(apply(id, 0).is_ok() && apply(id, 1).is_ok(), "{id}");
            assert_eq!(apply(id, 2), Err(Reason::Setting), "{id}");
        }
        assert_eq!(apply(4, i32::MAX as u32).map(|it| it.window), Ok(i32::MAX));
        assert_eq!(apply(4, i32::MAX as u32 + 1), Err(Reason::FlowControl));
        for (value, expected) in [
            (16_383, Err(Reason::Setting)),
            (16_384, Ok(())),
            (16_777_215, Ok(())),
            (16_777_216, Err(Reason::Setting)),
        ] {
            assert_eq!(apply(5, value).map(|_| ()), expected, "{value}");
        }
        assert_eq!(apply(1, 7).map(|it| it.table), Ok(7));
        // RFC 9113 §6.5.2: an unknown setting MUST be ignored.
        assert_eq!(apply(0xfafa, u32::MAX), apply(9, 0));
    }

    /// RFC 9113 §6.5.2, RFC 8441 §3.
    #[test]
    fn what_the_other_side_takes() {
        assert_eq!(client(&[]).map(|it| it.streams), Ok(STREAMS));
        assert_eq!(client(&[(9, 1)]).map(|it| it.streams), Ok(u32::MAX));
        assert_eq!(client(&[(3, 7), (9, 1)]).map(|it| it.streams), Ok(7));
        assert_eq!(client(&[(2, 1)]), Err(Reason::Setting));
        assert_eq!(client(&[(2, 0)]).map(|it| it.push), Ok(false));
        assert_eq!(apply(2, 1).map(|it| it.push), Ok(true));
        assert_eq!(client(&[(8, 0)]).map(|it| it.connect), Ok(false));
        assert_eq!(client(&[(8, 1), (8, 1)]).map(|it| it.connect), Ok(true));
        assert_eq!(client(&[(8, 1), (8, 0)]), Err(Reason::Setting));
    }
}
