//! Content of requests, decoded before the handler sees it (RFC 9110 §8.4).
//!
//! Here is what is decoded and what is refused; `decoder` is the codings, `content` their content while it is read.

mod content;
mod decoder;

use smallvec::SmallVec;
use trilane_exchange::{Error, Incoming, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::coding::Coding;
use crate::layer::{Hook, Phases};
use content::Decoded;
use decoder::Decoder;

/// The most that content may be when it is decoded, by default, in bytes.
const LIMIT: u64 = 10 << 20;
/// How many times as large as what came it may become by default. Text becomes 3 to 50 times as large.
const RATIO: u64 = 200;
/// Codings of one message, one after the other; none has more than two.
const MOST: usize = 4;
/// What we take, as a 415 tells it.
const TAKEN: &str = "zstd, br, gzip, deflate";

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
        let named: SmallVec<[_; MOST]> =
            fields.list(Known::ContentEncoding).take(MOST + 1).map(Coding::from_name).collect();
        let codings: Option<SmallVec<[_; MOST]>> = named.into_iter().collect();
        let Some(codings) = codings.filter(|codings| codings.len() <= MOST) else {
            return Some(unsupported());
        };
        let mut body = std::mem::take(&mut request.body);
        // RFC 9110 §8.4: they are named in the order in which they were applied.
        for coding in codings.into_iter().rev() {
            match Decoder::new(coding) {
                Ok(Some(decoder)) => {
                    body = Incoming::frames(Decoded::new(decoder, body, self.ratio));
                    // What is still coded is no larger than what it stands for.
                    body.set_limit(self.limit);
                }
                Ok(None) => (),
                Err(_) => return Some(Error::new(StatusCode::INTERNAL_SERVER_ERROR).into()),
            }
        }
        request.body = body;
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
