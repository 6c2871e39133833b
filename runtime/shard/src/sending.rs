//! An outbox on its way into a socket: where the kernel reads from until it says that it has it all.
#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::ptr;

use trilane_semantics::{Command, Outbox, Piece};

use crate::ring::{Completion, Extent, Ring, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

/// The most pieces of one send (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// An outbox being sent.
pub(crate) struct Sending {
    outbox: Outbox,
    /// Bytes that the kernel has taken.
    sent: usize,
    len: usize,
    /// For more than one piece.
    list: Option<Box<List>>,
}

struct List {
    message: libc::msghdr,
    pieces: Vec<libc::iovec>,
}

/// The sendings of one shard. While the kernel reads from one it is in here, out of everybody's reach: whatever becomes
/// of its socket, the memory stays until the completion.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the boxes do not move, and are what is used again")]
pub(crate) struct Sendings {
    spare: Vec<Box<Sending>>,
    /// By the index of their sockets' slots.
    under_way: Vec<Option<Box<Sending>>>,
}

/// Sendings kept for reuse, a shard.
const KEEP: usize = 256;

impl Sendings {
    /// Everything in `outbox` is to be sent.
    pub(crate) fn take(&mut self, outbox: Outbox) -> Box<Sending> {
        let len = outbox.len();
        match self.spare.pop() {
            Some(mut sending) => {
                (sending.outbox, sending.sent, sending.len) = (outbox, 0, len);
                sending
            }
            None => Box::new(Sending { outbox, sent: 0, len, list: None }),
        }
    }

    /// Takes one back that is done; its outbox is to be used again, too.
    pub(crate) fn give(&mut self, mut sending: Box<Sending>) -> Outbox {
        let outbox = std::mem::take(&mut sending.outbox);
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
        ring.push(sending.submission(socket, Token { key, op: Op::Send }, extent));
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
}

impl Drop for Sendings {
    fn drop(&mut self) {
        // The shard was torn down: nobody can say any more when the kernel is done with these.
        self.under_way.drain(..).for_each(std::mem::forget);
    }
}

impl Sending {
    /// Whether nothing is left to be sent.
    pub(crate) const fn is_done(&self) -> bool {
        self.sent == self.len
    }

    /// `n` bytes more were taken.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent = (self.sent + n).min(self.len);
    }

    /// Whether the outgoing half ends after this.
    pub(crate) fn ends(&self) -> bool {
        self.outbox.entries().any(|(_, piece)| piece == Piece::Command(Command::Fin))
    }

    /// The operation that sends what is left.
    fn submission(&mut self, socket: impl AsFd, token: Token, extent: Extent) -> Submission {
        if let Some(bytes) = self.outbox.single() {
            let left = &bytes[self.sent..];
            let len = u32::try_from(left.len()).unwrap_or(u32::MAX);
            // SAFETY: the bytes lie in the outbox's heap memory. Our only caller puts `self` out of everybody's
            // reach until the completion of this operation is there, and leaks it if that never comes.
            return unsafe { Submission::send(socket, left.as_ptr(), len, extent, token) };
        }
        let list = self.list.get_or_insert_with(List::new);
        list.pieces.clear();
        let mut skip = self.sent;
        for piece in self.outbox.pieces() {
            let Piece::Bytes(bytes) = piece else { continue };
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            let left = &bytes[skip..];
            skip = 0;
            let base = left.as_ptr().cast_mut().cast();
            list.pieces.push(libc::iovec { iov_base: base, iov_len: left.len() });
            if list.pieces.len() == MOST_PIECES {
                break;
            }
        }
        list.message.msg_iov = list.pieces.as_mut_ptr();
        list.message.msg_iovlen = list.pieces.len() as _;
        // SAFETY: message and list are boxed and untouched until the next call, which comes after the
        // completion; the pieces point into memory that the outbox owns or holds counted; the rest as
        // above. Sending only reads.
        unsafe { Submission::send_list(socket, ptr::from_ref(&list.message), extent, token) }
    }
}

impl List {
    fn new() -> Box<Self> {
        // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of zero.
        Box::new(Self { message: unsafe { std::mem::zeroed() }, pieces: Vec::new() })
    }
}
