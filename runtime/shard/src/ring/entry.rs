//! What goes into the ring and what comes out, so typed that safe code can neither hand the kernel a
//! dangling pointer nor take a descriptor or a buffer twice.
//!
//! There is no shutdown here: the kernel hands that one to a worker thread, always. `sys::shutdown` never
//! blocks and is cheaper. All operations go to plain descriptors; sockets stay blocking, for
//! whether the ring waits on a non-blocking one or answers EAGAIN is up to the kernel's release.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;

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

/// How something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) extent: Extent,
    /// More follows at once, which may share its last segment.
    pub(crate) followed: bool,
    /// The kernel reads the memory where it is until a second completion, [`Completion::is_notice`], says that it has
    /// let go of it. There is none if the first has not [`Completion::more`].
    pub(crate) zero_copy: bool,
}

impl Manner {
    const fn flags(self) -> i32 {
        let all = match self.extent {
            Extent::All => libc::MSG_WAITALL,
            Extent::Part => 0,
        };
        if self.followed { all | libc::MSG_MORE } else { all }
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

    /// Accepts one connection: [`Completion::take_descriptor`].
    pub(crate) fn accept_once(listener: impl AsFd, token: Token) -> Self {
        let (address, len) = (ptr::null_mut(), ptr::null_mut());
        let entry = opcode::Accept::new(fd(&listener), address, len).flags(libc::SOCK_CLOEXEC);
        Self::new(entry.build(), token)
    }

    /// Receives until cancelled, ended or out of buffers (ENOBUFS), each time into a buffer of the group.
    pub(crate) fn receive(socket: impl AsFd, group: u16, token: Token) -> Self {
        Self::new(opcode::RecvMulti::new(fd(&socket), group).build(), token)
    }

    /// Receives once, into a buffer of the group, which it takes when there is something to receive.
    pub(crate) fn receive_once(socket: impl AsFd, group: u16, token: Token) -> Self {
        // No memory of ours: length 0 is the whole buffer.
        let entry = opcode::Recv::new(fd(&socket), ptr::null_mut(), 0).buf_group(group).build();
        Self::new(entry.flags(squeue::Flags::BUFFER_SELECT), token)
    }

    /// Receives datagrams until cancelled, failed or out of buffers (ENOBUFS), each train into a buffer of the group:
    /// [`Layout`] says where in it.
    pub(crate) fn receive_datagrams(socket: impl AsFd, group: u16, token: Token) -> Self {
        static LAYOUT: Shape = Shape::new();
        let entry = opcode::RecvMsgMulti::new(fd(&socket), &raw const LAYOUT.0, group);
        Self::new(entry.build(), token)
    }

    /// Sends `len` bytes at `start`, all or a part.
    ///
    /// # Safety
    /// The bytes stay where they are, unchanged, until the operation's last completion was taken.
    pub(crate) unsafe fn send(
        socket: impl AsFd,
        start: *const u8,
        len: u32,
        manner: Manner,
        token: Token,
    ) -> Self {
        let (socket, flags) = (fd(&socket), manner.flags());
        let entry = match manner.zero_copy {
            true => opcode::SendZc::new(socket, start, len).flags(flags).build(),
            false => opcode::Send::new(socket, start, len).flags(flags).build(),
        };
        Self::new(entry, token)
    }

    /// Reads at most `len` bytes of a file from offset `at` to `start`. Needs no cancelling: a disk answers.
    ///
    /// # Safety
    /// The memory stays where it is, and nobody looks at it, until the operation's completion was taken.
    pub(crate) unsafe fn read(
        file: impl AsFd,
        start: *mut u8,
        len: u32,
        at: u64,
        token: Token,
    ) -> Self {
        Self::new(opcode::Read::new(fd(&file), start, len).offset(at).build(), token)
    }

    /// Connects a socket to the name at `name`, of `len` bytes.
    ///
    /// # Safety
    /// The name stays where it is, unchanged, until the operation's completion was taken.
    pub(crate) unsafe fn connect(
        socket: impl AsFd,
        name: *const libc::sockaddr,
        len: libc::socklen_t,
        token: Token,
    ) -> Self {
        Self::new(opcode::Connect::new(fd(&socket), name, len).build(), token)
    }

    /// Receives once, at most `len` bytes to `start`.
    ///
    /// # Safety
    /// The memory stays where it is, and nobody looks at it, until the operation's completion was taken.
    pub(crate) unsafe fn receive_into(
        socket: impl AsFd,
        start: *mut u8,
        len: u32,
        token: Token,
    ) -> Self {
        Self::new(opcode::Recv::new(fd(&socket), start, len).build(), token)
    }

    /// Waits until the socket takes more, or has failed.
    pub(crate) fn writable(socket: impl AsFd, token: Token) -> Self {
        Self::poll(socket, libc::POLLOUT, token)
    }

    /// Waits until something has come, the end, or a failure.
    pub(crate) fn readable(socket: impl AsFd, token: Token) -> Self {
        Self::poll(socket, libc::POLLIN, token)
    }

    fn poll(socket: impl AsFd, mask: i16, token: Token) -> Self {
        // A poll mask is a small positive constant.
        Self::new(opcode::PollAdd::new(fd(&socket), mask as u32).build(), token)
    }

    /// Sends what the list of `message` names, as [`Submission::send`].
    ///
    /// # Safety
    /// The message, its list and the bytes stay where they are, unchanged, until the operation's last
    /// completion was taken.
    pub(crate) unsafe fn send_list(
        socket: impl AsFd,
        message: *const libc::msghdr,
        manner: Manner,
        token: Token,
    ) -> Self {
        // Message flags are small positive constants.
        let (socket, flags) = (fd(&socket), manner.flags() as u32);
        let entry = match manner.zero_copy {
            true => opcode::SendMsgZc::new(socket, message).flags(flags).build(),
            false => opcode::SendMsg::new(socket, message).flags(flags).build(),
        };
        Self::new(entry, token)
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

/// What lies where in a buffer of [`Submission::receive_datagrams`], in bytes: a header, a name, ancillary data, and the
/// datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout;

impl Layout {
    /// `struct io_uring_recvmsg_out`: lengths of name, ancillary data and datagrams, and flags; each 32 bits.
    pub(crate) const HEADER: usize = 16;
    /// Room for a `sockaddr_in6`, and a little more, so that what follows is aligned.
    pub(crate) const NAME: usize = 32;
    /// Room for the ancillary data that we ask for: 24 for the size of a train's datagrams, 40 for where they were sent,
    /// 24 for how many were lost.
    pub(crate) const CONTROL: usize = 88;
    /// Where the datagrams begin.
    pub(crate) const DATAGRAMS: usize = Self::HEADER + Self::NAME + Self::CONTROL;
}

/// A message that only says [`Layout`].
struct Shape(libc::msghdr);

// SAFETY: its pointers are null, and nobody changes it.
unsafe impl Sync for Shape {}

impl Shape {
    const fn new() -> Self {
        // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_namelen = Layout::NAME as libc::socklen_t;
        message.msg_controllen = Layout::CONTROL as _;
        Self(message)
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

    /// Whether it only says that the kernel has let go of memory that was sent from.
    #[must_use]
    pub(crate) fn is_notice(&self) -> bool {
        cqueue::notif(self.flags)
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
