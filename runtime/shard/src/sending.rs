//! An outbox on its way into a socket: where the kernel reads from until it says that it has it all.
#![allow(unsafe_code)]

mod reads;

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::ptr;
use std::rc::Rc;

use trilane_semantics::{Command, Outbox, Piece};

pub(crate) use self::reads::{Reader, Reads, Wanted};
use crate::ring::{Completion, Extent, Manner, Ring, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

/// The most pieces of one send (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// An outbox being sent.
pub(crate) struct Sending {
    outbox: Outbox,
    /// Bytes that the kernel has taken.
    sent: usize,
    /// Of memory and of files.
    len: usize,
    /// It was tried without a copy, and there was no leave to pin so many pages.
    copies: bool,
    /// Bytes of a file that were read because they had not been in memory, and how many of them are sent.
    read: (Vec<u8>, usize),
    /// For more than one piece.
    list: Option<Box<List>>,
}

struct List {
    message: libc::msghdr,
    pieces: Vec<libc::iovec>,
}

/// What is to be sent next.
pub(crate) enum Next {
    /// Memory, by [`Sendings::start`].
    Bytes,
    /// Nothing: all of it was sent.
    Done,
    /// So many bytes of an open file, from this offset.
    File(Rc<dyn AsFd>, u64, usize),
    /// So many bytes of a pipe; whether more follows at once.
    Pipe(Rc<dyn AsFd>, usize, bool),
}

/// The sendings of one shard. While the kernel reads from one it is in here, out of everybody's reach: whatever becomes
/// of its socket, the memory stays until the completion.
#[expect(clippy::vec_box, reason = "the boxes do not move, and are what is used again")]
pub(crate) struct Sendings {
    spare: Vec<Box<Sending>>,
    /// By the index of their sockets' slots.
    under_way: Vec<Option<Box<Sending>>>,
    /// Sent without a copy: the kernel has told what became of it, but not yet let go of the memory.
    noticed: HashMap<Key, (Box<Sending>, i32)>,
    /// As many bytes or more are sent without a copy.
    zero_copy_from: usize,
}

/// Sendings kept for reuse, a shard.
const KEEP: usize = 256;

impl Sendings {
    /// None. `zero_copy_from` is in bytes; 0 is never.
    pub(crate) fn new(zero_copy_from: usize) -> Self {
        Self {
            spare: Vec::new(),
            under_way: Vec::new(),
            noticed: HashMap::new(),
            zero_copy_from: if zero_copy_from == 0 { usize::MAX } else { zero_copy_from },
        }
    }

    /// Everything in `outbox` is to be sent.
    pub(crate) fn take(&mut self, outbox: Outbox) -> Box<Sending> {
        let len = outbox.len() + outbox.file_bytes();
        match self.spare.pop() {
            Some(mut sending) => {
                (sending.outbox, sending.sent, sending.len) = (outbox, 0, len);
                sending.copies = false;
                sending
            }
            None => Box::new(Sending {
                outbox,
                sent: 0,
                len,
                copies: false,
                read: Default::default(),
                list: None,
            }),
        }
    }

    /// Takes one back that is done; its outbox is to be used again, too.
    pub(crate) fn give(&mut self, mut sending: Box<Sending>) -> Outbox {
        let outbox = std::mem::take(&mut sending.outbox);
        sending.read = Default::default();
        if self.spare.len() < KEEP {
            self.spare.push(sending);
        }
        outbox
    }

    /// Has the kernel send what is left, or as much of it as one operation can, for the socket of slot `key`, which has
    /// no other send under way.
    pub(crate) fn start(
        &mut self,
        mut sending: Box<Sending>,
        socket: impl AsFd,
        key: Key,
        extent: Extent,
        ring: &mut Ring,
    ) {
        let index = key.index as usize;
        if self.under_way.len() <= index {
            self.under_way.resize_with(index + 1, || None);
        }
        debug_assert!(self.under_way[index].is_none(), "one send a socket");
        let token = Token { key, op: Op::Send };
        ring.push(sending.submission(socket, token, extent, self.zero_copy_from));
        if let Some(lost) = self.under_way[index].replace(sending) {
            // Never so; if it were, its memory must stay all the same.
            std::mem::forget(lost);
        }
    }

    /// The sending that this completion is of.
    pub(crate) fn finish(&mut self, completion: &Completion) -> Option<Box<Sending>> {
        let token = completion.token().filter(|token| token.op == Op::Send)?;
        self.under_way.get_mut(token.key.index as usize)?.take()
    }

    /// This completion has more to come: the kernel still reads from what it has sent.
    pub(crate) fn hold(&mut self, completion: &Completion) {
        let Some(sending) = self.finish(completion) else { return };
        let Some(token) = completion.token() else { return std::mem::forget(sending) };
        if let Some(lost) = self.noticed.insert(token.key, (sending, completion.result())) {
            // Never so: a socket has one send under way. If it were, its memory must stay all the same.
            std::mem::forget(lost);
        }
    }

    /// Whether the kernel has let go of all.
    pub(crate) fn is_empty(&self) -> bool {
        self.noticed.is_empty() && self.under_way.iter().all(Option::is_none)
    }

    /// The kernel has let go: what it had sent, and what the first completion had said.
    pub(crate) fn let_go(&mut self, key: Key) -> Option<(Box<Sending>, i32)> {
        self.noticed.remove(&key)
    }
}

impl Drop for Sendings {
    fn drop(&mut self) {
        // The shard was torn down: nobody can say any more when the kernel is done with these.
        self.under_way.drain(..).for_each(std::mem::forget);
        self.noticed.drain().for_each(std::mem::forget);
    }
}

impl Sending {
    /// What is to be sent next.
    pub(crate) fn next(&self) -> Next {
        if self.read.1 < self.read.0.len() {
            return Next::Bytes;
        }
        if self.sent == self.len {
            return Next::Done;
        }
        if self.outbox.file_bytes() > 0
            && let Some((Piece::File(payload) | Piece::Pipe(payload), skip)) = self.rest().next()
        {
            let len = payload.len() - skip;
            if let Some((file, start)) = payload.file() {
                return Next::File(Rc::clone(file), (start + skip) as u64, len);
            }
            if let Some(pipe) = payload.pipe() {
                return Next::Pipe(Rc::clone(pipe), len, self.sent + len < self.len);
            }
        }
        Next::Bytes
    }

    /// These bytes are what comes next of the file that [`Sending::next`] has named.
    pub(crate) fn fill(&mut self, bytes: Vec<u8>) {
        self.read = (bytes, 0);
    }

    /// The pieces that are not sent yet, and how much of each is.
    fn rest(&self) -> impl Iterator<Item = (Piece<'_>, usize)> {
        let mut skip = self.sent;
        self.outbox.pieces().filter_map(move |piece| {
            let len = match piece {
                Piece::Bytes(bytes) => bytes.len(),
                Piece::File(payload) | Piece::Pipe(payload) => payload.len(),
                Piece::Datagram(_) | Piece::Command(_) => 0,
            };
            let sent = skip.min(len);
            skip -= sent;
            (sent < len).then_some((piece, sent))
        })
    }

    /// Whether a send that has failed so is to be tried again, with a copy: `RLIMIT_MEMLOCK` was too small for it.
    pub(crate) fn falls_back(&mut self, error: i32) -> bool {
        let is_short = matches!(-error, libc::ENOBUFS | libc::ENOMEM);
        is_short && !std::mem::replace(&mut self.copies, true)
    }

    /// `n` bytes more were taken.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent = (self.sent + n).min(self.len);
        if !self.read.0.is_empty() {
            self.read.1 += n;
        }
    }

    /// Whether the outgoing half ends after this.
    pub(crate) fn ends(&self) -> bool {
        self.outbox.entries().any(|(_, piece)| piece == Piece::Command(Command::Fin))
    }

    /// The operation that sends what is left, up to the next file.
    fn submission(
        &mut self,
        socket: impl AsFd,
        token: Token,
        extent: Extent,
        zero_copy_from: usize,
    ) -> Submission {
        let zero_copy_from = if self.copies { usize::MAX } else { zero_copy_from };
        let manner =
            |len: usize, followed| Manner { extent, followed, zero_copy: len >= zero_copy_from };
        let single = match &self.read {
            (read, sent) if *sent < read.len() => Some(&read[*sent..]),
            _ => self.outbox.single().map(|bytes| &bytes[self.sent..]),
        };
        if let Some(left) = single {
            let manner = manner(left.len(), self.sent + left.len() < self.len);
            let len = u32::try_from(left.len()).unwrap_or(u32::MAX);
            // SAFETY: the bytes lie in heap memory of the outbox, or of what was read. Our only caller puts `self` out
            // of everybody's reach until the last completion of this operation is there, and leaks it if that never
            // comes.
            return unsafe { Submission::send(socket, left.as_ptr(), len, manner, token) };
        }
        let mut list = self.list.take().unwrap_or_else(List::new);
        list.pieces.clear();
        let (mut len, mut followed) = (0, false);
        for (piece, sent) in self.rest() {
            let Piece::Bytes(bytes) = piece else {
                followed = true;
                break;
            };
            let left = &bytes[sent..];
            len += left.len();
            let base = left.as_ptr().cast_mut().cast();
            list.pieces.push(libc::iovec { iov_base: base, iov_len: left.len() });
            if list.pieces.len() == MOST_PIECES {
                break;
            }
        }
        list.message.msg_iov = list.pieces.as_mut_ptr();
        list.message.msg_iovlen = list.pieces.len() as _;
        let list = self.list.insert(list);
        // SAFETY: message and list are boxed and untouched until the next call, which comes after the last
        // completion; the pieces point into memory that the outbox owns or holds counted; the rest as
        // above. Sending only reads.
        unsafe {
            Submission::send_list(
                socket,
                ptr::from_ref(&list.message),
                manner(len, followed),
                token,
            )
        }
    }
}

