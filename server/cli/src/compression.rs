//! `[compression]`: text is compressed, as clients like it.

use serde::Deserialize;
use trilane::{Coding, Compress};

/// `[compression]`. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionSection {
    /// Content from that many bytes on. Default 1,024.
    pub from: Option<u64>,
    /// Media types, in which `*` stands for anything, once: `text/*`, `*+json`. Default: all that is text.
    pub types: Option<Vec<String>>,
    /// How much work is done.
    pub levels: Levels,
}

/// `levels` of `[compression]`. A level beyond its range is the end of it. Default: 3 for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// 0 to 9, for deflate too.
    pub gzip: Option<i32>,
    /// Of brotli, 0 to 11.
    pub br: Option<i32>,
    /// -7 to 22.
    pub zstd: Option<i32>,
}

impl CompressionSection {
    /// Whether it can be done.
    ///
    /// # Errors
    /// A type that no content can have, in words.
    pub fn check(&self) -> Result<(), String> {
        let is_type = |kind: &&String| {
            let is_plain = |byte: u8| !byte.is_ascii_whitespace() && byte != b';';
            (kind.contains('/') || kind.starts_with('*'))
                && kind.matches('*').count() <= 1
                && kind.bytes().all(is_plain)
        };
        match self.types.iter().flatten().find(|kind| !is_type(kind)) {
            Some(kind) => Err(format!("[compression] types: '{kind}' is no media type")),
            None => Ok(()),
        }
    }

    /// The layer.
    #[must_use]
    pub fn layer(&self) -> Compress {
        let mut compress = Compress::new();
        if let Some(bytes) = self.from {
            compress = compress.from(bytes);
        }
        if let Some(types) = self.types.clone() {
            compress = compress.types(move |kind| types.iter().any(|it| matches(it, kind)));
        }
        let Levels { gzip, br, zstd } = self.levels;
        let levels = [(Coding::Gzip, gzip), (Coding::Brotli, br), (Coding::Zstd, zstd)];
        let said = levels.into_iter().filter_map(|(coding, level)| Some((coding, level?)));
        said.fold(compress, |compress, (coding, level)| compress.level(coding, level))
    }
}

/// Whether a media type is the one that is meant, in any case (RFC 9110 §8.3.1).
fn matches(pattern: &str, kind: &str) -> bool {
    let Some((front, back)) = pattern.split_once('*') else {
        return kind.eq_ignore_ascii_case(pattern);
    };
    let (start, end) = (kind.get(..front.len()), kind.len().checked_sub(back.len()));
    let is_long_enough = kind.len() >= front.len() + back.len();
    is_long_enough
        && start.is_some_and(|start| start.eq_ignore_ascii_case(front))
        && end.and_then(|end| kind.get(end..)).is_some_and(|end| end.eq_ignore_ascii_case(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_as_patterns() {
        for (pattern, kind, expected) in [
            ("text/*", "Text/html", true),
            ("text/*", "text/", true),
            ("text/*", "text", false),
            ("*+json", "application/ld+JSON", true),
            ("*+json", "json", false),
            ("image/*+xml", "image/svg+xml", true),
            ("image/*+xml", "image/+xm", false),
            ("*", "", true),
            ("*/*", "a/b", false),
            ("application/json", "Application/JSON", true),
            ("application/json", "application/json5", false),
            ("text/*", "\u{e9}\u{e9}\u{e9}", false),
        ] {
            assert_eq!(matches(pattern, kind), expected, "{pattern} {kind}");
        }
    }

    #[test]
    fn what_is_no_type_is_told() {
        let with = |kind: &str| CompressionSection {
            types: Some(vec!["text/*".into(), kind.into()]),
            ..CompressionSection::default()
        };
        for kind in ["a/b", "*", "*+json", "a/*"] {
            assert_eq!(with(kind).check(), Ok(()), "{kind}");
        }
        for kind in ["", "html", "*/*", "text/html; charset=utf-8", "text /a"] {
            let error = format!("[compression] types: '{kind}' is no media type");
            assert_eq!(with(kind).check(), Err(error));
        }
    }
}
