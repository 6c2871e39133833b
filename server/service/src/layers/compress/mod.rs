//! Compression of responses (RFC 9110 §8.4), as the client would rather have it.
//!
//! Here is what is compressed and what its head says then; [`types`] is what is text, `encoder` the codings, `source` the way
//! of content that is large, or not there yet.

mod encoder;
mod source;
mod types;

use std::fmt;
use std::rc::Rc;

use trilane_exchange::{Exchange, Outgoing, Response};
use trilane_semantics::{Fields, Known, Method, Payload, StatusCode};

pub use types::is_text;

use crate::coding::{Coding, negotiate};
use crate::layer::{Hook, Phases};
use encoder::{Levels, Pool, Then};
use source::{Compressed, PIECE};
use trilane_exchange::rendered::rendered;

/// Content smaller than this is left alone by default, in bytes: it would fit into the same packet.
const FROM: u64 = 1 << 10;
/// Streams that are compressed at once by default, a shard.
const STREAMS: usize = 64;
/// By default: first what makes text smallest for its time.
const CODINGS: [Coding; 4] = [Coding::Zstd, Coding::Brotli, Coding::Gzip, Coding::Deflate];
/// By measurement: nanoseconds a byte, and what is left of JSON. zstd 3: 6, 18 %; brotli 3: 31, 18 %; gzip 3: 19, 19 %.
/// The next level costs a third to half as much again, for one percent at most.
const LEVELS: Levels = Levels { deflate: 3, brotli: 3, zstd: 3 };

/// Compresses text with the coding that the client likes best; of those it likes alike, the first of zstd, brotli, gzip and
/// deflate. A client that takes no coding, or none of these, gets the content as it is, also one that does not want it like
/// that (RFC 9110 §12.1 leaves that to us: the handler has done its work, and 406 would deny it).
///
/// What is left alone: content under 1 KiB, other than text, with a Content-Encoding or a Content-Range, a partial one (206),
/// and where `Cache-Control` says `no-transform` (RFC 9111 §5.2.2.6). What could have been compressed says
/// `Vary: Accept-Encoding`; what was has no Accept-Ranges, and its ETag is a weak one, since its bytes are others than those that
/// the handler meant (RFC 9110 §8.8.3.3).
///
/// Content of up to 32 KiB that is there is compressed at once, and keeps a Content-Length. What is larger, and what is made
/// while it is sent, is compressed as it goes, 32 KiB a turn of the shard. A stream that falls silent is flushed: what it has
/// said arrives, also an event of [`Sse`](crate::Sse). Each stream holds 0.3 to 2 MiB of memory until it ends, so of
/// those there are 64 a shard; who comes then gets the content as it is.
///
/// Do not compress answers that have both a secret and something that a stranger can choose, over TLS: their lengths give the
/// secret away, bit by bit (BREACH). Leave this layer off such routes, or mark them `Cache-Control: no-transform`.
///
/// ```
/// use trilane_service::{Coding, Compress, Router, get};
/// let compress = Compress::new().codings([Coding::Brotli, Coding::Gzip]).level(Coding::Gzip, 6);
/// let router: Router = Router::new().route("/", get(|| async { "text" })).layer(compress);
/// ```
#[derive(Clone)]
pub struct Compress {
    codings: Box<[Coding]>,
    from: u64,
    streams: usize,
    is_worth_it: Rc<dyn Fn(&str) -> bool>,
    levels: Levels,
    pool: Rc<Pool>,
}

impl Default for Compress {
    fn default() -> Self {
        Self::new()
    }
}

impl Compress {
    /// With all codings, and what is said above.
    #[must_use]
    pub fn new() -> Self {
        Self {
            codings: CODINGS.into(),
            from: FROM,
            streams: STREAMS,
            is_worth_it: Rc::new(is_text),
            levels: LEVELS,
            pool: Rc::new(Pool::new(LEVELS)),
        }
    }

