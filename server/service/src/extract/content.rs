//! Extractors of the content: whole, as text, as a stream of frames, or the request itself.
//!
//! How much may be read is the limit of the connection, or of a [`BodyLimit`](crate::BodyLimit).

use std::convert::Infallible;

use bytes::Bytes;
use trilane_exchange::{Error, Incoming, Request};
use trilane_semantics::StatusCode;

use crate::extract::FromRequest;

impl<S> FromRequest<S> for Request {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(request)
    }
}

impl<S> FromRequest<S> for Incoming {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(request.body)
    }
}

/// All content; 413 when it is too large, else the status of what went wrong.
impl<S> FromRequest<S> for Bytes {
    type Rejection = Error;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Error> {
        Ok(request.body.collect().await?)
    }
}

/// All content as text; 400 when it is not UTF-8.
impl<S> FromRequest<S> for String {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state).await?;
        Self::from_utf8(bytes.into())
            .map_err(|_| Error::new(StatusCode::BAD_REQUEST).message("the content is not UTF-8"))
    }
}
