//! Log lines, off the hot path: a bounded queue to one thread. A full queue drops and counts, it never blocks.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use trilane_service::LogSink;
pub use trilane_service::events::{EventLog, LevelFilter, install, subscriber};

pub use crate::log_file::Rotation;
use crate::log_file::{LogFile, Reopen};

/// Lines that wait to be written, a server.
pub const QUEUE: usize = 16 << 10;

/// Writes lines on a thread of its own. The last clone to go writes out what is queued.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Option<SyncSender<String>>,
    dropped: AtomicU64,
    reopen: Reopen,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// A writer to `out`.
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
        let (lines, receive) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("trilane-log".to_owned())
            .spawn(move || write(out, &receive))?;
        let shared =
            Shared { lines: Some(lines), dropped: AtomicU64::new(0), reopen, thread: Some(thread) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has its file opened by its name again, before the next line: for programs that move it. Nothing else has a name.
    pub fn reopen(&self) {
        self.shared.reopen.ask();
    }

    /// Lines that were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl LogSink for LogWriter {
    fn line(&self, line: &str) {
        let mut owned = String::with_capacity(line.len() + 1);
        owned.push_str(line);
        owned.push('\n');
        let full = self.shared.lines.as_ref().is_none_or(|lines| lines.try_send(owned).is_err());
        if full {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // A panic in the writer has cost lines, nothing else.
            let _ = thread.join();
        }
    }
}

/// Writes until all senders are gone; flushes whenever nothing waits.
fn write(out: impl Write, lines: &Receiver<String>) {
    let mut out = BufWriter::new(out);
    while let Ok(line) = lines.recv() {
        // A log that cannot be written (a closed pipe, a full disk) must not stop the server.
        let _ = out.write_all(line.as_bytes());
        while let Ok(line) = lines.try_recv() {
            let _ = out.write_all(line.as_bytes());
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        copy.line("a");
        drop(copy);
        log.line("b");
        drop(log);
        assert_eq!(*out.0.lock().unwrap(), b"a\nb\n");
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let out = Slow::default();
        let held = out.0.lock().unwrap();
        let log = LogWriter::new(out.clone()).unwrap();
        let more = 2 * QUEUE;
        for _ in 0..more {
            log.line(&"x".repeat(100));
        }
        assert!(log.dropped() > 0 && log.dropped() < more as u64);
        let dropped = log.dropped() as usize;
        drop(held);
        drop(log);
        assert_eq!(out.0.lock().unwrap().len(), (more - dropped) * 101);
    }
}
