//! The blocking side: which file a name stands for, and what is in it. Runs on the blocking pool
//! alone.
//!
//! Names come from `name::clean`. Links are followed, and what they lead to must lie below the
//! root. Who can turn a link between the look and the opening can write below the root, and is
//! trusted with it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::name;

/// The largest file that is read whole, in bytes. Measured: see benches/README.md.
pub(super) const SMALL: u64 = 256 << 10;
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;
/// Too many links (errno of Linux).
const ELOOP: i32 = 40;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) length: u64,
    seconds: i64,
    nanos: i64,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Found {
    /// A directory, asked for without the slash at its end.
    Directory,
    /// A file of more than [`SMALL`] bytes.
    Large(File, Stamp),
    /// Nothing that is served.
    Missing,
    /// The state that is known.
    Same,
    /// A file, whole.
    Small(Vec<u8>, Stamp),
}

impl Stamp {
    fn new(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            seconds: metadata.mtime(),
            nanos: metadata.mtime_nsec(),
        }
    }

    /// A strong entity tag, of size and time of change.
    pub(super) fn etag(&self) -> Box<str> {
        format!("\"{:x}-{:x}.{:x}\"", self.length, self.seconds, self.nanos).into()
    }

    /// When it was changed, in whole seconds; `None` before 1970.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.seconds).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }
}

/// Finds what `name` stands for below `root`. Opens nothing when its state is `known`.
///
/// # Errors
/// What the system says, but for what only means that there is nothing to serve.
pub(super) fn find(root: &Path, name: &str, known: Option<Stamp>) -> io::Result<Found> {
    match look(root, name, known) {
        Err(error) if is_missing(&error) => Ok(Found::Missing),
        found => found,
    }
}

fn look(root: &Path, name: &str, known: Option<Stamp>) -> io::Result<Found> {
    // Each time, so that a root that is a link may be turned to another directory.
    let root = root.canonicalize()?;
    let file = if name.is_empty() || name.ends_with('/') {
        below(&root, &name::index(name))?
    } else {
        below(&root, name)?
    };
    let Some(file) = file else { return Ok(Found::Missing) };
    let metadata = file.metadata()?;
    if metadata.is_dir() && !name.is_empty() && !name.ends_with('/') {
        return Ok(Found::Directory);
    }
    if !metadata.is_file() {
        return Ok(Found::Missing);
    }
    if known == Some(Stamp::new(&metadata)) {
        return Ok(Found::Same);
    }
    for _ in 0..TRIES {
        let mut open = File::open(&file)?;
        let stamp = Stamp::new(&open.metadata()?);
        if stamp.length > SMALL {
            return Ok(Found::Large(open, stamp));
        }
        let mut content = Vec::with_capacity(stamp.length as usize + 1);
        (&mut open).take(SMALL + 1).read_to_end(&mut content)?;
        if content.len() as u64 == stamp.length && Stamp::new(&open.metadata()?) == stamp {
            return Ok(Found::Small(content, stamp));
        }
    }
    Err(io::Error::other("the file changes faster than it can be read"))
}

/// The real place of a name, if it lies below the root, which is a real place.
fn below(root: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let place = root.join(name).canonicalize()?;
    Ok(place.starts_with(root).then_some(place))
}

/// Whether an error only means that there is nothing to serve. Who may not read a file learns
/// nothing of it.
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
    let kinds = [InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(ELOOP)
}
