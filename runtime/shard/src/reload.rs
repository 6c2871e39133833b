//! Another application and other limits for a server at work, on all shards or on none.
//!
//! Two steps: every shard builds its own on its own thread, and serves on; when all could, each takes what it has built, between two
//! turns. Whoever asks for it waits until all have.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use trilane_exchange::{Service, Shard as ShardHandle};

use crate::control::{Control, Order};
use crate::server::{AppError, Config};

/// Between two looks whether the server ends while shards are waited for.
const LOOK: Duration = Duration::from_millis(100);

type Make = dyn Fn(ShardHandle) -> Result<Rc<dyn Service>, AppError> + Send + Sync;

/// Gives a server at work another application, from any thread but a shard's.
#[derive(Clone)]
pub struct Reloader {
    control: Arc<Control>,
    /// What the server was started with: where it listens stays.
    started: Arc<Config>,
    shards: usize,
    /// One at a time.
    busy: Arc<Mutex<()>>,
}

/// Why a server at work was given nothing else: all its shards are as they were.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// A shard could not make the application.
    Application(AppError),
    /// The server drains, or has ended.
    Ends,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(error) => error.fmt(f),
            Self::Ends => f.write_str("the server is about to end"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Reloader {
    pub(crate) fn new(control: Arc<Control>, started: Arc<Config>, shards: usize) -> Self {
        Self { control, started, shards, busy: Arc::default() }
    }

    /// Has every shard serve what `app` makes there, and live by what `config` says of limits, of proxies that speak the PROXY
    /// protocol, of HTTP/2 in clear, and of drains; all else in it is for a start, and not looked at. Requests under way end as they began.
    /// It waits for every shard, so no shard may call it.
    ///
    /// # Errors
    /// A shard could not make its application, or the server ends: then nothing has changed.
    pub fn reload<F>(&self, config: Config, app: F) -> Result<(), ReloadError>
    where
        F: Fn(ShardHandle) -> Result<Rc<dyn Service>, AppError> + Send + Sync + 'static,
    {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if self.control.order() > Order::Serve {
            return Err(ReloadError::Ends);
        }
        let config = self.started.renewed(config);
        let drain = (config.drain_idle_grace, config.drain_deadline);
        let (answers, answered) = channel();
        let plan = Arc::new(Plan { make: Box::new(app), config, answers });
        if let Err(error) = self.ask(Step::Build(plan), &answered) {
            // Nobody is waited for: who has built something takes it apart.
            self.control.ask(Step::Leave);
            return Err(error);
        }
        self.control.set_drain(drain);
        // A shard that ends now has nothing to serve any more.
        let _ = self.ask(Step::Take, &answered);
        self.control.ask(Step::Leave);
        Ok(())
    }

    /// Asks all shards for a step, and waits until all have done it.
    fn ask(
        &self,
        step: Step,
        answered: &Receiver<Result<(), AppError>>,
    ) -> Result<(), ReloadError> {
        self.control.ask(step);
        let (mut missing, mut failed) = (self.shards, None);
        while missing > 0 {
            match answered.recv_timeout(LOOK) {
                Ok(answer) => {
                    missing -= 1;
                    failed = failed.or(answer.err());
                }
                Err(RecvTimeoutError::Timeout) if self.control.order() <= Order::Serve => {}
                Err(_) => return Err(ReloadError::Ends),
            }
        }
        failed.map_or(Ok(()), |error| Err(ReloadError::Application(error)))
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reloader({} shards)", self.shards)
    }
}

/// What is asked of all shards.
#[derive(Clone, Default)]
pub(crate) enum Step {
    /// Nothing; what was built is not wanted.
    #[default]
    Leave,
    /// Build an application.
    Build(Arc<Plan>),
    /// Serve what was built.
    Take,
}

/// What shards are to build.
pub(crate) struct Plan {
    make: Box<Make>,
    pub(crate) config: Config,
    answers: Sender<Result<(), AppError>>,
}

impl Plan {
    /// What is served on `shard`, which is told to whoever waits.
    pub(crate) fn build(self: &Arc<Self>, shard: &ShardHandle) -> Option<Built> {
        let made = catch_unwind(AssertUnwindSafe(|| (self.make)(shard.clone())));
        let made = made.unwrap_or_else(|panic| Err(text(&*panic).into()));
        let (built, answer) = match made {
            Ok(app) => (Some(Built { app, plan: Arc::clone(self) }), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.answer(answer);
        built
    }

    fn answer(&self, answer: Result<(), AppError>) {
        // Nobody waits any longer when the server ends.
        let _ = self.answers.send(answer);
    }
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the application panicked: {}", said.unwrap_or("it does not say why"))
}

/// What a shard has built, and does not serve yet.
pub(crate) struct Built {
    pub(crate) app: Rc<dyn Service>,
    pub(crate) plan: Arc<Plan>,
}

impl Built {
    /// It is served from now on.
    pub(crate) fn is_taken(&self) {
        self.plan.answer(Ok(()));
    }
}
