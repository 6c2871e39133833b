//! What is known of a file: how it is described (RFC 9110 §8), and its content, read or open.

use std::fs::File;
use std::rc::Rc;
use std::time::SystemTime;

use trilane_semantics::Payload;

use super::disk::Stamp;
use super::{mime, name};
use crate::conditional::Validators;

/// The description of a file.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) content_type: &'static str,
    pub(super) etag: Box<str>,
    modified: Option<SystemTime>,
    /// `modified` as an IMF-fixdate (RFC 9110 §5.6.7).
    pub(super) last_modified: Option<Box<str>>,
}

impl Description {
    /// Of a file on the disk.
    pub(super) fn new(name: &str, stamp: &Stamp) -> Self {
        let modified = stamp.modified().filter(is_representable);
        Self {
            content_type: content_type(name),
            etag: stamp.etag(),
            modified,
            last_modified: modified.map(|at| httpdate::fmt_http_date(at).into()),
        }
    }

    pub(super) fn validators(&self) -> Validators<'_> {
        Validators { etag: Some(self.etag.as_bytes()), modified: self.modified }
    }
}

/// A file and its content: in memory, or a range of an open file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) description: Description,
    pub(super) content: Payload,
    /// Its state on the disk.
    pub(super) stamp: Option<Stamp>,
}

impl Entry {
    /// A file on the disk, read whole.
    pub(super) fn read(name: &str, content: Vec<u8>, stamp: Stamp) -> Self {
        let description = Description::new(name, &stamp);
        Self { description, content: content.into(), stamp: Some(stamp) }
    }

    /// A file on the disk, open.
    pub(super) fn open(name: &str, file: File, stamp: Stamp) -> Self {
        let description = Description::new(name, &stamp);
        // Longer than any `usize` there are none: the system counts in 63 bits.
        let content = Payload::from_file(Rc::new(file), 0, stamp.length as usize);
        Self { description, content, stamp: Some(stamp) }
    }

    /// A file that is part of the program. Its tag is a hash of its content; nobody knows when it
    /// changed.
    pub(super) fn embedded(name: &str, content: &'static [u8]) -> Self {
        let description = Description {
            content_type: content_type(name),
            etag: format!("\"{:x}-{:016x}\"", content.len(), hash(content)).into(),
            modified: None,
            last_modified: None,
        };
        Self { description, content: content.into(), stamp: None }
    }
}

/// The type of a name; of its index, where a directory is meant.
fn content_type(name: &str) -> &'static str {
    if name.is_empty() || name.ends_with('/') { mime::of(&name::index("")) } else { mime::of(name) }
}

/// `fmt_http_date` panics past the year 9999.
fn is_representable(at: &SystemTime) -> bool {
    const LAST: u64 = 253_402_300_799;
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() <= LAST)
}

/// FNV-1a, the same on every machine and at every start.
fn hash(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
