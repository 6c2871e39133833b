//! Unidirectional streams (RFC 9114 §6.2): which is which, and the two of QPACK (RFC 9204 §4.2).

use trilane_semantics::{Command, Input, Next, Reason, budget};

use crate::code::Code;
use crate::frame::stream;
use crate::receive::{Step, discard};
use crate::state::{Http3, Role};
use crate::varint;

/// Streams of unknown types that are remembered, so that what was on its way when they were sent away is known for what it is.
const REMEMBERED: usize = 16;
/// What is read of a unidirectional stream at a time, in bytes.
pub(crate) const WINDOW: usize = 16 << 10;

/// Whether a stream is a client's bidirectional one, which carries a request (RFC 9114 §6.1).
#[inline]
pub(crate) const fn is_request(id: u64) -> bool {
    id & 3 == 0
}

/// Whether a stream is unidirectional (RFC 9000 §2.1).
#[inline]
pub(crate) const fn is_uni(id: u64) -> bool {
    id & 2 != 0
}

/// Our unidirectional streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours {
    pub(crate) control: u64,
    pub(crate) encoder: u64,
    pub(crate) decoder: u64,
    /// One of no type that means something (RFC 9114 §6.2.3).
    pub(crate) reserved: u64,
}

impl Ours {
    /// RFC 9000 §2.1: a client's are 2, 6, 10; a server's 3, 7, 11.
    pub(crate) const fn of(role: Role) -> Self {
        let first = match role {
            Role::Client => 2,
            Role::Server => 3,
        };
        Self { control: first, encoder: first + 4, decoder: first + 8, reserved: first + 12 }
    }

    /// Whether that is one that must not be closed.
    pub(crate) const fn are(self, id: u64) -> bool {
        id == self.control || id == self.encoder || id == self.decoder
    }
}

/// The peer's unidirectional streams, as far as they were opened.
#[derive(Debug, Default)]
pub(crate) struct Theirs {
    pub(crate) control: Option<u64>,
    pub(crate) encoder: Option<u64>,
    pub(crate) decoder: Option<u64>,
    /// SETTINGS came, which is the first frame.
    pub(crate) is_settled: bool,
    /// So many bytes of a frame on the control stream are not looked at.
    pub(crate) skip: u64,
    /// MAX_PUSH_ID, which may only grow.
    pub(crate) max_push: Option<u64>,
    /// The last streams that were sent away, and where the next goes.
    ignored: Vec<u64>,
    turn: usize,
}

impl Theirs {
    fn is_critical(&self, id: u64) -> bool {
        [self.control, self.encoder, self.decoder].contains(&Some(id))
    }

    /// Whether nobody wants what comes on that stream.
    pub(crate) fn ignores(&self, id: u64) -> bool {
        self.ignored.contains(&id)
    }

    fn ignore(&mut self, id: u64) {
        if self.ignored.len() < REMEMBERED {
            self.ignored.push(id);
        } else {
            self.ignored[self.turn] = id;
            self.turn = (self.turn + 1) % REMEMBERED;
        }
    }
}

impl Http3 {
    /// Bytes, or the end, of a unidirectional stream.
    pub(crate) fn uni_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let id = input.stream();
        let is_ours = (id & 1 == 1) == (self.role == Role::Server);
        if is_ours || self.theirs.ignores(id) {
            return discard(input);
        }
        if !self.theirs.is_critical(id) {
            return self.open(input);
        }
        let step = if self.theirs.control == Some(id) {
            self.control_came(input)
        } else if self.theirs.encoder == Some(id) {
            self.encoder_came(input)
        } else {
            self.decoder_came(input)
        };
        // RFC 9114 §6.2.1, RFC 9204 §4.2: they MUST NOT be closed.
        if input.is_fin() && matches!(step, Ok(Some(Next::NeedInput))) {
            return Err(self.fail(Code::ClosedCriticalStream));
        }
        step
    }

    /// A new one: its type says what it is.
    fn open<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let id = input.stream();
        let Some((kind, length)) = varint::read(input.bytes()) else {
            // RFC 9114 §6.2: it may end before it has said its type.
            if !input.is_fin() {
                return Ok(Some(Next::NeedInput));
            }
            self.charge(budget::EMPTY, Reason::Flood)?;
            return discard(input);
        };
        input.take(length);
        let theirs = &mut self.theirs;
        let place = match kind {
            stream::CONTROL => &mut theirs.control,
            stream::ENCODER => &mut theirs.encoder,
            stream::DECODER => &mut theirs.decoder,
            // RFC 9114 §6.2.2, §4.6: a client MUST NOT push, and no server was allowed to.
            stream::PUSH => {
                let is_server = self.role == Role::Server;
                return Err(self.fail(if is_server { Code::StreamCreation } else { Code::Id }));
            }
            _ => {
                // RFC 9114 §6.2: its content means nothing, and reading SHOULD be given up with this code.
                theirs.ignore(id);
                self.charge(budget::STREAM, Reason::Flood)?;
                if !input.is_fin() {
                    let code = Command::StopSending(Code::StreamCreation as u64);
                    self.owed.commands.push((id, code));
                }
                return Ok(None);
            }
        };
        // RFC 9114 §6.2.1, RFC 9204 §4.2: one of each.
        if place.replace(id).is_some() {
            return Err(self.fail(Code::StreamCreation));
        }
        Ok(None)
    }

    /// The peer gave up a unidirectional stream.
    pub(crate) fn uni_ended(&mut self, id: u64) {
        if self.theirs.is_critical(id) {
            self.failed.get_or_insert((Code::ClosedCriticalStream, Reason::StreamClosed));
        } else {
            self.spend_later(budget::EMPTY, Reason::Flood);
        }
    }

    /// The peer's encoder stream (RFC 9204 §4.3): sections may have waited for it.
    fn encoder_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let before = self.decoder.inserted();
        let Ok(taken) = self.decoder.instructions(input.bytes()) else {
            return Err(self.fail(Code::EncoderStream));
        };
        input.take(taken);
        if self.decoder.inserted() != before {
            let blocked = self.streams.iter_mut().filter(|stream| stream.is_blocked);
            self.again.extend(blocked.map(|stream| {
                stream.is_blocked = false;
                stream.id
            }));
        }
        Ok(Some(Next::NeedInput))
    }

    /// The peer's decoder stream (RFC 9204 §4.4).
    fn decoder_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let Ok(taken) = self.encoder.acknowledge(input.bytes()) else {
            return Err(self.fail(Code::DecoderStream));
        };
        input.take(taken);
        Ok(Some(Next::NeedInput))
    }
}
