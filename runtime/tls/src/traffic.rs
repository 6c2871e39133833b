//! TLS 1.3 after the handshake (RFC 8446 §4.6, §5, §6), in records of our own: content is decrypted where it lies, and pieces are
//! sealed into one record where they are put together. rustls made the keys, and makes those that follow them.
//!
//! What it costs not to have this is in benches/README.md. Never used for TLS 1.2, nor before the handshake is over.

use std::fmt;

use rustls::ExtractedSecrets;

use crate::alert::Alert;
use crate::record::{Half, Kind, Opened};
use crate::role::Keys;
use crate::session::{Broken, Heard};

/// Messages of the handshake that a peer may send before it sends content: each costs us more than it.
const MESSAGES: u8 = 32;
/// Bytes in front of each: its type and length (RFC 8446 §4).
const HEADER: usize = 4;
/// Content of the longest one, in bytes: what rustls takes of a ticket.
const LONGEST: usize = 0xffff;
/// Types of messages.
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// Both directions.
pub(crate) struct Traffic {
    receiving: Half,
    sending: Half,
    keys: Keys,
    /// Records that one key may protect.
    most: u64,
    /// A message that is not all there.
    part: Vec<u8>,
    /// Messages since content came.
    messages: u8,
    /// The peer wants us to change our key, too.
    owes_update: bool,
    /// The peer sends nothing more.
    is_ended: bool,
}

impl Traffic {
    /// Goes on with these keys.
    ///
    /// # Errors
    /// [`Broken::Record`], if they are not of TLS 1.3.
    pub(crate) fn new(secrets: ExtractedSecrets, keys: Keys) -> Result<Self, Broken> {
        let half = |secrets| Half::new(secrets).ok_or(Broken::Record);
        let suite = keys.suite().tls13().ok_or(Broken::Record)?;
        Ok(Self {
            receiving: half(secrets.rx)?,
            sending: half(secrets.tx)?,
            most: suite.common.confidentiality_limit,
            keys,
            part: Vec::new(),
            messages: 0,
            owes_update: false,
            is_ended: false,
        })
    }

    /// Lets one key protect no more than `most` records.
    #[cfg(test)]
    pub(crate) const fn set_most(&mut self, most: u64) {
        self.most = most;
    }

