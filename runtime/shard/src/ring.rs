//! The net ring: one io_uring a shard, which submits and collects with one system call a turn, and how it
//! sleeps.
//!
//! **The registered ring.** `Submitter::register_ring_fd` remembers its index in the `Submitter`, which
//! borrows the ring, so that a struct with both would refer to itself. We register by the system call
//! itself and keep the index, which is only a number. The registration belongs to the thread and keeps the
//! ring alive: dropping takes it back.
//!
//! **Sleep** begins with a doze: the thread waits in the kernel for this ring alone, at most [`DOZE`]. Under load the
//! next request comes within that time, and this is the cheapest way to wait for it. Other tasks of the executor have
//! to wait that long when the shard falls idle, once.
//!
//! Then it sleeps as glommio's tasks do, and others run meanwhile. The ring signals an eventfd when there is work, but
//! only while that is switched on, shortly before sleeping (awake, it would cost a write for each completion). glommio
//! cannot wait for a descriptor, but it can read a file, and io_uring holds a read of a blocking eventfd until there is
//! something to read. So an eventfd that poses as a file is a bell, and reading it silences it.
//!
//! Other threads knock: they write to another eventfd, which the ring polls, so that it ends a doze and, through the
//! bell, a sleep.
//!
//! It belongs to the thread that made it.
#![allow(unsafe_code)]

mod entry;

use std::collections::VecDeque;
use std::ffi::c_int;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use glommio::io::BufferedFile;
use glommio::timer::Timer;
use io_uring::{IoUring, cqueue, opcode, squeue, types};

pub(crate) use self::entry::{Completion, Extent, Layout, Manner, Submission};
use crate::buffers::Region;
use crate::inspect::RingReport;
use crate::preflight::{self, StartError};
use crate::sys::{self, Entry, Resource};

/// Entries of the submission queue: more than a turn usually pushes; when it is full, one more system call
/// empties it.
pub(crate) const SUBMISSIONS: u32 = 1 << 10;
/// Entries of the completion queue: past them the kernel keeps completions on a list, slower but not lost.
pub(crate) const COMPLETIONS: u32 = 1 << 13;

/// The longest doze. Long enough for the gaps between requests of a loaded shard, and no longer than others on this
/// executor may be kept waiting.
pub(crate) const DOZE: Duration = Duration::from_millis(1);

/// What the poll of the door completes with: no [`Token`](crate::token::Token) packs to it.
const KNOCK: u64 = u64::MAX;

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

