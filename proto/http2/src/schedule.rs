//! Whose content goes first, when a window, or room, is not enough for all; see [`Turns`](trilane_semantics::turns::Turns).

use trilane_semantics::ExchangeId;

use crate::state::Http2;
use crate::streams::{Streams, Wants};

impl Http2 {
    /// The window of that stream has opened.
    pub(crate) fn window_opened(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.wants == Wants::Window
            && !stream.is_waiting
            && stream.outflow.left() > 0
        {
            stream.is_waiting = true;
            self.waiting.add(id.into());
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
        while let Some(id) = self.waiting.take(|id| rank(&self.streams, id)) {
            // Only streams are there.
            let Some(stream) = self.streams.get_mut(id as u32) else { continue };
            stream.is_waiting = false;
            if stream.wants == Wants::Window && stream.outflow.left() > 0 {
                stream.wants = Wants::Nothing;
                return Some(stream.id);
            }
        }
        None
    }

    /// Puts exchanges whose content waits for room into the order in which they should have it.
    pub(crate) fn order(&mut self, waiting: &mut [ExchangeId]) {
        self.waiting.order(waiting, |id| rank(&self.streams, id));
    }
}

fn rank(streams: &Streams, id: u64) -> (u8, u64) {
    let stream = u32::try_from(id).ok().and_then(|id| streams.get(id));
    stream.map_or((0, 0), |stream| stream.priority.rank(id))
}
