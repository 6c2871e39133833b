//! A handle on a server at work: its counters at once, and what only its shards know by asking them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use trilane_connection::{Close, Event, Stall, Work};
use trilane_exchange::reply::reply;
use trilane_exchange::{Shard as ShardHandle, Stats};
use trilane_semantics::Instant;

use crate::control::{Control, Order, Stopper};
use crate::inspect::{Around, ConnectionEntry, ConnectionId, Filter, Report, TaskEntry};
use crate::questions::Questions;
use crate::shard::Shard;
use crate::tap::Tap;

/// How long a shard is waited for. One that turns answers within its turn; one that does not is stuck in a handler.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Why a shard did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// It does not turn: something keeps it from all else, for [`PATIENCE`] at least.
    Stalled,
    /// There is no such shard, or it has ended.
    Gone,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stalled => "the shard does not turn",
            Self::Gone => "the shard is gone",
        })
    }
}

impl std::error::Error for Silent {}

/// A handle on a server at work. Who asks is a task of another server, or of this one, whose shard measures the time.
#[derive(Clone)]
pub struct Inspector {
    questions: Arc<Questions>,
    stats: Arc<[Arc<Stats>]>,
    control: Arc<Control>,
    start: Clock,
}

impl Inspector {
    pub(crate) const fn new(
        questions: Arc<Questions>,
        stats: Arc<[Arc<Stats>]>,
        control: Arc<Control>,
        start: Clock,
    ) -> Self {
        Self { questions, stats, control, start }
    }

    /// How many shards there are. Their numbers begin at 0.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.questions.shards()
    }

    /// The counters of its shards.
    #[must_use]
    pub fn stats(&self) -> &Arc<[Arc<Stats>]> {
        &self.stats
    }

    /// Whether it takes nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.control.order() >= Order::Drain
    }

    /// What stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.control))
    }

    /// How long it has been there.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// How long ago a shard's last turn began: a second or so while it sleeps, more if something keeps it.
    #[must_use]
    pub fn last_turn(&self, shard: usize) -> Option<Duration> {
        let turned = self.stats.get(shard)?.turned.get();
        Some(self.age().saturating_sub(Duration::from_nanos(turned)))
    }

    /// What `work` gives, done by a shard's own thread, which should be quick about it. `from` is the shard that asks.
    ///
    /// # Errors
    /// [`Silent`]; `work` may be done all the same, later.
    pub async fn ask<T: Send + 'static>(
        &self,
        from: &ShardHandle,
        shard: usize,
        work: impl FnOnce(&ShardHandle) -> T + Send + 'static,
    ) -> Result<T, Silent> {
        self.question(from, shard, move |shard, _| work(shard.host.shard())).await
    }

    /// How a shard is.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn report(&self, from: &ShardHandle, shard: usize) -> Result<Report, Silent> {
        self.question(from, shard, |shard, _| shard.report()).await
    }

    /// The connections of a shard that `filter` wants, given to `take` some at a time, so that the shard serves others in between.
    ///
    /// # Errors
    /// [`Silent`], perhaps after some were given.
    pub async fn connections(
        &self,
        from: &ShardHandle,
        shard: usize,
        filter: Filter,
        mut take: impl FnMut(Vec<ConnectionEntry>),
    ) -> Result<(), Silent> {
        let mut next = Some(Around::Sockets(0));
        while let Some(around) = next {
            let look = move |shard: &mut Shard, now| shard.look(now, around, filter);
            let found;
            (found, next) = self.question(from, shard, look).await?;
            take(found);
        }
        Ok(())
    }

    /// The connections of a shard that closed last, the youngest first, and when that was asked.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn closes(
        &self,
        from: &ShardHandle,
        shard: usize,
    ) -> Result<(Instant, Vec<Close>), Silent> {
        self.question(from, shard, |shard, now| (now, shard.closes())).await
    }

    /// What a shard is at: exchanges and tasks, some thousands at most.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn tasks(&self, from: &ShardHandle, shard: usize) -> Result<Vec<TaskEntry>, Silent> {
        let (mut all, mut next) = (Vec::new(), Some(Around::Sockets(0)));
        while let Some(around) = next {
            let before = all.len();
            let look = move |shard: &mut Shard, now| shard.under_way(now, around, before);
            let found;
            (found, next) = self.question(from, shard, look).await?;
            all.extend(found);
        }
        Ok(all)
    }

    /// What kept a shard from everything else, since it began.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn stalls(
        &self,
        from: &ShardHandle,
        shard: usize,
    ) -> Result<Vec<(Work, Stall)>, Silent> {
        self.question(from, shard, |shard, _| shard.stalls()).await
    }

    /// Has a shard record all of its steps for so long, which costs it some; [`Inspector::recorded`] gives them.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn record(
        &self,
        from: &ShardHandle,
        shard: usize,
        time: Duration,
    ) -> Result<(), Silent> {
        self.question(from, shard, move |shard, now| shard.record(now, time)).await
    }

    /// Ends recording on a shard, and gives what was recorded; times are those of [`Inspector::age`].
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn recorded(&self, from: &ShardHandle, shard: usize) -> Result<Vec<Event>, Silent> {
        self.question(from, shard, |shard, _| shard.recorded()).await
    }

    /// Ends a connection at once ([`Cause::Operator`](trilane_semantics::Cause::Operator)). Whether there was one of that name.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn close(&self, from: &ShardHandle, id: ConnectionId) -> Result<bool, Silent> {
        self.question(from, id.shard, move |shard, now| shard.cut(now, id.key)).await
    }

    /// Has a connection over QUIC write its qlog from now on (draft-ietf-quic-qlog-main-schema, JSON-SEQ), for as long as it is read;
    /// one that was read before is over. Nothing if there is no such connection.
    ///
    /// # Errors
    /// [`Silent`].
    pub async fn qlog(&self, from: &ShardHandle, id: ConnectionId) -> Result<Option<Tap>, Silent> {
        self.question(from, id.shard, move |shard, _| shard.log(id.key)).await
    }

    async fn question<T: Send + 'static>(
        &self,
        from: &ShardHandle,
        shard: usize,
        work: impl FnOnce(&mut Shard, Instant) -> T + Send + 'static,
    ) -> Result<T, Silent> {
        let (answer, answered) = reply();
        let is_asked =
            self.questions.ask(shard, Box::new(move |shard, now| answer.give(work(shard, now))));
        if !is_asked && shard < self.shards() && !self.is_draining() {
            // So many wait for it already.
            return Err(Silent::Stalled);
        }
        match from.timeout(PATIENCE, answered).await {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(Silent::Gone),
            None => Err(Silent::Stalled),
        }
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inspector({} shards)", self.shards())
    }
}
