//! Health (FEATURES W9): is it alive, is it ready, and does all that it needs answer. Checks are run once for the whole process, and
//! their results are kept for a while.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use trilane_exchange::{Request, Response, Shard, join_all};
use trilane_semantics::{Known, StatusCode};

use crate::json::Json;
use crate::method::get;
use crate::respond::IntoResponse;
use crate::router::Router;
use crate::text::since_epoch;

/// How long a check may take, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Who may wait for a check that runs, on all shards together; who comes then is told its last result.
const MOST_WAITING: usize = 1024;

/// The checks of a process: made once, before its shards; clones share them. A check runs on the shard that is asked, once its last
/// result is older than its interval, and never twice at once: whoever asks meanwhile waits for it, on whatever shard.
///
/// | route | answer |
/// | --- | --- |
/// | `/live` | 200: the shard answers |
/// | `/ready` | 200, or 503 while the shard drains or a check fails: send requests elsewhere |
/// | `/health` | 200, or 503 while a check fails |
/// | `/health/detailed` | the same, and `{healthy,timestamp,last_check,checks}`; what checks say of their failures may be nobody else's business |
///
/// ```
/// use std::time::Duration;
/// use trilane_service::{Health, Router};
/// let health = Health::new().check("clock", Duration::from_secs(10), |shard| async move {
///     shard.sleep(Duration::from_millis(1)).await;
///     Ok::<(), std::io::Error>(())
/// });
/// // On each shard:
/// let router: Router = Router::new().merge(health.routes());
/// # router.build().map(drop).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<Arc<Check>>,
}

impl Health {
    /// No checks: healthy as long as it answers.
    #[must_use]
    pub const fn new() -> Self {
        Self { checks: Vec::new() }
    }

    /// With a check more. Its result is kept for `interval`; after 5 s it has failed. An error of it, as text, is in the details.
    #[must_use]
    pub fn check<F, E>(
        self,
        name: impl Into<String>,
        interval: Duration,
        run: impl Fn(Shard) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + 'static,
        E: fmt::Display,
    {
        self.check_within(name, interval, TIMEOUT, run)
    }

    /// As [`Health::check`]; after `timeout` it has failed.
    #[must_use]
    pub fn check_within<F, E>(
        mut self,
        name: impl Into<String>,
        interval: Duration,
        timeout: Duration,
        run: impl Fn(Shard) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + 'static,
        E: fmt::Display,
    {
        let run = move |shard| {
            let check = run(shard);
            Box::pin(async move { check.await.map_err(|error| error.to_string()) }) as Running
        };
        let (name, run, state) = (name.into(), Box::new(run), Mutex::default());
        self.checks.push(Arc::new(Check { name, interval, timeout, run, state }));
        self
    }

    /// The four routes.
    #[must_use]
    pub fn routes<S: Clone + 'static>(&self) -> Router<S> {
        let (health, detailed, ready) = (self.clone(), self.clone(), self.clone());
        Router::new()
            .route("/live", get(|| async { answer(true, "OK") }))
            .route(
                "/ready",
                get(move |request: Request| {
                    let health = ready.clone();
                    async move {
                        let shard = request.shard();
                        match shard.is_draining() {
                            true => answer(false, "Draining"),
                            false => health.plain(shard).await,
                        }
                    }
                }),
            )
            .route(
                "/health",
                get(move |request: Request| {
                    let health = health.clone();
                    async move { health.plain(request.shard()).await }
                }),
            )
            .route(
                "/health/detailed",
                get(move |request: Request| {
                    let health = detailed.clone();
                    async move {
                        let report = health.report(request.shard()).await;
                        let is_healthy = report.healthy;
                        with_status(is_healthy, Json(report).into_response())
                    }
                }),
            )
    }

    async fn plain(&self, shard: &Shard) -> Response {
        let is_healthy = self.report(shard).await.healthy;
        answer(is_healthy, if is_healthy { "OK" } else { "Unhealthy" })
    }

    /// What all checks say, those that are due anew.
    pub async fn report(&self, shard: &Shard) -> Report {
        let results = join_all(self.checks.iter().map(|check| Check::result(check, shard))).await;
        let names = self.checks.iter().map(|check| check.name.clone());
        let checks: BTreeMap<_, _> = names.zip(results).collect();
        Report {
            healthy: checks.values().all(|result| result.healthy),
            timestamp: since_epoch(shard.wall()).as_secs(),
            last_check: checks.values().map(|result| result.last_check).max(),
            checks,
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|check| &check.name)).finish()
    }
}

