//! What a client will need next, told before the answer is ready (RFC 8297), or promised with it (RFC 9113 §8.4).

use std::cell::{Cell, RefCell};
use std::fmt;

use trilane_semantics::ResponseHead;
use trilane_semantics::field::is_token;

use crate::exchange::Exchange;

/// Links that may be hinted, an exchange.
pub const MOST: usize = 32;
/// The longest target of a link, in bytes.
const LONGEST: usize = 2048;

/// A link to something that the client will need (RFC 8288 §3).
///
/// ```
/// use trilane_exchange::Link;
/// let link = Link::preload("/style.css").as_("style");
/// assert_eq!(link.to_string(), "</style.css>; rel=preload; as=style");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    target: String,
    relation: &'static str,
    kind: &'static str,
    cross_origin: bool,
    no_push: bool,
}

impl Link {
    /// Something to be fetched at once: a path, or a whole URI.
    pub fn preload(target: impl Into<String>) -> Self {
        Self::new(target, "preload")
    }

    /// An origin to be connected to.
    pub fn preconnect(origin: impl Into<String>) -> Self {
        Self::new(origin, "preconnect")
    }

    fn new(target: impl Into<String>, relation: &'static str) -> Self {
        let target = target.into();
        Self { target, relation, kind: "", cross_origin: false, no_push: false }
    }

    /// What it is for: `style`, `script`, `font`, `image`, `fetch`, ... A client may ignore what has no such word.
    #[must_use]
    pub const fn as_(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// To be fetched without credentials, as fonts always are.
    #[must_use]
    pub const fn cross_origin(mut self) -> Self {
        self.cross_origin = true;
        self
    }

    /// Not to be promised, only told: the client may have it already.
    #[must_use]
    pub const fn no_push(mut self) -> Self {
        self.no_push = true;
        self
    }

    /// The path that can be promised: of something to be fetched from the origin of the request.
    #[must_use]
    pub fn promisable(&self) -> Option<&str> {
        let path = Some(&*self.target).filter(|path| {
            path.starts_with('/') && !path.starts_with("//") && !path.contains(['#', '\\'])
        });
        path.filter(|_| self.relation == "preload" && !self.no_push)
    }

    /// Whether it can stand in a field: nothing in it ends it, or the line.
    fn is_valid(&self) -> bool {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
        (1..=LONGEST).contains(&self.target.len())
            && self.target.bytes().all(is_fit)
            && (self.kind.is_empty() || is_token(self.kind.as_bytes()))
    }
}

/// As it stands in a `Link` field.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>; rel={}", self.target, self.relation)?;
        if !self.kind.is_empty() {
            write!(f, "; as={}", self.kind)?;
        }
        if self.cross_origin {
            f.write_str("; crossorigin")?;
        }
        if self.no_push {
            f.write_str("; nopush")?;
        }
        Ok(())
    }
}

/// Why nothing was hinted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HintError {
    /// A link has no target, one that is longer than 2,048 bytes, or bytes that no link may have.
    Invalid,
    /// There would be more than [`MOST`] links.
    TooMany,
}

impl fmt::Display for HintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "the link is malformed",
            Self::TooMany => "an exchange has 32 hints at most",
        })
    }
}

impl std::error::Error for HintError {}

/// What goes before the answer.
#[derive(Debug)]
pub enum Before {
    /// Links of one call.
    Links(Vec<Link>),
    /// An interim response as it is.
    Interim(ResponseHead),
}

/// What waits for the connection.
#[derive(Default)]
struct Hints {
    waiting: RefCell<Vec<Before>>,
    told: Cell<usize>,
}

impl Exchange {
    /// Tells the client what it will need, before the answer is ready: as 103 (Early Hints) with these links, at once when the
    /// handler waits next, else just before the answer. Over HTTP/2, links to be fetched from the same origin are promised
    /// too where the client takes that and `Limits::pushes` allows it: the service answers each as a GET. HTTP/1.0 knows neither,
    /// and is told nothing. After the answer nothing is told.
    ///
    /// The answer should have the links too: not every client hears of hints. A client of HTTP/1.1 that knows nothing of 103 might
    /// take it for the answer (RFC 8297 §3), so that handlers may want to hint to browsers alone, by `Sec-Fetch-Mode`.
    ///
    /// # Errors
    /// [`HintError`], and none of them is told.
    ///
    /// ```
    /// use trilane_exchange::{HintError, Link, Request};
    /// async fn page(request: Request) -> Result<&'static str, HintError> {
    ///     request.exchange().hint([Link::preload("/style.css").as_("style")])?;
    ///     // Goes on with what takes its time.
    ///     Ok("the page")
    /// }
    /// ```
    pub fn hint(&self, links: impl IntoIterator<Item = Link>) -> Result<(), HintError> {
        let links: Vec<Link> = links.into_iter().take(MOST + 1).collect();
        if !links.iter().all(Link::is_valid) {
            return Err(HintError::Invalid);
        }
        if links.is_empty() {
            return Ok(());
        }
        self.put_before(links.len(), Before::Links(links))
    }

    /// Passes on an interim response, 1xx but 101, when the handler waits next: for proxies (RFC 9110 §15.2). It counts as one hint.
    ///
    /// # Errors
    /// [`HintError::TooMany`], and it is not passed on.
    pub fn interim(&self, head: ResponseHead) -> Result<(), HintError> {
        self.put_before(1, Before::Interim(head))
    }

    fn put_before(&self, count: usize, before: Before) -> Result<(), HintError> {
        let hints = self.noted::<Hints>();
        let told = count + hints.as_ref().map_or(0, |hints| hints.told.get());
        if told > MOST {
            return Err(HintError::TooMany);
        }
        match hints {
            Some(hints) => {
                hints.told.set(told);
                hints.waiting.borrow_mut().push(before);
            }
            None => self.note(Hints { waiting: RefCell::new(vec![before]), told: Cell::new(told) }),
        }
        Ok(())
    }

    /// What goes before the answer and was not told yet. For connections.
    #[must_use]
    pub fn take_hints(&self) -> Vec<Before> {
        self.noted::<Hints>().map(|hints| hints.waiting.take()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_as_they_are_written() {
        let font = Link::preload("https://a/f.woff2").as_("font").cross_origin().no_push();
        assert_eq!(
            font.to_string(),
            "<https://a/f.woff2>; rel=preload; as=font; crossorigin; nopush"
        );
        assert_eq!(Link::preconnect("https://a").to_string(), "<https://a>; rel=preconnect");
    }

    /// RFC 9113 §8.4: for no other origin, and what is not known to be one is none.
    #[test]
    fn what_can_be_promised() {
        assert_eq!(Link::preload("/a?b").promisable(), Some("/a?b"));
        for other in ["a", "//a/b", "/\\a", "https://a/b", "/a#b", ""] {
            assert_eq!(Link::preload(other).promisable(), None, "{other}");
        }
        assert_eq!(Link::preload("/a").no_push().promisable(), None);
        assert_eq!(Link::preconnect("/a").promisable(), None);
    }

    #[test]
    fn nothing_breaks_out_of_a_link() {
        for bad in ["", "/a>; rel=x", "/a\r\nx: y", "/a b", "/\u{e9}", "/\"", "<"] {
            assert!(!Link::preload(bad).is_valid(), "{bad}");
        }
        assert!(!Link::preload("/a").as_("b; c").is_valid());
        for (length, fits) in [(LONGEST, true), (LONGEST + 1, false)] {
            assert_eq!(Link::preload("/".repeat(length)).is_valid(), fits);
        }
    }
}
