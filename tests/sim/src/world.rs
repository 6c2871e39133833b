//! The world: one server, its clients, and the loop that moves time from one event to the next.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::Service;
use trilane_semantics::Instant;

use crate::client::Client;
use crate::clock::Clock;
use crate::h2;
use crate::plan::Kind;
use crate::recorder::Tally;
use crate::rng::Rng;
use crate::server::Server;
use crate::trace::Trace;

/// Virtual time after which a world hangs.
const TOO_LONG: Duration = Duration::from_secs(4 * 3600);
/// Turns in one instant; more is a loop that makes no progress.
const TURNS: usize = 10_000;

/// Who calls a server, one connection after the other.
pub trait Caller: fmt::Debug {
    /// Whether it has done all that it had to.
    fn is_done(&self) -> bool;
    /// When it wants to act next; `None` when it waits for the server, or is done.
    fn next(&self) -> Option<Instant>;
    /// Does what can be done now. Whether that was anything.
    fn step(&mut self, now: Instant, server: &mut Server, trace: &Trace) -> bool;
    /// Kinds of plan carried out, and what came.
    fn tally(&self) -> &Tally;
    /// Answers that were right and whole.
    fn answered(&self) -> u64;
}

/// A world that was not run yet.
#[derive(Debug)]
pub struct World {
    rng: Rng,
    clock: Rc<Clock>,
    trace: Rc<Trace>,
    server: Server,
    clients: Vec<Box<dyn Caller>>,
    drain: Option<Drain>,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    at: Instant,
    grace: Duration,
    deadline: Duration,
}

/// What became of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The hash of its trace: the same for the same seed and service.
    pub trace: u64,
    /// How long it lasted, in virtual time.
    pub lasted: Duration,
    /// Connections accepted.
    pub connections: u64,
    /// Requests that the service got.
    pub requests: u64,
    /// Answers that clients received whole.
    pub answered: u64,
    /// What occurred how often: `cause …`, `reason …`, `outcome …`, `client …`, `status …`.
    pub tally: Tally,
    /// The rules that were broken, each with the last lines of its connection. Empty is good.
    pub failures: Vec<String>,
}

impl World {
    /// A world from `seed`, whose server runs `app`.
    #[must_use]
    pub fn new(seed: u64, app: Rc<dyn Service>) -> Self {
        let mut rng = Rng::new(seed);
        let (clock, trace) = (Rc::new(Clock::default()), Rc::new(Trace::default()));
        let server = Server::new(app, Rc::clone(&clock), rng.fork(), Rc::clone(&trace));
        Self { rng, clock, trace, server, clients: Vec::new(), drain: None }
    }

    /// With `clients` clients of about `requests` requests each. Every kind of client occurs if there are
    /// as many clients as kinds.
    #[must_use]
    pub fn clients(mut self, clients: usize, requests: usize) -> Self {
        for number in 0..clients {
            let kinds = vec![Kind::BadBytes, Kind::ALL[number % Kind::ALL.len()]];
            self.clients.push(Box::new(Client::new(self.rng.fork(), requests, kinds)));
        }
        self
    }

    /// The same with clients that speak HTTP/2.
    #[must_use]
    pub fn h2_clients(mut self, clients: usize, requests: usize) -> Self {
        for number in 0..clients {
            let all = h2::plan::Kind::ALL;
            let kinds = vec![h2::plan::Kind::BadFrames, all[number % all.len()]];
            let client = h2::client::Client::new(self.rng.fork(), requests, kinds);
            self.clients.push(Box::new(client));
        }
        self
    }

    /// The same, and the server's connections are recorded.
    #[must_use]
    pub fn recording(mut self, recorder: trilane_record::Recorder) -> Self {
        self.server = self.server.recording(recorder);
        self
    }

    /// With a drain that begins at `at`: idle connections live `grace` longer, others until `deadline`.
    #[must_use]
    pub const fn draining(mut self, at: Duration, grace: Duration, deadline: Duration) -> Self {
        let at = Instant::from_nanos(at.as_nanos() as u64);
        self.drain = Some(Drain { at, grace, deadline });
        self
    }

    /// Runs until every client is done and every connection is closed.
    #[must_use]
    pub fn run(mut self) -> Report {
        loop {
            self.settle();
            self.server.assert_quiet();
            let now = self.clock.now();
            let is_over = self.clients.iter().all(|client| client.is_done())
                && self.server.open() == 0
                && !self.server.has_tasks();
            if is_over {
                break;
            }
            let Some(next) = self.next().filter(|next| next.since(Instant::default()) < TOO_LONG)
            else {
                self.trace.fail(now, 0, format!("hangs, {} open", self.server.open()));
                break;
            };
            if next <= now {
                self.trace.fail(now, 0, "something is due that nobody does");
                break;
            }
            self.clock.advance(next);
        }
        self.report()
    }

    /// Does all that can be done in this instant.
    fn settle(&mut self) {
        let now = self.clock.now();
        if let Some(drain) = self.drain.take_if(|drain| drain.at <= now) {
            self.server.drain(drain.grace, drain.deadline);
        }
        for _ in 0..TURNS {
            let mut is_busy = false;
            for client in &mut self.clients {
                is_busy |= client.step(now, &mut self.server, &self.trace);
            }
            is_busy |= self.server.turn();
            if !is_busy {
                return;
            }
        }
        self.trace.fail(now, 0, "the world is never quiet");
    }

    fn next(&self) -> Option<Instant> {
        let mut next = Instant::earliest(self.server.next(), self.drain.map(|drain| drain.at));
        for client in &self.clients {
            next = Instant::earliest(next, client.next());
        }
        next
    }

    fn report(self) -> Report {
        let now = self.clock.now();
        let stats = self.server.stats();
        let recorder = self.server.recorder();
        let (requests, connections) = (stats.requests.get(), stats.accepted.get());
        let mut sums = vec![
            ("open connections", stats.open.get(), 0),
            ("exchanges that ended", recorder.finished(), requests),
        ];
        let mut tally = recorder.tally();
        let closed = |(name, n): (&String, &u64)| match name.starts_with("cause ") {
            true => *n,
            false => 0,
        };
        let causes: u64 = tally.iter().map(closed).sum();
        sums.push(("causes, at most", causes.min(connections), causes));
        for (what, is, must) in sums {
            if is != must {
                self.trace.fail(now, 0, format!("{what}: {is}, not {must}"));
            }
        }
        let mut answered = 0;
        for client in &self.clients {
            answered += client.answered();
            for (name, n) in client.tally() {
                *tally.entry(name.clone()).or_default() += n;
            }
        }
        Report {
            trace: self.trace.hash(),
            lasted: now.since(Instant::default()),
            connections,
            requests: requests - tally.get("strange").copied().unwrap_or_default(),
            answered,
            tally,
            failures: self.trace.failures(),
        }
    }
}
