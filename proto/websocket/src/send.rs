//! The outgoing half: messages become frames, each of them one.

use bytes::Bytes;

use crate::Role;
use crate::deflate::Deflated;
use crate::frame::{Header, Opcode};
use crate::mask;
use crate::message::{CONTROL, CloseFrame, Message};
use crate::offer::Agreed;

/// A payload of fewer bytes is copied behind its head; a larger one is moved.
pub const JOIN: usize = 2 << 10;

/// The outgoing half of a connection.
#[derive(Debug)]
pub struct Sender {
    role: Role,
    deflate: Option<Deflated>,
    is_closed: bool,
}

/// A Close frame was sent: nothing may follow (RFC 6455 §5.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed")
    }
}

impl std::error::Error for Closed {}

impl Sender {
    /// Of a connection without compression.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self { role, deflate: None, is_closed: false }
    }

    /// The same with compression.
    #[must_use]
    pub fn compressed(mut self, agreed: &Agreed) -> Self {
        let (keeps_context, bits) = match self.role {
            Role::Server => (agreed.server_context, agreed.server_bits),
            Role::Client => (agreed.client_context, agreed.client_bits),
        };
        self.deflate = Some(Deflated::new(keeps_context, bits, agreed.level, agreed.from));
        self
    }

    /// Whether a Close frame was sent, or nothing can be any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Nothing more is sent, not even a Close frame: the connection has ended.
    pub const fn end(&mut self) {
        self.is_closed = true;
    }

    /// Writes a message behind what is in `out`. What is returned, if anything, follows what is in `out` then: a large payload is not
    /// copied. `mask` is for the client role: nobody must be able to guess it (RFC 6455 §5.3, §10.3). Control frames that are
    /// too long are cut, and a close code that may not be sent is left out.
    ///
    /// # Errors
    /// After a Close frame nothing is sent.
    pub fn push(
        &mut self,
        message: Message,
        mask: [u8; 4],
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, Closed> {
        if self.is_closed {
            return Err(Closed);
        }
        let (opcode, mut payload) = match message {
            Message::Text(text) => (Opcode::Text, text.into_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
            Message::Ping(bytes) => (Opcode::Ping, cut(bytes)),
            Message::Pong(bytes) => (Opcode::Pong, cut(bytes)),
            Message::Close(frame) => {
                self.is_closed = true;
                self.close(frame, mask, out);
                return Ok(None);
            }
        };
        // RFC 7692 §5: control frames are not compressed.
        let deflated = match &mut self.deflate {
            Some(deflate) if !opcode.is_control() => deflate.deflate(&payload),
            _ => None,
        };
        let rsv1 = deflated.is_some();
        if let Some(deflated) = deflated {
            payload = deflated.into();
        }
        self.head(opcode, rsv1, payload.len(), mask, out);
        if self.role == Role::Server && payload.len() >= JOIN {
            return Ok(Some(payload));
        }
        self.payload(&payload, mask, out);
        Ok(None)
    }

    fn close(&self, frame: Option<CloseFrame>, mask: [u8; 4], out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        if let Some(frame) = frame.filter(|frame| frame.code.may_be_sent()) {
            let CloseFrame { code, reason } = CloseFrame::new(frame.code, frame.reason);
            payload.extend_from_slice(&code.0.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.head(Opcode::Close, false, payload.len(), mask, out);
        self.payload(&payload, mask, out);
    }

    fn head(&self, opcode: Opcode, rsv1: bool, len: usize, mask: [u8; 4], out: &mut Vec<u8>) {
        let mask = (self.role == Role::Client).then_some(mask);
        Header { fin: true, rsv1, opcode, mask, len: len as u64 }.write(out);
    }

    fn payload(&self, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(payload);
        if self.role == Role::Client
            && let Some(written) = out.get_mut(start..)
        {
            mask::apply(written, mask, 0);
        }
    }
}

/// What fits into a control frame.
fn cut(mut bytes: Bytes) -> Bytes {
    bytes.truncate(CONTROL);
    bytes
}
