//! Reads of files by the ring, into memory that is the shard's until the kernel has filled it: whoever asked may be
//! gone by then. No shard waits for a disk.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use trilane_exchange::read::ReadDone;

use crate::ring::{Completion, Ring, Submission};
use crate::slots::{Key, Slots};
use crate::token::{Op, Token};

/// Reads under way at once, a shard; the others wait their turn.
pub(crate) const MOST: usize = 64;

/// Who gets what was read.
pub(crate) enum Reader {
    /// The socket of that slot, which has no other read under way.
    Socket(Key),
    /// A task.
    Task(ReadDone),
}

/// A read that is wanted.
pub(crate) struct Wanted {
    pub(crate) file: Rc<dyn AsFd>,
    /// Offset in the file.
    pub(crate) at: u64,
    /// Bytes at most.
    pub(crate) most: usize,
    pub(crate) reader: Reader,
}

/// The reads of one shard.
pub(crate) struct Reads {
    under_way: Slots<UnderWay>,
    /// One a connection at most, and what tasks ask for.
    waiting: VecDeque<Wanted>,
}

struct UnderWay {
    // Held so that the descriptor stays open.
    wanted: Wanted,
    buffer: Vec<u8>,
}

impl Reads {
    /// None.
    pub(crate) const fn new() -> Self {
        Self { under_way: Slots::new(), waiting: VecDeque::new() }
    }

    /// Whether none is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many are under way, or wait.
    pub(crate) fn len(&self) -> usize {
        self.under_way.len() + self.waiting.len()
    }

    /// Begins none of those that wait their turn.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Has the kernel read that, now or when others are done.
    pub(crate) fn start(&mut self, wanted: Wanted, ring: &mut Ring) {
        if self.under_way.len() >= MOST {
            self.waiting.push_back(wanted);
            return;
        }
        let key = self.under_way.insert_with(|_| {
            let buffer = Vec::with_capacity(wanted.most);
            UnderWay { wanted, buffer }
        });
        let Some(UnderWay { wanted, buffer }) = self.under_way.get_mut(key) else { return };
        let len = u32::try_from(wanted.most).unwrap_or(u32::MAX);
        let token = Token { key, op: Op::Read };
        // SAFETY: the buffer has room for `most` bytes on the heap, and nobody touches it until `finish` has this
        // operation's completion; if that never comes it is leaked.
        ring.push(unsafe {
            Submission::read(&*wanted.file, buffer.as_mut_ptr(), len, wanted.at, token)
        });
    }

    /// What this completion has brought, and to whom. The next one that waits is begun.
    pub(crate) fn finish(
        &mut self,
        completion: &Completion,
        ring: &mut Ring,
    ) -> Option<(Reader, io::Result<Vec<u8>>)> {
        let token = completion.token().filter(|token| token.op == Op::Read)?;
        let UnderWay { wanted, mut buffer } = self.under_way.remove(token.key)?;
        if let Some(next) = self.waiting.pop_front() {
            self.start(next, ring);
        }
        let result = match usize::try_from(completion.result()) {
            Ok(n) => {
                // SAFETY: the kernel has filled the first `n` bytes, which are no more than it was given room for.
                unsafe { buffer.set_len(n.min(buffer.capacity())) };
                Ok(buffer)
            }
            Err(_) => Err(io::Error::from_raw_os_error(completion.result().saturating_neg())),
        };
        Some((wanted.reader, result))
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        // The shard was torn down: nobody can say any more when the kernel is done with these.
        std::mem::forget(std::mem::replace(&mut self.under_way, Slots::new()));
    }
}

#[cfg(test)]
#[path = "../tests/reads.rs"]
mod tests;
