//! Several addresses of one server, tried side by side: the first that is there is taken (RFC 8305 §5).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use trilane_exchange::{Caller, Dial, DialError, Shard, Sleep};

/// The Connection Attempt Delay (RFC 8305 §5): the next address is tried after that, or when the one before has failed.
const DELAY: Duration = Duration::from_millis(250);

/// The first connection that is made, and which of `dials` it is. The others are given up.
///
/// # Errors
/// None can be made: why the first of them failed.
pub(crate) async fn race(
    shard: Shard,
    dials: impl IntoIterator<Item = Dial>,
) -> Result<(Caller, usize), DialError> {
    let mut dials = dials.into_iter().enumerate();
    let mut under_way: Vec<(Caller, usize)> = Vec::new();
    let mut pause: Option<Sleep> = None;
    let mut failed: Option<DialError> = None;
    poll_fn(move |cx| {
        loop {
            let mut ready = None;
            under_way.retain(|(caller, number)| match caller.poll_ready(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(_)) => {
                    ready.get_or_insert_with(|| (caller.clone(), *number));
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed.get_or_insert(error);
                    pause = None;
                    false
                }
            });
            if let Some(ready) = ready {
                return Poll::Ready(Ok(ready));
            }
            if let Some(pause) = &mut pause
                && !under_way.is_empty()
                && Pin::new(pause).poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            match dials.next() {
                Some((number, dial)) => match shard.dial(dial) {
                    Ok(caller) => {
                        under_way.push((caller, number));
                        pause = Some(shard.sleep(DELAY));
                    }
                    Err(error) => drop(failed.get_or_insert(error.into())),
                },
                None if under_way.is_empty() => {
                    let none = || DialError::Name("the name has no address".into());
                    return Poll::Ready(Err(failed.take().unwrap_or_else(none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
#[path = "tests/race.rs"]
mod tests;
