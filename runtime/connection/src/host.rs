//! What all connections of a shard share: the service, the limits, the date, and recycled memory.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use trilane_exchange::{
    ConnectionInfo, Exchange, ExchangeWaker, Service, Shard, Stats, WakeQueue, Wakers,
};
use trilane_record::Recorder;
use trilane_semantics::{Cause, ExchangeId, Instant, Limits, Outbox, RequestHead, Stamp};

use crate::describe::Description;
use crate::guests::{Crowded, Guest, Guests};
use crate::recent::{Close, Recent, Traffic};
use crate::watch::Watch;

/// Spare exchanges and outboxes kept, a shard.
const KEEP: usize = 64;
/// Memory kept in a spare outbox, in bytes, while all of them together have less than [`KEEP_LARGE`].
const KEEP_BYTES: usize = 512 << 10;
/// Memory kept in a spare outbox beyond that, in bytes.
const KEEP_SMALL: usize = 16 << 10;
/// Memory that spare outboxes may have before they are made small, in bytes. Large answers go through it over and over.
const KEEP_LARGE: usize = 4 << 20;

/// What all connections of a shard share.
pub struct Host {
    app: Rc<dyn Service>,
    limits: Rc<Limits>,
    shard: Shard,
    wakers: RefCell<Wakers>,
    stamp: RefCell<Stamp>,
    server: &'static str,
    /// What connections over TLS say of other ways to come (RFC 7838 §3).
    alt_svc: Option<Box<str>>,
    /// Who records connections, if any are.
    recorder: Option<Recorder>,
    /// How many connections each client has, if that has a limit.
    guests: Option<Arc<Guests>>,
    next_second: Cell<Instant>,
    exchanges: RefCell<Vec<Rc<Exchange>>>,
    outboxes: RefCell<Vec<Outbox>>,
    /// What the spare outboxes have, in bytes.
    spare: Cell<usize>,
    /// Received bytes that wait for their readers, all connections.
    queued: Cell<usize>,
    /// Connections that closed last.
    recent: RefCell<Recent>,
    /// What has kept the shard from everything else.
    watch: Watch,
}

impl Host {
    /// A host of that service. Wakers of its exchanges go to `queue`; `server` is the Server field's value,
    /// empty for none.
    #[must_use]
    pub fn new(
        app: Rc<dyn Service>,
        limits: Rc<Limits>,
        shard: Shard,
        queue: WakeQueue,
        server: &'static str,
    ) -> Self {
        let host = Self {
            app,
            limits: Rc::new(Limits::clone(&limits).usable()),
            shard,
            wakers: RefCell::new(Wakers::new(queue)),
            stamp: RefCell::new(Stamp::new("", server)),
            server,
            alt_svc: None,
            recorder: None,
            guests: None,
            next_second: Cell::default(),
            exchanges: RefCell::default(),
            outboxes: RefCell::default(),
            spare: Cell::new(0),
            queued: Cell::new(0),
            watch: Watch::default(),
            recent: RefCell::new(Recent::new(Recent::MOST)),
        };
        host.tick();
        host
    }

    /// The same, and answers over TLS say that the same is to be had elsewhere: an Alt-Svc field (RFC 7838 §3).
    #[must_use]
    pub fn advertising(mut self, alt_svc: impl Into<Box<str>>) -> Self {
        self.alt_svc = Some(alt_svc.into());
        self
    }

    pub(crate) fn alt_svc(&self) -> Option<&str> {
        self.alt_svc.as_deref()
    }

    /// The same, and connections are recorded as that says.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    pub(crate) const fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// The same, and each client has a limit of connections.
    #[must_use]
    pub fn limiting(mut self, guests: Option<Arc<Guests>>) -> Self {
        self.guests = guests;
        self
    }

    /// The same, and so many connections that closed last are remembered. Default 128; 0 for none.
    #[must_use]
    pub fn remembering(self, closes: usize) -> Self {
        self.recent.replace(Recent::new(closes));
        self
    }

    /// A client's connection has closed: it is counted, and remembered for a while.
    pub fn closed(&self, cause: Cause, traffic: Traffic, describe: impl FnOnce() -> Description) {
        self.stats().closed.count(cause);
        let mut recent = self.recent.borrow_mut();
        if recent.is_on() {
            recent.push(Close::new(cause, self.shard.now(), &describe(), traffic));
        }
    }

    /// Those that closed last, the youngest first.
    #[must_use]
    pub fn closes(&self) -> Vec<Close> {
        self.recent.borrow().all().rev().cloned().collect()
    }

