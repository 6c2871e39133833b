//! Responses from the values that handlers give.

use std::convert::Infallible;

use bytes::Bytes;
use trilane_exchange::{Error, Outgoing, Response};
use trilane_semantics::{Known, NameRef, Payload, StatusCode};

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Something that is a response.
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

/// HTML content: `text/html; charset=utf-8`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Html<T>(pub T);

/// 200 with that content.
pub(crate) fn content(content_type: &'static str, body: impl Into<Payload>) -> Response {
    let mut response = Response::new(StatusCode::OK);
    response.head.fields.append_static(Known::ContentType, content_type);
    response.body(body.into())
}

/// Content of one type.
macro_rules! content {
    ($($type:ty: $content_type:expr;)*) => {$(
        impl IntoResponse for $type {
            fn into_response(self) -> Response {
                content($content_type, self)
            }
        }
    )*};
}

content! {
    &'static str: TEXT;
    String: TEXT;
    Bytes: BYTES;
    Vec<u8>: BYTES;
    &'static [u8]: BYTES;
}

impl<T: Into<Payload>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        content("text/html; charset=utf-8", self.0)
    }
}

/// 200 without content.
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK)
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

/// The layer that knows the form of errors makes its content.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into()
    }
}

/// 200 with that content and no content type.
impl IntoResponse for Outgoing {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK).body(self)
    }
}

/// No content.
impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// That status instead.
impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.head.status = self.0;
        response
    }
}

/// 200 with those fields and no content.
impl<K, V, const N: usize> IntoResponse for [(K, V); N]
where
    K: Into<NameRef<'static>>,
    V: AsRef<[u8]>,
{
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

/// With those fields; each replaces what was there under its name. A field that RFC 9110 §5 forbids
/// makes the response a 500.
impl<K, V, T, const N: usize> IntoResponse for ([(K, V); N], T)
where
    K: Into<NameRef<'static>>,
    V: AsRef<[u8]>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        for (name, value) in self.0 {
            if response.head.fields.set(name, value).is_err() {
                return Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                    .internal("a response field has forbidden bytes")
                    .into();
            }
        }
        response
    }
}

/// That status, with those fields.
impl<K, V, T, const N: usize> IntoResponse for (StatusCode, [(K, V); N], T)
where
    K: Into<NameRef<'static>>,
    V: AsRef<[u8]>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        (self.1, (self.0, self.2)).into_response()
    }
}
