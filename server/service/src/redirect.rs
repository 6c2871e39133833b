//! Redirects (RFC 9110 §15.4).

use trilane_exchange::Response;
use trilane_semantics::{Known, StatusCode};

use crate::respond::IntoResponse;

/// A redirect. A target with bytes that no field may have makes the response a 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// 308: always there from now on, with the same method and content (RFC 9110 §15.4.9).
    pub fn permanent(location: impl Into<String>) -> Self {
        Self { status: StatusCode::PERMANENT_REDIRECT, location: location.into() }
    }

    /// 307: there this time, with the same method and content (RFC 9110 §15.4.8).
    pub fn temporary(location: impl Into<String>) -> Self {
        Self { status: StatusCode::TEMPORARY_REDIRECT, location: location.into() }
    }

    /// 303: the answer is to be had there, by GET (RFC 9110 §15.4.4).
    pub fn to(location: impl Into<String>) -> Self {
        Self { status: StatusCode::SEE_OTHER, location: location.into() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        Response::new(self.status).field(Known::Location, self.location)
    }
}
