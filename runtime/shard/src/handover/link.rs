//! The line between two processes: whole messages, and with each some descriptors (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

/// Bytes of a message, at most.
pub(super) const LONGEST: usize = 4 << 10;
/// Descriptors of a message, at most; the kernel's own limit is 253.
pub(super) const MOST: usize = 128;

/// How long the other end may take to read, at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// One end of it.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Link {
    /// Both ends: ours, and one for another process.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        let (ours, theirs) = socketpair(family, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::of(ours)?, theirs))
    }

    /// What another process has given us as one.
    pub(super) fn of(socket: OwnedFd) -> io::Result<Self> {
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Sends a message of at most [`LONGEST`] bytes and [`MOST`] descriptors. `TimedOut` when the other end does not read.
    pub(super) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = descriptors.len() <= MOST
            && (descriptors.is_empty()
                || control.push(SendAncillaryMessage::ScmRights(descriptors)));
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            let from = [IoSlice::new(bytes)];
            match sendmsg(&self.0, &from, &mut control, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                result => return result.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// The next message; `None` when the other end is gone. `TimedOut` when nothing comes `within` that time.
    pub(super) fn receive(&self, within: Option<Duration>) -> io::Result<Option<Message>> {
        set_socket_timeout(&self.0, Timeout::Recv, within)?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; LONGEST];
        let result = loop {
            let mut into = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                // What it had not read yet was thrown away with its end.
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                result => break result?,
            }
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(come) = message {
                descriptors.extend(come);
            }
        }
        if result.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            let text = "a message is too long, or there are too few descriptors: `ulimit -n`";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if result.bytes == 0 {
            return Ok(None);
        }
        bytes.truncate(result.bytes);
        Ok(Some(Message { bytes, descriptors }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn messages_are_whole_and_bring_their_descriptors() {
        let (here, there) = Link::pair().unwrap();
        let there = Link::of(there).unwrap();
        let files: Vec<File> = (0..MOST).map(|_| File::open("/dev/zero").unwrap()).collect();
        let all: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        here.send(b"all", &all).unwrap();
        here.send(b"none", &[]).unwrap();
        here.send(&[7; LONGEST], &all[..1]).unwrap();
        for (len, count) in [(3, MOST), (4, 0), (LONGEST, 1)] {
            let Message { bytes, descriptors } = there.receive(None).unwrap().unwrap();
            assert_eq!((bytes.len(), descriptors.len()), (len, count));
            for descriptor in descriptors {
                File::from(descriptor).read_exact(&mut [0]).unwrap();
            }
        }
        assert!(here.send(b"more", &[&all[..], &all[..1]].concat()).is_err());
        here.send(&[7; LONGEST + 1], &[]).unwrap();
        assert_eq!(there.receive(None).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn silence_and_the_end_are_told_apart() {
        let (here, there) = Link::pair().unwrap();
        let short = Some(Duration::from_millis(1));
        assert_eq!(here.receive(short).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(there);
        assert!(here.receive(short).unwrap().is_none());
        assert_eq!(here.send(b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (here, there) = Link::pair().unwrap();
        here.send(b"unread", &[]).unwrap();
        drop(there);
        assert!(here.receive(None).unwrap().is_none());
    }
}
