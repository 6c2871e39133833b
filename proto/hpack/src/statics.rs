//! The static table (RFC 7541 Appendix A): 61 lines that every connection knows.
//!
//! Found without hashing: by the number of a well-known name, or by a match on the few other names that it has.

use trilane_semantics::{Known, NameRef};

/// How many lines there are; indices begin with 1, those of the dynamic table behind the last.
pub(crate) const COUNT: usize = 61;

/// No line behind this one has a value.
const LAST_WITH_VALUE: u8 = 16;

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: NameRef<'static>,
    pub(crate) value: &'static [u8],
}

const fn known(name: Known) -> Line {
    Line { name: NameRef::Known(name), value: b"" }
}

const fn other(name: &'static [u8], value: &'static [u8]) -> Line {
    Line { name: NameRef::Other(name), value }
}

const LINES: [Line; COUNT] = [
    other(b":authority", b""),
    other(b":method", b"GET"),
    other(b":method", b"POST"),
    other(b":path", b"/"),
    other(b":path", b"/index.html"),
    other(b":scheme", b"http"),
    other(b":scheme", b"https"),
    other(b":status", b"200"),
    other(b":status", b"204"),
    other(b":status", b"206"),
    other(b":status", b"304"),
    other(b":status", b"400"),
    other(b":status", b"404"),
    other(b":status", b"500"),
    other(b"accept-charset", b""),
    Line { name: NameRef::Known(Known::AcceptEncoding), value: b"gzip, deflate" },
    known(Known::AcceptLanguage),
    known(Known::AcceptRanges),
    known(Known::Accept),
    other(b"access-control-allow-origin", b""),
    known(Known::Age),
    known(Known::Allow),
    known(Known::Authorization),
    known(Known::CacheControl),
    known(Known::ContentDisposition),
    known(Known::ContentEncoding),
    known(Known::ContentLanguage),
    known(Known::ContentLength),
    known(Known::ContentLocation),
    known(Known::ContentRange),
    known(Known::ContentType),
    known(Known::Cookie),
    known(Known::Date),
    known(Known::ETag),
    known(Known::Expect),
    known(Known::Expires),
    known(Known::From),
    known(Known::Host),
    known(Known::IfMatch),
    known(Known::IfModifiedSince),
    known(Known::IfNoneMatch),
    known(Known::IfRange),
    known(Known::IfUnmodifiedSince),
    known(Known::LastModified),
    known(Known::Link),
    known(Known::Location),
    known(Known::MaxForwards),
    known(Known::ProxyAuthenticate),
    known(Known::ProxyAuthorization),
    known(Known::Range),
    known(Known::Referer),
    other(b"refresh", b""),
    known(Known::RetryAfter),
    known(Known::Server),
    known(Known::SetCookie),
    other(b"strict-transport-security", b""),
    known(Known::TransferEncoding),
    known(Known::UserAgent),
    known(Known::Vary),
    known(Known::Via),
    known(Known::WwwAuthenticate),
];

/// The line that an index names; none for 0 and for those behind the table.
#[inline]
pub(crate) fn line(index: u64) -> Option<&'static Line> {
    static TABLE: [Line; COUNT] = LINES;
    TABLE.get(usize::try_from(index).ok()?.wrapping_sub(1))
}

/// The first index of a name; 0 where it has none.
#[inline]
pub(crate) fn name_index(name: NameRef<'_>) -> u8 {
    match name {
        NameRef::Known(known) => BY_NUMBER[known as usize],
        NameRef::Other(b":authority") => 1,
        NameRef::Other(b":method") => 2,
        NameRef::Other(b":path") => 4,
        NameRef::Other(b":scheme") => 6,
        NameRef::Other(b":status") => 8,
        NameRef::Other(b"accept-charset") => 15,
        NameRef::Other(b"access-control-allow-origin") => 20,
        NameRef::Other(b"refresh") => 52,
        NameRef::Other(b"strict-transport-security") => 56,
        NameRef::Other(_) => 0,
    }
}

/// The index of the whole line, if it is in the table; `first` is that of its name, not 0.
#[inline]
pub(crate) fn line_index(first: u8, value: &[u8]) -> Option<u8> {
    if !value.is_empty() && first > LAST_WITH_VALUE {
        return None;
    }
    let run = match first {
        2 | 4 | 6 => first..first + 2,
        8 => 8..15,
        _ => first..first + 1,
    };
    run.into_iter().find(|index| line(u64::from(*index)).is_some_and(|line| line.value == value))
}

/// The index of each well-known name; 0 where it has none.
const BY_NUMBER: [u8; Known::COUNT] = {
    let mut indices = [0; Known::COUNT];
    let mut at = 0;
    while at < COUNT {
        if let NameRef::Known(known) = LINES[at].name {
            indices[known as usize] = at as u8 + 1;
        }
        at += 1;
    }
    indices
};

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 Appendix A: each line is found where it stands, by name and whole.
    #[test]
    fn every_line_is_found() {
        for index in 1..=COUNT as u8 {
            let line = line(u64::from(index)).unwrap();
            let first = name_index(line.name);
            assert!((1..=index).contains(&first), "{line:?}");
            assert_eq!(line_index(first, line.value), Some(index));
            assert_eq!(line_index(first, b"no such value"), None);
            assert!(
                Known::from_name(line.name.as_bytes()).is_some()
                    == matches!(line.name, NameRef::Known(_))
            );
        }
        assert!(line(0).is_none() && line(62).is_none() && line(u64::MAX).is_none());
        assert_eq!(name_index(NameRef::Known(Known::XRequestId)), 0);
        assert_eq!(name_index(NameRef::Other(b":statuz")), 0);
    }
}
