//! What an application made and may panic, even when it is dropped: a panic costs its exchange, not the shard.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Frame, Source};

/// A value of an application, dropped under guard.
pub(crate) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, unguarded again.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.0.take()
    }
}

impl Guarded<Pin<Box<dyn Source>>> {
    /// Tells it that what it gives may lie in pipes. If it panics it gives nothing.
    pub(crate) fn welcome_pipes(&mut self) {
        let Some(source) = &mut self.0 else { return };
        if catch_unwind(AssertUnwindSafe(|| source.as_mut().welcome_pipes())).is_err() {
            *self = Self(None);
        }
    }

    /// The next frame; an error when the source panicked, which must not be polled again.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> std::thread::Result<Poll<Option<Result<Frame, SourceError>>>> {
        let Some(source) = &mut self.0 else { return Ok(Poll::Ready(None)) };
        catch_unwind(AssertUnwindSafe(|| source.as_mut().poll_frame(cx)))
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // There is nobody left to tell: the answer is over, one way or another.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_destructor_that_panics_is_contained() {
        drop(Guarded::new(Bomb));
        drop(Guarded::new(Box::new(Bomb)));
    }
}
