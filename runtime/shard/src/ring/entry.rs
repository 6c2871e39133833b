//! What goes into the ring and what comes out, so typed that safe code can neither hand the kernel a
//! dangling pointer nor take a descriptor or a buffer twice.
//!
//! There is no shutdown here: the kernel hands that one to a worker thread, always. `sys::shutdown` never
//! blocks and is cheaper. All operations go to plain descriptors; sockets stay blocking, for
//! whether the ring waits on a non-blocking one or answers EAGAIN is up to the kernel's release.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};

use crate::token::{Op, Token};

/// How much of what is to be sent one completion stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: the kernel goes on after a short send by itself, and says nothing of how it gets on.
    All,
    /// As much as there was room for: where nothing else tells whether the peer takes anything.
    Part,
}

impl Extent {
    const fn flags(self) -> i32 {
        match self {
            Self::All => libc::MSG_WAITALL,
            Self::Part => 0,
        }
    }
}

/// One operation for the kernel. The caller keeps a descriptor open until the operation's last completion
/// (a wrong one cannot harm memory, only the peer).
pub(crate) struct Submission(pub(super) squeue::Entry);

impl Submission {
    /// Accepts until cancelled or failed, a completion for each connection: [`Completion::take_descriptor`].
    pub(crate) fn accept(listener: impl AsFd, token: Token) -> Self {
        let entry = opcode::AcceptMulti::new(fd(&listener)).flags(libc::SOCK_CLOEXEC).build();
        Self::new(entry, token)
    }

    /// Receives until cancelled, ended or out of buffers (ENOBUFS), each time into a buffer of the group.
    pub(crate) fn receive(socket: impl AsFd, group: u16, token: Token) -> Self {
        Self::new(opcode::RecvMulti::new(fd(&socket), group).build(), token)
    }

    /// Sends `len` bytes at `start`, all or a part.
    ///
    /// # Safety
    /// The bytes stay where they are, unchanged, until the operation's completion was taken.
    pub(crate) unsafe fn send(
        socket: impl AsFd,
        start: *const u8,
        len: u32,
        extent: Extent,
        token: Token,
    ) -> Self {
        let entry = opcode::Send::new(fd(&socket), start, len).flags(extent.flags()).build();
        Self::new(entry, token)
    }

    /// Sends what the list of `message` names, as [`Submission::send`].
    ///
    /// # Safety
    /// The message, its list and the bytes stay where they are, unchanged, until the operation's completion
    /// was taken.
    pub(crate) unsafe fn send_list(
        socket: impl AsFd,
        message: *const libc::msghdr,
        extent: Extent,
        token: Token,
    ) -> Self {
        // Message flags are small positive constants.
        let flags = extent.flags() as u32;
        Self::new(opcode::SendMsg::new(fd(&socket), message).flags(flags).build(), token)
    }

    /// Ends `target`, which completes with ECANCELED unless it was faster; we are told either way.
    pub(crate) fn cancel(target: Token, token: Token) -> Self {
        Self::new(opcode::AsyncCancel::new(target.pack()).build(), token)
    }

    /// Closes a descriptor.
    pub(crate) fn close(descriptor: OwnedFd, token: Token) -> Self {
        Self::new(opcode::Close::new(types::Fd(descriptor.into_raw_fd())).build(), token)
    }

    /// Says a word to another shard: its ring, `ring`, gets a completion with `theirs` and `result`, and
    /// wakes. Ours says whether it arrived.
    pub(crate) fn message(ring: RawFd, result: i32, theirs: Token, token: Token) -> Self {
        let ring = types::Fd(ring);
        Self::new(opcode::MsgRingData::new(ring, result, theirs.pack(), None).build(), token)
    }

    fn new(entry: squeue::Entry, token: Token) -> Self {
        Self(entry.user_data(token.pack()))
    }
}

fn fd(of: &impl AsFd) -> types::Fd {
    types::Fd(of.as_fd().as_raw_fd())
}

/// What became of an operation.
#[derive(Debug)]
pub(crate) struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

impl Completion {
    pub(super) fn new(entry: &cqueue::Entry) -> Self {
        Self { user_data: entry.user_data(), result: entry.result(), flags: entry.flags() }
    }

    /// Whose operation it was; `None` for what no shard of ours submitted.
    pub(crate) fn token(&self) -> Option<Token> {
        Token::unpack(self.user_data)
    }

    /// What the system call would have returned, or `-errno`.
    pub(crate) const fn result(&self) -> i32 {
        self.result
    }

    /// Whether more completions of the same operation follow.
    #[must_use]
    pub(crate) fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The accepted connection; once.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        let accepted = self.token().is_some_and(|token| token.op == Op::Accept);
        if !accepted || self.result < 0 {
            return None;
        }
        let descriptor = std::mem::replace(&mut self.result, -libc::EBADF);
        // SAFETY: the kernel made it for the accept that this completes, and only this value, which is
        // never copied, names it; the line above forgets it.
        Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    /// The number of the provided buffer that was filled, and with how many bytes; once.
    pub(crate) fn take_buffer(&mut self) -> Option<(u16, usize)> {
        let number = cqueue::buffer_select(self.flags)?;
        self.flags &= !BUFFER;
        Some((number, usize::try_from(self.result).unwrap_or(0)))
    }
}

/// `IORING_CQE_F_BUFFER`: the upper half of the flags is a buffer's number.
const BUFFER: u32 = 1;
