//! Early data is accepted once (RFC 8446 §8): every ClientHello that asks for it is remembered for as long as BoringSSL would
//! take it, and who comes with the same one again is told to wait for the handshake.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use boring::ssl::{ClientHello, ExtensionType};

use crate::sys;
use crate::tickets;

/// For how long a mark is kept at least. BoringSSL refuses a ClientHello whose ticket's age is a minute off, either way; the rest
/// is margin.
const WINDOW: Duration = Duration::from_secs(150);
/// How many marks are kept of one window; when it is full all other early data is refused.
pub(crate) const MARKS: usize = 1 << 16;
/// Bytes of a mark: half of the binder that a ClientHello ends with, which is an HMAC over all of it (RFC 8446 §4.2.11.2).
const MARK: usize = 16;

/// The marks of this window, and of the one before.
#[derive(Debug, Default)]
pub(crate) struct Register {
    marks: HashSet<[u8; MARK]>,
    before: HashSet<[u8; MARK]>,
    since: Option<Instant>,
}

impl Register {
    /// Whether this is the first time; false also if there is no more room to remember it.
    pub(crate) fn is_first(&mut self, mark: [u8; MARK], now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let age = now.saturating_duration_since(since);
        if age >= WINDOW {
            self.before = std::mem::take(&mut self.marks);
            if age >= 2 * WINDOW {
                self.before = HashSet::new();
            }
            self.since = Some(now);
        }
        !self.before.contains(&mark) && self.marks.len() < MARKS && self.marks.insert(mark)
    }
}

/// Who decides about early data.
///
/// There is one register for all shards of a process, taken only by handshakes with early data. Then a flight that is sent again
/// finds it whatever shard it comes to, from whatever address, also where the kernel does not steer by connection ids. Other
/// processes and machines have another, and so has this one after a start: tickets name the process that made them, and
/// only with its own is early data accepted.
#[derive(Clone)]
pub(crate) struct Early {
    register: Arc<Mutex<Register>>,
    process: [u8; 8],
    counts: Arc<Counts>,
}

/// How often early data was refused, by all shards.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Since it had come before.
    pub(crate) repeated: AtomicU64,
    /// Since the ticket was another process's.
    pub(crate) foreign: AtomicU64,
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Early").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Early {
    pub(crate) fn new(process: [u8; 8]) -> Self {
        Self { register: Arc::default(), process, counts: Arc::default() }
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        let Counts { repeated, foreign } = &*self.counts;
        (repeated.load(Ordering::Relaxed), foreign.load(Ordering::Relaxed))
    }

    /// Looks at a ClientHello before anything is decided.
    pub(crate) fn look(&self, hello: &mut ClientHello<'_>) {
        if hello.get_extension(ExtensionType::EARLY_DATA).is_none() {
            return;
        }
        let count = match hello.get_extension(ExtensionType::PRE_SHARED_KEY) {
            // Early data is of the first ticket that is named (RFC 8446 §4.2.10).
            Some(psk) if ticket(psk).and_then(tickets::process) != Some(&self.process) => {
                &self.counts.foreign
            }
            Some(psk) => match psk.last_chunk() {
                Some(mark) if self.is_first(*mark) => return,
                _ => &self.counts.repeated,
            },
            // Without a ticket BoringSSL refuses it by itself.
            None => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
        sys::refuse_early_data(hello.ssl_mut());
    }

    fn is_first(&self, mark: [u8; MARK]) -> bool {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        register.is_first(mark, Instant::now())
    }
}

/// The first ticket of a `pre_shared_key` extension (RFC 8446 §4.2.11).
fn ticket(extension: &[u8]) -> Option<&[u8]> {
    let (_, rest) = extension.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_for_a_window_at_least_and_two_at_most() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut register = Register::default();
        assert!(register.is_first([1; 16], at(0)));
        assert!(!register.is_first([1; 16], at(149)));
        assert!(register.is_first([2; 16], at(149)));
        assert!(!register.is_first([1; 16], at(150)) && !register.is_first([2; 16], at(298)));
        assert!(register.is_first([1; 16], at(300)));
        assert!(register.is_first([1; 16], at(1_000)));
    }

    #[test]
    fn a_full_register_refuses_all_and_has_room_again_later() {
        let start = Instant::now();
        let mut register = Register::default();
        let mark = |number: usize| (number as u128).to_be_bytes();
        assert!((0..MARKS).all(|number| register.is_first(mark(number), start)));
        assert!(!register.is_first(mark(MARKS), start));
        assert_eq!(register.marks.len(), MARKS);
        assert!(register.is_first(mark(MARKS), start + WINDOW));
    }

    #[test]
    fn the_first_ticket_is_found_or_not() {
        let extension = [0, 9, 0, 3, 7, 8, 9, 0, 0, 0, 0, 0, 1, 1];
        assert_eq!(ticket(&extension), Some(&[7, 8, 9][..]));
        for end in 0..7 {
            assert_eq!(ticket(&extension[..end]), None);
        }
    }
}
