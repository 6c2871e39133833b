//! Extractors: what a handler asks of its request, as types.
//!
//! All but those of the content are plain functions, so that an extractor costs what it does and no
//! more.

mod connect;
mod content;
mod extension;
mod header;
mod headers;
mod parts;
mod path;
mod query;
mod state;
mod tls;

use std::future::{Future, ready};

use trilane_exchange::Request;

use crate::respond::IntoResponse;

pub use connect::ConnectInfo;
pub use extension::Extension;
pub use header::{Header, TypedHeader};
pub use headers::{Accept, BasicCredentials, BearerToken, ContentType};
pub use path::Path;
pub use query::Query;
pub use state::{FromRef, State};
pub use tls::Tls;

/// Marks extractors that leave the content alone; inferred.
#[derive(Debug)]
pub enum ViaParts {}

/// Marks extractors that take the content; inferred.
#[derive(Debug)]
pub enum ViaRequest {}

/// Something that can be had from a request without its content. Your own are like those that come with the crate:
///
/// ```
/// use trilane_service::extract::FromRequestParts;
/// use trilane_service::{Error, Request, Router, StatusCode, get};
///
/// /// The shop that a request is for: the first label of its host.
/// struct Shop(String);
///
/// impl<S> FromRequestParts<S> for Shop {
///     type Rejection = Error;
///
///     fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
///         let label = request.head().authority().and_then(|host| host.split('.').next());
///         let none = || Error::new(StatusCode::BAD_REQUEST).detail("header", vec!["Host".to_owned()]);
///         label.map(|label| Self(label.to_owned())).ok_or_else(none)
///     }
/// }
///
/// let router: Router = Router::new().route("/", get(|Shop(name): Shop| async move { name }));
/// ```
pub trait FromRequestParts<S>: Sized {
    /// The answer when it cannot.
    type Rejection: IntoResponse;

    /// Extracts.
    ///
    /// # Errors
    /// The rejection; it is sent instead of a call of the handler.
    fn from_request_parts(request: &mut Request, state: &S) -> Result<Self, Self::Rejection>;
}

/// Something that can be had from a request with its content; the last extractor of a handler.
pub trait FromRequest<S, Via = ViaRequest>: Sized {
    /// The answer when it cannot.
    type Rejection: IntoResponse;

    /// Extracts. The error is the rejection, which is sent instead of a call of the handler.
    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>>;
}

impl<S, T: FromRequestParts<S>> FromRequest<S, ViaParts> for T {
    type Rejection = T::Rejection;

    fn from_request(
        mut request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> {
        ready(T::from_request_parts(&mut request, state))
    }
}

/// `None` instead of a rejection.
impl<S, T: FromRequestParts<S>> FromRequestParts<S> for Option<T> {
    type Rejection = std::convert::Infallible;

    fn from_request_parts(request: &mut Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request_parts(request, state).ok())
    }
}

/// The rejection goes to the handler.
impl<S, T: FromRequestParts<S>> FromRequestParts<S> for Result<T, T::Rejection> {
    type Rejection = std::convert::Infallible;

    fn from_request_parts(request: &mut Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request_parts(request, state))
    }
}

/// `None` instead of a rejection.
impl<S, T: FromRequest<S, ViaRequest>> FromRequest<S, ViaRequest> for Option<T> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request, state).await.ok())
    }
}

/// The rejection goes to the handler.
impl<S, T: FromRequest<S, ViaRequest>> FromRequest<S, ViaRequest> for Result<T, T::Rejection> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request, state).await)
    }
}
