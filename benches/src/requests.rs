//! Requests as they come over the wire, and what their answers end in.

use std::fmt;

use crate::frames::Frames;

/// A request with one field, as load generators send it.
pub const ONE_FIELD: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

/// A request with the fields that a browser sends.
pub const BROWSER: &[u8] = b"GET /plaintext HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-User: ?1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Referer: https://www.example.com/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

/// The fields of `BROWSER` as they are over HTTP/2, without those that differ from request to request.
const BROWSER_FIELDS: &[(&str, &str)] = &[
    (":authority", "www.example.com"),
    ("cache-control", "max-age=0"),
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
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
    ("cookie", "theme=dark; consent=given; visited=2026-11-21"),
    ("priority", "u=0, i"),
];

/// What h2load says besides the target.
const LOAD_FIELDS: &[(&str, &str)] =
    &[(":authority", "127.0.0.1:8080"), ("user-agent", "h2load nghttp2/1.52.0")];

/// What one turn of a connection gets, and must answer.
pub struct Scenario {
    /// Its name in tables.
    pub name: &'static str,
    /// The bytes that come.
    pub bytes: Vec<u8>,
    /// What comes instead where it is HTTP/2.
    pub frames: Option<Frames>,
    /// How many requests they are.
    pub requests: usize,
    /// What each answer ends in.
    pub body: Vec<u8>,
}

impl Scenario {
    /// `GET /plaintext`, one field.
    #[must_use]
    pub fn plaintext() -> Self {
        Self::new("plaintext", ONE_FIELD, b"Hello, World!")
    }

    /// The same from a browser.
    #[must_use]
    pub fn browser() -> Self {
        Self::new("plaintext, browser", BROWSER, b"Hello, World!")
    }

    /// 16 times `GET /plaintext` in one piece.
    #[must_use]
    pub fn pipelined() -> Self {
        Self {
            bytes: ONE_FIELD.repeat(16),
            requests: 16,
            ..Self::new("plaintext, pipelined x16", ONE_FIELD, b"Hello, World!")
        }
    }

    /// `GET /json`.
    #[must_use]
    pub fn json() -> Self {
        let request = b"GET /json HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
        Self::new("json", request, b"{\"message\":\"Hello, World!\"}")
    }

    /// `GET /users/{id}`.
    #[must_use]
    pub fn parameter() -> Self {
        let request = b"GET /users/1234567 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
        Self::new("users/{id}", request, b"1234567")
    }

    /// `POST /echo` with 1 KiB.
    #[must_use]
    pub fn echo() -> Self {
        let content = [b'x'; 1 << 10];
        let head = b"POST /echo HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 1024\r\n\r\n";
        Self::new("echo, 1 KiB", &[&head[..], &content[..]].concat(), &content)
    }

    /// `GET /plaintext` over HTTP/2, 100 streams in one piece, as a load generator sends them: all alike.
    #[must_use]
    pub fn h2_many() -> Self {
        let paths = |_| vec!["/plaintext".to_owned(); 100];
        Self::http2("plaintext, h2 x100", Frames::new(1, paths, LOAD_FIELDS), 100, b"Hello, World!")
    }

    /// One such request a turn.
    #[must_use]
    pub fn h2_one() -> Self {
        let paths = |_| vec!["/plaintext".to_owned()];
        Self::http2("plaintext, h2", Frames::new(1, paths, LOAD_FIELDS), 1, b"Hello, World!")
    }

    /// Ten requests of a browser, no two of 640 of which have the same path.
    #[must_use]
    pub fn h2_browser() -> Self {
        let path = |number| format!("/plaintext?asset=lanes-{number:04}.webp");
        let paths = |turn| (10 * turn..10 * turn + 10).map(path).collect();
        let frames = Frames::new(64, paths, BROWSER_FIELDS);
        Self::http2("plaintext, h2 browser x10", frames, 10, b"Hello, World!")
    }

    /// 16 KiB over HTTP/2, 10 streams in one piece.
    #[must_use]
    pub fn h2_content() -> Self {
        let paths = |_| vec!["/bytes/16384".to_owned(); 10];
        Self::http2("16 KiB, h2 x10", Frames::new(1, paths, LOAD_FIELDS), 10, b"")
    }

    /// All of them.
    #[must_use]
    pub fn all() -> [Self; 10] {
        [
            Self::plaintext(),
            Self::browser(),
            Self::pipelined(),
            Self::json(),
            Self::parameter(),
            Self::echo(),
            Self::h2_one(),
            Self::h2_many(),
            Self::h2_browser(),
            Self::h2_content(),
        ]
    }

    fn new(name: &'static str, bytes: &[u8], body: &[u8]) -> Self {
        Self { name, bytes: bytes.to_vec(), frames: None, requests: 1, body: body.to_vec() }
    }

    fn http2(name: &'static str, frames: Frames, requests: usize, body: &[u8]) -> Self {
        Self { frames: Some(frames), requests, ..Self::new(name, b"", body) }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scenario({})", self.name)
    }
}
