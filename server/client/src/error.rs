//! What may become of a request in place of a response.

use std::fmt;
use std::io;

use trilane_exchange::{AskFailure, BodyError, DialError, Error, ErrorCode};
use trilane_semantics::StatusCode;

use crate::url::{InvalidUrl, Url};

/// A request that has failed: why, and where it went.
///
/// In a handler, `?` makes an answer of it: 504 for what took too long, 503 where all connections are in use, 500 for a request that could
/// not be made, and 502 for the rest. The client is told no more; the log has all of it.
#[derive(Debug)]
pub struct ClientError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    why: Failure,
    url: Option<Url>,
}

/// Why a request has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The URL is none.
    Url(InvalidUrl),
    /// The request cannot be made, for this reason: a field that is none, content that cannot be written.
    Request(Box<str>),
    /// All connections are in use, and none has become free in time.
    Busy,
    /// There is no connection: no address, nobody there, no handshake.
    Connect(DialError),
    /// There is no response: the connection broke, the server gave up or broke the rules, the head did not come in time.
    Response(AskFailure),
    /// All of it took too long.
    Timeout,
    /// It was sent on too often, or where it may not go.
    Redirect(&'static str),
    /// The content of the response is not whole, too large, or not coded as it says.
    Body(BodyError),
    /// The content is not the JSON that was expected.
    Json(serde_json::Error),
    /// The server has answered with this status, which is an error.
    Status(StatusCode),
}

impl ClientError {
    pub(crate) fn new(why: Failure) -> Self {
        Self(Box::new(Inner { why, url: None }))
    }

    /// The request cannot be made.
    pub(crate) fn request(why: impl ToString) -> Self {
        Self::new(Failure::Request(why.to_string().into()))
    }

    /// There is no connection.
    pub(crate) fn connect(failure: AskFailure) -> Self {
        Self::new(match failure {
            AskFailure::NotNow => Failure::Busy,
            AskFailure::Connection(error) => Failure::Connect(error),
            other => Failure::Response(other),
        })
    }

    /// The same, of a request that went there.
    #[must_use]
    pub(crate) fn at(mut self, url: &Url) -> Self {
        self.0.url.get_or_insert_with(|| url.clone());
        self
    }

    /// Why.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        &self.0.why
    }

    /// Where it went at last, if it went anywhere.
    #[must_use]
    pub const fn url(&self) -> Option<&Url> {
        self.0.url.as_ref()
    }

    /// The status, if that is the error.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self.0.why {
            Failure::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether there was no connection, so that nothing was sent.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        matches!(self.0.why, Failure::Connect(_) | Failure::Busy)
    }

    /// Whether something took too long: the connection, the head of the response, or all of it.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(
            self.0.why,
            Failure::Timeout
                | Failure::Response(AskFailure::Timeout)
                | Failure::Connect(DialError::Io(io::ErrorKind::TimedOut, _))
        )
    }

    /// Whether it was sent on too often, or where it may not go.
    #[must_use]
    pub const fn is_redirect(&self) -> bool {
        matches!(self.0.why, Failure::Redirect(_))
    }

    /// Whether the content of the response was at fault.
    #[must_use]
    pub const fn is_body(&self) -> bool {
        matches!(self.0.why, Failure::Body(_) | Failure::Json(_))
    }

    /// Whether the request could not be made: there was nothing to be sent.
    #[must_use]
    pub const fn is_builder(&self) -> bool {
        matches!(self.0.why, Failure::Url(_) | Failure::Request(_))
    }
}

impl From<InvalidUrl> for ClientError {
    fn from(error: InvalidUrl) -> Self {
        Self::new(Failure::Url(error))
    }
}

/// What is said of a URL leaves out its query, which may be nobody's business.
impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(url) = &self.0.url {
            write!(f, "{}{}: ", url.origin(), url.path())?;
        }
        match &self.0.why {
            Failure::Url(error) => error.fmt(f),
            Failure::Request(why) => write!(f, "the request cannot be made: {why}"),
            Failure::Busy => f.write_str("no connection in time: all are in use"),
            Failure::Connect(error) => write!(f, "no connection: {error}"),
            Failure::Response(failure) => failure.fmt(f),
            Failure::Timeout => f.write_str("it took too long"),
            Failure::Redirect(why) => write!(f, "a redirect that is not followed: {why}"),
            Failure::Body(error) => write!(f, "the content of the response: {error}"),
            Failure::Json(error) => write!(f, "the content is not the JSON expected: {error}"),
            Failure::Status(status) => write!(f, "the answer is {status}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.why {
            Failure::Url(error) => Some(error),
            Failure::Connect(error) => Some(error),
            Failure::Body(error) => Some(error),
            Failure::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// What the client of a handler is told that uses `?`.
impl ErrorCode for ClientError {
    fn status(&self) -> StatusCode {
        match self.0.why {
            _ if self.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ if self.is_builder() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    fn code(&self) -> &'static str {
        match ErrorCode::status(self) {
            StatusCode::GATEWAY_TIMEOUT => "GATEWAY_TIMEOUT",
            StatusCode::SERVICE_UNAVAILABLE => "SERVICE_UNAVAILABLE",
            StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL_ERROR",
            _ => "BAD_GATEWAY",
        }
    }

    fn put_into(&self, error: Error) -> Error {
        error.internal(self.to_string())
    }
}
