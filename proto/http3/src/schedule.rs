//! Whose content goes first, when room is not enough for all; see [`Turns`](trilane_semantics::turns::Turns).

use trilane_semantics::ExchangeId;
use trilane_semantics::table::Table;

use crate::state::Http3;
use crate::streams::Stream;

impl Http3 {
    /// The transport takes that many bytes of a stream.
    pub(crate) fn room_came(&mut self, id: u64, room: usize) {
        let Some(stream) = self.streams.get_mut(id) else {
            self.first_room = (id, room);
            return;
        };
        stream.room = room;
        if stream.wants_room && room > 0 && !stream.is_waiting {
            stream.is_waiting = true;
            self.waiting.add(id);
        }
    }

    /// The next stream whose content was held up and can go on now.
    #[inline]
    pub(crate) fn next_writable(&mut self) -> Option<u64> {
        if self.waiting.is_empty() { None } else { self.pick() }
    }

    fn pick(&mut self) -> Option<u64> {
        while let Some(id) = self.waiting.take(|id| rank(&self.streams, id)) {
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
        self.waiting.order(waiting, |id| rank(&self.streams, id));
    }
}

fn rank(streams: &Table<Stream>, id: u64) -> (u8, u64) {
    streams.get(id).map_or((0, 0), |stream| stream.priority.rank(id))
}
