//! What handlers do with time and tasks: intervals, spawned tasks, several futures at once.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::fake::Fake;
use crate::{join, join_all};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Sets its cell when it is dropped.
struct Gone(Rc<Cell<bool>>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn an_interval_keeps_its_distances() {
    let (fake, shard) = Fake::new();
    let mut every = shard.interval(Duration::from_millis(10));
    let mut ticked = |fake: &Fake, millis| {
        fake.pass(millis);
        match pin!(every.tick()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(due) => Some(due.as_nanos() / 1_000_000),
            Poll::Pending => None,
        }
    };
    // The first at once; then at 9, 10 and 11 ms: one tick. The polls that were dropped lose none.
    assert_eq!(ticked(&fake, 0), Some(0));
    assert_eq!((ticked(&fake, 9), ticked(&fake, 1), ticked(&fake, 1)), (None, Some(10), None));
    // At 47 ms the tick of 20 is late, 30 and 40 are left out, the next is at 50.
    assert_eq!((ticked(&fake, 36), ticked(&fake, 2), ticked(&fake, 1)), (Some(20), None, Some(50)));
    assert!(fake.timers() == 0, "dropped ticks leave no timer");
    let mut shortest = shard.interval(Duration::ZERO);
    assert!(pin!(shortest.tick()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    let next = pin!(shortest.tick()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(next.is_pending(), "a period of nothing is no busy loop");
}

#[test]
fn a_spawned_task_gives_its_result_and_needs_no_handle() {
    let (fake, shard) = Fake::new();
    let mut handle = shard.spawn(ready(7));
    assert_eq!((poll(&mut handle), fake.tasks()), (Poll::Pending, 1));
    fake.run();
    assert_eq!((poll(&mut handle), fake.tasks()), (Poll::Ready(7), 0));
    let (done, sleeper) = (Rc::new(Cell::new(false)), shard.clone());
    let mark = Rc::clone(&done);
    drop(shard.spawn(async move {
        sleeper.sleep(Duration::from_millis(5)).await;
        mark.set(true);
    }));
    fake.run();
    fake.pass(4);
    assert_eq!((done.get(), fake.tasks()), (false, 1));
    fake.pass(1);
    assert_eq!((done.get(), fake.tasks()), (true, 0));
}

#[test]
fn a_guard_cancels_its_task_at_once() {
    let (fake, shard) = Fake::new();
    let gone = Rc::new(Cell::new(false));
    let held = Gone(Rc::clone(&gone));
    // Before it was ever polled, and after.
    for polls in [0, 1, 2] {
        gone.set(false);
        let held = Gone(Rc::clone(&gone));
        let guard = shard
            .spawn(async move {
                pending::<()>().await;
                drop(held);
            })
            .abort_on_drop();
        for _ in 0..polls {
            fake.run();
        }
        assert!(!gone.get());
        drop(guard);
        assert!(gone.get(), "{polls}");
        fake.run();
        assert_eq!(fake.tasks(), 0, "its place is free");
    }
    drop(held);
    let mut guard = shard.spawn(async { 3 }).abort_on_drop();
    fake.run();
    assert_eq!(poll(&mut guard), Poll::Ready(3));
}

#[test]
fn a_task_may_drop_its_own_guard() {
    let (fake, shard) = Fake::new();
    let gone = Rc::new(Cell::new(false));
    let slot = Rc::new(RefCell::new(None));
    let (held, own) = (Gone(Rc::clone(&gone)), Rc::clone(&slot));
    let guard = shard.spawn(async move {
        drop(own.borrow_mut().take());
        pending::<()>().await;
        drop(held);
    });
    *slot.borrow_mut() = Some(guard.abort_on_drop());
    fake.run();
    assert_eq!((gone.get(), fake.tasks()), (true, 0));
}

#[test]
fn a_panic_goes_on_in_whoever_waits() {
    let (fake, shard) = Fake::new();
    let mut guard = shard.spawn(async { panic!("on purpose") }).abort_on_drop();
    fake.run();
    assert_eq!((fake.tasks(), shard.stats().panics.get()), (0, 1));
    let wait = || poll::<crate::AbortOnDrop<()>>(&mut guard);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).err().unwrap();
    assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
}

#[test]
fn several_futures_take_as_long_as_the_longest() {
    let (fake, shard) = Fake::new();
    let nap = |millis: u64| {
        let shard = shard.clone();
        async move {
            shard.sleep(Duration::from_millis(millis)).await;
            millis
        }
    };
    let mut both = Box::pin(join(nap(5), async { "now" }));
    let mut all = Box::pin(join_all([nap(3), nap(7), nap(1)]));
    assert!(poll(&mut both).is_pending() && poll(&mut all).is_pending());
    fake.pass(5);
    assert_eq!(poll(&mut both), Poll::Ready((5, "now")));
    assert!(poll(&mut all).is_pending());
    fake.pass(2);
    assert_eq!(poll(&mut all), Poll::Ready(vec![3, 7, 1]));
    assert_eq!(
        poll(&mut Box::pin(join_all(Vec::<std::future::Ready<u8>>::new()))),
        Poll::Ready(vec![])
    );
    // Dropped in the middle: both are gone, with their timers.
    let mut left = Box::pin(join(nap(5), nap(6)));
    assert!(poll(&mut left).is_pending());
    drop(left);
    assert_eq!(fake.timers(), 0);
}
