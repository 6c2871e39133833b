//! `trilane health URL`: whether a server is well, for containers whose image has nothing else to ask with.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::run::Failure;

/// Bytes of an answer that are read until its first line has ended.
const LINE: usize = 1 << 10;

/// How to ask.
#[derive(Clone, Debug, Args)]
pub struct Health {
    /// What to ask for, in clear: `http://127.0.0.1:8080/health`.
    pub url: String,
    /// Send the token that is the first line of FILE.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Seconds that the answer may take, 60 at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

/// Asks once: a status of 200 to 299 is well, all else is an error.
///
/// # Errors
/// The URL is none of ours, nobody answers in time, or what is answered is another status.
pub(crate) fn health(health: &Health) -> Result<String, Failure> {
    let refused = |why: &dyn std::fmt::Display| Failure::Setting(format!("{}: {why}", health.url));
    let (authority, path) = parts(&health.url)
        .ok_or_else(|| refused(&"a URL in clear is needed, like http://127.0.0.1:8080/health"))?;
    let token = match &health.token_file {
        None => String::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text =
                text.map_err(|error| Failure::Setting(format!("{}: {error}", file.display())))?;
            format!("Authorization: Bearer {}\r\n", text.lines().next().unwrap_or_default().trim())
        }
    };
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n{token}Connection: close\r\n\r\n");
    let deadline = Instant::now() + Duration::from_secs(health.timeout);
    let line = ask(&authority, &head, deadline).map_err(|error| refused(&error))?;
    match status(&line) {
        Some(status @ 200..=299) => Ok(format!("{}: {status}", health.url)),
        Some(status) => Err(refused(&status)),
        None => Err(refused(&"the answer is no HTTP")),
    }
}

/// The authority, with a port, and the target of a URL.
fn parts(url: &str) -> Option<(String, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_said = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || !is_said(rest) {
        return None;
    }
    // Behind the last bracket, for an IPv6 address has colons of its own.
    let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    Some((authority, if path.is_empty() { "/" } else { path }))
}

/// Sends that head to the first address that answers the phone; what comes back, to the end of its first line at least.
fn ask(authority: &str, head: &str, deadline: Instant) -> io::Result<Vec<u8>> {
    let late = || io::Error::from(ErrorKind::TimedOut);
    let left = || deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    let mut socket = None;
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left().ok_or_else(late)?) {
            Ok(connected) => {
                socket = Some(connected);
                break;
            }
            Err(error) => last = error,
        }
    }
    let Some(mut socket) = socket else { return Err(last) };
    socket.set_write_timeout(Some(left().ok_or_else(late)?))?;
    socket.write_all(head.as_bytes())?;
    let (mut line, mut piece) = (Vec::new(), [0; LINE]);
    while line.len() < LINE && !line.contains(&b'\n') {
        socket.set_read_timeout(Some(left().ok_or_else(late)?))?;
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => line.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What a timeout of a socket is called on this system.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(late()),
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

/// The status of a status line (RFC 9112 §4).
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, rest) = rest.split_at_checked(3)?;
    let is_ended = rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    if !is_ended || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn urls_in_clear_have_an_authority_and_a_target() {
        let parsed = |url| parts(url).map(|(authority, path)| (authority, path.to_owned()));
        let some = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(parsed("http://127.0.0.1:81/a?b"), some("127.0.0.1:81", "/a?b"));
        assert_eq!(parsed("http://a"), some("a:80", "/"));
        assert_eq!(parsed("http://[::1]/x"), some("[::1]:80", "/x"));
        assert_eq!(parsed("http://[::1]:81/x"), some("[::1]:81", "/x"));
        for url in ["https://a/", "a", "http:///x", "http://a/\r\nX: y", "http://a b/", ""] {
            assert_eq!(parsed(url), None, "{url}");
        }
    }

    #[test]
    fn status_lines_are_read_strictly() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        let whole = b"HTTP/1.1 200 ";
        for cut in 0..whole.len() {
            assert_eq!(status(&whole[..cut]), None, "{cut}");
        }
        for line in [&b"HTTP/2 200 \r\n"[..], b"HTTP/1.1 2000 \r\n", b"HTTP/1.1 +20 ", b"SSH-2.0"] {
            assert_eq!(status(line), None);
        }
    }

    fn asked(answer: &'static [u8], file: Option<PathBuf>) -> (Result<String, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut head, mut piece) = (Vec::new(), [0; 64]);
            while !head.ends_with(b"\r\n\r\n") {
                let n = socket.read(&mut piece).unwrap();
                head.extend_from_slice(&piece[..n]);
            }
            // Byte by byte: the line comes in pieces.
            answer.iter().for_each(|byte| drop(socket.write_all(&[*byte])));
            String::from_utf8(head).unwrap()
        });
        let asked = health(&Health { url, token_file: file, timeout: 20 });
        (asked.map_err(|error| error.to_string()), server.join().unwrap())
    }

    #[test]
    fn two_hundred_is_well_and_nothing_else_is() {
        assert!(asked(b"HTTP/1.1 204 No Content\r\n\r\n", None).0.unwrap().ends_with(": 204"));
        for (answer, word) in [
            (&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], ": 503"),
            (b"HTTP/1.1 302 Found\r\n\r\n", ": 302"),
            (b"hello\r\n", "no HTTP"),
            (b"", "no HTTP"),
        ] {
            let error = asked(answer, None).0.unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_token_is_sent() {
        let file = std::env::temp_dir().join(format!("trilane-health-{}", std::process::id()));
        std::fs::write(&file, "secret\nmore\n").unwrap();
        let (_, head) = asked(b"HTTP/1.1 200 OK\r\n\r\n", Some(file.clone()));
        assert!(head.contains("\r\nAuthorization: Bearer secret\r\n"), "{head}");
        std::fs::remove_file(file).unwrap();
    }
}
