//! One request, one answer, over a blocking socket: for programs that measure a real server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
///
/// # Errors
/// It is not to be had.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A GET of `target`, as it goes over the wire.
#[must_use]
pub fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes()
}

/// Asks, and reads the whole answer, whose content has a length. How many bytes it had in all.
///
/// # Errors
/// The connection breaks, or the answer is no 200.
pub fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<usize> {
    stream.write_all(request)?;
    let (mut bytes, mut have) = ([0; 4096], 0);
    loop {
        let n = stream.read(&mut bytes[have..])?;
        have += n;
        if let Some(whole) = length(&bytes[..have])?
            && have >= whole
        {
            return Ok(whole);
        }
        if n == 0 || have == bytes.len() {
            return Err(io::Error::other("an answer was cut, or is too long"));
        }
    }
}

/// A fresh connection and its first answer: how long both took.
///
/// # Errors
/// As [`ask`].
pub fn first_answer(address: SocketAddr, request: &[u8]) -> io::Result<Duration> {
    let began = Instant::now();
    ask(&mut connect(address)?, request)?;
    Ok(began.elapsed())
}

/// The element that `parts` of a million are not above.
///
/// # Panics
/// There are none.
#[must_use]
pub fn quantile<T: Copy>(sorted: &[T], parts: usize) -> T {
    sorted[(sorted.len() * parts / 1_000_000).min(sorted.len() - 1)]
}

/// Bytes of the answer that begins here, once its head is whole.
fn length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(io::Error::other(format!("not the answer that is measured: {text}")));
    }
    let content = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let content = content.and_then(|length| length.trim().parse::<usize>().ok());
    content
        .map(|content| Some(head + 4 + content))
        .ok_or_else(|| io::Error::other("no Content-Length"))
}
