//! Field names (RFC 9110 §5.1): the well-known ones are small numbers, the others are bytes.

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
        }
    };
}

known! {
    Te = "te",
    Age = "age",
    Via = "via",
    Date = "date",
    ETag = "etag",
    From = "from",
    Host = "host",
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

    /// The well-known name that `name` is, whatever its case (RFC 9110 §5.1).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.len() > Self::LONGEST {
            return None;
        }
        let first = name[0] | 0x20;
        let run = STARTS[name.len()] as usize..STARTS[name.len() + 1] as usize;
        for at in run {
            let known = Self::NAMES[at].as_bytes();
            if known[0] == first && known.eq_ignore_ascii_case(name) {
                return Some(Self::ALL[at]);
            }
        }
        None
    }
}

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
    !name.is_empty() && name.iter().all(|&byte| TCHAR[byte as usize])
}

/// Whether `value` may stand in a field line: no NUL, CR or LF, and no other control but the tab
/// (RFC 9110 §5.5).
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte >= 0x20 && byte != 0x7f || byte == b'\t')
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
const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

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
        for name in [&b""[..], b"hos", b"hostt", b"h\x4fsu", b"content_length", &[b'a'; 300]] {
            assert_eq!(Known::from_name(name), None);
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