    /// With these codings alone; of those that a client likes alike it gets the first.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> Self {
        self.codings = codings.into_iter().collect();
        self
    }

    /// With that level of a coding: 0 to 9 for gzip and deflate, which share theirs, 0 to 11 for brotli, -7 to 22 for zstd. Default: 3
    /// for each. A level beyond its range is the end of it.
    #[must_use]
    pub fn level(mut self, coding: Coding, level: i32) -> Self {
        match coding {
            Coding::Identity => (),
            Coding::Gzip | Coding::Deflate => {
                self.levels.deflate = level.clamp(0, 9).unsigned_abs();
            }
            Coding::Brotli => self.levels.brotli = level.clamp(0, 11),
            Coding::Zstd => self.levels.zstd = level.clamp(-7, 22),
        }
        self.pool = Rc::new(Pool::new(self.levels));
        self
    }

    /// For content of so many bytes or more, if it is known how many. Default: 1024.
    #[must_use]
    pub const fn from(mut self, bytes: u64) -> Self {
        self.from = bytes;
        self
    }

    /// At most so many streams at once, a shard. Default: 64.
    #[must_use]
    pub const fn streams(mut self, most: usize) -> Self {
        self.streams = most;
        self
    }

    /// For content of these types: `is_worth_it` is given a Content-Type without its parameters, as the handler wrote it.
    /// Default: [`is_text`]. Without streams of events: `|kind| is_text(kind) && kind != "text/event-stream"`.
    #[must_use]
    pub fn types(mut self, is_worth_it: impl Fn(&str) -> bool + 'static) -> Self {
        self.is_worth_it = Rc::new(is_worth_it);
        self
    }

    /// What a client would rather have. Who accepts nothing that there is gets the content as it is (RFC 9110 §12.4.1).
    fn choose(&self, asked: &Fields) -> Coding {
        negotiate(asked, &self.codings).unwrap_or(Coding::Identity)
    }

    /// Whether a client may get it compressed.
    fn takes(&self, exchange: &Exchange, response: &Response) -> bool {
        // First, since most of what is answered is small.
        if response.body.length().is_some_and(|length| length < self.from.max(1)) {
            return false;
        }
        let (status, fields) = (response.head.status, &response.head.fields);
        self.is_for(fields)
            && !status.is_informational()
            && status != StatusCode::NO_CONTENT
            && exchange.head().method != Method::CONNECT
            && !fields.contains(Known::ContentRange)
    }

    /// Whether content that is described so may be compressed.
    fn is_for(&self, fields: &Fields) -> bool {
        // Of a type that nobody says nothing is known; a tunnel has none (RFC 9110 §9.3.6). Parts are of the type of the whole,
        // which several of them tell where nobody looks.
        let kind = fields.get_str(Known::ContentType);
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
        kind.is_some_and(|kind| kind == "multipart/byteranges" || (self.is_worth_it)(kind))
            && !fields.contains(Known::ContentEncoding)
            && !fields.list_has(Known::CacheControl, "no-transform")
            // They tell of the bytes as they are (RFC 9530 §2, §3).
            && !fields.contains("content-digest")
            && !fields.contains("repr-digest")
    }

    /// The body compressed; or itself, where it would not be smaller, or too many streams are at work.
    fn compressed(&self, exchange: &Exchange, coding: Coding, body: Outgoing) -> (Outgoing, bool) {
        // A length is no promise, only what is likely.
        let size = body.length().unwrap_or(0).try_into().unwrap_or(usize::MAX);
        let Ok(Some(mut lent)) = self.pool.lend(coding, size) else { return (body, false) };
        let (rest, source) = match body {
            Outgoing::Full(whole) if whole.file().is_none() && whole.len() <= PIECE => {
                let made = rendered(|out| lent.encoder.run(whole.as_ref(), Then::End, out));
                return match made {
                    Ok(made) if made.len() < whole.len() => (made.into(), true),
                    _ => (whole.into(), false),
                };
            }
            body if self.pool.streams() >= self.streams => return (body, false),
            Outgoing::Empty => return (body, false),
            Outgoing::Full(rest) => (rest, None),
            Outgoing::Stream { source, .. } => (Payload::new(), Some(source)),
        };
        let shard = exchange.shard().clone();
        (Outgoing::source(Compressed::new(shard, lent, rest, source)), true)
    }
}

impl Hook for Compress {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let asked = exchange.head();
        match response.head.status {
            StatusCode::NOT_MODIFIED => {
                let is_coded = self.choose(&asked.fields) != Coding::Identity;
                return same(&asked.fields, &mut response.head.fields, is_coded);
            }
            // RFC 9110 §15.3.7: MUST have the Vary of the 200 that it is a part of. What is long enough nobody knows here.
            StatusCode::PARTIAL_CONTENT if self.is_for(&response.head.fields) => {
                return vary(&mut response.head.fields);
            }
            _ if !self.takes(exchange, response) => return,
            _ => vary(&mut response.head.fields),
        }
        let coding = self.choose(&asked.fields);
        if coding == Coding::Identity {
            return;
        }
        let body = std::mem::take(&mut response.body);
        let is_compressed;
        (response.body, is_compressed) = if asked.method == Method::HEAD {
            // RFC 9110 §9.3.2: a length that only the content would tell may be left out.
            (Outgoing::write(|_| async { Ok(()) }), true)
        } else {
            self.compressed(exchange, coding, body)
        };
        if is_compressed {
            coded(&mut response.head.fields, coding);
        }
    }
}

impl fmt::Debug for Compress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compress").field("codings", &self.codings).finish_non_exhaustive()
    }
}

/// Says that another client may get it otherwise (RFC 9110 §12.5.5).
fn vary(fields: &mut Fields) {
    const NAME: &str = "accept-encoding";
    if !fields.list_has(Known::Vary, NAME) && !fields.list_has(Known::Vary, "*") {
        fields.append_static(Known::Vary, NAME);
    }
}

/// Says of the content what is true of it now.
fn coded(fields: &mut Fields, coding: Coding) {
    fields.append_static(Known::ContentEncoding, coding.name());
    fields.remove(Known::ContentLength);
    // Ranges of what the handler meant are not ranges of this.
    fields.remove(Known::AcceptRanges);
    if let Some(weak) = weakened(fields) {
        // It was a value before, and is one with two letters more.
        let _ = fields.set(Known::ETag, weak);
    }
}

/// The ETag as a weak one, if it is a strong one.
fn weakened(fields: &Fields) -> Option<Vec<u8>> {
    let strong = fields.get(Known::ETag).filter(|tag| tag.starts_with(b"\""))?;
    Some([b"W/", strong].concat())
}

/// A 304 has the Vary and the ETag that a 200 would have (RFC 9110 §15.4.5, MUST). Of what type that would be it does not tell:
/// Vary is there for all, and the tag is the weak one, if the client may get content that `is_coded` and has asked with that.
fn same(asked: &Fields, fields: &mut Fields, is_coded: bool) {
    vary(fields);
    if is_coded
        && let Some(weak) = weakened(fields)
        && asked.all(Known::IfNoneMatch).any(|tags| tags.windows(weak.len()).any(|it| it == weak))
    {
        // As above.
        let _ = fields.set(Known::ETag, weak);
    }
}
