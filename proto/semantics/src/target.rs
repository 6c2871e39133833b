//! Request targets in their four forms (RFC 9112 §3.2), as ranges of the head's arena.

use crate::field::alphanumeric_and;
use crate::octets::find_target_mark;

/// Which of the four forms a request target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/where?q=now` (RFC 9112 §3.2.1).
    Origin,
    /// `http://example.org/pub` (RFC 9112 §3.2.2).
    Absolute,
    /// `example.org:80`, for CONNECT only (RFC 9112 §3.2.3).
    Authority,
    /// `*`, for OPTIONS only (RFC 9112 §3.2.4).
    Asterisk,
}

/// Where the parts of a target lie, relative to its first byte: the scheme, `://`, the authority, the path, `?`, the
/// query. What is not there is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    form: Form,
    authority: u32,
    path: u32,
    /// Where the path ends.
    path_end: u32,
    end: u32,
}

impl Target {
    /// That of `/`.
    pub(crate) const fn root() -> Self {
        Self { form: Form::Origin, authority: 0, path: 0, path_end: 1, end: 1 }
    }

    /// Splits a target. `None` when it has none of the four forms, or a byte that a URI cannot have
    /// (RFC 3986 §2), or a fragment.
    ///
    /// ```
    /// use trilane_semantics::{Form, Target};
    /// let target = Target::parse(b"http://a.example:81/x?y").unwrap();
    /// assert_eq!(target.form(), Form::Absolute);
    /// assert_eq!(target.path("http://a.example:81/x?y"), "/x");
    /// assert!(Target::parse(b"nonsense here").is_none());
    /// ```
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (target, end) = Self::read(bytes)?;
        (end == bytes.len()).then_some(target)
    }

    /// The target at the front of `bytes`, and its length: it ends where a byte comes that no URI can have.
    #[must_use]
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (path_end, end) = Self::ends(bytes);
        let parsed = match bytes.get(..end)? {
            [b'/', ..] => Self::new(Form::Origin, (0, 0, path_end, end)),
            b"*" => Self::new(Form::Asterisk, (0, 0, 1, 1)),
            rare => Self::parse_rare(rare, path_end),
        };
        Some((parsed?, end))
    }

    /// Where the part before the first `?` ends, and where all of it does.
    #[inline]
    fn ends(bytes: &[u8]) -> (usize, usize) {
        let (mut path_end, mut from) = (None, 0);
        while let Some(at) = find_target_mark(bytes, from) {
            // RFC 9112 §3.2: no white space; RFC 3986 §3.5: the fragment is never sent.
            if bytes[at] != b'?' {
                return (path_end.unwrap_or(at), at);
            }
            path_end.get_or_insert(at);
            from = at + 1;
        }
        (path_end.unwrap_or(bytes.len()), bytes.len())
    }

    #[cold]
    fn parse_rare(bytes: &[u8], path_end: usize) -> Option<Self> {
        let end = bytes.len();
        if let Some(colon) = bytes.windows(3).position(|window| window == b"://") {
            let start = colon + 3;
            let rest = &bytes[start..];
            let stop = rest.iter().position(|b| matches!(b, b'/' | b'?'));
            let slash = start + stop.unwrap_or(rest.len());
            if slash == start || !is_scheme(&bytes[..colon]) {
                return None;
            }
            return Self::new(Form::Absolute, (start, slash, path_end, end));
        }
        let is_one = is_authority(bytes);
        if is_one { Self::new(Form::Authority, (0, end, end, end)) } else { None }
    }

    /// `None` past 4 GiB.
    #[inline]
    fn new(
        form: Form,
        (authority, path, path_end, end): (usize, usize, usize, usize),
    ) -> Option<Self> {
        // The others are no larger.
        let whole = u32::try_from(end).ok()?;
        let [authority, path, path_end] = [authority as u32, path as u32, path_end as u32];
        Some(Self { form, authority, path, path_end, end: whole })
    }

    /// The form.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The scheme, or nothing.
    #[must_use]
    pub fn scheme<'a>(&self, text: &'a str) -> &'a str {
        part(text, 0, self.authority.saturating_sub(3))
    }

    /// The authority, or nothing.
    #[must_use]
    pub fn authority<'a>(&self, text: &'a str) -> &'a str {
        part(text, self.authority, self.path)
    }

    /// The path. An absolute target without one has `/` (RFC 9110 §4.2.3); the authority form has none.
    #[must_use]
    pub fn path<'a>(&self, text: &'a str) -> &'a str {
        let path = part(text, self.path, self.path_end);
        if path.is_empty() && self.form == Form::Absolute { "/" } else { path }
    }

    /// Whether there is nothing after the authority.
    pub(crate) const fn ends_with_authority(&self) -> bool {
        self.path == self.end
    }

    /// The query without its `?`, or `None` where there is no `?`.
    #[must_use]
    pub fn query<'a>(&self, text: &'a str) -> Option<&'a str> {
        (self.path_end < self.end).then(|| part(text, self.path_end + 1, self.end))
    }
}

