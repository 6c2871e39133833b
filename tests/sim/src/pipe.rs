//! The network between one client and the server: latency, cuts, stalls, a bounded window, and the ways
//! of ending it. As harsh as TCP may be: a reset throws away what was not delivered yet.

use std::collections::VecDeque;
use std::time::Duration;

use trilane_semantics::Instant;

use crate::rng::Rng;
use crate::veil::Veil;

/// Bytes under way or unread, a direction.
const WINDOW: usize = 64 << 10;
/// What is cut byte by byte, at the beginning of a write; the rest goes in larger pieces.
const SINGLES: usize = 400;
/// What comes byte by byte of a whole connection, where that is not to look like a flood.
const FIRST: usize = 1200;

/// Things come at multiples of this, in nanoseconds, so that often several come in one turn.
const GRID: u64 = 1_000_000;

/// How a direction cuts what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// Every byte comes alone.
    Bytes,
    /// The first bytes of the connection come alone, the rest in pieces of any size.
    First,
    /// Pieces of any size.
    Pieces,
    /// As written, up to 16 KiB.
    Whole,
}

/// What comes out at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// These.
    Bytes(Vec<u8>),
    /// Nothing comes after this.
    Fin,
    /// The transport has failed.
    Reset,
}

/// One direction.
#[derive(Debug)]
pub struct Half {
    air: VecDeque<(Instant, Arrival)>,
    bytes: usize,
    /// Bytes that still come alone, if the first ones do.
    first: usize,
    last: Instant,
    cuts: Cuts,
    rng: Rng,
    ended: bool,
}

impl Half {
    /// An empty direction.
    #[must_use]
    pub const fn new(cuts: Cuts, rng: Rng) -> Self {
        let air = VecDeque::new();
        Self { air, bytes: 0, first: FIRST, last: Instant::from_nanos(0), cuts, rng, ended: false }
    }

    /// Writes as much as the window takes; how much that was.
    pub fn write(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(WINDOW - self.bytes);
        let mut rest = &bytes[..taken];
        let mut singles = SINGLES;
        while !rest.is_empty() {
            let most = match self.cuts {
                Cuts::Bytes if singles > 0 => 1,
                Cuts::First if self.first > 0 => 1,
                Cuts::Bytes | Cuts::First | Cuts::Pieces => self.rng.range(1, 9000) as usize,
                Cuts::Whole => 16 << 10,
            };
            singles = singles.saturating_sub(1);
            self.first = self.first.saturating_sub(1);
            let (piece, left) = rest.split_at(most.min(rest.len()));
            rest = left;
            let due = self.due(now);
            self.air.push_back((due, Arrival::Bytes(piece.to_vec())));
        }
        self.bytes += taken;
        taken
    }

    /// Nothing comes after what was written.
    pub fn end(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.ended, true) {
            let due = self.due(now);
            self.air.push_back((due, Arrival::Fin));
        }
    }

    /// The transport fails; what has not been read is lost.
    pub fn reset(&mut self, now: Instant) {
        self.air.clear();
        (self.bytes, self.ended) = (0, true);
        let due = self.due(now);
        self.air.push_back((due, Arrival::Reset));
    }

    /// What has come by `now`.
    pub fn read(&mut self, now: Instant) -> Option<Arrival> {
        if self.next()? > now {
            return None;
        }
        let (_, arrival) = self.air.pop_front()?;
        if let Arrival::Bytes(bytes) = &arrival {
            self.bytes -= bytes.len();
        }
        Some(arrival)
    }

    /// When something comes next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.air.front().map(|(due, _)| *due)
    }

    /// Bytes under way or unread.
    #[must_use]
    pub const fn unread(&self) -> usize {
        self.bytes
    }

    fn due(&mut self, now: Instant) -> Instant {
        let mut wait = self.rng.range(20_000, 400_000);
        if self.rng.per_mille(4) {
            wait += self.rng.range(1_000_000, 200_000_000);
        }
        let due = (now + Duration::from_nanos(wait)).as_nanos();
        self.last = self.last.max(Instant::from_nanos(due.next_multiple_of(GRID)));
        self.last
    }
}

/// A connection as the network sees it.
#[derive(Debug)]
pub struct Link {
    /// From the client to the server.
    pub up: Half,
    /// From the server to the client.
    pub down: Half,
    client_gone: bool,
    server_gone: bool,
    /// The client speaks through TLS.
    veil: Option<Box<Veil>>,
}

impl Link {
    /// A connection that was just made.
    #[must_use]
    pub fn new(cuts: Cuts, rng: &mut Rng) -> Self {
        let up = Half::new(cuts, rng.fork());
        let down = Half::new(Cuts::Pieces, rng.fork());
        Self { up, down, client_gone: false, server_gone: false, veil: None }
    }

    /// The same over TLS, for a client that speaks `protocol`.
    #[must_use]
    pub fn secure(mut self, protocol: &str) -> Self {
        self.veil = Some(Box::new(Veil::new(protocol)));
        self
    }