    /// A place for one connection more of that address, where places are counted.
    ///
    /// # Errors
    /// It has none left; that is counted.
    pub fn admit(&self, ip: Option<IpAddr>) -> Result<Option<Box<Guest>>, Crowded> {
        let (Some(guests), Some(ip)) = (&self.guests, ip) else { return Ok(None) };
        let guest = guests.admit(ip);
        self.stats().crowded.add(u64::from(guest.is_err()));
        guest.map(|guest| Some(Box::new(guest)))
    }

    /// To be called once a turn: renews the date when a second has gone by.
    pub fn tick(&self) {
        if self.shard.now() < self.next_second.get() {
            return;
        }
        let wall = self.shard.wall();
        let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_secs(1) - Duration::from_nanos(since_epoch.subsec_nanos().into());
        self.next_second.set(self.shard.now() + left);
        // An IMF-fixdate has 29 bytes for the years 1970 to 9999 (RFC 9110 §5.6.7); after them the last one stays.
        let last = Duration::from_secs(253_402_300_799);
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_epoch.min(last));
        *self.stamp.borrow_mut() = Stamp::new(&date, self.server);
    }

    /// The service of what begins from now on.
    #[must_use]
    pub const fn app(&self) -> &Rc<dyn Service> {
        &self.app
    }

    /// Another service and other limits, from the next request on. What is under way goes on with the service that it began with; of the
    /// limits, connections keep those that their protocol was begun with.
    pub fn renew(&mut self, app: Rc<dyn Service>, limits: &Limits) {
        self.app = app;
        self.limits = Rc::new(limits.clone().usable());
    }

    /// The limits of every connection.
    #[must_use]
    pub const fn limits(&self) -> &Rc<Limits> {
        &self.limits
    }

    /// The shard.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// What has kept the shard from everything else.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The shard's counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.shard.stats()
    }

    /// Date and Server of this second.
    #[must_use]
    pub fn stamp(&self) -> Ref<'_, Stamp> {
        self.stamp.borrow()
    }

    /// An outbox with memory, if one was given back.
    #[must_use]
    pub fn take_outbox(&self) -> Outbox {
        let outbox = self.outboxes.borrow_mut().pop().unwrap_or_default();
        self.spare.set(self.spare.get().saturating_sub(outbox.capacity()));
        outbox
    }

    /// Takes an outbox back whose content was sent.
    pub fn give_outbox(&self, mut outbox: Outbox) {
        let mut outboxes = self.outboxes.borrow_mut();
        if outboxes.len() < KEEP {
            let is_much = self.spare.get() >= KEEP_LARGE;
            outbox.clear(if is_much { KEEP_SMALL } else { KEEP_BYTES });
            self.spare.set(self.spare.get() + outbox.capacity());
            outboxes.push(outbox);
        }
    }

    /// Received bytes that wait for their readers, of all connections.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.queued.get()
    }

    /// Whether so much waits that connections must do with little.
    pub(crate) fn is_full(&self) -> bool {
        self.queued.get() >= self.limits.receive_budget
    }

    /// A connection had `before` bytes waiting, and now has `after`.
    pub(crate) fn queued(&self, before: usize, after: usize) {
        self.queued.set(self.queued.get() - before + after);
    }

    #[inline]
    pub(crate) fn take_waker(&self, connection: u64, id: ExchangeId) -> ExchangeWaker {
        self.wakers.borrow_mut().take(connection, id)
    }

    #[inline]
    pub(crate) fn give_waker(&self, waker: ExchangeWaker) {
        self.wakers.borrow_mut().give(waker);
    }

    #[inline]
    pub(crate) fn new_exchange(
        &self,
        head: RequestHead,
        connection: &Rc<ConnectionInfo>,
        now: Instant,
    ) -> Rc<Exchange> {
        if let Some(mut spare) = self.exchanges.borrow_mut().pop()
            && let Some(place) = Rc::get_mut(&mut spare)
        {
            place.renew(head, connection, now);
            return spare;
        }
        Rc::new(Exchange::new(head, Rc::clone(connection), self.shard.clone(), now))
    }

    #[inline]
    pub(crate) fn give_exchange(&self, exchange: Rc<Exchange>) {
        let mut exchanges = self.exchanges.borrow_mut();
        let is_spare = Rc::strong_count(&exchange) == 1 && !exchange.head().is_large();
        if is_spare && exchanges.len() < KEEP {
            exchanges.push(exchange);
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("limits", &self.limits).finish_non_exhaustive()
    }
}
