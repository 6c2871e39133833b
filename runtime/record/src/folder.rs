//! Where recordings are kept: a file each, which only its owner can read, and no more of them than that.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::recording::Recording;

/// How names of recordings end.
const SUFFIX: &str = "recording";
/// Recordings that wait for the disk, at most; more are lost, and counted.
const WAITING: usize = 64;

/// A folder of recordings, of which the oldest make room for new ones.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    most: usize,
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// The next number; held while a file is written.
    next: Mutex<u64>,
}

impl Folder {
    /// The folder at `path`, which is made if it is not there, for `most` files.
    ///
    /// # Errors
    /// It can be neither found nor made.
    pub fn open(path: impl Into<PathBuf>, most: usize) -> io::Result<Self> {
        let path = path.into();
        if !path.is_dir() {
            fs::create_dir_all(&path)?;
            // They hold what clients have sent.
            fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        }
        let (waiting, lost) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { path, most: most.max(1), waiting, lost, next: Mutex::new(0) })
    }

    /// Room for one more to wait for the disk, if there is.
    pub fn reserve(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        let is_room = self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING;
        if !is_room {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        is_room.then_some(place)
    }

    /// Recordings that could not be written, or had to wait for too many others.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes one, and removes the oldest if there are too many.
    fn write(&self, recording: &Recording) -> io::Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, number, process) = (recording.header(), *next, std::process::id());
        *next += 1;
        let protocol = header.protocol.as_str().replace('/', "");
        let name = format!("{:013}-{process}-{number:06}-{protocol}-{}", header.when, header.cause);
        // Nobody reads half a file.
        let unfinished = self.path.join(format!(".{name}"));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let written = file.write_all(&recording.to_bytes());
        let place = self.path.join(format!("{name}.{SUFFIX}"));
        if let Err(error) = written.and_then(|()| fs::rename(&unfinished, place)) {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        let files = list(&self.path)?;
        for file in files.iter().take(files.len().saturating_sub(self.most)) {
            fs::remove_file(file)?;
        }
        Ok(())
    }
}

/// The recordings in a folder, the oldest first: names begin with when.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let paths = entries.iter().map(fs::DirEntry::path);
    let mut files: Vec<_> =
        paths.filter(|path| path.extension() == Some(OsStr::new(SUFFIX))).collect();
    files.sort();
    Ok(files)
}

/// Room for one recording that waits for the disk.
#[derive(Debug)]
pub struct Place(Arc<Folder>);

impl Place {
    /// Writes it, which takes as long as a disk does. What cannot be written is counted.
    pub fn write(self, recording: &Recording) {
        if self.0.write(recording).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use trilane_semantics::{Limits, Protocol};

    use super::*;
    use crate::Header;

    fn recording(when: u64) -> Recording {
        let mut header = Header::new(Protocol::Http2, Limits::default());
        (header.when, header.cause) = (when, "flood".to_owned());
        Recording::new(header, Vec::new())
    }

    #[test]
    fn a_folder_keeps_the_last_ones() {
        let path = std::env::temp_dir().join(format!("trilane-record-{}", std::process::id()));
        let folder = Arc::new(Folder::open(&path, 3).unwrap());
        fs::write(path.join("other"), "").unwrap();
        for when in 0..5 {
            folder.reserve().unwrap().write(&recording(when));
        }
        let files = list(&path).unwrap();
        let whens = files.iter().map(|file| {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            Recording::read(&fs::read(file).unwrap()).unwrap().header().when
        });
        assert_eq!(whens.collect::<Vec<_>>(), [2, 3, 4]);
        assert!(files[0].to_str().unwrap().ends_with("-HTTP2-flood.recording"), "{files:?}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 4, "and what is not ours stays");
        // The disk is slow: what is too much is lost.
        let places: Vec<_> = (0..WAITING).map(|_| folder.reserve().unwrap()).collect();
        assert!(folder.reserve().is_none());
        assert_eq!(folder.lost(), 1);
        drop(places);
        fs::remove_dir_all(&path).unwrap();
        folder.reserve().unwrap().write(&recording(9));
        assert_eq!(folder.lost(), 2, "the folder is gone");
    }
}
