//! Request targets in their four forms (RFC 9112 §3.2), as ranges of the head's arena.

use std::ops::Range;

use crate::field::alphanumeric_and;

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

/// Where the parts of a target lie, relative to its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    form: Form,
    scheme: Range<u32>,
    authority: Range<u32>,
    path: Range<u32>,
    query: Range<u32>,
}

impl Target {
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
        let end = u32::try_from(bytes.len()).ok()?;
        // RFC 9112 §3.2: no white space; RFC 3986 §3.5: the fragment is never sent.
        // No early exit: several bytes are looked at at once.
        let visible = |good, &b: &u8| good & (b > 0x20) & (b < 0x7f) & (b != b'#');
        if !bytes.iter().fold(true, visible) {
            return None;
        }
        let none = end..end;
        let mut target = Self {
            form: Form::Origin,
            scheme: none.clone(),
            authority: none.clone(),
            path: 0..end,
            query: none.clone(),
        };
        match bytes {
            b"*" => target.form = Form::Asterisk,
            [b'/', ..] => target.split_query(bytes, 0),
            _ => {
                if let Some(colon) = find(bytes, b"://") {
                    let start = colon + 3;
                    let rest = &bytes[start..];
                    let stop = rest.iter().position(|b| matches!(b, b'/' | b'?'));
                    let slash = start + stop.unwrap_or(rest.len());
                    if slash == start || !is_scheme(&bytes[..colon]) {
                        return None;
                    }
                    target.form = Form::Absolute;
                    target.scheme = 0..colon as u32;
                    target.authority = start as u32..slash as u32;
                    target.split_query(bytes, slash);
                } else {
                    if !is_authority(bytes) {
                        return None;
                    }
                    target.form = Form::Authority;
                    target.authority = 0..end;
                    target.path = none;
                }
            }
        }
        Some(target)
    }

    fn split_query(&mut self, bytes: &[u8], path: usize) {
        let end = bytes.len() as u32;
        let question = bytes[path..].iter().position(|&b| b == b'?').map(|at| (path + at) as u32);
        self.path = path as u32..question.unwrap_or(end);
        self.query = question.map_or(end..end, |at| at + 1..end);
    }

    /// The form.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The scheme, or nothing.
    #[must_use]
    pub fn scheme<'a>(&self, text: &'a str) -> &'a str {
        part(text, &self.scheme)
    }

    /// The authority, or nothing.
    #[must_use]
    pub fn authority<'a>(&self, text: &'a str) -> &'a str {
        part(text, &self.authority)
    }

    /// The path. An absolute target without one has `/` (RFC 9110 §4.2.3); the authority form has none.
    #[must_use]
    pub fn path<'a>(&self, text: &'a str) -> &'a str {
        let path = part(text, &self.path);
        if path.is_empty() && self.form == Form::Absolute { "/" } else { path }
    }

    /// The query without its `?`, or `None` where there is no `?`.
    #[must_use]
    pub fn query<'a>(&self, text: &'a str) -> Option<&'a str> {
        let start = self.query.start as usize;
        let marked = start > 0 && text.as_bytes().get(start - 1) == Some(&b'?');
        (marked && self.form != Form::Authority).then(|| part(text, &self.query))
    }
}

fn part<'a>(text: &'a str, range: &Range<u32>) -> &'a str {
    text.get(range.start as usize..range.end as usize).unwrap_or_default()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
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
            while end < bytes.len() && REG_NAME[bytes[end] as usize] {
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
    let add = |sum: u32, &b: &u8| {
        b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u32::from(b - b'0')))
    };
    digits.iter().try_fold(0, add).is_some_and(|port| port <= u32::from(u16::MAX))
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
