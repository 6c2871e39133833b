//! The static table (RFC 9204 Appendix A): 99 lines that every connection knows.
//!
//! Found without hashing: by the number of a well-known name, or by a match on the few other names that it has. Lines with one
//! name are a chain, since not all of them are neighbours.

use trilane_semantics::{Known, NameRef};

/// How many lines there are; indices begin with 0.
pub(crate) const COUNT: usize = 99;

/// No line.
const NONE: u8 = u8::MAX;

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: NameRef<'static>,
    pub(crate) value: &'static [u8],
}

const fn known(name: Known, value: &'static [u8]) -> Line {
    Line { name: NameRef::Known(name), value }
}

const fn other(name: &'static [u8], value: &'static [u8]) -> Line {
    Line { name: NameRef::Other(name), value }
}

const LINES: [Line; COUNT] = [
    other(b":authority", b""),
    other(b":path", b"/"),
    known(Known::Age, b"0"),
    known(Known::ContentDisposition, b""),
    known(Known::ContentLength, b"0"),
    known(Known::Cookie, b""),
    known(Known::Date, b""),
    known(Known::ETag, b""),
    known(Known::IfModifiedSince, b""),
    known(Known::IfNoneMatch, b""),
    known(Known::LastModified, b""),
    known(Known::Link, b""),
    known(Known::Location, b""),
    known(Known::Referer, b""),
    known(Known::SetCookie, b""),
    other(b":method", b"CONNECT"),
    other(b":method", b"DELETE"),
    other(b":method", b"GET"),
    other(b":method", b"HEAD"),
    other(b":method", b"OPTIONS"),
    other(b":method", b"POST"),
    other(b":method", b"PUT"),
    other(b":scheme", b"http"),
    other(b":scheme", b"https"),
    other(b":status", b"103"),
    other(b":status", b"200"),
    other(b":status", b"304"),
    other(b":status", b"404"),
    other(b":status", b"503"),
    known(Known::Accept, b"*/*"),
    known(Known::Accept, b"application/dns-message"),
    known(Known::AcceptEncoding, b"gzip, deflate, br"),
    known(Known::AcceptRanges, b"bytes"),
    other(b"access-control-allow-headers", b"cache-control"),
    other(b"access-control-allow-headers", b"content-type"),
    other(b"access-control-allow-origin", b"*"),
    known(Known::CacheControl, b"max-age=0"),
    known(Known::CacheControl, b"max-age=2592000"),
    known(Known::CacheControl, b"max-age=604800"),
    known(Known::CacheControl, b"no-cache"),
    known(Known::CacheControl, b"no-store"),
    known(Known::CacheControl, b"public, max-age=31536000"),
    known(Known::ContentEncoding, b"br"),
    known(Known::ContentEncoding, b"gzip"),
    known(Known::ContentType, b"application/dns-message"),
    known(Known::ContentType, b"application/javascript"),
    known(Known::ContentType, b"application/json"),
    known(Known::ContentType, b"application/x-www-form-urlencoded"),
    known(Known::ContentType, b"image/gif"),
    known(Known::ContentType, b"image/jpeg"),
    known(Known::ContentType, b"image/png"),
    known(Known::ContentType, b"text/css"),
    known(Known::ContentType, b"text/html; charset=utf-8"),
    known(Known::ContentType, b"text/plain"),
    known(Known::ContentType, b"text/plain;charset=utf-8"),
    known(Known::Range, b"bytes=0-"),
    other(b"strict-transport-security", b"max-age=31536000"),
    other(b"strict-transport-security", b"max-age=31536000; includesubdomains"),
    other(b"strict-transport-security", b"max-age=31536000; includesubdomains; preload"),
    known(Known::Vary, b"accept-encoding"),
    known(Known::Vary, b"origin"),
    known(Known::XContentTypeOptions, b"nosniff"),
    other(b"x-xss-protection", b"1; mode=block"),
    other(b":status", b"100"),
    other(b":status", b"204"),
    other(b":status", b"206"),
    other(b":status", b"302"),
    other(b":status", b"400"),
    other(b":status", b"403"),
    other(b":status", b"421"),
    other(b":status", b"425"),
    other(b":status", b"500"),
    known(Known::AcceptLanguage, b""),
    other(b"access-control-allow-credentials", b"FALSE"),
    other(b"access-control-allow-credentials", b"TRUE"),
    other(b"access-control-allow-headers", b"*"),
    other(b"access-control-allow-methods", b"get"),
    other(b"access-control-allow-methods", b"get, post, options"),
    other(b"access-control-allow-methods", b"options"),
    other(b"access-control-expose-headers", b"content-length"),
    other(b"access-control-request-headers", b"content-type"),
    other(b"access-control-request-method", b"get"),
    other(b"access-control-request-method", b"post"),
    known(Known::Alt, b"clear"),
    known(Known::Authorization, b""),
    other(b"content-security-policy", b"script-src 'none'; object-src 'none'; base-uri 'none'"),
    other(b"early-data", b"1"),
    other(b"expect-ct", b""),
    known(Known::Forwarded, b""),
    known(Known::IfRange, b""),
    known(Known::Origin, b""),
    other(b"purpose", b"prefetch"),
    known(Known::Server, b""),
    other(b"timing-allow-origin", b"*"),
    other(b"upgrade-insecure-requests", b"1"),
    known(Known::UserAgent, b""),
    known(Known::XForwardedFor, b""),
    other(b"x-frame-options", b"deny"),
    other(b"x-frame-options", b"sameorigin"),
];

