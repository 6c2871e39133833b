//! The application's state, or a part of it.

use std::convert::Infallible;

use trilane_exchange::Request;

use crate::extract::FromRequestParts;

/// A part of the state that [`Router::with_state`](crate::Router::with_state) gave; cloned at each
/// call, so large state stands in an `Rc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<T>(pub T);

/// A value that is part of another: lets a handler ask for the part of the state that it needs.
pub trait FromRef<S> {
    /// The part.
    fn from_ref(whole: &S) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(whole: &T) -> Self {
        whole.clone()
    }
}

impl<S, T: FromRef<S>> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    fn from_request_parts(_: &mut Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self(T::from_ref(state)))
    }
}
