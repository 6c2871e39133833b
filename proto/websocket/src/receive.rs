//! The incoming half: bytes become messages, checked as they come.

use bytes::{Bytes, BytesMut};

use crate::Role;
use crate::error::Error;
use crate::frame::{Header, Opcode};
use crate::inflate::Inflate;
use crate::mask;
use crate::message::{CONTROL, CloseFrame, Message};
use crate::offer::Agreed;
use crate::text::Text;

/// The most that is reserved on the word of a frame's head alone, in bytes.
const RESERVE: u64 = 1 << 20;
/// A message of more bytes takes its memory along; smaller ones leave it to the next.
const KEEP: usize = 64 << 10;

/// What a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most of a message, inflated, in bytes. Default 16 MiB.
    pub message: usize,
    /// The most of a frame, in bytes. Default 16 MiB.
    pub frame: u64,
    /// The most frames without a byte in one message. Default 64.
    pub empty_fragments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 16 << 20, frame: 16 << 20, empty_fragments: 64 }
    }
}

/// The incoming half of a connection. It keeps the message that is not complete yet, and the head of a frame.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    limits: Limits,
    inflate: Option<Inflate>,
    state: State,
    /// A head that is not complete yet.
    head: [u8; Header::MOST],
    had: usize,
    /// The message that has begun, if one has.
    begun: Option<Begun>,
    content: Content,
    /// The payload of a control frame.
    control: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head,
    /// The payload of that frame, of which so much has come.
    Payload(Header, u64),
    /// A Close frame came, or a mistake.
    Over,
}

/// What the first frame of a message has said.
#[derive(Clone, Copy, Debug)]
struct Begun {
    is_text: bool,
    is_compressed: bool,
    empty: u32,
}

/// What has come of a message.
#[derive(Debug)]
struct Content {
    bytes: BytesMut,
    /// So many of them are whole characters.
    checked: usize,
    most: usize,
}