static TABLE: [Line; COUNT] = LINES;

/// The line that an index names; none behind the table.
#[inline]
pub(crate) fn line(index: u64) -> Option<&'static Line> {
    TABLE.get(usize::try_from(index).ok()?)
}

/// The first index of a name, if it has one.
#[inline]
pub(crate) fn name_index(name: NameRef<'_>) -> Option<u8> {
    match name {
        NameRef::Known(known) => Some(BY_NUMBER[known as usize]).filter(|&first| first != NONE),
        NameRef::Other(b":authority") => Some(0),
        NameRef::Other(b":path") => Some(1),
        NameRef::Other(b":method") => Some(15),
        NameRef::Other(b":scheme") => Some(22),
        NameRef::Other(b":status") => Some(24),
        NameRef::Other(b"access-control-allow-headers") => Some(33),
        NameRef::Other(b"access-control-allow-origin") => Some(35),
        NameRef::Other(b"strict-transport-security") => Some(56),
        NameRef::Other(b"x-xss-protection") => Some(62),
        NameRef::Other(b"access-control-allow-credentials") => Some(73),
        NameRef::Other(b"access-control-allow-methods") => Some(76),
        NameRef::Other(b"access-control-expose-headers") => Some(79),
        NameRef::Other(b"access-control-request-headers") => Some(80),
        NameRef::Other(b"access-control-request-method") => Some(81),
        NameRef::Other(b"content-security-policy") => Some(85),
        NameRef::Other(b"early-data") => Some(86),
        NameRef::Other(b"expect-ct") => Some(87),
        NameRef::Other(b"purpose") => Some(91),
        NameRef::Other(b"timing-allow-origin") => Some(93),
        NameRef::Other(b"upgrade-insecure-requests") => Some(94),
        NameRef::Other(b"x-frame-options") => Some(97),
        NameRef::Other(_) => None,
    }
}

/// The index of the whole line, if it is in the table; `first` is that of its name.
#[inline]
pub(crate) fn line_index(first: u8, value: &[u8]) -> Option<u8> {
    let mut index = first;
    while let Some(line) = TABLE.get(usize::from(index)) {
        if line.value == value {
            return Some(index);
        }
        index = NEXT[usize::from(index)];
    }
    None
}

/// The first line of each well-known name.
const BY_NUMBER: [u8; Known::COUNT] = {
    let mut indices = [NONE; Known::COUNT];
    let mut at = COUNT;
    while at > 0 {
        at -= 1;
        if let NameRef::Known(known) = LINES[at].name {
            indices[known as usize] = at as u8;
        }
    }
    indices
};

/// The next line with the same name, of each line.
static NEXT: [u8; COUNT] = {
    let mut next = [NONE; COUNT];
    let mut at = 0;
    while at < COUNT {
        let mut later = at + 1;
        while later < COUNT && !is_same(LINES[at].name.as_bytes(), LINES[later].name.as_bytes()) {
            later += 1;
        }
        if later < COUNT {
            next[at] = later as u8;
        }
        at += 1;
    }
    next
};

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9204 Appendix A: each line is found where it stands, by name and whole.
    #[test]
    fn every_line_is_found() {
        for index in 0..COUNT as u8 {
            let line = line(u64::from(index)).unwrap();
            let first = name_index(line.name).unwrap();
            assert!(first <= index, "{line:?}");
            assert_eq!(line_index(first, line.value), Some(index));
            assert_eq!(line_index(first, b"no such value"), None);
            assert!(
                Known::from_name(line.name.as_bytes()).is_some()
                    == matches!(line.name, NameRef::Known(_))
            );
        }
        assert!(line(99).is_none() && line(u64::MAX).is_none());
        assert_eq!(name_index(NameRef::Known(Known::XRequestId)), None);
        assert_eq!(name_index(NameRef::Other(b":statuz")), None);
    }

    /// Some lines by number: the first, the last, and those around the gaps in `:status` and in the names of CORS.
    #[test]
    fn lines_stand_where_the_rfc_has_them() {
        let lines: [(u64, &str, &str); 12] = [
            (0, ":authority", ""),
            (1, ":path", "/"),
            (2, "age", "0"),
            (17, ":method", "GET"),
            (25, ":status", "200"),
            (28, ":status", "503"),
            (35, "access-control-allow-origin", "*"),
            (53, "content-type", "text/plain"),
            (63, ":status", "100"),
            (71, ":status", "500"),
            (75, "access-control-allow-headers", "*"),
            (98, "x-frame-options", "sameorigin"),
        ];
        for (index, name, value) in lines {
            let line = line(index).unwrap();
            assert_eq!((line.name.as_bytes(), line.value), (name.as_bytes(), value.as_bytes()));
        }
    }
}
