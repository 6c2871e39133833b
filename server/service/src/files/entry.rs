//! What is known of a file: how each of its codings is described (RFC 9110 §8), and its content, read or open.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;
use trilane_semantics::{Fields, Known, Payload};

use super::disk::{Content, Loaded, State};
use super::mime;
use super::options::Options;
use crate::coding::{Coding, negotiate};
use crate::conditional::Validators;
use crate::text::since_epoch;

/// A file, with the codings that it is there in.
#[derive(Debug)]
pub(super) struct Entry {
    /// The file itself first, then its siblings, best first.
    pub(super) variants: SmallVec<[Variant; 1]>,
    /// Its state on the disk, and when that was read.
    state: Option<(State, SystemTime)>,
}

/// A file in one coding: a representation (RFC 9110 §8.8.3.3), with a tag of its own.
#[derive(Debug)]
pub(super) struct Variant {
    coding: Coding,
    etag: Box<str>,
    modified: Option<SystemTime>,
    /// The fields of a 200, and those of a 304.
    pub(super) whole: Fields,
    pub(super) same: Fields,
    /// In memory, or a range of an open file.
    pub(super) content: Payload,
}

impl Variant {
    pub(super) fn validators(&self) -> Validators<'_> {
        Validators { etag: Some(self.etag.as_bytes()), modified: self.modified }
    }
}

impl Entry {
    /// A file on the disk, as it was read at that time.
    pub(super) fn of_disk(loaded: Loaded, options: &Options, now: SystemTime) -> Self {
        let maker = Maker::new(&loaded.name, options, loaded.contents.len() > 1);
        let variants = loaded.contents.into_iter().map(|(coding, content, stamp)| {
            let (content, etag) = match content {
                Content::Small(content) => {
                    let etag = hashed(&content);
                    (content.into(), etag)
                }
                // Longer than any `usize` there are none: the system counts in 63 bits.
                Content::Large(file) => {
                    (Payload::from_file(Rc::new(file), 0, stamp.length as usize), stamp.etag())
                }
            };
            // RFC 9110 §8.8.2.1: a time that is still to come MUST be that of the message, or one before it, that this is.
            let modified = stamp.modified().map(|at| at.min(seconds(now)));
            maker.variant(coding, content, etag, modified)
        });
        Self { variants: variants.collect(), state: Some((loaded.state, now)) }
    }

    /// Files that are part of the program, all of one name, with their tags. Nobody knows when they changed.
    pub(super) fn of_program(
        name: &str,
        contents: &[(Coding, &'static [u8], &str)],
        options: &Options,
    ) -> Self {
        let maker = Maker::new(name, options, contents.len() > 1);
        let variants = contents.iter().map(|&(coding, content, etag)| {
            maker.variant(coding, content.into(), etag.into(), None)
        });
        Self { variants: variants.collect(), state: None }
    }

    /// A page made for a directory.
    pub(super) fn of_page(directory: &str, page: String, options: &Options) -> Self {
        let mut maker = Maker::new(directory, options, false);
        maker.content_type = "text/html; charset=utf-8";
        let etag = hashed(page.as_bytes());
        let variant = maker.variant(Coding::Identity, page.into(), etag, None);
        Self { variants: [variant].into_iter().collect(), state: None }
    }

    /// Its state, if it can be told by it that the file has changed since.
    pub(super) fn known_state(&self) -> Option<State> {
        let (state, read) = self.state.as_ref()?;
        state.is_settled(*read).then(|| state.clone())
    }

    /// The coding that a client would rather have. One that accepts nothing that is there gets the file as it is, by RFC 9110
    /// §12.4.1: a layer further out may know more codings.
    pub(super) fn choose(&self, request: &Fields) -> Option<&Variant> {
        let (plain, siblings) = self.variants.split_first()?;
        if siblings.is_empty() {
            return Some(plain);
        }
        let offered: SmallVec<[Coding; 4]> = siblings.iter().map(|it| it.coding).collect();
        let best = negotiate(request, &offered);
        Some(siblings.iter().find(|it| Some(it.coding) == best).unwrap_or(plain))
    }
}

/// Makes the variants of one name.
struct Maker<'a> {
    content_type: &'a str,
    cache_control: Option<&'a str>,
    has_siblings: bool,
}

impl<'a> Maker<'a> {
    fn new(name: &str, options: &'a Options, has_siblings: bool) -> Self {
        Self {
            content_type: options.media_type_of(name).unwrap_or_else(|| mime::of(name)),
            cache_control: options.cache_control_of(name),
            has_siblings,
        }
    }

    fn variant(
        &self,
        coding: Coding,
        content: Payload,
        etag: String,
        modified: Option<SystemTime>,
    ) -> Variant {
        let modified = modified.filter(is_representable);
        let mut same = Fields::new();
        put(&mut same, Known::ETag, &etag);
        if let Some(cache_control) = self.cache_control {
            put(&mut same, Known::CacheControl, cache_control);
        }
        // RFC 9110 §12.5.5.
        if self.has_siblings {
            same.append_static(Known::Vary, "accept-encoding");
        }
        // A 304 has no others (RFC 9110 §15.4.5, SHOULD NOT): who asked has them.
        let mut whole = same.clone();
        if let Some(modified) = modified {
            put(&mut whole, Known::LastModified, &httpdate::fmt_http_date(modified));
        }
        put(&mut whole, Known::ContentType, self.content_type);
        if coding != Coding::Identity {
            whole.append_static(Known::ContentEncoding, coding.name());
        }
        whole.append_static(Known::AcceptRanges, "bytes");
        Variant { coding, etag: etag.into(), modified, whole, same, content }
    }
}

/// Values are our own, or were checked when they were set.
fn put(fields: &mut Fields, name: Known, value: &str) {
    let _ = fields.append(name, value);
}

/// Without fractions of a second.
fn seconds(at: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch(at).as_secs())
}

/// `fmt_http_date` panics past the year 9999.
fn is_representable(at: &SystemTime) -> bool {
    const LAST: u64 = 253_402_300_799;
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() <= LAST)
}

/// A strong entity tag of content: its length and a hash of it (FNV-1a), the same on every machine and at every start.
pub(super) fn hashed(content: &[u8]) -> String {
    let hash = content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{:x}-{hash:016x}\"", content.len())
}
