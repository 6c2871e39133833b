//! Whose content goes first (RFC 9218 §10), when room is not enough for all. Nobody waits for ever: every eighth turn goes to who
//! has waited longest.

use trilane_semantics::ExchangeId;

use crate::state::Http3;

/// One turn of so many goes to who has waited longest, whatever its urgency.
const FAIR: u32 = 8;

impl Http3 {
    /// The transport takes that many bytes of a stream.
    pub(crate) fn room_came(&mut self, id: u64, room: usize) {
        let Some(stream) = self.streams.get_mut(id) else {
            self.first_room = (id, room);
            return;
        };
        stream.room = room;
        self.room_opened(id);
    }

    /// Remembers a stream that has room again for content that waits.
    pub(crate) fn room_opened(&mut self, id: u64) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.wants_room
            && stream.room > 0
            && !stream.is_waiting
        {
            stream.is_waiting = true;
            self.waiting.push_back(id);
        }
    }

    /// The next stream whose content was held up and can go on now.
    #[inline]
    pub(crate) fn next_writable(&mut self) -> Option<u64> {
        if self.waiting.is_empty() { None } else { self.pick() }
    }

    fn pick(&mut self) -> Option<u64> {
        while !self.waiting.is_empty() {
            self.turns = self.turns.wrapping_add(1);
            let best = match self.turns % FAIR {
                0 => 0,
                _ => {
                    let ranks = self.waiting.iter().map(|&id| self.rank(id)).enumerate();
                    ranks.min_by_key(|&(at, rank)| (rank, at)).map_or(0, |(at, _)| at)
                }
            };
            let id = self.waiting.remove(best)?;
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.is_waiting = false;
            if stream.wants_room && stream.room > 0 {
                stream.wants_room = false;
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
        waiting.sort_by_key(|id| self.rank(id.0));
        self.orders = self.orders.wrapping_add(1);
        if self.orders.is_multiple_of(FAIR) {
            waiting.rotate_right(1);
        }
    }

    fn rank(&self, id: u64) -> (u8, u64) {
        self.streams.get(id).map_or((0, 0), |stream| stream.priority.rank(id))
    }
}
