//! What a handler may ask of its shard: time, chance, and work that happens later or elsewhere.
//!
//! One small interface, implemented by the real shard and by the simulator. Date, request ids, logs and every
//! layer use nothing else, so that a simulated run repeats to the byte.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use trilane_semantics::Instant;

use crate::caller::Caller;
use crate::connect::{ByteStream, Pipe, Remote};
use crate::dial::Dial;
use crate::locals::Locals;
use crate::mail::Mailboxes;
use crate::read::{Read, ReadDone, read_now};
use crate::reply::reply;
use crate::stats::Stats;

/// A task that stays on its shard.
pub type LocalTask = Pin<Box<dyn Future<Output = ()>>>;

/// What a shard, or the simulator, can do.
pub trait Capabilities {
    /// The shard's number, from 0.
    fn id(&self) -> usize;
    /// The monotonic time of this turn of the loop, since the same moment on all shards of a server.
    fn now(&self) -> Instant;
    /// The monotonic time of this moment: a look at the clock, unlike [`Capabilities::now`].
    fn clock(&self) -> Instant {
        self.now()
    }
    /// The monotonic time of about this moment, for less than a look at the clock: a few milliseconds late. Only differences of it
    /// mean something.
    fn coarse_clock(&self) -> Instant {
        self.now()
    }
    /// Whether the shard finishes what there is, and takes nothing new.
    fn is_draining(&self) -> bool {
        false
    }
    /// The wall clock's time of this turn.
    fn wall(&self) -> SystemTime;
    /// A number that a peer cannot guess from others; repeats in the simulator.
    fn random(&self) -> u64;
    /// Wakes `waker` once, not before `at`.
    fn set_timer(&self, at: Instant, waker: Waker) -> u64;
    /// Forgets a timer; nothing if it has fired.
    fn cancel_timer(&self, timer: u64);
    /// Runs a task, first polled in a later turn.
    fn spawn(&self, task: LocalTask);
    /// As [`Capabilities::spawn`], with a name for those who look. Who shows nobody need not know it.
    fn spawn_as(&self, name: &'static str, task: LocalTask) {
        let _ = name;
        self.spawn(task);
    }
    /// Runs work that may block, on another thread.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>);
    /// Reads at most `most` bytes of `file` from offset `at`, and gives them to `done`: none at all is the end of the
    /// file. A shard does not wait for it; who has nobody waiting need not say how.
    fn read(&self, file: Rc<dyn AsFd>, at: u64, most: usize, done: ReadDone) {
        done(read_now(&*file, at, most));
    }
    /// Begins to connect. Who has no network need not say how.
    ///
    /// # Errors
    /// There can be no connection: no descriptors, no network.
    fn connect(&self, to: &Remote) -> io::Result<Box<dyn Pipe>> {
        let text = format!("no way to {to} from here");
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
    /// Begins a connection to a server, for requests. Who has no network need not say how.
    ///
    /// # Errors
    /// As [`Capabilities::connect`].
    fn dial(&self, dial: Dial) -> io::Result<Caller> {
        let text = format!("no way to {} from here", dial.remote);
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
    /// The shard's counters.
    fn stats(&self) -> &Stats;
    /// The counters of every shard of the server.
    fn all_stats(&self) -> Vec<Arc<Stats>>;
    /// The mailboxes of the server's shards; none where there is one shard only.
    fn mail(&self) -> Option<&Mailboxes> {
        None
    }
    /// What is kept beside the application; none where nothing outlives it.
    fn locals(&self) -> Option<&Locals> {
        None
    }
}

/// A handler's handle on its shard.
#[derive(Clone)]
pub struct Shard(Rc<dyn Capabilities>);

impl Shard {
    /// A handle on these capabilities.
    #[must_use]
    pub fn new(capabilities: Rc<dyn Capabilities>) -> Self {
        Self(capabilities)
    }

    /// The shard's number, from 0.
    #[must_use]
    pub fn id(&self) -> usize {
        self.0.id()
    }

    /// The monotonic time of this turn of the loop. All shards of a server count from the same moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// The monotonic time of this moment, where a turn is too coarse.
    #[must_use]
    pub fn clock(&self) -> Instant {
        self.0.clock()
    }

    /// As [`Capabilities::coarse_clock`].
    #[must_use]
    pub fn coarse_clock(&self) -> Instant {
        self.0.coarse_clock()
    }

    /// Whether the shard drains: what there is is finished, and then it ends. Who balances load should send nothing more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// The wall clock's time of this turn.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    /// A number that a peer cannot guess from others.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.0.random()
    }

    /// The shard's counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.0.stats()
    }

    /// The counters of every shard of the server.
    #[must_use]
    pub fn all_stats(&self) -> Vec<Arc<Stats>> {
        self.0.all_stats()
    }

    pub(crate) fn mail(&self) -> Option<&Mailboxes> {
        self.0.mail()
    }

    pub(crate) fn locals(&self) -> Option<&Locals> {
        self.0.locals()
    }

    /// Ready after `duration`.
    ///
    /// ```
    /// # async fn handler(shard: trilane_exchange::Shard) {
    /// shard.sleep(std::time::Duration::from_millis(10)).await;
    /// # }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { shard: self.clone(), at: self.now() + duration, timer: None }
    }

    /// What `future` gives, or nothing if that takes longer than `limit`: then it is dropped.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let (mut future, mut over) = (pin!(future), self.sleep(limit));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| None),
        })
        .await
    }

    /// Connects to another server. [`Shard::timeout`] says how long that may take.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect(&self, to: &Remote) -> io::Result<ByteStream> {
        ByteStream::new(self.0.connect(to)?).await
    }

    /// Begins a connection to a server, for requests.
    ///
    /// # Errors
    /// There can be no connection: no descriptors, no network.
    pub fn dial(&self, dial: Dial) -> io::Result<Caller> {
        self.0.dial(dial)
    }

    /// Runs a task, first polled in a later turn.
    pub(crate) fn spawn_task(&self, name: &'static str, task: LocalTask) {
        self.0.spawn_as(name, task);
    }

    /// At most `most` bytes of an open file from offset `at`, without waiting for a disk; none is its end.
    pub fn read(&self, file: Rc<dyn AsFd>, at: u64, most: usize) -> Read {
        let (read, done) = Read::new();
        self.0.read(file, at, most, done);
        read
    }

    /// Runs `work`, which may block, on another thread. A panic in it goes on in whoever awaits it.
    pub fn blocking<T, F>(&self, work: F) -> impl Future<Output = T> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = reply();
        self.0.blocking(Box::new(move || answer.give(catch_unwind(AssertUnwindSafe(work)))));
        async move {
            match answered.await {
                Some(Ok(value)) => value,
                Some(Err(panic)) => resume_unwind(panic),
                // The threads are gone, and with them who would wait.
                None => pending().await,
            }
        }
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({})", self.id())
    }
}

/// The future of [`Shard::sleep`].
#[derive(Debug)]
#[must_use = "it sleeps only when awaited"]
pub struct Sleep {
    shard: Shard,
    at: Instant,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.disarm();
        if self.shard.now() >= self.at {
            return Poll::Ready(());
        }
        self.timer = Some(self.shard.0.set_timer(self.at, cx.waker().clone()));
        Poll::Pending
    }
}

impl Sleep {
    fn disarm(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.shard.0.cancel_timer(timer);
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}
