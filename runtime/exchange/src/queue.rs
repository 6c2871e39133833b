//! The queue between a connection and the reader of its content, and the connection's end of it.
//!
//! Queues are recycled by a bounded free list of the thread, which is memory and no state.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use trilane_semantics::Payload;

use crate::incoming::{BodyError, Frame};

/// Queues kept for reuse, a thread.
const POOL: usize = 64;
/// A queue that has held more frames than this is not kept.
const KEEP: usize = 32;
/// Pieces of content smaller than this are joined while they wait, in bytes: a piece that waits takes about 90 bytes besides
/// its content, and its peer is counted the content alone.
const SMALL: usize = 2 << 10;
/// The most that is joined, in bytes.
const JOINED: usize = 16 << 10;

thread_local! {
    static FREE: RefCell<Vec<Rc<Queue>>> = const { RefCell::new(Vec::new()) };
}

/// What is known of who reads content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// Nothing: nobody has asked for content yet.
    #[default]
    Unknown,
    /// It wants bytes.
    Bytes,
    /// It passes content on as it is, and takes what lies in pipes too.
    Pipes,
}

/// The connection's end of an [`Incoming`](crate::Incoming).
#[derive(Debug)]
pub struct IncomingWriter {
    pub(crate) queue: Rc<Queue>,
}

/// The queue between the two ends, recycled when the second of them goes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    frames: RefCell<VecDeque<Frame>>,
    /// Small pieces that came after those, one after the other.
    joined: RefCell<Vec<u8>>,
    pub(crate) waker: RefCell<Option<Waker>>,
    /// How much the head promised, if it did.
    pub(crate) promised: Cell<Option<u64>>,
    pub(crate) end: Cell<Option<Result<(), BodyError>>>,
    /// Bytes of content in both.
    pub(crate) queued: Cell<usize>,
    /// Bytes taken that the connection was not told of yet.
    pub(crate) released: Cell<usize>,
    /// The reader waits for more, or did.
    pub(crate) wanted: Cell<bool>,
    /// Wakes the connection when the queue has room again.
    pub(crate) room: RefCell<Option<Waker>>,
    pub(crate) reader_gone: Cell<bool>,
    pub(crate) reader: Cell<Reader>,
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
            joined,
            waker,
            promised,
            end,
            queued,
            released,
            wanted,
            room,
            reader_gone,
            reader,
            held,
        } = self;
        frames.get_mut().clear();
        *joined.get_mut() = Vec::new();
        (*waker.get_mut(), *room.get_mut()) = (None, None);
        (*promised.get_mut(), *end.get_mut()) = (None, None);
        (*queued.get_mut(), *released.get_mut()) = (0, 0);
        *reader.get_mut() = Reader::Unknown;
        (*wanted.get_mut(), *reader_gone.get_mut(), *held.get_mut()) = (false, false, false);
    }

    /// Puts content behind all that waits: as it is, or joined to a small piece that nobody has taken yet. Each byte is
    /// copied once or twice at most, but for the growth of the memory.
    fn add(&self, data: Payload) {
        let (mut frames, mut joined) = (self.frames.borrow_mut(), self.joined.borrow_mut());
        let is_small = |piece: &Payload| piece.len() < SMALL && piece.is_in_memory();
        if joined.is_empty()
            && is_small(&data)
            && let Some(Frame::Data(last)) = frames.back()
            && is_small(last)
        {
            joined.extend_from_slice(last.as_ref());
            frames.pop_back();
        }
        if !joined.is_empty() {
            if is_small(&data) && joined.len() + data.len() <= JOINED {
                joined.extend_from_slice(data.as_ref());
                return;
            }
            frames.push_back(Frame::Data(std::mem::take(&mut *joined).into()));
        }
        frames.push_back(Frame::Data(data));
    }

    /// Puts a frame that is no content behind all that waits.
    fn add_last(&self, frame: Frame) {
        let (mut frames, joined) = (self.frames.borrow_mut(), self.joined.take());
        if !joined.is_empty() {
            frames.push_back(Frame::Data(joined.into()));
        }
        frames.push_back(frame);
    }

    /// Takes the first that waits.
    pub(crate) fn pop(&self) -> Option<Frame> {
        let first = self.frames.borrow_mut().pop_front();
        first.or_else(|| {
            let joined = self.joined.take();
            (!joined.is_empty()).then(|| Frame::Data(joined.into()))
        })
    }

    /// Takes what waits, if that is one piece of content, or nothing.
    pub(crate) fn take_only(&self) -> Option<Payload> {
        let (mut frames, mut joined) = (self.frames.borrow_mut(), self.joined.borrow_mut());
        match (frames.len(), joined.is_empty()) {
            (0, _) => Some(std::mem::take(&mut *joined).into()),
            (1, true) => match frames.pop_front() {
                Some(Frame::Data(data)) => Some(data),
                other => {
                    frames.extend(other);
                    None
                }
            },
            _ => None,
        }
    }

    /// Nobody reads: forgets what waits.
    pub(crate) fn clear(&self) {
        self.frames.borrow_mut().clear();
        drop(self.joined.take());
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
    /// Adds a frame and wakes the reader; a frame that nobody will read is dropped and counts as taken. Small pieces that
    /// wait become one.
    pub fn push(&self, frame: Frame) {
        match frame {
            Frame::Data(data) if self.queue.reader_gone.get() => {
                self.queue.released.set(self.queue.released.get() + data.len());
                return;
            }
            Frame::Data(data) => {
                self.queue.queued.set(self.queue.queued.get() + data.len());
                self.queue.add(data);
            }
            Frame::Trailers(_) => self.queue.add_last(frame),
        }
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

    /// What is known of the reader.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.queue.reader.get()
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
