//! Several futures at once, on one task: each is polled when any of them is woken. Never spawns.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Both, when both are ready. Dropping it drops both.
///
/// ```
/// # async fn handler(shard: trilane_exchange::Shard) {
/// let (two, three) = trilane_exchange::join(shard.blocking(|| 1 + 1), async { 3 }).await;
/// # }
/// ```
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(move |cx| {
        step(a.as_mut(), &mut first, cx);
        step(b.as_mut(), &mut second, cx);
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

/// All of them, in the order they were given in, when all are ready.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> =
        futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|cx| {
        for (future, result) in &mut all {
            if let Some(running) = future {
                step(running.as_mut(), result, cx);
            }
            if result.is_some() {
                *future = None;
            }
        }
        if all.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|(_, result)| result).collect()
}

/// Polls a future that has no result yet.
fn step<F: Future>(future: Pin<&mut F>, result: &mut Option<F::Output>, cx: &mut Context<'_>) {
    if result.is_none()
        && let Poll::Ready(value) = future.poll(cx)
    {
        *result = Some(value);
    }
}
