//! The head of a frame (RFC 6455 §5.2), read and written.

use crate::error::Error;
use crate::message::CONTROL;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OTHER_RSV: u8 = 0x30;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message before.
    Continuation = 0,
    /// Text, or the beginning of one.
    Text = 1,
    /// Bytes, or the beginning of some.
    Binary = 2,
    /// The last frame.
    Close = 8,
    /// A question.
    Ping = 9,
    /// Its answer.
    Pong = 10,
}

impl Opcode {
    /// Whether it is one of those that may stand between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn read(byte: u8) -> Option<Self> {
        Some(match byte & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The first reserved bit: the message is compressed (RFC 7692 §6).
    pub rsv1: bool,
    /// What it is.
    pub opcode: Opcode,
    /// What its payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// How long its payload is, in bytes; below 2^63.
    pub len: u64,
}

impl Header {
    /// The longest there is, in bytes.
    pub const MOST: usize = 14;

    /// Reads one off the front of `bytes`, and says how long it is; `None` if more must come. What is wrong is wrong as soon as it is
    /// there.
    ///
    /// # Errors
    /// No frame begins like that.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        if first & OTHER_RSV != 0 {
            return Err(Error::ReservedBit);
        }
        let opcode = Opcode::read(first).ok_or(Error::Opcode)?;
        let fin = first & FIN != 0;
        // §5.5: control frames MUST NOT be fragmented.
        if opcode.is_control() && !fin {
            return Err(Error::Control);
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let (short, is_masked) = (second & !MASKED, second & MASKED != 0);
        // §5.5: and MUST have 125 bytes or less.
        if opcode.is_control() && usize::from(short) > CONTROL {
            return Err(Error::Control);
        }
        let (len, rest) = match short {
            126 => {
                let Some((long, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*long)), rest)
            }
            127 => {
                let Some((long, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*long), rest)
            }
            short => (u64::from(short), rest),
        };
        // §5.2: the minimal number of bytes MUST be used, and the highest bit MUST be 0.
        let is_minimal = match short {
            126 => len > 125,
            127 => len > 0xffff && len >> 63 == 0,
            _ => true,
        };
        if !is_minimal {
            return Err(Error::Length);
        }
        let (mask, rest) = if is_masked {
            let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*mask), rest)
        } else {
            (None, rest)
        };
        let rsv1 = first & RSV1 != 0;
        Ok(Some((Self { fin, rsv1, opcode, mask, len }, bytes.len() - rest.len())))
    }

    /// Writes it behind what is there.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        out.push(bit(self.fin, FIN) | bit(self.rsv1, RSV1) | self.opcode as u8);
        let masked = bit(self.mask.is_some(), MASKED);
        match self.len {
            // Each fits: that is what the arm says.
            len @ 0..=125 => out.push(masked | len as u8),
            len @ 126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(masked | 127);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
        if let Some(mask) = self.mask {
            out.extend_from_slice(&mask);
        }
    }
}