fn part(text: &str, start: u32, end: u32) -> &str {
    text.get(start as usize..end as usize).unwrap_or_default()
}

/// `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )` (RFC 3986 §3.1).
fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Whether `bytes` can be `host [ ":" port ]` (RFC 9110 §4.2, RFC 3986 §3.2.2): no userinfo, no
/// path, brackets only around an IP literal, a port of digits only. An empty host is refused.
#[must_use]
pub fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = match bytes {
        [b'[', ..] => {
            let Some(close) = bytes.iter().position(|&b| b == b']') else { return false };
            if !is_ip_literal(&bytes[1..close]) {
                return false;
            }
            (&bytes[..=close], &bytes[close + 1..])
        }
        _ => {
            let mut end = 0;
            while bytes.get(end).is_some_and(|&b| REG_NAME[b as usize]) {
                end += 1;
            }
            if bytes.get(end) == Some(&b'%') {
                end = encoded_end(bytes, end);
            }
            bytes.split_at(end)
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    !host.is_empty() && port_is_valid
}

/// Digits, perhaps none, for a number that a port can have (RFC 3986 §3.2.3, RFC 9293 §3.1).
fn is_port(digits: &[u8]) -> bool {
    let mut port = 0u32;
    for &byte in digits {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        port = port * 10 + digit;
        if digit > 9 || port > u32::from(u16::MAX) {
            return false;
        }
    }
    true
}

/// What stands in brackets: an IPv6 address, or `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`
/// (RFC 3986 §3.2.2).
fn is_ip_literal(literal: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = literal {
        let Some(dot) = future.iter().position(|&b| b == b'.') else { return false };
        let (version, address) = (&future[..dot], &future[dot + 1..]);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|&b| REG_NAME[b as usize] || b == b':');
    }
    let text = core::str::from_utf8(literal).ok();
    text.is_some_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok())
}

/// Where a reg-name ends that has percent-encoded bytes from `at` on: `%` and two hexadecimal digits each
/// (RFC 3986 §2.1).
#[cold]
fn encoded_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at += match &bytes[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
            [b, ..] if REG_NAME[*b as usize] => 1,
            _ => return at,
        };
    }
}

/// The bytes of a reg-name that stand for themselves: unreserved, sub-delims (RFC 3986 §3.2.2).
const REG_NAME: [bool; 256] = alphanumeric_and(b"-._~!$&'()*+,;=");

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Form, &'static str, &'static str, &'static str, Option<&'static str>);

    fn parts(text: &'static str) -> Option<Parts> {
        let target = Target::parse(text.as_bytes())?;
        Some((
            target.form(),
            target.scheme(text),
            target.authority(text),
            target.path(text),
            target.query(text),
        ))
    }

    #[test]
    fn the_four_forms() {
        assert_eq!(parts("/"), Some((Form::Origin, "", "", "/", None)));
        assert_eq!(parts("/a/b?c=d?e"), Some((Form::Origin, "", "", "/a/b", Some("c=d?e"))));
        assert_eq!(parts("/a?"), Some((Form::Origin, "", "", "/a", Some(""))));
        assert_eq!(parts("//x"), Some((Form::Origin, "", "", "//x", None)));
        assert_eq!(parts("*"), Some((Form::Asterisk, "", "", "*", None)));
        assert_eq!(parts("http://h"), Some((Form::Absolute, "http", "h", "/", None)));
        assert_eq!(parts("http://h?q"), Some((Form::Absolute, "http", "h", "/", Some("q"))));
        assert_eq!(
            parts("https://h:1/p?q"),
            Some((Form::Absolute, "https", "h:1", "/p", Some("q")))
        );
        assert_eq!(parts("h.example:443"), Some((Form::Authority, "", "h.example:443", "", None)));
        assert_eq!(parts("[::1]:443"), Some((Form::Authority, "", "[::1]:443", "", None)));
    }

    #[test]
    fn what_is_none_of_them() {
        for bad in
            ["", "a b", "/a#b", "/\u{e9}", "http://", "://h", "1http://h/", "h/p", "/\x7f", "u@h:1"]
        {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn authorities() {
        let good = "a a: a:80 a:65534 127.0.0.1:65535 a:000080 [::1] [fe80::1]:8080 [::ffff:1.2.3.4] \
                    [v1.a:b] a-b_c.d a%20b";
        for good in good.split(' ') {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        let bad = " :80 a:b a:65536 a:123456 [] [::1 [::1]x [1] [:::1] [v.a] [v1.] [va] [::1%25eth0] \
                   u@h a/b a:1:2 a% a%2 a%zz a] %";
        for bad in bad.split(' ').chain(["a b"]) {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
