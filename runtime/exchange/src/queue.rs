//! The queue between a connection and the reader of its content, and the connection's end of it.
//!
//! Queues are recycled by a bounded free list of the thread, which is memory and no state.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use crate::incoming::{BodyError, Frame};

/// Queues kept for reuse, a thread.
const POOL: usize = 64;
/// A queue that has held more frames than this is not kept.
const KEEP: usize = 32;

thread_local! {
    static FREE: RefCell<Vec<Rc<Queue>>> = const { RefCell::new(Vec::new()) };
}

/// The connection's end of an [`Incoming`](crate::Incoming).
#[derive(Debug)]
pub struct IncomingWriter {
    pub(crate) queue: Rc<Queue>,
}

/// The queue between the two ends, recycled when the second of them goes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) frames: RefCell<VecDeque<Frame>>,
    pub(crate) waker: RefCell<Option<Waker>>,
    /// How much the head promised, if it did.
    pub(crate) promised: Cell<Option<u64>>,
    pub(crate) end: Cell<Option<Result<(), BodyError>>>,
    /// Bytes in `frames`.
    pub(crate) queued: Cell<usize>,
    /// Bytes taken that the connection was not told of yet.
    pub(crate) released: Cell<usize>,
    /// The reader waits for more, or did.
    pub(crate) wanted: Cell<bool>,
    /// Wakes the connection when the queue has room again.
    pub(crate) room: RefCell<Option<Waker>>,
    pub(crate) reader_gone: Cell<bool>,
    /// A tunnel that has not begun: reads as ended.
    pub(crate) held: Cell<bool>,
}

impl Queue {
    /// An empty one; `promised` is the length that the head gave.
    pub(crate) fn new(promised: Option<u64>) -> Rc<Self> {
        let queue = FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default();
        queue.promised.set(promised);
        queue
    }

    /// Empty again; its memory stays.
    fn reset(&mut self) {
        // Named one by one, so that none can be forgotten.
        let Self {
            frames,
            waker,
            promised,
            end,
            queued,
            released,
            wanted,
            room,
            reader_gone,
            held,
        } = self;
        frames.get_mut().clear();
        (*waker.get_mut(), *room.get_mut()) = (None, None);
        (*promised.get_mut(), *end.get_mut()) = (None, None);
        (*queued.get_mut(), *released.get_mut()) = (0, 0);
        (*wanted.get_mut(), *reader_gone.get_mut(), *held.get_mut()) = (false, false, false);
    }

    /// The reader has taken that many bytes.
    pub(crate) fn take(&self, n: usize) {
        self.queued.set(self.queued.get() - n);
        self.released.set(self.released.get() + n);
        if let Some(room) = self.room.borrow_mut().take() {
            room.wake();
        }
    }
}

impl IncomingWriter {
    /// Adds a frame and wakes the reader; a frame that nobody will read is dropped and counts as taken.
    pub fn push(&self, frame: Frame) {
        if let Frame::Data(data) = &frame {
            if self.queue.reader_gone.get() {
                self.queue.released.set(self.queue.released.get() + data.len());
                return;
            }
            self.queue.queued.set(self.queue.queued.get() + data.len());
        }
        self.queue.frames.borrow_mut().push_back(frame);
        self.wake();
    }

    /// The tunnel has begun.
    pub fn open(&self) {
        self.queue.held.set(false);
    }

    /// Ends the content: complete, or early.
    pub fn end(&self, how: Result<(), BodyError>) {
        if self.queue.end.get().is_none() {
            self.queue.end.set(Some(how));
            self.wake();
        }
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.queue.end.get().is_some()
    }

    /// Bytes that wait for the reader.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued.get()
    }

    /// Bytes taken since the last call: give the peer credit for them.
    #[must_use]
    pub fn take_released(&self) -> usize {
        self.queue.released.replace(0)
    }

    /// Whether somebody may still read it.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        !self.queue.reader_gone.get()
    }

    /// Whether the reader has asked for more than there was.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.queue.wanted.get()
    }

    /// Wakes `waker` when the reader has taken something.
    pub fn notify_room(&self, waker: &Waker) {
        *self.queue.room.borrow_mut() = Some(waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.queue.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Drop for IncomingWriter {
    fn drop(&mut self) {
        recycle(&mut self.queue);
    }
}

/// Keeps a queue for reuse, if this is the last of its two ends.
pub(crate) fn recycle(queue: &mut Rc<Queue>) {
    let Some(last) = Rc::get_mut(queue) else { return };
    if last.frames.get_mut().capacity() > KEEP {
        return;
    }
    last.reset();
    // At thread exit the list may be gone already: then the queue is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < POOL {
            free.push(Rc::clone(queue));
        }
    });
}

#[cfg(test)]
#[path = "tests/queue.rs"]
mod tests;
