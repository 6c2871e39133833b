//! Answers that are files, and what may be asked for.

use trilane_exchange::{Error, Outgoing, Response};
use trilane_semantics::{Known, StatusCode};

/// A profile to be saved: it is gzip itself, and no content coding.
pub(crate) fn download(name: &str, content: impl Into<Outgoing>) -> Response {
    Response::new(StatusCode::OK)
        .field(Known::ContentType, "application/octet-stream")
        .field(Known::ContentDisposition, format!("attachment; filename=\"{name}\""))
        .field(Known::XContentTypeOptions, "nosniff")
        .body(content)
}

/// A number of the query that is 1 at least, and not more than `most`.
pub(crate) fn within(name: &str, value: u64, most: u64) -> Result<u64, Error> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(Error::new(StatusCode::BAD_REQUEST).message(format!("{name} is 1 to {most}")))
}
