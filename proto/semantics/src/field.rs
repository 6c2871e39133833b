//! Field names (RFC 9110 §5.1): the well-known ones are small numbers, the others are bytes.

use crate::octets::find_control;

/// Declares the well-known names, shortest first, so that a lookup reads one run of the table.
macro_rules! known {
    ($($(#[$doc:meta])* $id:ident = $name:literal,)*) => {
        /// A well-known field name, one byte instead of a string.
        ///
        /// ```
        /// use trilane_semantics::Known;
        /// assert_eq!(Known::from_name(b"Content-LENGTH"), Some(Known::ContentLength));
        /// assert_eq!(Known::ContentLength.as_str(), "content-length");
        /// assert_eq!(Known::from_name(b"x-own"), None);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known { $($(#[$doc])* #[doc = concat!("`", $name, "`")] $id,)* }

        impl Known {
            /// Every well-known name, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];
            const NAMES: &'static [&'static str] = &[$($name,)*];
            const LINES: &'static [&'static str] = &[$(concat!($name, ": "),)*];
        }
    };
}

known! {
    Te = "te",
    Age = "age",
    Via = "via",
    Host = "host",
    Date = "date",
    ETag = "etag",
    From = "from",
    Link = "link",
    Vary = "vary",
    Allow = "allow",
    Range = "range",
    Accept = "accept",
    Cookie = "cookie",
    Expect = "expect",
    Origin = "origin",
    Pragma = "pragma",
    Server = "server",
    Alt = "alt-svc",
    Expires = "expires",
    Referer = "referer",
    Trailer = "trailer",
    Upgrade = "upgrade",
    IfMatch = "if-match",
    IfRange = "if-range",
    Location = "location",
    Priority = "priority",
    Forwarded = "forwarded",
    Connection = "connection",
    KeepAlive = "keep-alive",
    SetCookie = "set-cookie",
    UserAgent = "user-agent",
    RetryAfter = "retry-after",
    Traceparent = "traceparent",
    ContentType = "content-type",
    XRequestId = "x-request-id",
    MaxForwards = "max-forwards",
    AcceptRanges = "accept-ranges",
    CacheControl = "cache-control",
    ContentRange = "content-range",
    IfNoneMatch = "if-none-match",
    LastModified = "last-modified",
    Authorization = "authorization",
    ContentLength = "content-length",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    XForwardedFor = "x-forwarded-for",
    ContentEncoding = "content-encoding",
    ContentLanguage = "content-language",
    ContentLocation = "content-location",
    ProxyConnection = "proxy-connection",
    WwwAuthenticate = "www-authenticate",
    XForwardedProto = "x-forwarded-proto",
    IfModifiedSince = "if-modified-since",
    TransferEncoding = "transfer-encoding",
    ProxyAuthenticate = "proxy-authenticate",
    IfUnmodifiedSince = "if-unmodified-since",
    ContentDisposition = "content-disposition",
    ProxyAuthorization = "proxy-authorization",
    XContentTypeOptions = "x-content-type-options",
}

/// `STARTS[n]..STARTS[n + 1]` are the numbers of the names with n bytes.
const STARTS: [u8; Known::LONGEST + 2] = {
    let mut starts = [0u8; Known::LONGEST + 2];
    let mut length = 0;
    let mut at = 0;
    while length < starts.len() {
        starts[length] = at as u8;
        while at < Known::NAMES.len() && Known::NAMES[at].len() == length {
            at += 1;
        }
        length += 1;
    }
    assert!(at == Known::NAMES.len(), "the table must be sorted by length");
    starts
};

impl Known {
    const LONGEST: usize = 22;
    /// At most 64, so that a set of them is one word.
    pub const COUNT: usize = {
        assert!(Self::NAMES.len() <= 64);
        Self::NAMES.len()
    };

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The name, a colon and a space: how a field line begins (RFC 9112 §5).
    #[must_use]
    #[inline]
    pub const fn line_start(self) -> &'static str {
        Self::LINES[self as usize]
    }

    /// The well-known name that `name` is, whatever its case (RFC 9110 §5.1).
    #[must_use]
    #[inline]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.len() < 2 || name.len() > Self::LONGEST {
            return None;
        }
        let words = words(name);
        let run = STARTS[name.len()] as usize..STARTS[name.len() + 1] as usize;
        let found = KEYS[run.clone()].iter().position(|key| key.fits(words))?;
        Some(Self::ALL[run.start + found])
    }
}

/// A name of 2 to 24 bytes as three words: its first 8 bytes, its last 8, and the 8 after the first. Of names of one
/// length, equal words are equal names.
#[inline]
const fn words(name: &[u8]) -> [u64; 3] {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let middle = match name.split_at(8).1.first_chunk() {
            Some(middle) if name.len() > 16 => u64::from_le_bytes(*middle),
            _ => 0,
        };
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last), middle];
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return [u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64, 0];
    }
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            [u16::from_le_bytes(*first) as u64, u16::from_le_bytes(*last) as u64, 0]
        }
        _ => [0; 3],
    }
}

/// A well-known name as words, and the bit that tells cases apart, set wherever there is a letter.
#[derive(Clone, Copy)]
struct NameKey {
    name: [u64; 3],
    case: [u64; 3],
}

