//! A stored response: what is kept of one (RFC 9111 §3.1), and how another brings it up to date (§3.2).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use trilane_semantics::{Fields, Known, NameRef, ResponseHead};

use super::CacheConfig;
use super::control::{Allows, withheld};
use super::freshness::{Heuristic, Standing, initial_age, lifetime};
use super::vary::Selection;
use crate::conditional::{Validators, parse_date};
use crate::text::since_epoch;

/// What an entry costs besides its content and its fields, in bytes.
const COST: usize = 512;
/// The last second of the year 9999, which is the last that a date can say.
const LAST: std::time::Duration = std::time::Duration::from_secs(253_402_300_799);

/// A whole response.
#[derive(Debug)]
pub(super) struct Stored {
    /// Without Age and Content-Length, and what is for one connection only.
    pub(super) head: ResponseHead,
    pub(super) body: Bytes,
    pub(super) selection: Selection,
    pub(super) allows: Allows,
    arrived: SystemTime,
    /// In seconds, as is the next.
    initial_age: u64,
    lifetime: u64,
    /// Somebody fetches a new one already.
    is_refreshing: AtomicBool,
}

/// When a handler was asked, and when it has answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) asked: SystemTime,
    pub(super) now: SystemTime,
}

impl Stored {
    /// Of a head with [`storable`] fields.
    pub(super) fn new(
        head: ResponseHead,
        body: Bytes,
        selection: Selection,
        allows: Allows,
        times: Times,
        heuristic: Option<Heuristic>,
    ) -> Self {
        let (lifetime, _) = lifetime(head.status, &head.fields, &allows, times.now, heuristic);
        let initial_age = initial_age(&head.fields, times.asked, times.now);
        let mut stored = Self {
            head,
            body,
            selection,
            allows,
            arrived: times.now,
            initial_age,
            lifetime,
            is_refreshing: AtomicBool::new(false),
        };
        // It is computed from now on (RFC 9111 §5.1).
        stored.head.fields.remove(Known::Age);
        stored
    }

    /// The same response, brought up to date by the fields of a 304 (RFC 9111 §4.3.4) or of an answer to HEAD (§4.3.5). It is
    /// for those who are like `request` in what its Vary says now.
    pub(super) fn updated(
        &self,
        update: &Fields,
        request: &Fields,
        times: Times,
        config: &CacheConfig,
    ) -> Self {
        let mut head = self.head.clone();
        let update = storable(update, &Allows::of(update, config.targeted), times.now);
        // RFC 9111 §3.2: all fields; but what is kept is the content as it was coded then.
        let lines = || {
            update.lines().filter(|(known, ..)| {
                !matches!(known, Some(Known::ContentEncoding | Known::ContentRange))
            })
        };
        for (_, name, _) in lines() {
            head.fields.remove(NameRef::new(name));
        }
        for (_, name, value) in lines() {
            // They stood in a section like this one already.
            let _ = head.fields.append(NameRef::new(name), value);
        }
        let allows = Allows::of(&head.fields, config.targeted);
        // It may withhold what was stored before.
        head.fields = storable(&head.fields, &allows, times.now);
        if !config.cookies.may_be_stored(&allows) {
            head.fields.remove(Known::SetCookie);
        }
        let selection = Selection::of(&head.fields, request);
        let selection = selection.unwrap_or_else(|| self.selection.clone());
        Self::new(head, self.body.clone(), selection, allows, times, config.heuristic)
    }

    /// How fresh it is.
    pub(super) fn standing(&self, now: SystemTime) -> Standing {
        let resident = now.duration_since(self.arrived).unwrap_or_default().as_secs();
        Standing {
            age: self.initial_age.saturating_add(resident),
            lifetime: self.lifetime,
            no_cache: self.allows.no_cache,
            forbids_stale: self.allows.forbids_stale(),
            is_strict: self.allows.s_maxage.is_some(),
            stale_while_revalidate: self.allows.stale_while_revalidate,
        }
    }

    /// What identifies it (RFC 9110 §8.8).
    pub(super) fn validators(&self) -> Validators<'_> {
        let fields = &self.head.fields;
        let modified = fields.get(Known::LastModified).and_then(parse_date);
        Validators { etag: fields.get(Known::ETag), modified }
    }

    /// Whether it can be asked whether it is still right.
    pub(super) fn has_validator(&self) -> bool {
        self.head.fields.has_any(&[Known::ETag, Known::LastModified])
    }

    /// Whether it may answer anybody without asking the handler first.
    pub(super) fn is_shareable(&self) -> bool {
        self.lifetime > 0 && !self.allows.no_cache
    }

    /// Whether an error may be answered with it, `staleness` seconds after its end (RFC 5861 §4). `s-maxage` does not forbid
    /// what the response itself allows.
    pub(super) fn stands_in_for_errors(&self, now: SystemTime) -> bool {
        let standing = self.standing(now);
        let most = self.allows.stale_if_error.filter(|_| !standing.forbids_stale);
        most.is_some_and(|most| standing.age <= standing.lifetime.saturating_add(most))
    }

    /// Whether somebody fetches a new one.
    pub(super) fn is_refreshing(&self) -> bool {
        self.is_refreshing.load(Ordering::Relaxed)
    }

    /// Whether the caller is to fetch a new one, since nobody does.
    pub(super) fn begin_refresh(&self) -> bool {
        !self.is_refreshing.swap(true, Ordering::Relaxed)
    }

    /// Nobody fetches a new one any more.
    pub(super) fn end_refresh(&self) {
        self.is_refreshing.store(false, Ordering::Relaxed);
    }

    /// What it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.body.len() + self.head.fields.weight() + self.selection.weight() + COST
    }
}

/// The fields of a response that may be stored (RFC 9111 §3.1): without those of the connection (RFC 9110 §7.6.1, MUST) and of
/// proxies, without those that `no-cache` and `private` name, and without its length, which the content has. With a Date.
pub(super) fn storable(fields: &Fields, allows: &Allows, now: SystemTime) -> Fields {
    let mut kept = Fields::new();
    for (known, name, value) in fields.lines() {
        let is_hop = match known {
            Some(known) => matches!(
                known,
                Known::Connection
                    | Known::ContentLength
                    | Known::KeepAlive
                    | Known::ProxyAuthenticate
                    | Known::ProxyAuthorization
                    | Known::ProxyConnection
                    | Known::Te
                    | Known::Trailer
                    | Known::TransferEncoding
                    | Known::Upgrade
            ),
            None => name == b"proxy-authentication-info",
        };
        let is_named = |other: &[u8]| other.eq_ignore_ascii_case(name);
        if !is_hop
            && !fields.list(Known::Connection).any(is_named)
            && !withheld(fields, allows).any(is_named)
        {
            // It stood in a section like this one already.
            let _ = kept.append(NameRef::new(name), value);
        }
    }
    if !kept.contains(Known::Date) {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + since_epoch(now).min(LAST));
        let _ = kept.append(Known::Date, date);
    }
    kept
}