/// A ring, what ends its sleep, and what the kernel did not take yet.
pub(crate) struct Ring {
    // Dropped first: the kernel lets go of `regions` with it.
    io: IoUring,
    regions: Vec<Rc<Region>>,
    /// The registered index, or -1.
    index: c_int,
    door: Arc<Door>,
    /// The door is polled.
    listens: bool,
    /// Rung by the kernel, while that is switched on; until the first sleep.
    bell: Option<OwnedFd>,
    /// The bell as glommio's file, from then on: it needs an executor.
    gate: Option<Rc<BufferedFile>>,
    /// The read of the bell that waits to be rung. It outlasts the sleep that began it: of one that was given up the
    /// kernel would learn late, and until then it would take the next ring for itself.
    reading: Option<Reading>,
    /// What did not fit the queue. Bounded by the callers: a few operations a connection.
    backlog: VecDeque<squeue::Entry>,
    /// The kernel ties ring and registration to this thread.
    thread: PhantomData<*const ()>,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<()>>>>;

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
        let bell = sys::eventfd().map_err(other("make an eventfd"))?;
        let eventfd = File::from(sys::eventfd().map_err(other("make an eventfd"))?);
        let own = bell.try_clone().map_err(other("make an eventfd"))?;
        let door = Door {
            eventfd,
            bell: own.into(),
            sleeps: AtomicBool::new(false),
            knocked: AtomicBool::new(false),
        };
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
            bell: Some(bell),
            door: Arc::new(door),
            listens: false,
            gate: None,
            reading: None,
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
            // Makes room, runs nothing. If it fails, the next turn meets the same error and reports it.
            let _ = self.enter(Entry::submit);
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
        let entered = self.enter(Entry::turn);
        for entry in self.io.completion() {
            if entry.user_data() == KNOCK {
                self.listens = cqueue::more(entry.flags());
            } else {
                out.push(Completion::new(&entry));
            }
        }
        entered.map(drop)
    }

    /// Sleeps until there may be something to do: a completion, a [`Waker`], or `at_most` gone by. May wake
    /// for nothing. What was pushed is submitted first. Dropping it half-way is harmless.
    ///
    /// # Errors
    /// The ring, or what ends its sleep, is broken.
    ///
    /// # Panics
    /// Outside a glommio executor.
    pub(crate) async fn sleep(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        // A sleep that was dropped half-way has left it.
        self.door.sleeps.store(false, Ordering::SeqCst);
        if self.door.answer() || self.doze(at_most)? {
            self.door.answer();
            return Ok(());
        }
        self.io.completion().enable_eventfd();
        self.door.sleeps.store(true, Ordering::SeqCst);
        // Look once more: what came before the bell was switched on did not ring it.
        let is_awake =
            self.door.answer() || self.enter(Entry::turn)? == Entered::Partly || self.is_busy();
        if !is_awake {
            self.wait(at_most.map(|most| most.saturating_sub(DOZE))).await?;
        }
        self.door.sleeps.store(false, Ordering::SeqCst);
        self.door.answer();
        Ok(())
    }

    /// Waits for this ring alone, [`DOZE`] at most. Whether that was enough: there is something to do, or the time is up.
    fn doze(&mut self, at_most: Option<Duration>) -> io::Result<bool> {
        self.refill();
        if !self.listen() {
            // The queue is full: there is enough to do.
            return Ok(true);
        }
        let most = at_most.map_or(DOZE, |most| most.min(DOZE));
        let entered = self.enter(|entry, count| entry.wait(count, most))?;
        let is_over = at_most.is_some_and(|at_most| at_most <= DOZE);
        Ok(entered == Entered::Partly || is_over || self.is_busy())
    }

    /// Polls the door, if it is not polled. Whether it is now.
    fn listen(&mut self) -> bool {
        if !self.listens {
            let door = types::Fd(self.door.eventfd.as_raw_fd());
            let poll = opcode::PollAdd::new(door, libc::POLLIN as u32).multi(true).build();
            self.listens = self.enqueue(&poll.user_data(KNOCK));
        }
        self.listens
    }

    /// A handle with which other threads end this ring's sleep.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.door))
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

    /// What its queues hold.
    pub(crate) fn report(&mut self) -> RingReport {
        let backlog = self.backlog.len();
        let submissions = self.io.submission();
        let (capacity, submitted) = (submissions.capacity(), submissions.len());
        drop(submissions);
        let completions = self.io.completion();
        RingReport {
            submissions: capacity,
            submitted,
            backlog,
            completions: completions.capacity(),
            completed: completions.len(),
            overflow: completions.overflow(),
        }
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
        if let Some(bell) = self.bell.take() {
            // SAFETY: the descriptor is open, and ours to give away.
            self.gate = Some(Rc::new(unsafe { BufferedFile::from_raw_fd(bell.into_raw_fd()) }));
        }
        let Some(gate) = &self.gate else { return Ok(()) };
        let reading = self.reading.get_or_insert_with(|| {
            let gate = Rc::clone(gate);
            Box::pin(async move {
                gate.read_at(0, size_of::<u64>()).await?;
                Ok(())
            })
        });
        let mut timer = pin!(at_most.map(Timer::new));
        let rung = poll_fn(|context| {
            if let Poll::Ready(read) = reading.as_mut().poll(context) {
                return Poll::Ready(Some(read));
            }
            match timer.as_mut().as_pin_mut().map(|timer| timer.poll(context)) {
                Some(Poll::Ready(_)) => Poll::Ready(None),
                Some(Poll::Pending) | None => Poll::Pending,
            }
        })
        .await;
        let Some(read) = rung else { return Ok(()) };
        self.reading = None;
        read
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

    fn enter(&mut self, how: impl FnOnce(Entry, u32) -> io::Result<()>) -> io::Result<Entered> {
        // Invariant: the queue has at most 32,768 entries, the kernel's limit.
        let waiting = self.io.submission().len() as u32;
        let entry = match self.index {
            -1 => Entry::Descriptor(self.io.as_raw_fd()),
            index => Entry::Index(index),
        };
        match how(entry, waiting) {
            Ok(()) => Ok(Entered::Fully),
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

/// An eventfd, and whether another thread has knocked since the shard last looked. It is never read: the poll tells
/// every write, and a counter that only grows takes longer to fill than any machine lasts.
///
/// Who sleeps through glommio is woken by the bell itself. The kernel would ring it for the poll of the other eventfd, too, but it
/// cannot do so while it writes that one, and puts it off; on Linux 6.18 half of the knocks between two shards were never heard.
struct Door {
    eventfd: File,
    bell: File,
    /// The ring is not waited for, but the bell.
    sleeps: AtomicBool,
    knocked: AtomicBool,
}

impl Door {
    /// Whether somebody had knocked; after that nobody has.
    fn answer(&self) -> bool {
        // Each of us writes one flag and then reads the other's: one of us sees that.
        self.knocked.swap(false, Ordering::SeqCst)
    }
}

/// Ends a ring's sleep, or the next one if it is awake. Cheap to repeat: one system call for all until the
/// shard looks.
#[derive(Clone)]
pub(crate) struct Waker(Arc<Door>);

impl Waker {
    /// Wakes the shard. What was written before is seen by it.
    pub(crate) fn wake(&self) {
        if !self.0.knocked.swap(true, Ordering::SeqCst) {
            let sleeps = self.0.sleeps.load(Ordering::SeqCst);
            let mut eventfd = if sleeps { &self.0.bell } else { &self.0.eventfd };
            // It fails only when the counter is full.
            let _ = eventfd.write(&1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
#[path = "tests/ring.rs"]
mod tests;
