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
    /// Boxed: few have one.
    kind: Option<Box<Kind>>,
    panic: bool,
}

/// What kind of problem it is (RFC 9457 §3.1.1, §3.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    uri: Cow<'static, str>,
    title: Cow<'static, str>,
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
            kind: None,
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

    /// As problem details (RFC 9457) of that kind: a URI that stands for it and may lead to what is known of it, and a title, which is
    /// the same each time. Without it the kind is `about:blank`, and the title is that of the status (§4.2.1).
    #[must_use]
    pub fn kind(
        mut self,
        uri: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.kind = Some(Box::new(Kind { uri: uri.into(), title: title.into() }));
        self
    }

    /// The URI of its kind.
    #[must_use]
    pub fn kind_uri(&self) -> &str {
        self.kind.as_ref().map_or("about:blank", |kind| &kind.uri)
    }

    /// The title of its kind.
    #[must_use]
    pub fn title(&self) -> &str {
        let of_status = || self.status.canonical_reason().unwrap_or("Error");
        self.kind.as_ref().map_or_else(of_status, |kind| &kind.title)
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

/// A table of errors of a user's own: each is an [`Error`] with a status and a code, so that handlers that give
/// `Result<T, Error>` can use `?`.
///
/// ```
/// use trilane_exchange::{Error, ErrorCode};
/// use trilane_semantics::StatusCode;
///
/// enum Shop {
///     SoldOut { left: u32 },
///     Closed,
/// }
///
/// impl ErrorCode for Shop {
///     fn status(&self) -> StatusCode {
///         match self {
///             Self::SoldOut { .. } => StatusCode::CONFLICT,
///             Self::Closed => StatusCode::SERVICE_UNAVAILABLE,
///         }
///     }
///     fn code(&self) -> &'static str {
///         match self {
///             Self::SoldOut { .. } => "SOLD_OUT",
///             Self::Closed => "CLOSED",
///         }
///     }
///     fn put_into(&self, error: Error) -> Error {
///         match self {
///             Self::SoldOut { left } => error
///                 .message("there are not that many")
///                 .detail("left", vec![left.to_string()])
///                 .kind("https://shop.example/problems/sold-out", "Sold out"),
///             Self::Closed => error,
///         }
///     }
/// }
///
/// fn buy(count: u32) -> Result<u32, Error> {
///     if count > 3 { Err(Shop::SoldOut { left: 3 })? }
///     Ok(count)
/// }
/// assert_eq!(buy(4).unwrap_err().to_string(), "409 SOLD_OUT: there are not that many");
/// assert_eq!(Error::from(Shop::Closed).status().as_u16(), 503);
/// ```
pub trait ErrorCode {
    /// The status that answers it.
    fn status(&self) -> StatusCode;

    /// The code for programs: upper case, underscores.
    fn code(&self) -> &'static str;

    /// Adds what else is to be said: a message, details, a kind, what only the log may know. The error has status and code already.
    fn put_into(&self, error: Error) -> Error {
        error
    }
}

impl<C: ErrorCode> From<C> for Error {
    fn from(code: C) -> Self {
        code.put_into(Self::new(code.status()).with_code(code.code()))
    }
}

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
