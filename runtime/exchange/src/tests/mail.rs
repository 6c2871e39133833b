//! Messages between shards that are only tasks here: nobody waits for one that is gone, and nothing grows for ever.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::fake::Fake;

fn numbered(id: usize, mail: Option<&Arc<Mailboxes>>) -> (Rc<Fake>, Shard) {
    Fake::with(|fake| (fake.id, fake.mail) = (id, mail.cloned()))
}

fn two() -> [(Rc<Fake>, Shard); 2] {
    let mail = Arc::new(Mailboxes::new(2));
    let shards = [0, 1].map(|id| numbered(id, Some(&mail)));
    for (fake, shard) in &shards {
        mail.open(shard);
        fake.run();
    }
    shards
}

fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn work_is_done_there_in_order_and_its_answer_comes_back() {
    let [(_, here), (other, _there)] = two();
    assert_eq!(here.shards(), 2);
    for _ in 0..3 {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..5 {
            let seen = Arc::clone(&seen);
            here.send_to(1, move |shard| seen.lock().unwrap().push((shard.id(), number))).unwrap();
        }
        let mut asked = Box::pin(here.ask(1, Shard::id));
        assert!(poll(&mut asked).is_pending() && seen.lock().unwrap().is_empty());
        other.run();
        assert_eq!(*seen.lock().unwrap(), [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]);
        assert_eq!(poll(&mut asked), Poll::Ready(Ok(1)));
    }
}

#[test]
fn a_mailbox_has_a_bound() {
    let [(_, here), (other, _there)] = two();
    let count = Arc::new(AtomicUsize::new(0));
    let add = || {
        let count = Arc::clone(&count);
        here.send_to(1, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
    };
    assert!((0..MOST).all(|_| add().is_ok()));
    assert_eq!(add(), Err(Undelivered::Full));
    other.run();
    assert_eq!((count.load(Ordering::Relaxed), add()), (MOST, Ok(())));
}

#[test]
fn nobody_waits_for_a_shard_that_is_gone() {
    let [(_, here), (other, there)] = two();
    let mut asked = Box::pin(here.ask(1, Shard::id));
    let mut nowhere = Box::pin(here.ask(2, Shard::id));
    assert!(poll(&mut asked).is_pending());
    assert_eq!(poll(&mut nowhere), Poll::Ready(Err(Undelivered::Gone)));
    other.end();
    assert_eq!(poll(&mut asked), Poll::Ready(Err(Undelivered::Gone)));
    assert_eq!(here.send_to(1, |_| ()), Err(Undelivered::Gone));
    // What holds the shard that holds it is gone, too.
    drop(there);
    assert_eq!(Rc::strong_count(&other), 1);
}

#[test]
fn a_panic_there_is_counted_and_ends_the_wait() {
    let [(_, here), (other, there)] = two();
    let mut asked = Box::pin(here.ask::<()>(1, |_| panic!("on purpose")));
    let mut next = Box::pin(here.ask(1, Shard::id));
    assert!(poll(&mut asked).is_pending() && poll(&mut next).is_pending());
    other.run();
    assert_eq!(poll(&mut asked), Poll::Ready(Err(Undelivered::Gone)));
    assert_eq!((poll(&mut next), there.stats().panics.get()), (Poll::Ready(Ok(1)), 1));
}

#[test]
fn what_comes_before_the_start_waits_and_one_shard_is_its_own_peer() {
    let mail = Arc::new(Mailboxes::new(1));
    let (fake, shard) = numbered(0, Some(&mail));
    let mut asked = Box::pin(shard.ask(0, Shard::id));
    assert!(poll(&mut asked).is_pending());
    mail.open(&shard);
    fake.run();
    assert_eq!(poll(&mut asked), Poll::Ready(Ok(0)));
    let (fake, shard) = numbered(3, None);
    let mut asked = Box::pin(shard.ask(3, Shard::id));
    assert!(poll(&mut asked).is_pending());
    fake.run();
    assert_eq!((poll(&mut asked), shard.shards()), (Poll::Ready(Ok(3)), 1));
    assert_eq!(shard.send_to(0, |_| ()), Err(Undelivered::Gone));
}
