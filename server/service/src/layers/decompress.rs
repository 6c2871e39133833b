//! Content of requests, decoded before the handler sees it (RFC 9110 §8.4): what is decoded, and what is refused.

use trilane_coding::{TAKEN, codings, decode};
use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::layer::{Hook, Phases};

/// The most that content may be when it is decoded, by default, in bytes.
const LIMIT: u64 = 10 << 20;
/// How many times as large as what came it may become by default. Text becomes 3 to 50 times as large.
const RATIO: u64 = 200;
/// Decodes the content of requests: gzip, deflate, brotli and zstd, also several of them, as Content-Encoding says. Handlers and
/// extractors see the content, and a head without Content-Encoding and Content-Length. Without this layer nothing is decoded:
/// it is for routes that want it.
///
/// Another coding is 415, with `Accept-Encoding` (RFC 9110 §15.5.16); content that does not decode, or ends too early, is 400. What
/// becomes too large is 413: more than [`Decompress::limit`] bytes, or, once it is more than 1 MiB, than
/// [`Decompress::ratio`] times what came, where each further member of gzip, or frame of zstd, counts for 4 KiB more. A [`BodyLimit`](crate::BodyLimit) further in takes the place of the limit; one further
/// out, as that of the connection, is for what comes.
///
/// It is decoded as it is read, 16 KiB at a time, so that a reader that is slow holds its client up.
///
/// ```
/// use trilane_service::{Decompress, Router, post};
/// let ingest = post(|text: String| async move { text }).layer(Decompress::new().limit(1 << 20));
/// let router: Router = Router::new().route("/ingest", ingest);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decompress {
    limit: u64,
    ratio: u64,
}

impl Default for Decompress {
    fn default() -> Self {
        Self::new()
    }
}

impl Decompress {
    /// With a limit of 10 MiB, and a ratio of 200.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: LIMIT, ratio: RATIO }
    }

    /// At most so many bytes of decoded content; of several codings, after each.
    #[must_use]
    pub const fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// At most so many times what came, at each coding; at least 1.
    #[must_use]
    pub const fn ratio(mut self, times: u64) -> Self {
        self.ratio = if times == 0 { 1 } else { times };
        self
    }
}

impl Hook for Decompress {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let fields = &request.head().fields;
        if !fields.contains(Known::ContentEncoding) || request.body.promised() == Some(0) {
            return None;
        }
        let Some(codings) = codings(fields) else { return Some(unsupported()) };
        let body = std::mem::take(&mut request.body);
        match decode(&codings, body, self.limit, self.ratio) {
            Ok(body) => request.body = body,
            Err(_) => return Some(Error::new(StatusCode::INTERNAL_SERVER_ERROR).into()),
        }
        let fields = &mut request.head_mut().fields;
        fields.remove(Known::ContentEncoding);
        fields.remove(Known::ContentLength);
        None
    }
}

/// RFC 9110 §15.5.16: what would have been taken instead.
fn unsupported() -> Response {
    let error = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let response: Response = error.message("the content coding is not supported").into();
    response.field(Known::AcceptEncoding, TAKEN)
}
