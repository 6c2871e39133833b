//! A response on its way from its handler.

use std::fmt;

use trilane_semantics::{NameRef, ResponseHead, StatusCode};

use crate::error::Error;
use crate::outgoing::Outgoing;

/// A response: a head, content, and perhaps an error that a layer renders.
///
/// ```
/// use trilane_exchange::Response;
/// use trilane_semantics::{Known, StatusCode};
/// let response = Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body("hi");
/// assert_eq!(response.head.fields.get("content-type"), Some(&b"text/plain"[..]));
/// ```
#[derive(Default)]
pub struct Response {
    /// Status and fields.
    pub head: ResponseHead,
    /// The content.
    pub body: Outgoing,
    /// An error whose content is still to be made, for the layer that knows the form of errors.
    pub error: Option<Box<Error>>,
}

impl Response {
    /// A response with that status and no content.
    #[must_use]
    pub const fn new(status: StatusCode) -> Self {
        Self { head: ResponseHead::new(status), body: Outgoing::Empty, error: None }
    }

    /// With a field more. A name or value that RFC 9110 §5 forbids is left out, and the response becomes
    /// a 500: it was made of something it should not have been made of.
    #[must_use]
    pub fn field<'n>(mut self, name: impl Into<NameRef<'n>>, value: impl AsRef<[u8]>) -> Self {
        if self.head.fields.append(name, value).is_err() {
            self.fail("a response field has forbidden bytes");
        }
        self
    }

    /// With this content.
    #[must_use]
    pub fn body(mut self, body: impl Into<Outgoing>) -> Self {
        self.body = body.into();
        self
    }

    fn fail(&mut self, internal: &'static str) {
        let error = Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(internal);
        self.head.status = error.status();
        self.body = Outgoing::Empty;
        self.error = Some(Box::new(error));
    }
}

impl From<Error> for Response {
    fn from(error: Error) -> Self {
        let mut response = Self::new(error.status());
        response.error = Some(Box::new(error));
        response
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("head", &self.head)
            .field("body", &self.body)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
