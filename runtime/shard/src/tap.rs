//! What a connection writes of itself while somebody reads along: lines with a bound, from a shard to whoever listens on another thread.
//!
//! The shard never waits: what finds no room is left out, whole lines of it, and counted.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Bytes that may wait to be read.
pub const ROOM: usize = 1 << 20;

/// What is read.
pub struct Tap(Arc<Mutex<Pipe>>);

/// What is written to.
pub(crate) struct TapWriter {
    pipe: Arc<Mutex<Pipe>>,
    /// A line that is not complete.
    line: Vec<u8>,
}

#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    /// Lines that found no room.
    lost: u64,
    /// Nobody writes any more.
    is_over: bool,
    /// Nobody reads any more.
    is_deaf: bool,
    reader: Option<Waker>,
}

/// Both ends.
pub(crate) fn tap() -> (Tap, TapWriter) {
    let pipe: Arc<Mutex<Pipe>> = Arc::default();
    (Tap(Arc::clone(&pipe)), TapWriter { pipe, line: Vec::new() })
}

/// A panic while it was held leaves the bytes as they were.
fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    /// The next lines, as soon as there are any; nothing more once the connection is gone.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            let mut pipe = lock(&self.0);
            if !pipe.bytes.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut pipe.bytes)));
            }
            if pipe.is_over {
                return Poll::Ready(None);
            }
            pipe.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Lines that were left out, because they came faster than they were read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.0).lost
    }

    /// Whether the connection is gone; what it wrote last may still be there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        lock(&self.0).is_over
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut pipe = lock(&self.0);
        pipe.is_deaf = true;
        pipe.bytes = Vec::new();
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Write for TapWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once a line, so that who writes need not make the rest of it.
        if self.line.is_empty() && lock(&self.pipe).is_deaf {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") {
            self.put();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TapWriter {
    fn put(&mut self) {
        let mut pipe = lock(&self.pipe);
        if pipe.is_deaf || pipe.bytes.len() + self.line.len() > ROOM {
            pipe.lost += 1;
        } else {
            pipe.bytes.extend_from_slice(&self.line);
        }
        let reader = pipe.reader.take();
        drop(pipe);
        self.line.clear();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.is_over = true;
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn read(tap: &mut Tap) -> Poll<Option<Vec<u8>>> {
        pin!(tap.read()).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn lines_come_whole_or_not_at_all() {
        let (mut tap, mut writer) = tap();
        writer.write_all(b"one").unwrap();
        assert!(read(&mut tap).is_pending());
        writer.write_all(b"\n").unwrap();
        assert_eq!(read(&mut tap), Poll::Ready(Some(b"one\n".to_vec())));
        let long = vec![b'x'; ROOM - 4];
        writer.write_all(&long).unwrap();
        writer.write_all(b"\n").unwrap();
        writer.write_all(b"two\n").unwrap();
        writer.write_all(b"3\n").unwrap();
        assert_eq!(tap.lost(), 1);
        let Poll::Ready(Some(bytes)) = read(&mut tap) else { panic!("nothing") };
        assert!(bytes.len() == ROOM - 1 && bytes.ends_with(b"x\n3\n"));
        writer.write_all(b"half").unwrap();
        assert!(!tap.is_over());
        drop(writer);
        assert!(tap.is_over() && read(&mut tap) == Poll::Ready(None));
    }

    #[test]
    fn who_is_not_heard_writes_no_more() {
        let (tap, mut writer) = tap();
        writer.write_all(b"a").unwrap();
        drop(tap);
        writer.write_all(b"b\n").unwrap();
        assert!(writer.write_all(b"c").is_err());
    }
}
