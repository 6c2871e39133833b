//! Log lines, off the hot path: they are put into a bounded buffer, which one thread writes out. A full one drops and counts, it
//! never blocks.

use std::io::{self, Write};
use std::mem::swap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trilane_service::LogSink;
pub use trilane_service::events::{EventLog, LevelFilter, install, subscriber};

pub use crate::log_file::Rotation;
use crate::log_file::{LogFile, Reopen};

/// Bytes of lines that wait to be written, a server: some 40,000 requests.
pub const QUEUE: usize = 16 << 20;
/// For how long a line waits for others, so that they cost one waking of the thread, and one write.
const DELAY: Duration = Duration::from_millis(20);
/// So many bytes wait no longer.
const BATCH: usize = 64 << 10;

/// Writes lines on a thread of its own, in the order in which they come, up to 20 ms later. The last clone to go writes out what is
/// left.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

/// What all clones have; ends the thread when the last one goes.
#[derive(Debug)]
struct Shared {
    queue: Arc<Queue>,
    reopen: Reopen,
    thread: Option<JoinHandle<()>>,
}

/// Between all clones and the thread.
#[derive(Debug, Default)]
struct Queue {
    /// Whole lines. Held for a copy of one, or a swap: that costs less than keeping the lines of shards apart, and they stay in order.
    lines: Mutex<Vec<u8>>,
    call: Mutex<Call>,
    bell: Condvar,
    dropped: AtomicU64,
}

/// Why the thread shall wake up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    #[default]
    Nothing,
    /// There are lines.
    Lines,
    /// There are many.
    Batch,
    /// No more lines will come.
    Ended,
}

impl LogWriter {
    /// A writer to `out`, which is given whole lines, many at once.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(out, Reopen::default())
    }

    /// A writer to a file, which is put aside as `rotation` says. A file that is there is continued.
    ///
    /// # Errors
    /// The file cannot be written, or the system has no thread for it.
    pub fn to_file(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let reopen = Reopen::default();
        Self::start(LogFile::open(path, rotation, reopen.clone())?, reopen)
    }

    fn start(out: impl Write + Send + 'static, reopen: Reopen) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let of_thread = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("trilane-log".to_owned())
            .spawn(move || write(out, &of_thread))?;
        Ok(Self { shared: Arc::new(Shared { queue, reopen, thread: Some(thread) }) })
    }

    /// Has its file opened by its name again, before the next line: for programs that move it. Nothing else has a name.
    pub fn reopen(&self) {
        self.shared.reopen.ask();
    }

    /// Lines that were dropped because the buffer was full, or could not be written with others that came with them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.queue.dropped.load(Ordering::Relaxed)
    }
}

impl LogSink for LogWriter {
    fn line(&self, line: &str) {
        let queue = &self.shared.queue;
        let mut lines = lock(&queue.lines);
        let before = lines.len();
        let after = before + line.len() + 1;
        if after > QUEUE {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
        drop(lines);
        if before < BATCH && after >= BATCH {
            queue.call(Call::Batch);
        } else if before == 0 {
            queue.call(Call::Lines);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.call(Call::Ended);
        if let Some(thread) = self.thread.take() {
            // A panic in the writer has cost lines, nothing else.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn call(&self, why: Call) {
        let mut call = lock(&self.call);
        if *call < why {
            *call = why;
            self.bell.notify_one();
        }
    }

    /// Waits until there is something to be written, and a moment more for others. Whether it was the last call.
    fn wait(&self) -> bool {
        let called = self.bell.wait_while(lock(&self.call), |call| *call == Call::Nothing);
        let called = called.unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(called, DELAY, |call| *call == Call::Lines);
        let (mut call, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_last = *call == Call::Ended;
        // Before the lines are taken: what comes when they are gone calls again.
        if !is_last {
            *call = Call::Nothing;
        }
        is_last
    }
}

/// Writes until no more lines will come.
fn write(mut out: impl Write, queue: &Queue) {
    let mut lines = Vec::new();
    loop {
        let is_last = queue.wait();
        swap(&mut *lock(&queue.lines), &mut lines);
        // A log that cannot be written (a closed pipe, a full disk) must not stop the server.
        if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            let lost = lines.iter().filter(|byte| **byte == b'\n').count();
            queue.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        }
        if is_last {
            return;
        }
        lines.clear();
        // A burst is over some time; its memory is not kept.
        lines.shrink_to(4 * BATCH);
    }
}

/// No code panics while it holds one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_last_clone_is_gone() {
        let out = Slow::default();
        let log = LogWriter::new(out.clone()).unwrap();
        let copy = log.clone();
        let mut all = String::new();
        for number in 0..1000 {
            for log in [&copy, &log] {
                log.line(&number.to_string());
                all.push_str(&format!("{number}\n"));
            }
        }
        drop(copy);
        log.line("b");
        drop(log);
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap(), all + "b\n");
    }

    #[test]
    fn lines_are_written_though_nothing_else_happens() {
        let (send, written) = std::sync::mpsc::channel();
        struct Told(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Told {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = LogWriter::new(Told(send)).unwrap();
        let next = || written.recv_timeout(Duration::from_secs(20)).unwrap();
        for line in ["one", "two"] {
            log.line(line);
            assert_eq!(next(), format!("{line}\n").as_bytes());
        }
        let long = "x".repeat(BATCH);
        log.line(&long);
        assert_eq!(next().len(), BATCH + 1);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = LogWriter::new(Full).unwrap();
        let queue = Arc::clone(&log.shared.queue);
        ["a", "b", "c"].into_iter().for_each(|line| log.line(line));
        drop(log);
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_full_buffer_drops_and_counts() {
        let out = Slow::default();
        let held = out.0.lock().unwrap();
        let log = LogWriter::new(out.clone()).unwrap();
        let line = "x".repeat(BATCH - 1);
        let more = 3 * (QUEUE / BATCH) as u64;
        for _ in 0..more {
            log.line(&line);
        }
        // One buffer may be with the thread, and one is full.
        assert!(log.dropped() >= more / 3 && log.dropped() < more);
        let written = (more - log.dropped()) as usize;
        drop(held);
        drop(log);
        assert_eq!(out.0.lock().unwrap().len(), written * BATCH);
    }
}
