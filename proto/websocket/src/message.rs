//! Messages, and the control frames between them (RFC 6455 §5.5, §5.6).

use bytes::Bytes;

use crate::code::CloseCode;
use crate::error::Error;
use crate::text::Text;

/// The most that a control frame carries, in bytes (§5.5).
pub const CONTROL: usize = 125;
/// The most of a Close frame's reason, in bytes.
pub const REASON: usize = CONTROL - 2;

/// What is said over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Text),
    /// Bytes.
    Binary(Bytes),
    /// Asks the peer for a pong with the same bytes, 125 at most.
    Ping(Bytes),
    /// Answers a ping, or says that one is there.
    Pong(Bytes),
    /// Says the last word.
    Close(Option<CloseFrame>),
}

/// Why somebody closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// As a number.
    pub code: CloseCode,
    /// In words, 123 bytes at most.
    pub reason: Text,
}

impl CloseFrame {
    /// With a reason; what is longer than a frame can be is cut at a character.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Text>) -> Self {
        let reason = reason.into();
        let end = reason.floor_char_boundary(REASON);
        let reason = Text::checked(reason.into_bytes().slice(..end));
        Self { code, reason }
    }

    /// What the payload of a Close frame says (§5.5.1).
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, Error> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            // §5.5.1: if there is a body, it begins with two bytes.
            return if payload.is_empty() { Ok(None) } else { Err(Error::CloseLength) };
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.may_be_sent() {
            return Err(Error::CloseCode(code.0));
        }
        let reason = Text::try_from(Bytes::copy_from_slice(reason))?;
        Ok(Some(Self { code, reason }))
    }
}

impl Message {
    /// How many bytes it carries.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.as_bytes().len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(frame) => frame.as_ref().map_or(0, |it| 2 + it.reason.as_bytes().len()),
        }
    }

    /// Whether it carries none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is text or bytes, and not one of those that keep a connection going.
    #[must_use]
    pub const fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}
