//! Field lines of a request and of an answer, for who compresses them.

/// Names and values.
pub type Pairs = Vec<(&'static [u8], &'static [u8])>;

/// As a browser sends it.
#[must_use]
pub fn request(path: &'static str) -> Pairs {
    let lines = [
        (":method", "GET"),
        (":authority", "www.example.com"),
        (":scheme", "https"),
        (":path", path),
        ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("upgrade-insecure-requests", "1"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        ),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
        ("referer", "https://www.example.com/"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.9"),
        ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
        ("priority", "u=0, i"),
    ];
    lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())).to_vec()
}

/// As a server answers.
#[must_use]
pub fn response(length: &'static str) -> Pairs {
    let lines = [
        (":status", "200"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", length),
        ("cache-control", "max-age=3600, must-revalidate"),
        ("vary", "accept-encoding"),
        ("x-content-type-options", "nosniff"),
        ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ("server", "trilane"),
    ];
    lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())).to_vec()
}
