//! Requests at a constant rate whatever the server does, each timed from the moment at which it should have been sent: a
//! server that stalls pays for everything that was due meanwhile (no coordinated omission).
//!
//! One thread that never sleeps, so it needs a CPU of its own. A connection has one request under way; who finds none
//! free waits, and that counts as well.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::ask::{ask, connect};

/// What is asked, and how often.
#[derive(Clone, Debug)]
pub struct Load {
    /// Of the server.
    pub address: SocketAddr,
    /// A request whose answer has always the same length.
    pub request: Vec<u8>,
    /// How many connections there are.
    pub connections: usize,
    /// Requests a second; 0 for as many as go.
    pub rate: u64,
    /// For how long.
    pub duration: Duration,
}

struct Asked {
    stream: TcpStream,
    due: Instant,
    /// Bytes of the answer that are still to come.
    left: usize,
}

impl Load {
    /// Asks. The times of all answers, in nanoseconds, sorted.
    ///
    /// # Errors
    /// A connection breaks, or an answer is not the first one's like.
    pub fn run(&self) -> io::Result<Vec<u64>> {
        let mut free = VecDeque::new();
        let mut whole = 0;
        for _ in 0..self.connections {
            let mut stream = connect(self.address)?;
            whole = ask(&mut stream, &self.request)?;
            stream.set_nonblocking(true)?;
            free.push_back(stream);
        }
        let (mut asked, mut times): (Vec<Asked>, _) = (Vec::new(), Vec::new());
        let (began, mut count) = (Instant::now(), 0u64);
        let end = began + self.duration;
        loop {
            let now = Instant::now();
            let due = match self.rate {
                0 => now,
                rate => began + Duration::from_nanos(count * 1_000_000_000 / rate),
            };
            if due <= now && due < end {
                if let Some(mut stream) = free.pop_front() {
                    stream.write_all(&self.request)?;
                    asked.push(Asked { stream, due, left: whole });
                    count += 1;
                    // What has been due longer goes first; else answers are looked for between two requests.
                    if self.rate != 0 {
                        look(&mut asked, &mut free, &mut times, 4)?;
                        continue;
                    }
                    if !free.is_empty() {
                        continue;
                    }
                }
            } else if due >= end && asked.is_empty() {
                break;
            }
            look(&mut asked, &mut free, &mut times, usize::MAX)?;
        }
        times.sort_unstable();
        Ok(times)
    }
}

/// Looks for answers to the `most` that were asked first.
fn look(
    asked: &mut Vec<Asked>,
    free: &mut VecDeque<TcpStream>,
    times: &mut Vec<u64>,
    most: usize,
) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let mut at = 0;
    while at < asked.len().min(most) {
        let one = &mut asked[at];
        match one.stream.read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) if n <= one.left => one.left -= n,
            Ok(_) => return Err(io::Error::other("an answer is longer than the first")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if one.left > 0 {
            at += 1;
            continue;
        }
        let one = asked.remove(at);
        let took = Instant::now().saturating_duration_since(one.due).as_nanos();
        times.push(u64::try_from(took).unwrap_or(u64::MAX));
        free.push_back(one.stream);
    }
    Ok(())
}
