//! TLS 1.3 after the handshake (RFC 8446 §4.6, §5, §6), in records of our own: content is decrypted where it lies, and pieces are
//! sealed into one record where they are put together. rustls made the keys, and makes those that follow them.
//!
//! What it costs not to have this is in benches/README.md. Never used for TLS 1.2, nor before the handshake is over.

use std::fmt;

use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};

use crate::alert::Alert;
use crate::record::{Half, Kind, Opened};
use crate::session::{Broken, Heard};

/// Key updates that a peer may make before it sends content: each costs us more than it.
const UPDATES: u8 = 32;
/// Bytes of a KeyUpdate message (RFC 8446 §4.6.3).
const UPDATE: usize = 5;
/// Its type.
const KEY_UPDATE: u8 = 24;

/// Both directions.
pub(crate) struct Traffic {
    receiving: Half,
    sending: Half,
    keys: KernelConnection<ServerConnectionData>,
    /// Records that one key may protect.
    most: u64,
    /// A message that is not all there, and how much of it is.
    part: ([u8; UPDATE], u8),
    /// Key updates since content came.
    updates: u8,
    /// The peer wants us to change our key, too.
    owes_update: bool,
    /// The peer sends nothing more.
    is_ended: bool,
}

impl Traffic {
    /// Takes over from rustls, which has nothing left to send.
    ///
    /// # Errors
    /// [`Broken::Record`], if it does have.
    pub(crate) fn new(tls: UnbufferedServerConnection) -> Result<Self, Broken> {
        let (secrets, keys) = tls.dangerous_into_kernel_connection().map_err(|_| Broken::Record)?;
        let half = |secrets| Half::new(secrets).ok_or(Broken::Record);
        let suite = keys.negotiated_cipher_suite().tls13().ok_or(Broken::Record)?;
        Ok(Self {
            receiving: half(secrets.rx)?,
            sending: half(secrets.tx)?,
            most: suite.common.confidentiality_limit,
            keys,
            part: ([0; UPDATE], 0),
            updates: 0,
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
        if self.part.1 > 0 && kind != Kind::Handshake {
            return Err(Alert::UNEXPECTED_MESSAGE.into());
        }
        match kind {
            Kind::Content if inside.is_empty() => {}
            Kind::Content => {
                self.updates = 0;
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
            Kind::Handshake => self.message(inside)?,
        }
        Ok(Some(len))
    }

    /// A message of the handshake, or a part of one. A client can only change its key (RFC 8446 §4.6.3): it was asked for
    /// nothing else.
    fn message(&mut self, bytes: &[u8]) -> Result<(), Alert> {
        let (message, had) = (&mut self.part.0, usize::from(self.part.1));
        // RFC 8446 §5.1: no part is empty, and a message that changes keys ends its record.
        if bytes.is_empty() || bytes.len() > UPDATE - had {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        let has = had + bytes.len();
        message[had..has].copy_from_slice(bytes);
        if message[0] != KEY_UPDATE {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        if has < UPDATE {
            // At most 4.
            self.part.1 = has as u8;
            return Ok(());
        }
        self.part.1 = 0;
        match *message {
            [_, 0, 0, 1, 0] => {}
            [_, 0, 0, 1, 1] => self.owes_update = true,
            // RFC 8446 §4.6.3: any other value MUST end the connection with illegal_parameter.
            [_, 0, 0, 1, _] => return Err(Alert::ILLEGAL_PARAMETER),
            _ => return Err(Alert::DECODE_ERROR),
        }
        self.updates += 1;
        if self.updates > UPDATES {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        let secrets = self.keys.update_rx_secret().map_err(|_| Alert::INTERNAL_ERROR)?;
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
        let secrets = self.keys.update_tx_secret().map_err(|_| Broken::Exhausted)?;
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
