//! The one rule for paths (RFC 3986 §2.1, §3.3), in force before any route is looked at.
//!
//! - A route is matched on the raw path, as it was sent; `/a%62` is not `/ab`.
//! - Parameters are decoded once, by their extractor. `%2F` is a character of a value, never a
//!   separator.
//! - Bad percent-encoding and `%00` are 400.
//! - A dot segment, `.` or `..`, plain or encoded, is 404. For this rule alone `%2F`, `\` and `%5C`
//!   separate segments too, so that what a parameter holds after decoding is safe to look up below
//!   a directory.
//! - A trailing slash makes another path.
//! - What is encoded though it need not be (`/%61dmin`) is 400 where it would have another route if it were not: the layers of that
//!   route are not walked around, whatever the one that matches makes of it. So routes are written plainly, too. `%2F` stays what it
//!   is: who takes the rest of a path and joins it to something looks for it, as files do.
//!
//! Nothing is ever normalised, nor redirected.

use std::borrow::Cow;

use trilane_semantics::octets::has_byte;

/// Why a path reaches no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// A `%` without two hexadecimal digits, or `%00`: 400.
    Encoding,
    /// A dot segment: 404.
    DotSegment,
}

/// Whether a path may be looked up. Reads it once, and no more when it has neither `%` nor `\` nor a
/// segment that begins with a dot.
///
/// # Errors
/// [`BadPath`], the one the path is refused for.
///
/// ```
/// use trilane_service::path::{BadPath, check};
/// assert_eq!(check("/a/.well-known/b%20c"), Ok(()));
/// assert_eq!(check("/a/%2e./b"), Err(BadPath::DotSegment));
/// assert_eq!(check("/a%0"), Err(BadPath::Encoding));
/// ```
pub fn check(path: &str) -> Result<(), BadPath> {
    let bytes = path.as_bytes();
    let is_odd =
        |before: u8, byte: u8| (byte == b'%') | (byte == b'\\') | (byte == b'.') & (before == b'/');
    // No early exit: paths are short and rarely odd, and this way several bytes are looked at at once.
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let odd = pairs.fold(false, |odd, (&before, &byte)| odd | is_odd(before, byte));
    if odd || bytes.first().is_some_and(|&first| is_odd(0, first)) {
        return check_slowly(bytes);
    }
    Ok(())
}

fn check_slowly(path: &[u8]) -> Result<(), BadPath> {
    // Dots of the segment so far; more than 2 when it is no dot segment.
    let (mut dots, mut any, mut found, mut rest) = (0, false, false, path);
    while let Some((&first, tail)) = rest.split_first() {
        let mut byte = first;
        rest = tail;
        if first == b'%' {
            let (decoded, tail) = hex_pair(rest).ok_or(BadPath::Encoding)?;
            if decoded == 0 {
                return Err(BadPath::Encoding);
            }
            (byte, rest) = (decoded, tail);
        }
        match byte {
            b'/' | b'\\' => {
                found |= !any && dots > 0;
                (dots, any) = (0, false);
            }
            b'.' if dots < 2 => dots += 1,
            _ => any = true,
        }
    }
    if found || (!any && dots > 0) { Err(BadPath::DotSegment) } else { Ok(()) }
}

/// Decodes a part of a path, once. `None` when the result is not UTF-8 or the encoding is bad.
/// Allocates only when there is something to decode.
#[must_use]
pub fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let (mut decoded, mut rest) = (Vec::with_capacity(raw.len()), raw.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let (byte, tail) = hex_pair(rest)?;
            decoded.push(byte);
            rest = tail;
        } else {
            decoded.push(first);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The path as it is without encoding what need not be, and with the rest in upper case (RFC 3986 §6.2.2); `None` if it is so already.
pub(crate) fn plain(path: &str) -> Option<String> {
    if !has_byte(path.as_bytes(), b'%') {
        return None;
    }
    let (mut plain, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let escape = if first == b'%' { hex_pair(tail) } else { None };
        rest = match escape {
            Some((byte, tail)) if is_plain(byte) => {
                plain.push(byte);
                tail
            }
            Some((_, after)) => {
                plain.extend_from_slice(b"%");
                plain.extend(tail.iter().take(2).map(u8::to_ascii_uppercase));
                after
            }
            None => {
                plain.push(first);
                tail
            }
        };
    }
    String::from_utf8(plain).ok().filter(|plain| plain != path)
}

/// What a path may have as it is: `pchar` of RFC 3986 §3.3, and what else targets are let through with.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%' | b'?' | b'#')
}

/// RFC 3986 §2.1: `pct-encoded = "%" HEXDIG HEXDIG`, in either case.
fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(*high)? << 4 | digit(*low)?;
    Some((u8::try_from(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_as_a_table() {
        for good in [
            "/",
            "/a",
            "/a/",
            "//",
            "/a//b",
            "/...",
            "/.a",
            "/a.",
            "/a..",
            "/..a",
            "/a/.b/c",
            "/%41",
            "/%2e%2e%2e",
            "/a%2Fb",
            "/%2Ea",
            "/a.%2e",
            "/%ff",
            "/%5Ca",
            "*",
            "",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for dots in [
            "/.",
            "/..",
            "/./",
            "/../",
            "/a/.",
            "/a/..",
            "/a/./b",
            "/a/../b",
            "/%2e",
            "/%2E",
            "/.%2e",
            "/%2e.",
            "/a/%2e%2E/b",
            "/a%2F..%2Fb",
            "/a%2f..",
            "/a\\..\\b",
            "/a%5C..",
            "/..%2f",
            "/a/..%5c",
        ] {
            assert_eq!(check(dots), Err(BadPath::DotSegment), "{dots}");
        }
        for bad in ["/%", "/%4", "/%4g", "/%g4", "/a%00", "/%00", "/%%41", "/%+1", "/../%"] {
            assert_eq!(check(bad), Err(BadPath::Encoding), "{bad}");
        }
    }

    #[test]
    fn what_could_be_written_otherwise() {
        for (path, expected) in [
            ("/%61dmin", "/admin"),
            ("/a%7e%2D%40", "/a~-@"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%2fb%41", "/a%2FbA"),
            ("/%2541", "/%2541"),
        ] {
            assert_eq!(plain(path).as_deref().unwrap_or(path), expected);
        }
        assert_eq!(plain("/a%7Cb%5b%5D").as_deref(), Some("/a|b[]"));
        for path in ["/", "/a-b", "/a|b", "/a%20b", "/caf%C3%A9", "/a%3Fb%23", "/%zz", "/%"] {
            assert_eq!(plain(path), None, "{path}");
        }
    }

    #[test]
    fn decoding_happens_once() {
        assert!(matches!(decode("plain"), Some(Cow::Borrowed("plain"))));
        assert_eq!(decode("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        assert_eq!(decode("%C3%A9").as_deref(), Some("\u{e9}"));
        assert_eq!((decode("%ff"), decode("%4"), decode("%zz")), (None, None, None));
    }
}
