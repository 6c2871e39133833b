//! The names of files: from the raw path of a request to a name relative to a root, or nothing.
//!
//! Stricter than [`path::check`](crate::path::check): no hidden files, and no name that two readers
//! could read in two ways.

use std::borrow::Cow;

use crate::path::decode;

/// The decoded name, without a slash in front; it ends with one where a directory is meant. `None`
/// for what can be no file: dot segments, empty segments, NUL and other controls, `/` or `\` that were encoded, what
/// is not UTF-8, and hidden files unless they are `shown`. Allocates only when there is something to decode.
pub(super) fn clean(raw: &str, shown: bool) -> Option<Cow<'_, str>> {
    let has_separator = |segment| decode(segment).is_none_or(|it| it.contains('/'));
    if raw.contains('%') && raw.split('/').any(has_separator) {
        return None;
    }
    // No segment has a separator that was encoded, so the whole can be decoded at once.
    decode(raw).filter(|name| name.is_empty() || is_clean(name, shown))
}

/// Whether a decoded name, which may end with a slash, is one.
pub(super) fn is_clean(name: &str, shown: bool) -> bool {
    let plain = name.strip_suffix('/').unwrap_or(name);
    plain.split('/').enumerate().all(|(at, segment)| {
        let is_plain = |char: char| !char.is_control() && char != '\\';
        // RFC 8615 §3: what is well known lies at the top, below a name with a dot.
        let is_hidden = segment.starts_with('.') && !(at == 0 && segment == ".well-known");
        let is_dots = matches!(segment, "." | "..");
        !segment.is_empty() && !is_dots && (shown || !is_hidden) && segment.chars().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_as_a_table() {
        for (raw, name) in [
            ("", ""),
            ("a", "a"),
            ("a/b.txt", "a/b.txt"),
            ("a/", "a/"),
            ("a%20b/c%C3%A9", "a b/c\u{e9}"),
            ("a..b", "a..b"),
            ("%61/", "a/"),
            (".well-known", ".well-known"),
            (".well-known/", ".well-known/"),
            (".well-known/security.txt", ".well-known/security.txt"),
            ("%2ewell-known/a", ".well-known/a"),
        ] {
            assert_eq!(clean(raw, false).as_deref(), Some(name), "{raw}");
            assert_eq!(clean(raw, true).as_deref(), Some(name), "{raw}");
        }
        for hidden in [
            ".git",
            "a/.git/config",
            "%2Egit",
            "...",
            ".well-known/.git",
            "a/.well-known/b",
            ".well-known-not",
        ] {
            assert_eq!(clean(hidden, false), None, "{hidden}");
            assert!(clean(hidden, true).is_some(), "{hidden}");
        }
        for refused in [
            "/",
            "//",
            "/a",
            "a//b",
            "a//",
            ".",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "%2e%2e/a",
            ".well-known/../a",
            ".well-known//a",
            "a%00",
            "a%0a",
            "a%2Fb",
            "a%2f..%2fb",
            "a%5cb",
            "a\\b",
            "%ff",
            "a%",
            "a%2",
        ] {
            assert_eq!((clean(refused, false), clean(refused, true)), (None, None), "{refused}");
        }
    }
}
