//! Whose content goes first (RFC 9218 §10), when a window, or room, is not enough for all. Nobody waits for ever: every eighth
//! turn goes to who has waited longest.

use trilane_semantics::ExchangeId;

use crate::state::Http2;
use crate::streams::{Stream, Wants};

/// One turn of so many goes to who has waited longest, whatever its urgency.
const FAIR: u32 = if cfg!(planted = "h2_starves") { u32::MAX } else { 8 };

impl Http2 {
    /// The window of that stream has opened.
    pub(crate) fn window_opened(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.wants == Wants::Window
            && !stream.is_waiting
            && stream.outflow.left() > 0
        {
            stream.is_waiting = true;
            self.waiting.push_back(id);
        }
    }

    /// The windows of all streams have changed.
    pub(crate) fn windows_opened(&mut self) {
        let ids: Vec<u32> = self.streams.iter().map(|stream| stream.id).collect();
        ids.into_iter().for_each(|id| self.window_opened(id));
    }

    /// The next stream whose content was held up and can go on now.
    #[inline]
    pub(crate) fn next_writable(&mut self) -> Option<u32> {
        if self.waiting.is_empty() || self.outflow.left() == 0 {
            return None;
        }
        self.pick()
    }

    fn pick(&mut self) -> Option<u32> {
        while !self.waiting.is_empty() {
            self.turns = self.turns.wrapping_add(1);
            let streams = &self.streams;
            let best = match self.turns % FAIR {
                0 => 0,
                _ => {
                    let ranks = self.waiting.iter().map(|&id| streams.get(id).map_or(0, rank));
                    ranks.enumerate().min_by_key(|&(at, rank)| (rank, at)).map_or(0, |(at, _)| at)
                }
            };
            let id = self.waiting.remove(best)?;
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.is_waiting = false;
            if stream.wants == Wants::Window && stream.outflow.left() > 0 {
                stream.wants = Wants::Nothing;
                return Some(id);
            }
        }
        None
    }

    /// Puts exchanges whose content waits for room into the order in which they should have it.
    pub(crate) fn order(&mut self, waiting: &mut [ExchangeId]) {
        if waiting.len() < 2 {
            return;
        }
        let rank = |id: &ExchangeId| {
            let stream = u32::try_from(id.0).ok().and_then(|id| self.streams.get(id));
            stream.map_or(0, rank)
        };
        waiting.sort_by_key(rank);
        self.orders = self.orders.wrapping_add(1);
        if self.orders.is_multiple_of(FAIR) {
            waiting.rotate_right(1);
        }
    }
}

/// Lower goes first: by urgency; of one urgency, what is of no use in part goes one after the other, by number, and the others
/// share what is left (RFC 9218 §10).
fn rank(stream: &Stream) -> u64 {
    let within = if stream.priority.incremental { u32::MAX } else { stream.id };
    u64::from(stream.priority.urgency) << 32 | u64::from(within)
}