impl Receiver {
    /// Of a connection without compression.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            inflate: None,
            state: State::Head,
            head: [0; Header::MOST],
            had: 0,
            begun: None,
            content: Content { bytes: BytesMut::new(), checked: 0, most: limits.message },
            control: Vec::new(),
        }
    }

    /// The same with compression.
    #[must_use]
    pub fn compressed(mut self, agreed: &Agreed) -> Self {
        let (keeps_context, bits) = match self.role {
            Role::Server => (agreed.client_context, agreed.client_bits),
            Role::Client => (agreed.server_context, agreed.server_bits),
        };
        self.inflate = Some(Inflate::new(keeps_context, bits));
        self
    }

    /// Whether a Close frame came, or something wrong: what comes after it is ignored.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes bytes off the front of `input` up to the end of a message. `None` when it has taken all and needs more.
    ///
    /// # Errors
    /// The connection fails (RFC 6455 §7.1.7): nothing more is looked at.
    pub fn poll(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        let polled = self.advance(input);
        if polled.is_err() {
            self.state = State::Over;
        }
        polled
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(header) = self.header(input)? else { return Ok(None) };
                    self.accept(&header)?;
                    self.state = State::Payload(header, 0);
                }
                State::Payload(header, done) => {
                    let (header, at) = (*header, *done);
                    let left = header.len - at;
                    let n = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let (part, rest) = input.split_at(n);
                    *input = rest;
                    *done += n as u64;
                    if n > 0 {
                        self.take(&header, part, at)?;
                    }
                    if n as u64 != left {
                        return Ok(None);
                    }
                    self.state = State::Head;
                    if let Some(message) = self.complete(&header)? {
                        return Ok(Some(message));
                    }
                }
                State::Over => {
                    // §5.5.1, §7.1.7: nothing of it counts.
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    /// The next head, once it is complete.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        if self.had == 0
            && let Some((header, n)) = Header::read(input)?
        {
            *input = input.get(n..).unwrap_or_default();
            return Ok(Some(header));
        }
        // It came in parts, which is rare.
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(place) = self.head.get_mut(self.had) {
                (*place, self.had) = (byte, self.had + 1);
            }
            if let Some((header, _)) = Header::read(self.head.get(..self.had).unwrap_or_default())?
            {
                self.had = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Whether such a frame may come now.
    fn accept(&mut self, header: &Header) -> Result<(), Error> {
        // §5.1: a server MUST close the connection upon an unmasked frame, a client upon a masked one.
        if header.mask.is_some() != (self.role == Role::Server) {
            return Err(Error::Mask);
        }
        // RFC 7692 §6: the bit stands on the first frame of a compressed message, and nowhere else.
        let may_be_compressed =
            self.inflate.is_some() && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv1 && !may_be_compressed {
            return Err(Error::ReservedBit);
        }
        if header.opcode.is_control() {
            self.control.clear();
            return Ok(());
        }
        let begun = match (header.opcode, &mut self.begun) {
            (Opcode::Continuation, Some(begun)) => begun,
            (Opcode::Continuation, None) => return Err(Error::Continuation),
            (_, Some(_)) => return Err(Error::Interleaved),
            (opcode, None) => self.begun.insert(Begun {
                is_text: opcode == Opcode::Text,
                is_compressed: header.rsv1,
                empty: 0,
            }),
        };
        if header.len == 0 && !header.fin {
            begun.empty += 1;
            if begun.empty > self.limits.empty_fragments {
                return Err(Error::EmptyFragments);
            }
        }
        if header.len > self.limits.frame {
            return Err(Error::TooBig);
        }
        if !begun.is_compressed {
            self.content.expect(header.len)?;
        }
        Ok(())
    }

    /// A part of a payload, from its byte number `at`.
    fn take(&mut self, header: &Header, part: &[u8], at: u64) -> Result<(), Error> {
        if header.opcode.is_control() {
            let start = self.control.len();
            if start == 0 {
                self.control.reserve(CONTROL);
            }
            self.control.extend_from_slice(part);
            if let (Some(mask), Some(new)) = (header.mask, self.control.get_mut(start..)) {
                mask::apply(new, mask, at);
            }
            return Ok(());
        }
        let Some(begun) = self.begun else { return Ok(()) };
        let content = &mut self.content;
        match &mut self.inflate {
            Some(inflate) if begun.is_compressed => {
                inflate.feed(part, header.mask, at, |piece| content.add(piece, begun.is_text))
            }
            _ => content.add_masked(part, header.mask, at, begun.is_text),
        }
    }

    /// What a frame that is all here completes.
    fn complete(&mut self, header: &Header) -> Result<Option<Message>, Error> {
        match header.opcode {
            Opcode::Ping => return Ok(Some(Message::Ping(Bytes::copy_from_slice(&self.control)))),
            Opcode::Pong => return Ok(Some(Message::Pong(Bytes::copy_from_slice(&self.control)))),
            Opcode::Close => {
                let frame = CloseFrame::read(&self.control)?;
                self.state = State::Over;
                return Ok(Some(Message::Close(frame)));
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => (),
        }
        let Some(begun) = self.begun.filter(|_| header.fin) else { return Ok(None) };
        self.begun = None;
        let content = &mut self.content;
        if begun.is_compressed
            && let Some(inflate) = &mut self.inflate
        {
            inflate.finish(|piece| content.add(piece, begun.is_text))?;
        }
        content.finish(begun.is_text).map(Some)
    }
}

impl Content {
    /// So much is said to come.
    fn expect(&mut self, len: u64) -> Result<(), Error> {
        if len > (self.most - self.bytes.len()) as u64 {
            return Err(Error::TooBig);
        }
        // No more than `RESERVE`.
        self.bytes.reserve(len.min(RESERVE) as usize);
        Ok(())
    }

    fn add_masked(
        &mut self,
        part: &[u8],
        mask: Option<[u8; 4]>,
        at: u64,
        is_text: bool,
    ) -> Result<(), Error> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        if let (Some(mask), Some(new)) = (mask, self.bytes.get_mut(start..)) {
            mask::apply(new, mask, at);
        }
        if is_text { self.check() } else { Ok(()) }
    }

    /// What was inflated.
    fn add(&mut self, piece: &[u8], is_text: bool) -> Result<(), Error> {
        if piece.len() > self.most - self.bytes.len() {
            return Err(Error::TooBig);
        }
        self.bytes.extend_from_slice(piece);
        if is_text { self.check() } else { Ok(()) }
    }

    /// Looks at what is new: an invalid byte fails before the message ends (§8.1).
    fn check(&mut self) -> Result<(), Error> {
        let new = self.bytes.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(new) {
            Ok(_) => self.checked = self.bytes.len(),
            // The last character may still become whole.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Error::Utf8),
        }
        Ok(())
    }

    fn finish(&mut self, is_text: bool) -> Result<Message, Error> {
        let is_whole = self.checked == self.bytes.len();
        let bytes = if self.bytes.len() > KEEP {
            std::mem::take(&mut self.bytes).freeze()
        } else {
            // Memory that the message gives back before the next one is used again.
            self.bytes.split().freeze()
        };
        self.checked = 0;
        match is_text {
            true if is_whole => Ok(Message::Text(Text::checked(bytes))),
            true => Err(Error::Utf8),
            false => Ok(Message::Binary(bytes)),
        }
    }
}
