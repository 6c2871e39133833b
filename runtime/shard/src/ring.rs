//! The net ring: one io_uring a shard, which submits and collects with one system call a turn, and how it
//! sleeps.
//!
//! **The registered ring.** `Submitter::register_ring_fd` remembers its index in the `Submitter`, which
//! borrows the ring, so that a struct with both would refer to itself. We register by the system call
//! itself and keep the index, which is only a number. The registration belongs to the thread and keeps the
//! ring alive: dropping takes it back.
//!
//! **Sleep.** The ring signals an eventfd when there is work, but only while that is switched on, shortly
//! before sleeping (awake, it would cost a write for each completion). glommio cannot wait for a
//! descriptor, but it can read a file, and io_uring holds a read of a blocking eventfd until there is
//! something to read. So an eventfd that poses as a file is a bell, and reading it silences it.
//!
//! It never waits in the kernel itself: other tasks of the shard run meanwhile. It belongs to the thread
//! that made it.
#![allow(unsafe_code)]

mod entry;

use std::collections::VecDeque;
use std::ffi::c_int;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use glommio::io::BufferedFile;
use glommio::timer::Timer;
use io_uring::{IoUring, squeue};

pub(crate) use self::entry::{Completion, Extent, Submission};
use crate::buffers::Region;
use crate::preflight::{self, StartError};
use crate::sys::{self, Resource};

/// Entries of the submission queue: more than a turn usually pushes; when it is full, one more system call
/// empties it.
pub(crate) const SUBMISSIONS: u32 = 1 << 10;
/// Entries of the completion queue: past them the kernel keeps completions on a list, slower but not lost.
pub(crate) const COMPLETIONS: u32 = 1 << 13;

/// Sizes of a ring, in entries, both powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingConfig {
    /// Of the submission queue. Default [`SUBMISSIONS`].
    pub(crate) submissions: u32,
    /// Of the completion queue, at least as many. Default [`COMPLETIONS`].
    pub(crate) completions: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self { submissions: SUBMISSIONS, completions: COMPLETIONS }
    }
}

/// A ring, the bell that ends its sleep, and what the kernel did not take yet.
pub(crate) struct Ring {
    // Dropped first: the kernel lets go of `regions` with it.
    io: IoUring,
    regions: Vec<Rc<Region>>,
    /// The registered index, or -1.
    index: c_int,
    bell: Arc<Bell>,
    /// The bell as glommio's file; made in the first sleep, because it needs an executor.
    gate: Option<BufferedFile>,
    /// What did not fit the queue. Bounded by the callers: a few operations a connection.
    backlog: VecDeque<squeue::Entry>,
    /// The kernel ties ring and registration to this thread.
    thread: PhantomData<*const ()>,
}

/// Whether the kernel did all it was asked for.
#[derive(PartialEq, Eq)]
enum Entered {
    Fully,
    /// Interrupted or short of memory: to be repeated.
    Partly,
}

impl Ring {
    /// A ring for this thread.
    ///
    /// # Errors
    /// What stands in the way, and the fix.
    pub(crate) fn new(config: RingConfig) -> Result<Self, StartError> {
        let io = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            // One bad entry must not hold up those behind it.
            .setup_submit_all()
            // Tells in shared memory that deferred work waits: asked before sleeping.
            .setup_taskrun_flag()
            .setup_cqsize(config.completions)
            .build(config.submissions);
        let mut io = io.map_err(|error| {
            let locked = sys::resource_limit(Resource::LockedMemory);
            preflight::ring_error(error, locked.map_or(0, |limit| limit.soft))
        })?;
        let other = |what| move |error| StartError::Other { what, error };
        let bell = File::from(sys::eventfd().map_err(other("make an eventfd"))?);
        io.submitter()
            .register_eventfd(bell.as_raw_fd())
            .map_err(other("register the eventfd with the ring"))?;
        io.completion().disable_eventfd();
        // A thread has 16 such places; without one the plain descriptor does, a little slower.
        let index = sys::register_ring_fd(io.as_raw_fd()).unwrap_or(-1);
        Ok(Self {
            io,
            regions: Vec::new(),
            index,
            bell: Arc::new(Bell { eventfd: bell, rung: AtomicBool::new(false) }),
            gate: None,
            backlog: VecDeque::new(),
            thread: PhantomData,
        })
    }

    /// Takes an operation, which the kernel sees in the next turn, or at once when the queue is full. None
    /// is lost.
    pub(crate) fn push(&mut self, submission: Submission) {
        if self.backlog.is_empty() {
            if self.enqueue(&submission.0) {
                return;
            }
            // Without GETEVENTS: makes room, runs nothing. If it fails, the next turn meets the same error
            // and reports it.
            let _ = self.enter(0);
            if self.enqueue(&submission.0) {
                return;
            }
        }
        self.backlog.push_back(submission.0);
    }

    /// One turn: submits what was pushed, runs deferred work, and appends what has completed to `out`. One
    /// system call.
    ///
    /// # Errors
    /// The ring is broken. What was pushed is still there, what had completed is in `out`.
    pub(crate) fn turn(&mut self, out: &mut Vec<Completion>) -> io::Result<()> {
        if !self.io.completion().eventfd_disabled() {
            self.io.completion().disable_eventfd();
        }
        self.refill();
        let entered = self.enter(sys::ENTER_GETEVENTS);
        out.extend(self.io.completion().map(|entry| Completion::new(&entry)));
        entered.map(drop)
    }

