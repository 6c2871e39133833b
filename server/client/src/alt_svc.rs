//! Where else an origin says that it is to be had (RFC 7838): over HTTP/3, on another port of the same host. All else that it may say
//! is passed over.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use trilane_semantics::{Instant, Known, ResponseHead, StatusCode};

use crate::url::Origin;

/// How long what is said is good for, if that is not said (RFC 7838 §3.1).
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// No longer than that, whatever is said.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// So long nobody is asked over HTTP/3 who was not there.
const BROKEN: Duration = Duration::from_secs(5 * 60);
/// So long HTTP/3 has to be there, before TCP is tried.
pub(crate) const HEAD_START: Duration = Duration::from_secs(1);

/// What a shard remembers of that.
#[derive(Debug)]
pub(crate) struct Alternatives {
    known: RefCell<HashMap<Origin, Alternative>>,
    /// Of so many origins; 0: nothing is heeded.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Alternative {
    port: u16,
    until: Instant,
    /// It was not there: until then it is not tried.
    broken: Option<Instant>,
}

impl Alternatives {
    pub(crate) fn new(most: usize) -> Self {
        Self { known: RefCell::default(), most }
    }

    /// The port where `origin` is to be asked over HTTP/3, if it is.
    pub(crate) fn port(&self, origin: &Origin, now: Instant) -> Option<u16> {
        let known = self.known.borrow();
        let it = known.get(origin).filter(|it| now < it.until)?;
        it.broken.is_none_or(|until| until <= now).then_some(it.port)
    }

    /// It was not there.
    pub(crate) fn failed(&self, origin: &Origin, now: Instant) {
        if let Some(it) = self.known.borrow_mut().get_mut(origin) {
            it.broken = Some(now + BROKEN);
        }
    }

    /// Heeds what a response of `origin` says. Whether it is to be asked elsewhere from now on than it was.
    pub(crate) fn hear(&self, origin: &Origin, head: &ResponseHead, now: Instant) -> bool {
        // RFC 7838 §2.1: nobody else may have said so; §6: with 421 it says nothing.
        let is_heeded = origin.is_secure && head.status != StatusCode::MISDIRECTED_REQUEST;
        if self.most == 0 || !is_heeded || !head.fields.contains(Known::Alt) {
            return false;
        }
        let before = self.port(origin, now);
        let mut lines =
            head.fields.all(Known::Alt).filter_map(|line| std::str::from_utf8(line).ok());
        let said = lines.find_map(read);
        let age = head.fields.get_str(Known::Age).and_then(|age| age.parse().ok());
        // RFC 7838 §3.1: what a cache has kept is no longer so fresh.
        let left =
            |ma: Duration| ma.saturating_sub(age.map_or(Duration::ZERO, Duration::from_secs));
        let mut known = self.known.borrow_mut();
        match said {
            Some((port, ma)) => {
                let broken = known.get(origin).filter(|it| it.port == port);
                let broken = broken.and_then(|it| it.broken);
                if known.len() >= self.most && !known.contains_key(origin) {
                    forget_one(&mut known);
                }
                let until = now + left(ma).min(LONGEST);
                known.insert(origin.clone(), Alternative { port, until, broken });
            }
            // RFC 7838 §3: what is said now is instead of what was said before.
            None => drop(known.remove(origin)),
        }
        drop(known);
        self.port(origin, now) != before
    }
}

/// Forgets the one that would be forgotten first.
fn forget_one(known: &mut HashMap<Origin, Alternative>) {
    let first = known.iter().min_by_key(|(_, it)| it.until).map(|(origin, _)| origin.clone());
    if let Some(first) = first {
        known.remove(&first);
    }
}

/// The first port for HTTP/3 on the same host, and how long that is good for. None, if there is none or `clear` is said.
fn read(value: &str) -> Option<(u16, Duration)> {
    split(value, ',').find_map(|one| {
        let mut parts = split(one, ';').map(str::trim);
        let (protocol, authority) = parts.next()?.split_once('=')?;
        let port = unquoted(authority).strip_prefix(':').filter(|_| protocol == "h3")?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let ma = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| *name == "ma");
        let ma = ma.and_then(|(_, ma)| unquoted(ma).parse().ok()).map(Duration::from_secs);
        Some((port, ma.unwrap_or(FRESH)))
    })
}

/// The parts between `mark`s that are not in quotes.
fn split(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |at: char| {
        is_quoted ^= at == '"';
        at == mark && !is_quoted
    })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
#[path = "tests/alt_svc.rs"]
mod tests;
