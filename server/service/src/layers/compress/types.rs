//! What is text, or near enough: content that becomes much smaller. Pictures, films, sound and archives are small already.

/// Types that are text although their names do not say so.
const TEXT: [&str; 14] = [
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/manifest",
    "application/rtf",
    "application/toml",
    "application/vnd.apple.mpegurl",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/xml",
    "application/yaml",
];

/// Whether content of that type, without its parameters, is worth compressing: `text/*`, `*+json`, `*+xml`, `*+text` and
/// `*+yaml` (RFC 6838 §4.2.8), and some of `application`, WebAssembly among them.
///
/// ```
/// use trilane_service::layers::is_text;
/// assert!(is_text("text/html") && is_text("image/svg+xml") && is_text("Application/JSON"));
/// assert!(!is_text("image/png") && !is_text("application/grpc"));
/// ```
#[must_use]
pub fn is_text(kind: &str) -> bool {
    let suffix = kind.rsplit_once('+').map_or("", |(_, suffix)| suffix);
    let is_one = |of: &[&str], name: &str| of.iter().any(|known| known.eq_ignore_ascii_case(name));
    kind.get(..5).is_some_and(|kind| is_one(&["text/"], kind))
        || is_one(&["json", "xml", "text", "yaml"], suffix)
        || is_one(&TEXT, kind)
}