    /// Sleeps until there may be something to do: a completion, a [`Waker`], or `at_most` gone by. May wake
    /// for nothing. What was pushed is submitted first. Dropping it half-way is harmless.
    ///
    /// # Errors
    /// The ring or the bell is broken.
    ///
    /// # Panics
    /// Outside a glommio executor.
    pub(crate) async fn sleep(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        if self.bell.silence() {
            return Ok(());
        }
        self.io.completion().enable_eventfd();
        // Look once more: what came before the bell was switched on did not ring it.
        self.refill();
        if self.enter(sys::ENTER_GETEVENTS)? == Entered::Partly || self.is_busy() {
            return Ok(());
        }
        self.wait(at_most).await?;
        self.bell.silence();
        Ok(())
    }

    /// A handle with which other threads end this ring's sleep.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.bell))
    }

    /// The ring's descriptor: where [`Submission::message`] of another shard goes. Open as long as the ring
    /// lives.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.io.as_raw_fd()
    }

    /// Lets the kernel fill the buffers of `region` for operations that name `group`. Keeps them as long as
    /// the ring lives.
    ///
    /// # Errors
    /// The group is taken, or the kernel refuses.
    pub(crate) fn register_buffers(&mut self, group: u16, region: Rc<Region>) -> io::Result<()> {
        let (address, count) = region.ring();
        // SAFETY: a region's ring is mapped, page-aligned memory of `count` entries, each zero or naming
        // memory of the same region; we hold the region until the ring is gone (see the order of fields).
        unsafe { self.io.submitter().register_buf_ring_with_flags(address, count, group, 0)? };
        self.regions.push(region);
        Ok(())
    }

    /// Whether the kernel has not been given everything yet.
    pub(crate) fn has_submissions(&mut self) -> bool {
        !self.backlog.is_empty() || !self.io.submission().is_empty()
    }

    /// Whether anything is left to submit, run or collect.
    fn is_busy(&mut self) -> bool {
        let submissions = self.io.submission();
        let waiting = !submissions.is_empty() || submissions.taskrun() || submissions.cq_overflow();
        drop(submissions);
        waiting || !self.backlog.is_empty() || !self.io.completion().is_empty()
    }

    /// Waits for the bell, and silences it by reading it.
    async fn wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        if self.gate.is_none() {
            let copy = self.bell.eventfd.try_clone()?;
            // SAFETY: the descriptor is open, and ours to give away.
            self.gate = Some(unsafe { BufferedFile::from_raw_fd(copy.into_raw_fd()) });
        }
        let Some(gate) = &self.gate else { return Ok(()) };
        let mut read = pin!(gate.read_at(0, size_of::<u64>()));
        let mut timer = pin!(at_most.map(Timer::new));
        poll_fn(|context| {
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(read.map(drop).map_err(io::Error::from));
            }
            match timer.as_mut().as_pin_mut().map(|timer| timer.poll(context)) {
                Some(Poll::Ready(_)) => Poll::Ready(Ok(())),
                Some(Poll::Pending) | None => Poll::Pending,
            }
        })
        .await
    }

    /// Moves what did not fit into the queue, as far as it fits now.
    fn refill(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            if !self.enqueue(&entry) {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    fn enqueue(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: entries are made by `Submission` only: what they point at lives long enough, by the
        // promise of those who call its unsafe constructors.
        unsafe { self.io.submission().push(entry).is_ok() }
    }

    fn enter(&mut self, flags: u32) -> io::Result<Entered> {
        // Invariant: the queue has at most 32,768 entries, the kernel's limit.
        let waiting = self.io.submission().len() as u32;
        let entered = match self.index {
            -1 => sys::ring_enter(self.io.as_raw_fd(), waiting, flags),
            index => sys::ring_enter(index, waiting, flags | sys::ENTER_REGISTERED_RING),
        };
        match entered {
            Ok(_) => Ok(Entered::Fully),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(Entered::Partly),
                _ => Err(error),
            },
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.index >= 0 {
            // It fails only for an index that is not registered; then there is nothing to take back.
            let _ = sys::unregister_ring_fd(self.io.as_raw_fd(), self.index);
        }
    }
}

/// An eventfd, and whether another thread has rung it since the shard last looked.
struct Bell {
    eventfd: File,
    rung: AtomicBool,
}

impl Bell {
    /// Whether it was rung; after that it is not.
    fn silence(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

/// Ends a ring's sleep, or the next one if it is awake. Cheap to repeat: one system call for all until the
/// shard looks.
#[derive(Clone)]
pub(crate) struct Waker(Arc<Bell>);

impl Waker {
    /// Wakes the shard. What was written before is seen by it.
    pub(crate) fn wake(&self) {
        if !self.0.rung.swap(true, Ordering::AcqRel) {
            // It fails only when the counter is full, and a full counter wakes as well.
            let _ = (&self.0.eventfd).write(&1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
#[path = "tests/ring.rs"]
mod tests;
