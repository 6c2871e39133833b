//! Pipes for content that goes from socket to socket unseen, used again and again. A pipe of which not all was taken never is.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use trilane_semantics::Payload;

use crate::sys;

/// Bytes that a pipe holds, in whole pages, where the system lets it (`/proc/sys/fs/pipe-max-size`, `pipe-user-pages-soft`). It takes
/// no memory by itself: what lies in it is what the kernel has received, mostly less than a page in each.
const SIZE: usize = 1 << 20;
/// Pipes in use at once, a shard, where there are descriptors for them; who finds none gets bytes.
const MOST: usize = 128;
/// Pipes kept that nobody uses, a shard.
const KEEP: usize = 32;

/// The pipes of a shard.
#[derive(Clone)]
pub(crate) struct Pipes(Rc<Shared>);

struct Shared {
    most: usize,
    spare: RefCell<Vec<Rc<Ends>>>,
    used: Cell<usize>,
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe with something in it. It goes back to where it came from when nobody has it any more.
struct Pipe {
    ends: Rc<Ends>,
    home: Pipes,
}

/// What came of a try to receive into a pipe.
pub(crate) enum Piped {
    /// Content.
    Content(Payload),
    /// The end.
    End,
    /// No pipe is to be had.
    None,
}

impl Default for Pipes {
    fn default() -> Self {
        Self::at_most(MOST)
    }
}

impl Pipes {
    /// So many in use at once, and never more than 128.
    pub(crate) fn at_most(most: usize) -> Self {
        let (most, spare, used) = (most.min(MOST), RefCell::default(), Cell::default());
        Self(Rc::new(Shared { most, spare, used }))
    }

    /// Receives what is there, `most` bytes at most, into a pipe.
    ///
    /// # Errors
    /// What the socket says; `WouldBlock` when nothing has come.
    pub(crate) fn receive(&self, socket: impl AsFd, most: usize) -> io::Result<Piped> {
        let Some(pipe) = self.take() else { return Ok(Piped::None) };
        match sys::splice::from_socket(socket, &pipe.ends.write, most.min(SIZE)) {
            Ok(0) => Ok(Piped::End),
            Ok(n) => Ok(Piped::Content(Payload::from_pipe(Rc::new(pipe), n))),
            // A sandbox forbids the call, or no such socket has it.
            Err(error) if is_unsupported(&error) => Ok(Piped::None),
            Err(error) => Err(error),
        }
    }

    /// How many are in use.
    pub(crate) fn used(&self) -> usize {
        self.0.used.get()
    }

    fn take(&self) -> Option<Pipe> {
        if self.0.used.get() >= self.0.most {
            return None;
        }
        let spare = self.0.spare.borrow_mut().pop();
        let ends = spare.or_else(|| {
            let (read, write) = sys::splice::pipe(SIZE as i32).ok()?;
            Some(Rc::new(Ends { read, write }))
        });
        let ends = ends?;
        self.0.used.set(self.0.used.get() + 1);
        Some(Pipe { ends, home: self.clone() })
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM))
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ends.read.as_fd()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let shared = &self.home.0;
        shared.used.set(shared.used.get() - 1);
        let mut spare = shared.spare.borrow_mut();
        if spare.len() < KEEP && sys::splice::is_empty(&self.ends.read) {
            spare.push(Rc::clone(&self.ends));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Two sockets that are connected.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// Receives what is there, or will be in a moment.
    fn receive(pipes: &Pipes, socket: &TcpStream, most: usize) -> Piped {
        loop {
            match pipes.receive(socket, most) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.unwrap(),
            }
        }
    }

    fn content(piped: Piped) -> Payload {
        let Piped::Content(content) = piped else { panic!("no content") };
        content
    }

    #[test]
    fn a_pipe_is_used_again_if_all_was_taken() {
        let (pipes, (ours, mut theirs), (into, mut out)) = (Pipes::default(), pair(), pair());
        let nothing = pipes.receive(&ours, 9).map(|_| ()).unwrap_err();
        assert_eq!((nothing.kind(), pipes.used()), (io::ErrorKind::WouldBlock, 0));
        let spare = |pipes: &Pipes| pipes.0.spare.borrow().len();
        assert_eq!(spare(&pipes), 1);
        theirs.write_all(b"some content").unwrap();
        let some = content(receive(&pipes, &ours, 4));
        assert_eq!((some.len(), pipes.used(), spare(&pipes)), (4, 1, 0));
        let pipe = Rc::clone(some.pipe().unwrap());
        let sent = sys::splice::to_socket(&*pipe, &into, 100, false).unwrap();
        assert_eq!(sent, 4);
        drop((some, pipe));
        assert_eq!((pipes.used(), spare(&pipes)), (0, 1));
        // Nobody takes the rest.
        drop(receive(&pipes, &ours, 100));
        assert_eq!((pipes.used(), spare(&pipes)), (0, 0));
        drop(theirs);
        assert!(matches!(receive(&pipes, &ours, 100), Piped::End));
        drop(into);
        let mut got = String::new();
        out.read_to_string(&mut got).unwrap();
        assert_eq!(got, "some");
    }

    #[test]
    fn pipes_have_an_end() {
        for (asked, most) in [(usize::MAX, MOST), (3, 3)] {
            let (pipes, (ours, mut theirs)) = (Pipes::at_most(asked), pair());
            theirs.write_all(&[0; MOST + 1]).unwrap();
            let held: Vec<_> = (0..most).map(|_| content(receive(&pipes, &ours, 1))).collect();
            assert!(matches!(receive(&pipes, &ours, 1), Piped::None));
            drop(held);
            assert_eq!(pipes.used(), 0);
            content(receive(&pipes, &ours, 1));
        }
        let none = Pipes::at_most(0);
        assert!(matches!(none.receive(&pair().0, 1), Ok(Piped::None)));
    }

    #[test]
    fn a_full_socket_is_not_waited_for() {
        let (pipes, (ours, theirs), (into, _out)) = (Pipes::default(), pair(), pair());
        let writer = std::thread::spawn(move || {
            let mut theirs = theirs;
            while theirs.write_all(&[0; 1 << 16]).is_ok() {}
        });
        let error = loop {
            let some = content(receive(&pipes, &ours, SIZE));
            let pipe = some.pipe().unwrap();
            match sys::splice::to_socket(&**pipe, &into, some.len(), false) {
                Ok(n) if n == some.len() => {}
                // A part of it: then there is no room for the rest.
                Ok(_) => {
                    break sys::splice::to_socket(&**pipe, &into, some.len(), false).unwrap_err();
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        writer.join().unwrap();
    }
}
