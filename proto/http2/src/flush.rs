//! What is owed to the peer, written: acknowledgements, credit, resets, GOAWAY. Flags and counters become frames here, once a
//! flush, so that a flood is answered once a turn.

use trilane_semantics::Outbox;

use crate::code::Code;
use crate::frame::{self, flag, kind};
use crate::settings;
use crate::state::{DRAIN_PING, Drain, Http2, Role};

/// The stream of the first step of a drain: any may still come (RFC 9113 §6.8).
const ANY: u32 = 0x7fff_ffff;

impl Http2 {
    /// What goes before all else: our preface (RFC 9113 §3.4), and that the peer's settings are in force, since it counts on
    /// them from then on, and no sooner (§6.5.3).
    #[inline]
    pub(crate) fn greet(&mut self, out: &mut Outbox) {
        if !self.owed.greeted || self.owed.settings_acks > 0 {
            self.introduce(out);
        }
    }

    #[cold]
    fn introduce(&mut self, out: &mut Outbox) {
        out.framing((), |bytes| {
            if !std::mem::replace(&mut self.owed.greeted, true) {
                settings::write(bytes, &self.limits, self.role);
            }
            for _ in 0..std::mem::take(&mut self.owed.settings_acks) {
                frame::write(bytes, kind::SETTINGS, flag::ACK, 0, 0);
            }
        });
    }

    /// Writes what is owed.
    pub(crate) fn pay(&mut self, out: &mut Outbox) {
        self.greet(out);
        out.framing((), |bytes| {
            for (id, code) in self.owed.resets.drain(..) {
                frame::write_number(bytes, kind::RST_STREAM, id, code as u32);
            }
            for payload in self.owed.pongs.drain(..) {
                frame::write(bytes, kind::PING, flag::ACK, 0, payload.len());
                bytes.extend_from_slice(&payload);
            }
            if self.closed.is_none() {
                self.give_credit(bytes);
            }
            if std::mem::take(&mut self.owed.ping) {
                frame::write(bytes, kind::PING, 0, 0, DRAIN_PING.len());
                bytes.extend_from_slice(&DRAIN_PING);
            }
            if let Some((last, code)) = self.owed.goaway.take() {
                frame::write(bytes, kind::GOAWAY, 0, 0, 8);
                bytes.extend_from_slice(&last.to_be_bytes());
                bytes.extend_from_slice(&(code as u32).to_be_bytes());
            }
        });
    }

    /// WINDOW_UPDATE where enough was released (RFC 9113 §6.9).
    fn give_credit(&mut self, bytes: &mut Vec<u8>) {
        if self.inflow.is_due() {
            frame::write_number(bytes, kind::WINDOW_UPDATE, 0, self.inflow.tell());
        }
        let mut listed = std::mem::take(&mut self.owed.credits);
        for id in listed.drain(..) {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.is_credited = false;
            if stream.takes_content() && stream.inflow.is_due() {
                frame::write_number(bytes, kind::WINDOW_UPDATE, id, stream.inflow.tell());
            }
        }
        // Its memory is for the next time.
        self.owed.credits = listed;
    }

    /// The first step of a drain: the peer is asked to begin nothing more, and to answer a PING, so that we know when what was
    /// on its way has come. A client has one step: it is asked for nothing.
    pub(crate) fn begin_drain(&mut self) {
        if self.closed.is_some() || !matches!(self.drain, Drain::No | Drain::Peer) {
            return;
        }
        if self.role == Role::Client {
            self.drain_on();
        } else {
            self.drain = Drain::Asked(self.now + self.limits.goaway_timeout);
            self.owed.goaway = Some((ANY, Code::NoError));
            self.owed.ping = true;
        }
    }

    /// The second step: no stream after the last one is answered.
    pub(crate) fn drain_on(&mut self) {
        self.drain = Drain::Told;
        self.goaway(Code::NoError);
    }
}
