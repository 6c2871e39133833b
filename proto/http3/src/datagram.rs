//! HTTP datagrams (RFC 9297 §2): whose they are. Capsules (§3) are content, and not looked at.

use trilane_semantics::sending::Outgoing;
use trilane_semantics::{ExchangeId, Fault, Misuse, Outbox};

use crate::code::Code;
use crate::state::Http3;
use crate::streams::Incoming;
use crate::varint;

/// The largest quarter of a stream's number (RFC 9297 §2.1).
const LARGEST: u64 = (1 << 60) - 1;

impl Http3 {
    /// As [`Machine::datagram`](trilane_semantics::Machine::datagram).
    pub(crate) fn datagram_came<'b>(
        &mut self,
        datagram: &'b [u8],
    ) -> Result<Option<(ExchangeId, &'b [u8])>, Fault> {
        // RFC 9297 §2.1: what is no number, or too large a one, is an error of the connection.
        let read = varint::read(datagram).filter(|&(quarter, _)| quarter <= LARGEST);
        let Some((quarter, length)) = read else { return Err(self.fail(Code::Datagram)) };
        let id = quarter * 4;
        let is_known = self.streams.get(id).is_some_and(|stream| {
            matches!(stream.incoming, Incoming::Open | Incoming::Ending | Incoming::Tunnel)
        });
        // RFC 9297 §2.1: after the end of its half it MUST be dropped; one that is yet to come may be nobody's.
        Ok(is_known.then(|| (ExchangeId(id), &datagram[length..])))
    }

    /// As [`Machine::send_datagram`](trilane_semantics::Machine::send_datagram).
    pub(crate) fn datagram_goes(
        &mut self,
        id: ExchangeId,
        data: &[u8],
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        // RFC 9297 §2.1.1: not before both have said that they take them; §2.1: nor after the end of our half.
        let stream = self.streams.get(id.0);
        let is_open = stream.is_some_and(|stream| stream.outgoing != Outgoing::Over);
        if !self.datagrams || !self.peer.datagrams || !is_open || self.closed.is_some() {
            return Err(Misuse::NotNow);
        }
        self.greet(out);
        out.datagram(id.0, |bytes| {
            varint::write(bytes, id.0 / 4);
            bytes.extend_from_slice(data);
        });
        Ok(())
    }
}
