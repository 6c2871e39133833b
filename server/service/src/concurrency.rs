//! How many requests are handled at once: those beyond wait a little, in a queue with a bound, and are then sent away. A server
//! that answers some is better than one that answers none in time.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{Error, Response, Shard};
use trilane_semantics::{Known, StatusCode};

use crate::chain::Chain;
use crate::layer::{Layer, from_fn};

/// Limits how many requests are between here and their answer at once; the content of an answer may take longer. Those beyond get
/// 503 with Retry-After and the code `SERVICE_UNAVAILABLE`, at once or after a wait in line.
///
/// Clones share their places, so one that is made before the shards is a limit of the process:
///
/// ```
/// use std::time::Duration;
/// use trilane_service::{ConcurrencyLimit, Router, get};
/// let limit = ConcurrencyLimit::new(100).queue(200, Duration::from_millis(500));
/// // Server::new(move |_shard| ...)
/// let app = Router::<()>::new().route("/", get(|| async { "hi" })).layer(limit.clone());
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit {
    places: Arc<Places>,
    /// For how long one may wait in line.
    wait: Duration,
    retry_after: Duration,
}

/// What a limit has done so far, and what is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConcurrencyStats {
    /// Requests that are handled now.
    pub running: usize,
    /// Requests that wait in line now.
    pub waiting: usize,
    /// Requests that were let through.
    pub admitted: u64,
    /// Requests that were sent away.
    pub shed: u64,
}

impl ConcurrencyLimit {
    /// At most that many at once; nobody waits in line.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let line = Mutex::new(Line::default());
        let places = Arc::new(Places { most, queue: 0, line });
        Self { places, wait: Duration::ZERO, retry_after: Duration::from_secs(1) }
    }

    /// Another limit, with places of its own, where so many may wait in line, each so long at most.
    #[must_use]
    pub fn queue(mut self, waiting: usize, wait: Duration) -> Self {
        let (most, line) = (self.places.most, Mutex::new(Line::default()));
        self.places = Arc::new(Places { most, queue: waiting, line });
        self.wait = wait;
        self
    }

    /// When those who are sent away may come again. Default 1 s.
    #[must_use]
    pub const fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = time;
        self
    }

    /// What it has done so far, and what is going on, clones included.
    #[must_use]
    pub fn stats(&self) -> ConcurrencyStats {
        let line = self.places.lock();
        let Line { running, admitted, shed, .. } = *line;
        ConcurrencyStats { running, waiting: line.waiting.len(), admitted, shed }
    }

    /// A place, at once or after a wait.
    async fn enter(&self, shard: &Shard) -> Option<Place> {
        let mut entering = Entering { places: Arc::clone(&self.places), ticket: None };
        // Most need not wait, and set no timer.
        match entering.first() {
            First::Place(place) => Some(place),
            First::Shed => None,
            First::Wait => {
                let place = shard.timeout(self.wait, entering).await;
                if place.is_none() {
                    self.places.lock().shed += 1;
                }
                place
            }
        }
    }

    fn shed(&self) -> Response {
        let error =
            Error::new(StatusCode::SERVICE_UNAVAILABLE).message("too busy: come back later");
        let seconds = self.retry_after.as_nanos().div_ceil(1_000_000_000).max(1);
        // RFC 9110 §10.2.3.
        Response::from(error.internal("shed")).field(Known::RetryAfter, seconds.to_string())
    }
}

impl Layer for ConcurrencyLimit {
    fn add_to(self, chain: &mut Chain) {
        let layer = from_fn(move |request, next| {
            let limit = self.clone();
            async move {
                let Some(_place) = limit.enter(request.shard()).await else { return limit.shed() };
                next.run(request).await
            }
        });
        layer.add_to(chain);
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConcurrencyLimit(at most {}, {:?})", self.places.most, self.stats())
    }
}

/// What clones share.
struct Places {
    most: usize,
    /// How many may wait.
    queue: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    /// Places that are taken, or were given to somebody who has not come for them yet.
    running: usize,
    /// Tickets of those who wait, in order.
    waiting: VecDeque<(u64, Waker)>,
    /// Tickets of those whom a place was given.
    called: Vec<u64>,
    next: u64,
    admitted: u64,
    shed: u64,
}