/// What is known of the process' health. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// No check has failed.
    pub healthy: bool,
    /// Now.
    pub timestamp: u64,
    /// When the youngest result came.
    pub last_check: Option<u64>,
    /// By name.
    pub checks: BTreeMap<String, CheckResult>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// It did not fail.
    pub healthy: bool,
    /// When it ended, in Unix seconds.
    pub last_check: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
}

fn answer(is_good: bool, text: &'static str) -> Response {
    with_status(is_good, text.into_response())
}

fn with_status(is_good: bool, mut response: Response) -> Response {
    if !is_good {
        response.head.status = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.field(Known::CacheControl, "no-store")
}

type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

struct Check {
    name: String,
    interval: Duration,
    timeout: Duration,
    run: Box<dyn Fn(Shard) -> Running + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<(SystemTime, CheckResult)>,
    is_running: bool,
    /// How many runs are over.
    runs: u64,
    waiting: Vec<Waker>,
}

/// As long as a turn of a shard takes at most, if nothing is wrong.
const TURN: Duration = Duration::from_secs(1);

impl Check {
    /// The last result, if it is young enough, else the next.
    async fn result(check: &Arc<Self>, shard: &Shard) -> CheckResult {
        // The runs that are over when there is a result for who has waited, however old it is by then.
        let mut awaited = None;
        poll_fn(|cx| {
            let mut state = check.state();
            let is_crowded = awaited.is_none() && state.waiting.len() >= MOST_WAITING;
            if let Some((at, result)) = &state.last {
                // A turn may have begun before another shard's check ended; a clock that was set back makes it due.
                let is_young = || match shard.wall().duration_since(*at) {
                    _ if state.is_running => false,
                    Ok(age) => age < check.interval,
                    Err(ahead) => ahead.duration() < check.interval.min(TURN),
                };
                if awaited.is_some_and(|runs| runs <= state.runs) || is_crowded || is_young() {
                    return Poll::Ready(result.clone());
                }
            } else if is_crowded {
                return Poll::Ready(failed(shard, "too many wait for it"));
            }
            awaited.get_or_insert(state.runs + 1);
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            if !std::mem::replace(&mut state.is_running, true) {
                // A task of its own: whoever has asked may leave.
                let run = Run { check: Arc::clone(check), shard: shard.clone(), result: None };
                drop(shard.spawn(run.finish()));
            }
            Poll::Pending
        })
        .await
    }

    /// A panic while it was held leaves it whole: nothing is called meanwhile.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A check that runs. However it ends, there is a result, and who waits is woken.
struct Run {
    check: Arc<Check>,
    shard: Shard,
    result: Option<CheckResult>,
}

impl Run {
    async fn finish(mut self) {
        let began = self.shard.now();
        let mut check = (self.check.run)(self.shard.clone());
        let mut late = pin!(self.shard.sleep(self.check.timeout));
        let outcome = poll_fn(|cx| match check.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => late.as_mut().poll(cx).map(|()| Err("took too long".to_owned())),
        });
        let error = outcome.await.err();
        // No check takes 2^64 milliseconds.
        let took = self.shard.now().since(began).as_millis() as u64;
        self.result = Some(result_of(&self.shard, error, took));
    }
}

fn result_of(shard: &Shard, error: Option<String>, duration_ms: u64) -> CheckResult {
    let last_check = since_epoch(shard.wall()).as_secs();
    CheckResult { healthy: error.is_none(), last_check, duration_ms, error }
}

fn failed(shard: &Shard, why: &str) -> CheckResult {
    result_of(shard, Some(why.to_owned()), 0)
}

impl Drop for Run {
    fn drop(&mut self) {
        // Without one it has panicked, or its shard has ended.
        let result = self.result.take();
        let result = result.unwrap_or_else(|| failed(&self.shard, "broke off"));
        let mut state = self.check.state();
        state.last = Some((self.shard.wall(), result));
        (state.is_running, state.runs) = (false, state.runs + 1);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
