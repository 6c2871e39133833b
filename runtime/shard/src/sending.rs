//! An outbox on its way into a socket: where the kernel reads from until it says that it has it all.
#![allow(unsafe_code)]

use std::ptr;

use trilane_semantics::{Command, Outbox, Piece};

use crate::ring::Submission;
use crate::token::Token;
use std::os::fd::AsFd;

/// The most pieces of one send (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// An outbox being sent. It must be kept until its [`Sending::submit`] has completed; then
/// [`Sending::advance`].
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

impl Sending {
    /// Everything in `outbox` is to be sent.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { len: outbox.len(), outbox, sent: 0, list: None }
    }

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

    /// The outbox again, to be recycled.
    pub(crate) fn into_outbox(self) -> Outbox {
        self.outbox
    }

    /// The operation that sends what is left, or as much of it as one operation can. Nothing else may be
    /// under way for this outbox, and `self` must live, unchanged, until the operation completes.
    pub(crate) fn submission(&mut self, socket: impl AsFd, token: Token) -> Submission {
        if let Some(bytes) = self.outbox.single() {
            let left = &bytes[self.sent..];
            let len = u32::try_from(left.len()).unwrap_or(u32::MAX);
            // SAFETY: the bytes lie in the outbox's heap memory, which nobody changes while it is here, and
            // the shard keeps `self` in its socket until the completion, whatever happens to the
            // connection.
            return unsafe { Submission::send(socket, left.as_ptr(), len, token) };
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
        unsafe { Submission::send_list(socket, ptr::from_ref(&list.message), token) }
    }
}

impl List {
    fn new() -> Box<Self> {
        // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of zero.
        Box::new(Self { message: unsafe { std::mem::zeroed() }, pieces: Vec::new() })
    }
}
