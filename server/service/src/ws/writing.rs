//! What waits to be sent: small frames in one buffer that is used again, large payloads as they are.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use trilane_semantics::{Memory, Payload};
use trilane_websocket::send::Closed;
use trilane_websocket::{Message, Sender};

/// A buffer that has grown larger is not kept, in bytes.
const KEEP: usize = 16 << 10;

/// The outgoing half of a socket.
pub(crate) struct Writing {
    sender: Sender,
    /// Frames, the last of what waits.
    tail: Vec<u8>,
    /// Full pieces before it.
    queue: VecDeque<Payload>,
    /// Bytes in both.
    waiting: usize,
    /// The memory that was sent last.
    spare: Rc<Buffer>,
    /// Who waits for room.
    wakers: Vec<Waker>,
}

/// Memory that is lent to the connection.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Memory for Buffer {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Writing {
    pub(crate) fn new(sender: Sender) -> Self {
        let (tail, queue, wakers) = Default::default();
        Self { sender, tail, queue, waiting: 0, spare: Rc::default(), wakers }
    }

    /// Puts a message behind what waits.
    pub(crate) fn push(&mut self, message: Message) -> Result<(), Closed> {
        let before = self.tail.len();
        let rest = self.sender.push(message, [0; 4], &mut self.tail)?;
        self.waiting += self.tail.len() - before;
        if let Some(payload) = rest {
            self.waiting += payload.len();
            let head = self.seal();
            self.queue.extend([head, payload.into()]);
        }
        Ok(())
    }

    /// The next piece to send.
    pub(crate) fn take(&mut self) -> Option<Payload> {
        let piece = match self.queue.pop_front() {
            Some(piece) => piece,
            None if self.tail.is_empty() => return None,
            None => self.seal(),
        };
        self.waiting -= piece.len();
        Some(piece)
    }

    /// Makes a piece of the tail. Where the memory of the one before is free again, it is the next tail's.
    fn seal(&mut self) -> Payload {
        let len = self.tail.len();
        match Rc::get_mut(&mut self.spare) {
            Some(spare) => std::mem::swap(&mut spare.0, &mut self.tail),
            None => self.spare = Rc::new(Buffer(std::mem::take(&mut self.tail))),
        }
        self.tail.clear();
        if self.tail.capacity() > KEEP {
            self.tail = Vec::new();
        }
        let memory =
            if len > KEEP { std::mem::take(&mut self.spare) } else { Rc::clone(&self.spare) };
        Payload::from_lease(memory, 0, len)
    }

    /// Nothing more is said; what waits is sent.
    pub(crate) const fn end(&mut self) {
        self.sender.end();
    }

    /// Nothing more is sent, and what waits is not.
    pub(crate) fn abandon(&mut self) {
        self.end();
        self.tail = Vec::new();
        self.queue.clear();
        self.waiting = 0;
    }

    /// Whether a Close frame was sent, or waits.
    pub(crate) const fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// How much waits, in bytes.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Wakes `waker` when there is room.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// Who waited for room.
    pub(crate) fn take_waiters(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }
}
