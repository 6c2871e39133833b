//! Trains on their way out: where the kernel reads from until it says that it has it all.
//!
//! Train, name and ancillary data of a send lie in one box, which is out of everybody's reach until the completion, and
//! is used again: the one that came back last first, for its memory is warm.
#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::ptr;

use super::control;
use super::train::{Path, Train};
use crate::ring::{Completion, Extent, Manner, Submission};
use crate::slots::Key;
use crate::sys::SocketName;
use crate::token::{Op, Token};

/// Trains that the kernel has at once, a shard, at most. It takes nearly all of them while they are submitted; what waits
/// for room in a socket is held back here, and not by growing.
pub(crate) const IN_FLIGHT: u32 = 32;

const MANNER: Manner = Manner { extent: Extent::Part, followed: false, zero_copy: false };

/// A train being sent.
pub(super) struct Sending {
    number: u32,
    pub(super) train: Train,
    /// The socket that it goes by.
    pub(super) port: usize,
    /// One by one: how many bytes are done with. `None` while the train is sent whole.
    pub(super) singly: Option<usize>,
    message: libc::msghdr,
    piece: libc::iovec,
    name: SocketName,
    control: control::Sent,
}

/// The sendings of one shard.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the boxes do not move, and are what is used again")]
pub(super) struct Sends {
    spare: Vec<Box<Sending>>,
    /// By their numbers.
    under_way: Vec<Option<Box<Sending>>>,
}

impl Sends {
    /// One to be filled; `None` when as many are under way as there may be.
    pub(super) fn take(&mut self) -> Option<Box<Sending>> {
        self.spare.pop().or_else(|| {
            let number = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX);
            let is_new = number < IN_FLIGHT;
            is_new.then(|| {
                self.under_way.push(None);
                Box::new(Sending::new(number))
            })
        })
    }

    /// Takes one back.
    pub(super) fn give(&mut self, sending: Box<Sending>) {
        self.spare.push(sending);
    }

    /// Whether there is one to be filled.
    pub(super) fn has_room(&self) -> bool {
        !self.spare.is_empty() || self.under_way.len() < IN_FLIGHT as usize
    }

    /// Has the kernel send what is next of it. `by_name`: the socket has no address of its own to send from.
    pub(super) fn start(
        &mut self,
        mut sending: Box<Sending>,
        socket: impl AsFd,
        path: Path,
        by_name: bool,
    ) -> Submission {
        let submission = sending.submission(socket, path, by_name);
        let place = self.under_way.get_mut(sending.number as usize);
        debug_assert!(matches!(place, Some(None)), "a number is used once at a time");
        match place {
            Some(place @ None) => *place = Some(sending),
            // Never so; if it were, its memory must stay all the same.
            _ => std::mem::forget(sending),
        }
        submission
    }

    /// The sending that this completion is of.
    pub(super) fn finish(&mut self, completion: &Completion) -> Option<Box<Sending>> {
        let token = completion.token().filter(|token| token.op == Op::Train)?;
        self.under_way.get_mut(token.key.index as usize)?.take()
    }

    /// Whether the kernel has let go of all.
    pub(super) fn is_empty(&self) -> bool {
        self.spare.len() == self.under_way.len()
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        // The shard was torn down: nobody can say any more when the kernel is done with these.
        self.under_way.drain(..).for_each(std::mem::forget);
    }
}

impl Sending {
    fn new(number: u32) -> Self {
        Self {
            number,
            train: Train::new(),
            port: 0,
            singly: None,
            // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of zero.
            message: unsafe { std::mem::zeroed() },
            piece: libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 },
            name: SocketName::inet(([0; 4], 0).into()),
            control: control::Sent::new(),
        }
    }

    /// What the next operation sends.
    pub(super) fn next(&self) -> &[u8] {
        let all = self.train.bytes();
        match self.singly {
            None => all,
            Some(done) => all
                .get(done..)
                .unwrap_or_default()
                .chunks(self.train.size().max(1))
                .next()
                .unwrap_or_default(),
        }
    }

    fn submission(&mut self, socket: impl AsFd, path: Path, by_name: bool) -> Submission {
        self.name = SocketName::inet(path.peer);
        self.control.clear();
        if self.singly.is_none() && self.train.count() > 1 {
            // Invariant: a train is shorter than 64 KiB.
            self.control.size(self.train.size() as u16);
        }
        if by_name {
            self.control.from(path.local);
        }
        let next = self.next();
        let (start, len) = (next.as_ptr().cast_mut().cast(), next.len());
        self.piece = libc::iovec { iov_base: start, iov_len: len };
        let (name, name_len) = self.name.as_raw();
        let control = self.control.bytes();
        self.message.msg_name = name.cast_mut().cast();
        self.message.msg_namelen = name_len;
        self.message.msg_control = match control.len() {
            0 => ptr::null_mut(),
            _ => control.as_ptr().cast_mut().cast(),
        };
        self.message.msg_controllen = control.len() as _;
        self.message.msg_iov = &raw mut self.piece;
        self.message.msg_iovlen = 1;
        let token = Token { key: Key { index: self.number, generation: 0 }, op: Op::Train };
        // SAFETY: message, name, ancillary data and the piece lie in the box that `self` is in, the bytes in heap memory of
        // its train. Our only caller puts the box out of everybody's reach until the completion of this operation is
        // there, and leaks it if that never comes. Sending only reads.
        unsafe { Submission::send_list(socket, ptr::from_ref(&self.message), MANNER, token) }
    }
}
