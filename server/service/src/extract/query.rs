//! The query as a value: `application/x-www-form-urlencoded`, as browsers send it.

use serde::de::DeserializeOwned;
use trilane_exchange::{Error, Request};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;

/// The query, deserialised; no query is an empty one. 400 with `details.reason` when it does not
/// fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<S, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        let query = request.head().query().unwrap_or_default();
        serde_urlencoded::from_str(query).map(Self).map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST)
                .message("the query is not what is expected")
                .detail("reason", vec![error.to_string()])
        })
    }
}
