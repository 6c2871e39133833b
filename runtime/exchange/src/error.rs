//! An error answer before it is rendered: the envelope layer gives it its body (FEATURES W4).

use std::borrow::Cow;
use std::fmt;

use trilane_semantics::{Reason, StatusCode};

use crate::incoming::BodyError;

/// What a client is told of an error. What only a log may know is `internal`.
///
/// ```
/// use trilane_exchange::Error;
/// use trilane_semantics::StatusCode;
/// let error = Error::new(StatusCode::NOT_FOUND).message("no such user");
/// assert_eq!((error.code(), error.status().as_u16()), ("NOT_FOUND", 404));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    details: Vec<(Cow<'static, str>, Vec<String>)>,
    internal: Option<Cow<'static, str>>,
    panic: bool,
}

impl Error {
    /// An error with the code and the message that belong to its status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code_of(status)),
            message: Cow::Borrowed(status.canonical_reason().unwrap_or("error")),
            details: Vec::new(),
            internal: None,
            panic: false,
        }
    }

    /// The 500 of a handler that panicked; the panic's message is for the log only.
    #[must_use]
    pub fn panic(message: impl Into<Cow<'static, str>>) -> Self {
        Self { panic: true, ..Self::new(StatusCode::INTERNAL_SERVER_ERROR).internal(message) }
    }

    /// Whether it stands for a panic.
    #[must_use]
    pub const fn is_panic(&self) -> bool {
        self.panic
    }

    /// With this code instead: upper case, underscores.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// With this message for the client instead.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// With a list under `details`, such as `allowed_methods`.
    #[must_use]
    pub fn detail(mut self, name: impl Into<Cow<'static, str>>, values: Vec<String>) -> Self {
        self.details.push((name.into(), values));
        self
    }

    /// With a text for the log only.
    #[must_use]
    pub fn internal(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.internal = Some(text.into());
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.message
    }

    /// The lists under `details`.
    #[must_use]
    pub fn details(&self) -> &[(Cow<'static, str>, Vec<String>)] {
        &self.details
    }

    /// The text for the log.
    #[must_use]
    pub fn internal_text(&self) -> Option<&str> {
        self.internal.as_deref()
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::new(reason.status()).message(reason.text()).internal(reason.label())
    }
}

/// The answer to content that ended early or is too large, so that a handler that reads it can use `?`.
impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        error.reason().into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// The code table of FEATURES W4; other statuses get a code of their class.
fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        412 => "PRECONDITION_FAILED",
        413 => "CONTENT_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        416 => "RANGE_NOT_SATISFIABLE",
        417 => "EXPECTATION_FAILED",
        422 => "VALIDATION_ERROR",
        429 => "RATE_LIMIT_EXCEEDED",
        431 => "HEADERS_TOO_LARGE",
        501 => "NOT_IMPLEMENTED",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "GATEWAY_TIMEOUT",
        505 => "VERSION_NOT_SUPPORTED",
        507 => "INSUFFICIENT_STORAGE",
        500..=599 => "INTERNAL_ERROR",
        _ => "INVALID_REQUEST",
    }
}
