//! A log file that is put aside when it is large or old, or when another program has moved it.
//!
//! Used by the thread of a [`LogWriter`](crate::LogWriter) alone, so that no shard waits for a disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// When a log file is put aside, and how many of those are kept. The one put aside last is `FILE.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Before it would become larger than that, in bytes; 0 is never. Default: never.
    pub size: u64,
    /// When it is that old; zero is never. Default: never.
    pub age: Duration,
    /// How many are kept beside the one that is written to. Default 5; 0 keeps none: the file begins anew.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { size: 0, age: Duration::ZERO, keep: 5 }
    }
}

/// Asks for a file to be opened anew, from any thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reopen(Arc<AtomicBool>);

impl Reopen {
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// The file. Takes whole lines at once.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    reopen: Reopen,
    file: File,
    length: u64,
    since: SystemTime,
}

impl LogFile {
    /// Goes on with the file that is there, or makes one.
    pub(crate) fn open(path: &Path, rotation: Rotation, reopen: Reopen) -> io::Result<Self> {
        let (file, length, since) = open(path)?;
        Ok(Self { path: path.to_owned(), rotation, reopen, file, length, since })
    }

    /// Whether it is to be put aside before `more` bytes are written.
    fn is_over(&self, more: usize) -> bool {
        let Rotation { size, age, .. } = self.rotation;
        let is_large = size > 0 && self.length > 0 && self.length + more as u64 > size;
        let old = SystemTime::now().duration_since(self.since).unwrap_or_default();
        is_large || !age.is_zero() && self.length > 0 && old >= age
    }

    /// How much of these lines still fits: whole ones, and the first in any case.
    fn fitting(&self, lines: &[u8], first: usize) -> usize {
        let room = match self.rotation.size {
            0 => lines.len(),
            size => usize::try_from(size.saturating_sub(self.length)).unwrap_or(usize::MAX),
        };
        if lines.len() <= room {
            return lines.len();
        }
        let fits = lines.get(..room).unwrap_or_default();
        fits.iter().rposition(|&byte| byte == b'\n').map_or(first, |end| (end + 1).max(first))
    }

    /// Moves each file that is kept to the next number, and this one to the first.
    fn put_aside(&self) -> io::Result<()> {
        // Another program may have moved it: then those that are kept stay where they are.
        fs::metadata(&self.path)?;
        let Some(last) = self.rotation.keep.checked_sub(1) else {
            return fs::remove_file(&self.path);
        };
        for number in (1..=last).rev() {
            // Numbers may be missing.
            let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    fn renew(&mut self) {
        // Where no new one can be had, the old one goes on.
        if let Ok((file, length, since)) = open(&self.path) {
            (self.file, self.length, self.since) = (file, length, since);
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.reopen.take() {
            self.renew();
        }
        let first = lines.iter().position(|&byte| byte == b'\n').map_or(lines.len(), |end| end + 1);
        if self.is_over(first) {
            match self.put_aside() {
                Err(error) if error.kind() != io::ErrorKind::NotFound => (),
                _ => self.renew(),
            }
        }
        let lines = &lines[..self.fitting(lines, first)];
        self.file.write_all(lines)?;
        self.length += lines.len() as u64;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file, how long it is, and since when there is one, as far as the system knows.
fn open(path: &Path) -> io::Result<(File, u64, SystemTime)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let metadata = file.metadata()?;
    let since = metadata.created().unwrap_or_else(|_| SystemTime::now());
    Ok((file, metadata.len(), since))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of this test's own, gone with its value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("trilane-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn log(&self) -> PathBuf {
            self.0.join("access.log")
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.0.join(name)).ok()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_large_file_is_put_aside_and_so_many_are_kept() {
        let folder = Folder::new("rotates");
        let rotation = Rotation { size: 8, keep: 2, ..Rotation::default() };
        let mut file = LogFile::open(&folder.log(), rotation, Reopen::default()).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "a line of its own\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(folder.read("access.log").as_deref(), Some("a line of its own\n"));
        assert_eq!(folder.read("access.log.1").as_deref(), Some("four\n"));
        assert_eq!(folder.read("access.log.2").as_deref(), Some("three\n"));
        assert_eq!(folder.read("access.log.3"), None);
    }

    #[test]
    fn lines_that_come_together_go_where_they_fit() {
        let folder = Folder::new("together");
        let rotation = Rotation { size: 8, keep: 2, ..Rotation::default() };
        let mut file = LogFile::open(&folder.log(), rotation, Reopen::default()).unwrap();
        file.write_all(b"one\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(folder.read("access.log.2").as_deref(), Some("one\ntwo\n"));
        assert_eq!(folder.read("access.log.1").as_deref(), Some("three\n"));
        assert_eq!(folder.read("access.log").as_deref(), Some("four\n"));
    }

    #[test]
    fn what_is_there_is_continued_and_counts() {
        let folder = Folder::new("continues");
        fs::write(folder.log(), "before\n").unwrap();
        let rotation = Rotation { size: 12, keep: 0, ..Rotation::default() };
        let mut file = LogFile::open(&folder.log(), rotation, Reopen::default()).unwrap();
        file.write_all(b"more\n").unwrap();
        assert_eq!(folder.read("access.log").as_deref(), Some("before\nmore\n"));
        file.write_all(b"anew\n").unwrap();
        assert_eq!(folder.read("access.log").as_deref(), Some("anew\n"));
        assert_eq!(folder.read("access.log.1"), None);
    }

    #[test]
    fn an_old_file_is_put_aside() {
        let folder = Folder::new("ages");
        let rotation = Rotation { age: Duration::from_secs(3600), ..Rotation::default() };
        let mut file = LogFile::open(&folder.log(), rotation, Reopen::default()).unwrap();
        file.write_all(b"young\n").unwrap();
        file.since = SystemTime::now() - Duration::from_secs(3600);
        file.write_all(b"old\n").unwrap();
        assert_eq!(folder.read("access.log.1").as_deref(), Some("young\n"));
        assert_eq!(folder.read("access.log").as_deref(), Some("old\n"));
    }

    #[test]
    fn a_file_that_was_taken_away_costs_none_of_those_that_are_kept() {
        let folder = Folder::new("taken");
        let rotation = Rotation { size: 8, keep: 2, ..Rotation::default() };
        let mut file = LogFile::open(&folder.log(), rotation, Reopen::default()).unwrap();
        for line in ["the first\n", "the second\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        fs::remove_file(folder.log()).unwrap();
        for line in ["the third\n", "the fourth\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(folder.read("access.log.2").as_deref(), Some("the first\n"));
        assert_eq!(folder.read("access.log.1").as_deref(), Some("the third\n"));
        assert_eq!(folder.read("access.log").as_deref(), Some("the fourth\n"));
    }

    #[test]
    fn who_moves_it_asks_for_another() {
        let folder = Folder::new("reopens");
        let reopen = Reopen::default();
        let mut file = LogFile::open(&folder.log(), Rotation::default(), reopen.clone()).unwrap();
        file.write_all(b"first\n").unwrap();
        fs::rename(folder.log(), folder.0.join("moved")).unwrap();
        file.write_all(b"second\n").unwrap();
        reopen.ask();
        file.write_all(b"third\n").unwrap();
        assert_eq!(folder.read("moved").as_deref(), Some("first\nsecond\n"));
        assert_eq!(folder.read("access.log").as_deref(), Some("third\n"));
    }
}
