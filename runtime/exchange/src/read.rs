//! A read of an open file that ends later: what [`Shard::read`](crate::Shard::read) awaits. It opens nothing.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Gets what was read.
pub type ReadDone = Box<dyn FnOnce(io::Result<Vec<u8>>)>;

/// Reads at most `most` bytes of `file` from offset `at`, in this thread and now: for capabilities that nobody waits
/// for. None at all is the end of the file.
///
/// # Errors
/// What the system says.
pub fn read_now(file: &dyn AsFd, at: u64, most: usize) -> io::Result<Vec<u8>> {
    let file = File::from(file.as_fd().try_clone_to_owned()?);
    let mut bytes = vec![0; most];
    loop {
        match file.read_at(&mut bytes, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            read => {
                bytes.truncate(read?);
                return Ok(bytes);
            }
        }
    }
}

/// The future of [`Shard::read`](crate::Shard::read). Dropping it forgets what comes.
#[must_use = "what was read is its output"]
pub struct Read(Rc<RefCell<Slot>>);

#[derive(Default)]
struct Slot {
    result: Option<io::Result<Vec<u8>>>,
    waker: Option<Waker>,
}

impl Read {
    /// A read, and what ends it.
    pub(crate) fn new() -> (Self, ReadDone) {
        let slot = Rc::new(RefCell::new(Slot::default()));
        let theirs = Rc::clone(&slot);
        let done = Box::new(move |result| {
            let mut slot = theirs.borrow_mut();
            slot.result = Some(result);
            let waker = slot.waker.take();
            drop(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        (Self(slot), done)
    }
}

impl Future for Read {
    type Output = io::Result<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.borrow_mut();
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("is_done", &self.0.borrow().result.is_some()).finish()
    }
}