    /// Whether it is over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.veil.is_some()
    }

    /// Goes on with what TLS does by itself: the handshake, and records that wait for room. Whether there was anything.
    pub fn client_shakes(&mut self, now: Instant) -> bool {
        let Some(mut veil) = self.veil.take() else { return false };
        let mut is_busy = false;
        // It has to begin before it can go on.
        veil.seal(b"");
        while veil.is_shaking()
            && veil.over.is_none()
            && let Some(arrival) = self.down.read(now)
        {
            is_busy = true;
            match veil.open(arrival) {
                Arrival::Bytes(_) => {}
                end => veil.over = Some((now, end)),
            }
        }
        if !veil.pending.is_empty() {
            let written = self.raw(now, &veil.pending);
            veil.pending.drain(..written);
            is_busy |= written > 0;
        }
        if veil.ends && veil.pending.is_empty() {
            self.up.end(now);
        }
        self.veil = Some(veil);
        is_busy
    }

    /// When TLS has something to do by itself.
    #[must_use]
    pub fn client_shakes_next(&self) -> Option<Instant> {
        self.veil.as_ref().filter(|veil| veil.is_shaking())?;
        self.client_next()
    }

    /// When something comes to the client next.
    #[must_use]
    pub fn client_next(&self) -> Option<Instant> {
        let over = self.veil.as_ref().and_then(|veil| veil.over.as_ref());
        over.map_or_else(|| self.down.next(), |(at, _)| Some(*at))
    }

    /// What has come to the client by `now`.
    pub fn client_reads(&mut self, now: Instant) -> Option<Arrival> {
        let Some(veil) = &mut self.veil else { return self.down.read(now) };
        if let Some((_, over)) = veil.over.take() {
            return Some(over);
        }
        let arrival = self.down.read(now)?;
        Some(veil.open(arrival))
    }

    /// The client writes nothing more.
    pub fn client_ends(&mut self, now: Instant) {
        match &mut self.veil {
            Some(veil) => veil.end(),
            None => self.up.end(now),
        }
        self.client_shakes(now);
    }

    /// The client writes; how much was taken. Bytes to a server that has closed are answered with a reset.
    pub fn client_writes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let Some(veil) = &mut self.veil else { return self.raw(now, bytes) };
        let taken = veil.seal(bytes);
        self.client_shakes(now);
        taken
    }

    fn raw(&mut self, now: Instant, bytes: &[u8]) -> usize {
        if self.server_gone {
            self.down.reset(now);
            return bytes.len();
        }
        self.up.write(now, bytes)
    }

    /// The server writes; how much was taken. Bytes to a client that has left are answered with a reset.
    pub fn server_writes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        if self.client_gone {
            self.up.reset(now);
            return bytes.len();
        }
        self.down.write(now, bytes)
    }

    /// The client closes: nobody reads any more.
    pub fn client_leaves(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.client_gone, true) {
            self.up.end(now);
        }
    }

    /// The client aborts.
    pub fn client_resets(&mut self, now: Instant) {
        self.client_gone = true;
        self.up.reset(now);
    }

    /// The server closes. A close with something unread, or that throws away what it still had to send, is
    /// a reset, as the kernel does it (RFC 9112 §9.6).
    pub fn server_closes(&mut self, now: Instant, throws_away: bool) {
        self.server_gone = true;
        if throws_away || self.up.unread() > 0 {
            self.down.reset(now);
        } else {
            self.down.end(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(half: &mut Half) -> (Vec<u8>, usize, Option<Arrival>) {
        let (mut bytes, mut pieces) = (Vec::new(), 0);
        while let Some(at) = half.next() {
            match half.read(at) {
                Some(Arrival::Bytes(piece)) => {
                    bytes.extend(piece);
                    pieces += 1;
                }
                end => return (bytes, pieces, end),
            }
        }
        (bytes, pieces, None)
    }

    #[test]
    fn what_goes_in_comes_out_in_order_however_it_is_cut() {
        let sent = Rng::new(1).bytes(3000);
        for (cuts, least) in
            [(Cuts::Bytes, SINGLES), (Cuts::First, FIRST), (Cuts::Pieces, 1), (Cuts::Whole, 1)]
        {
            let mut half = Half::new(cuts, Rng::new(2));
            assert_eq!(half.write(Instant::default(), &sent), 3000);
            half.end(Instant::default());
            assert_eq!(half.read(Instant::default()), None, "there is latency");
            let (got, pieces, end) = all(&mut half);
            assert_eq!((got, end), (sent.clone(), Some(Arrival::Fin)));
            assert!(pieces >= least, "{cuts:?} {pieces}");
        }
    }

    #[test]
    fn the_window_holds_at_its_edges() {
        for (len, taken) in [(WINDOW - 1, WINDOW - 1), (WINDOW, WINDOW), (WINDOW + 1, WINDOW)] {
            let mut half = Half::new(Cuts::Whole, Rng::new(3));
            assert_eq!(half.write(Instant::default(), &vec![0; len]), taken);
        }
    }

    /// RFC 9112 §9.6: a server that closes on unread bytes loses its own last answer.
    #[test]
    fn closing_on_unread_bytes_is_a_reset() {
        let now = Instant::default();
        for (unread, last) in [(&b""[..], Arrival::Fin), (b"x", Arrival::Reset)] {
            let mut link = Link::new(Cuts::Whole, &mut Rng::new(4));
            link.client_writes(now, unread);
            link.server_writes(now, b"answer");
            link.server_closes(now, false);
            assert_eq!(all(&mut link.down).2, Some(last));
        }
    }
}
