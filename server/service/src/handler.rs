//! Handlers: async functions of extractors, and their erasure, once a route.
//!
//! A route owns the free list of its handler's futures, so that a call allocates nothing after
//! warm-up. All that can panic in a handler, its extractors included, runs inside that future,
//! where a panic is a 500.

use std::future::Future;
use std::rc::Rc;
use std::task::Context;

use trilane_exchange::{Pool, Reply, Request, Response};

use crate::extract::{FromRequest, FromRequestParts};
use crate::respond::IntoResponse;

/// What a route ends in: a handler whose types are forgotten.
pub trait Endpoint {
    /// Starts an exchange, and polls it once.
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply;
}

/// An async function of up to 8 extractors, the last of which may take the content. `T` are their
/// types, `S` is the router's state. A rejection of an extractor is the answer, and the function is
/// not called.
pub trait Handler<T, S>: 'static {
    /// Extracts, calls, and makes the response.
    fn call(&self, request: Request, state: &S) -> impl Future<Output = Response>;
}

/// Forgets a handler's types.
pub(crate) fn erase<H, T, S>(handler: H, state: S) -> Rc<dyn Endpoint>
where
    H: Handler<T, S>,
    T: 'static,
    S: 'static,
{
    let shared = Rc::new((handler, state));
    pooled(move |request| {
        let shared = Rc::clone(&shared);
        async move {
            let (handler, state) = &*shared;
            handler.call(request, state).await
        }
    })
}

fn pooled<M, F>(make: M) -> Rc<dyn Endpoint>
where
    M: Fn(Request) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    Rc::new(Pooled { make, pool: Rc::default() })
}

struct Pooled<M, F> {
    make: M,
    pool: Rc<Pool<F>>,
}

impl<M, F> Endpoint for Pooled<M, F>
where
    M: Fn(Request) -> F,
    F: Future<Output = Response> + 'static,
{
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        self.pool.run((self.make)(request), cx)
    }
}

impl<F, Fut, S> Handler<((),), S> for F
where
    F: Fn() -> Fut + 'static,
    Fut: Future<Output: IntoResponse>,
{
    async fn call(&self, _: Request, _: &S) -> Response {
        self().await.into_response()
    }
}

/// One implementation for each number of extractors; `$last` is the one that may take the content.
macro_rules! handler {
    ($($part:ident)*; $last:ident) => {
        impl<F, Fut, S, Via, $($part,)* $last> Handler<(Via, $($part,)* $last), S> for F
        where
            F: Fn($($part,)* $last) -> Fut + 'static,
            Fut: Future<Output: IntoResponse>,
            $($part: FromRequestParts<S>,)*
            $last: FromRequest<S, Via>,
        {
            #[allow(non_snake_case, unused_mut, reason = "the types' names serve for the values")]
            async fn call(&self, mut request: Request, state: &S) -> Response {
                $(
                    let $part = match $part::from_request_parts(&mut request, state) {
                        Ok(value) => value,
                        Err(rejection) => return rejection.into_response(),
                    };
                )*
                let $last = match $last::from_request(request, state).await {
                    Ok(value) => value,
                    Err(rejection) => return rejection.into_response(),
                };
                self($($part,)* $last).await.into_response()
            }
        }
    };
}

handler!(; A);
handler!(A; B);
handler!(A B; C);
handler!(A B C; D);
handler!(A B C D; E);
handler!(A B C D E; G);
handler!(A B C D E G; H);
handler!(A B C D E G H; I);