impl List {
    fn new() -> Box<Self> {
        // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of zero.
        Box::new(Self { message: unsafe { std::mem::zeroed() }, pieces: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(zero_copy_from: usize, len: usize) -> (Sendings, Box<Sending>) {
        let (mut sendings, mut out) = (Sendings::new(zero_copy_from), Outbox::new());
        out.framing((), |bytes| bytes.resize(len, b'x'));
        let sending = sendings.take(out);
        (sendings, sending)
    }

    #[test]
    fn what_is_sent_without_a_copy_is_tried_with_one_once() {
        let (_sendings, mut sending) = sending(5, 10);
        assert!(!sending.falls_back(-libc::EPIPE));
        assert!(sending.falls_back(-libc::ENOBUFS));
        assert!(!sending.falls_back(-libc::ENOBUFS), "it was a copy that failed");
    }

    #[test]
    fn what_comes_next_follows_what_was_sent() {
        let file: Rc<dyn AsFd> = Rc::new(std::io::stdin());
        let mut out = Outbox::new();
        out.framing((), |bytes| bytes.extend_from_slice(b"head"));
        out.payload((), trilane_semantics::Payload::from_file(file, 100, 50));
        out.framing((), |bytes| bytes.extend_from_slice(b"tail"));
        let mut sending = Sendings::new(0).take(out);
        assert!(matches!(sending.next(), Next::Bytes));
        sending.advance(3);
        assert!(matches!(sending.next(), Next::Bytes));
        sending.advance(1);
        assert!(matches!(sending.next(), Next::File(_, 100, 50)));
        sending.advance(20);
        assert!(matches!(sending.next(), Next::File(_, 120, 30)));
        // A part of it had to be read.
        sending.fill(vec![0; 10]);
        assert!(matches!(sending.next(), Next::Bytes));
        sending.advance(4);
        assert!(matches!(sending.next(), Next::Bytes));
        sending.advance(6);
        assert!(matches!(sending.next(), Next::File(_, 130, 20)));
        sending.advance(20);
        assert!(matches!(sending.next(), Next::Bytes));
        sending.advance(4);
        assert!(matches!(sending.next(), Next::Done));
    }
}