impl NameKey {
    const fn new(name: &[u8]) -> Self {
        let mut letters = [0; Known::LONGEST];
        let mut index = 0;
        while index < name.len() {
            letters[index] = if name[index].is_ascii_lowercase() { 0x20 } else { 0 };
            index += 1;
        }
        Self { name: words(name), case: words(letters.split_at(name.len()).0) }
    }

    #[inline]
    const fn fits(&self, words: [u64; 3]) -> bool {
        (words[0] | self.case[0]) == self.name[0]
            && (words[1] | self.case[1]) == self.name[1]
            && (words[2] | self.case[2]) == self.name[2]
    }
}

/// The well-known names in the order of their numbers.
const KEYS: [NameKey; Known::COUNT] = {
    let mut keys = [NameKey { name: [0; 3], case: [0; 3] }; Known::COUNT];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = NameKey::new(Known::NAMES[at].as_bytes());
        at += 1;
    }
    keys
};

/// A field name to look for or to add: well known, or its bytes in any case.
///
/// Made from [`Known`], `&str`, or `&http::HeaderName`.
#[derive(Clone, Copy, Debug)]
pub enum NameRef<'a> {
    /// A well-known name.
    Known(Known),
    /// Any other name, as given.
    Other(&'a [u8]),
}

impl<'a> NameRef<'a> {
    /// The name as a lookup key, well-known names recognised.
    #[must_use]
    pub fn new(name: &'a [u8]) -> Self {
        Known::from_name(name).map_or(Self::Other(name), Self::Known)
    }

    /// The name's bytes, in lower case when it is well known.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Known(known) => known.as_str().as_bytes(),
            Self::Other(name) => name,
        }
    }
}

impl From<Known> for NameRef<'_> {
    fn from(known: Known) -> Self {
        Self::Known(known)
    }
}

impl<'a> From<&'a str> for NameRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name.as_bytes())
    }
}

impl<'a> From<&'a http::HeaderName> for NameRef<'a> {
    fn from(name: &'a http::HeaderName) -> Self {
        Self::new(name.as_str().as_bytes())
    }
}

/// Whether `name` is a token (RFC 9110 §5.6.2), the only form that a field name may have (§5.1).
///
/// ```
/// assert!(trilane_semantics::field::is_token(b"x-own"));
/// assert!(!trilane_semantics::field::is_token(b"x own"));
/// assert!(!trilane_semantics::field::is_token(b""));
/// ```
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    // No early exit: names are short and good, and this way several bytes are looked at at once.
    !name.is_empty() & name.iter().fold(true, |good, &byte| good & TCHAR[byte as usize])
}

/// Whether `name` is a token without capitals, as HTTP/2 and HTTP/3 have field names (RFC 9113 §8.2.1, RFC 9114 §4.2).
#[must_use]
pub(crate) fn is_lower_token(name: &[u8]) -> bool {
    !name.is_empty() & name.iter().fold(true, |good, &byte| good & LOWER_TCHAR[byte as usize])
}

/// Whether `value` may stand in a field line: no NUL, CR or LF, and no other control but the tab
/// (RFC 9110 §5.5).
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    find_control(value, 0).is_none()
}

/// Without optional white space around it (RFC 9110 §5.6.3): spaces and tabs, nothing else.
#[must_use]
pub const fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The bytes of a token (RFC 9110 §5.6.2).
const TCHAR: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// The same without capitals.
const LOWER_TCHAR: [bool; 256] = {
    let mut table = TCHAR;
    let mut byte = b'A';
    while byte <= b'Z' {
        table[byte as usize] = false;
        byte += 1;
    }
    table
};

/// The ASCII letters and digits, and these.
pub(crate) const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for known in Known::ALL {
            let name = known.as_str();
            assert_eq!(Known::from_name(name.as_bytes()), Some(*known));
            assert_eq!(Known::from_name(name.to_uppercase().as_bytes()), Some(*known));
            assert!(is_token(name.as_bytes()));
        }
        let longest = Known::ALL.iter().map(|known| known.as_str().len()).max();
        assert_eq!(longest, Some(Known::LONGEST));
    }

    #[test]
    fn near_misses_are_not_known() {
        let long = [b'a'; 300];
        for name in [&b""[..], b"h", b"hos", b"hostt", b"h\x4fsu", b"content_length", &long] {
            assert_eq!(Known::from_name(name), None);
        }
    }

    /// Only letters have cases: `-` with that bit off is a CR.
    #[test]
    fn every_byte_of_a_name_counts() {
        for known in Known::ALL {
            let name = known.as_str().as_bytes();
            for at in 0..name.len() {
                for flip in [0x01, 0x20, 0x80] {
                    let mut other = name.to_vec();
                    other[at] ^= flip;
                    let same = other.eq_ignore_ascii_case(name);
                    assert_eq!(Known::from_name(&other) == Some(*known), same, "{other:?}");
                }
            }
        }
    }

    /// RFC 9110 §5.5: CR, LF and NUL are dangerous, other controls invalid.
    #[test]
    fn values_hold_no_controls() {
        assert!(is_value(b"a b\tc \xff"));
        for byte in (0..0x20).chain([0x7f]).filter(|&byte| byte != b'\t') {
            assert!(!is_value(&[b'a', byte]), "{byte:#x}");
        }
    }
}
