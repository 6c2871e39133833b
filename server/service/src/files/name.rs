//! The names of files: from the raw path of a request to a name relative to a root, or nothing.
//!
//! Stricter than [`path::check`](crate::path::check): no hidden files, and no name that two readers
//! could read in two ways.

use std::borrow::Cow;

use crate::path::decode;

/// The decoded name, without a slash in front; it ends with one where a directory is meant. `None`
/// for what can be no file: dot segments, hidden files, empty segments, NUL and other controls, `/`
/// or `\` that were encoded, and what is not UTF-8. Allocates only when there is something to
/// decode.
pub(super) fn clean(raw: &str) -> Option<Cow<'_, str>> {
    let directory = raw.strip_suffix('/').unwrap_or(raw);
    if directory.is_empty() {
        return raw.is_empty().then_some(Cow::Borrowed(raw));
    }
    for segment in directory.split('/') {
        let segment = decode(segment)?;
        let is_plain = |char: char| !char.is_control() && !matches!(char, '/' | '\\');
        if segment.is_empty() || segment.starts_with('.') || !segment.chars().all(is_plain) {
            return None;
        }
    }
    // Every segment was decoded alone, and has no separator: so the whole can be decoded at once.
    decode(raw)
}

/// The name of the index of a directory.
pub(super) fn index(directory: &str) -> String {
    [directory, "index.html"].concat()
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
        ] {
            assert_eq!(clean(raw).as_deref(), Some(name), "{raw}");
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
            ".git",
            "a/.git/config",
            "%2Egit",
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
            assert_eq!(clean(refused), None, "{refused}");
        }
    }
}