    /// Goes through the records in `bytes`; how many bytes of them are done with. An alert for the peer is put behind `owed`.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        owed: &mut Vec<u8>,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            if self.is_ended {
                // RFC 8446 §6.1: data after a closure alert MUST be ignored.
                return Ok(bytes.len());
            }
            match self.step(&mut bytes[used..], hear) {
                Ok(Some(n)) => used += n,
                Ok(None) => return Ok(used),
                Err(Wrong::Theirs(number)) => return Err(Broken::Alert(number)),
                Err(Wrong::Ours(alert)) => {
                    // RFC 8446 §6.2. If it cannot be sealed there is nothing to be said.
                    let _ = self.say(Kind::Alert, &[2, alert.0], owed);
                    return Err(Broken::Record);
                }
            }
        }
    }

    /// One record; how long it was.
    fn step(
        &mut self,
        bytes: &mut [u8],
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<Option<usize>, Wrong> {
        let Some(Opened { kind, inside, len }) = self.receiving.open(bytes)? else {
            return Ok(None);
        };
        // RFC 8446 §5.1: other records MUST NOT come between the parts of a message.
        if !self.part.is_empty() && kind != Kind::Handshake {
            return Err(Alert::UNEXPECTED_MESSAGE.into());
        }
        match kind {
            Kind::Content if inside.is_empty() => {}
            Kind::Content => {
                self.messages = 0;
                hear(Heard::Content(inside));
            }
            Kind::Alert => match *inside {
                // RFC 8446 §6: the level says nothing.
                [_, number] if Alert(number) == Alert::CLOSE_NOTIFY => {
                    self.is_ended = true;
                    hear(Heard::End);
                }
                [_, number] if Alert(number) == Alert::USER_CANCELED => {}
                [_, number] => return Err(Wrong::Theirs(number)),
                // RFC 8446 §5.1: a record of alerts MUST contain exactly one.
                _ => return Err(Alert::DECODE_ERROR.into()),
            },
            Kind::Handshake => self.messages(inside)?,
        }
        Ok(Some(len))
    }

    /// Messages of the handshake, the last of which may be a part of one.
    fn messages(&mut self, bytes: &[u8]) -> Result<(), Alert> {
        // RFC 8446 §5.1: no part is empty.
        if bytes.is_empty() {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        let mut joined = std::mem::take(&mut self.part);
        let mut rest = bytes;
        if !joined.is_empty() {
            joined.extend_from_slice(bytes);
            rest = &joined;
        }
        while let Some(&kind) = rest.first() {
            let Some(len) = self.len(kind, rest)? else {
                self.part = rest.to_vec();
                return Ok(());
            };
            let (message, behind) = rest.split_at(len);
            let content = &message[HEADER..];
            self.messages += 1;
            if self.messages > MESSAGES {
                return Err(Alert::UNEXPECTED_MESSAGE);
            }
            match (kind, behind) {
                (KEY_UPDATE, []) => self.key_update(content)?,
                // RFC 8446 §5.1: a message that changes keys ends its record.
                (KEY_UPDATE, _) => return Err(Alert::UNEXPECTED_MESSAGE),
                // RFC 8446 §6.2: what does not parse is a decode_error.
                _ => self.keys.ticket(content).map_err(|_| Alert::DECODE_ERROR)?,
            }
            rest = behind;
        }
        Ok(())
    }

    /// How long the message at the front is; `None` if it is not all there. Both sides may change their key (RFC 8446 §4.6.3),
    /// and servers give tickets (§4.6.1): nothing else was asked for.
    fn len(&self, kind: u8, bytes: &[u8]) -> Result<Option<usize>, Alert> {
        if kind != KEY_UPDATE && !(kind == NEW_SESSION_TICKET && self.keys.takes_tickets()) {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        let Some(&[_, high, middle, low]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let content = u32::from_be_bytes([0, high, middle, low]) as usize;
        if content > LONGEST || (kind == KEY_UPDATE && content != 1) {
            return Err(Alert::DECODE_ERROR);
        }
        Ok(Some(HEADER + content).filter(|len| *len <= bytes.len()))
    }

    /// The peer's next record has another key (RFC 8446 §4.6.3).
    fn key_update(&mut self, content: &[u8]) -> Result<(), Alert> {
        match content {
            [0] => {}
            [1] => self.owes_update = true,
            // RFC 8446 §4.6.3: any other value MUST end the connection with illegal_parameter.
            _ => return Err(Alert::ILLEGAL_PARAMETER),
        }
        let secrets = self.keys.receiving().map_err(|_| Alert::INTERNAL_ERROR)?;
        self.receiving = Half::new(secrets).ok_or(Alert::INTERNAL_ERROR)?;
        Ok(())
    }

    /// Appends records to `out` that hold the `pieces`, one after the other.
    ///
    /// # Errors
    /// The keys cannot be used any more.
    pub(crate) fn seal<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut open = None;
        for mut piece in pieces {
            while !piece.is_empty() {
                let start = match open {
                    Some(start) => start,
                    None => {
                        self.update_if_due(out)?;
                        Half::begin(out)
                    }
                };
                let room = Half::room(start, out);
                let (front, rest) = piece.split_at(piece.len().min(room));
                out.extend_from_slice(front);
                piece = rest;
                open = (front.len() < room).then_some(start);
                if open.is_none() {
                    self.end(start, Kind::Content, out)?;
                }
            }
        }
        open.map_or(Ok(()), |start| self.end(start, Kind::Content, out))
    }

    /// Appends the record that says that no content follows (RFC 8446 §6.1).
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        // If it cannot be sealed, the end of the transport must do.
        let _ = self.say(Kind::Alert, &[1, Alert::CLOSE_NOTIFY.0], out);
    }

    /// Changes our key if the peer wants that, or the key has protected as much as it may (RFC 8446 §4.6.3, §5.5).
    fn update_if_due(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        // The last one is for the update itself.
        if !self.owes_update && self.sending.sequence() + 1 < self.most {
            return Ok(());
        }
        self.owes_update = false;
        // Not asking for one back: its key is its own matter.
        self.say(Kind::Handshake, &[KEY_UPDATE, 0, 0, 1, 0], out)?;
        let secrets = self.keys.sending().map_err(|_| Broken::Exhausted)?;
        self.sending = Half::new(secrets).ok_or(Broken::Exhausted)?;
        Ok(())
    }

    fn say(&mut self, kind: Kind, what: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let start = Half::begin(out);
        out.extend_from_slice(what);
        self.end(start, kind, out)
    }

    fn end(&mut self, start: usize, kind: Kind, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.sending.end(start, kind, out).map_err(|_| Broken::Exhausted)
    }
}

/// Why a connection is over.
enum Wrong {
    /// We say so, with this alert.
    Ours(Alert),
    /// The peer has said so, with the alert of this number.
    Theirs(u8),
}

impl From<Alert> for Wrong {
    fn from(alert: Alert) -> Self {
        Self::Ours(alert)
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the keys.
        f.debug_struct("Traffic").field("is_ended", &self.is_ended).finish_non_exhaustive()
    }
}