impl Places {
    /// A panic while it was held leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place is free: it goes to who waits longest.
    fn leave(&self) {
        let mut line = self.lock();
        let Some((ticket, waker)) = line.waiting.pop_front() else {
            line.running -= 1;
            return;
        };
        line.called.push(ticket);
        drop(line);
        waker.wake();
    }
}

/// A place of one request; dropping it leaves it.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Waits for a place.
struct Entering {
    places: Arc<Places>,
    ticket: Option<u64>,
}

enum First {
    Place(Place),
    Shed,
    Wait,
}

impl Entering {
    fn first(&mut self) -> First {
        let mut line = self.places.lock();
        if line.running < self.places.most {
            line.running += 1;
            line.admitted += 1;
            drop(line);
            First::Place(Place(Arc::clone(&self.places)))
        } else if line.waiting.len() < self.places.queue {
            line.next += 1;
            let ticket = line.next;
            line.waiting.push_back((ticket, Waker::noop().clone()));
            self.ticket = Some(ticket);
            First::Wait
        } else {
            line.shed += 1;
            First::Shed
        }
    }
}

impl Future for Entering {
    type Output = Place;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place> {
        let Some(ticket) = self.ticket else { return Poll::Pending };
        let mut line = self.places.lock();
        if let Some(at) = line.called.iter().position(|called| *called == ticket) {
            line.called.swap_remove(at);
            line.admitted += 1;
            drop(line);
            self.ticket = None;
            return Poll::Ready(Place(Arc::clone(&self.places)));
        }
        if let Some((_, waker)) = line.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
            waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut line = self.places.lock();
        line.waiting.retain(|(waiting, _)| *waiting != ticket);
        if let Some(at) = line.called.iter().position(|called| *called == ticket) {
            // A place was given to somebody who is gone: the next, please.
            line.called.swap_remove(at);
            drop(line);
            self.places.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    fn poll(entering: &mut Entering) -> Option<Place> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(entering).poll(&mut cx) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn places_go_to_who_waits_longest_and_back() {
        let limit = ConcurrencyLimit::new(2).queue(2, Duration::from_secs(1));
        let enter = || {
            let mut entering = Entering { places: Arc::clone(&limit.places), ticket: None };
            let first = entering.first();
            (entering, first)
        };
        let ((_, First::Place(a)), (_, First::Place(b))) = (enter(), enter()) else { panic!() };
        let ((mut c, First::Wait), (mut d, First::Wait)) = (enter(), enter()) else { panic!() };
        assert!(matches!(enter(), (_, First::Shed)));
        assert!(poll(&mut c).is_none() && poll(&mut d).is_none());
        drop(a);
        assert!(poll(&mut d).is_none(), "it is the other's turn");
        assert!(matches!(enter(), (_, First::Wait)), "there is room in line, but no place");
        // Who was called and has gone gives the place on.
        drop(c);
        let d = poll(&mut d).unwrap();
        assert_eq!(
            limit.stats(),
            ConcurrencyStats { running: 2, waiting: 0, admitted: 3, shed: 1 }
        );
        drop((b, d));
        assert_eq!(limit.stats().running, 0);
    }

    #[test]
    fn whose_turn_it_is_is_woken_and_nobody_else() {
        #[derive(Default)]
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let limit = ConcurrencyLimit::new(1).queue(2, Duration::from_secs(1));
        let enter = || Entering { places: Arc::clone(&limit.places), ticket: None };
        let First::Place(a) = enter().first() else { panic!() };
        let counts = [Arc::<Count>::default(), Arc::default()];
        let mut line = [enter(), enter()];
        for (waits, count) in line.iter_mut().zip(&counts) {
            assert!(matches!(waits.first(), First::Wait));
            let waker = Arc::clone(count).into();
            assert!(Pin::new(waits).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(a);
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [1, 0]);
    }

    #[test]
    fn a_place_that_is_called_for_is_nobody_elses() {
        let limit = ConcurrencyLimit::new(1).queue(1, Duration::from_secs(1));
        let enter = || Entering { places: Arc::clone(&limit.places), ticket: None };
        let First::Place(a) = enter().first() else { panic!() };
        let mut waits = enter();
        assert!(matches!(waits.first(), First::Wait));
        drop(a);
        // The line is empty by now, the place is not free.
        let mut late = enter();
        assert!(matches!(late.first(), First::Wait));
        let place = poll(&mut waits).unwrap();
        assert!(poll(&mut late).is_none());
        drop(place);
        assert!(poll(&mut late).is_some());
    }
}
