//! The blocking side: which file a name stands for, and what is in it. Runs on the blocking pool
//! alone.
//!
//! Names come from `name::clean`, and are looked up by `open`.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::listing;
use super::open::{Root, is_missing};
use super::options::Options;
use crate::coding::Coding;
use crate::text::since_epoch;

/// The largest file that is read whole, in bytes. Measured: see benches/README.md.
pub(super) const SMALL: u64 = 256 << 10;
/// The codings of a file that may lie beside it, best first, with what is added to its name.
pub(super) const SIBLINGS: [(Coding, &str); 3] =
    [(Coding::Brotli, ".br"), (Coding::Zstd, ".zst"), (Coding::Gzip, ".gz")];
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;
/// Two changes of a file within this time may look like one: file systems count time in ticks, some in two seconds.
const TICK: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) length: u64,
    modified: (i64, i64),
    /// When it was touched in any way. Nobody can set that.
    changed: (i64, i64),
}

/// The state of a file and of its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    name: Box<str>,
    stamps: [Option<Stamp>; 1 + SIBLINGS.len()],
}

/// The content of a file, or of a sibling.
#[derive(Debug)]
pub(super) enum Content {
    /// Of up to [`SMALL`] bytes: all of it.
    Small(Vec<u8>),
    Large(File),
}

/// A file, with the siblings that may stand for it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) name: Box<str>,
    pub(super) contents: Vec<(Coding, Content, Stamp)>,
    pub(super) state: State,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Found {
    /// A directory, asked for without the slash at its end.
    Directory,
    File(Box<Loaded>),
    /// A page with what is in a directory.
    Listing(String),
    /// Nothing that is served.
    Missing,
    /// The state that is known.
    Same,
}

impl Stamp {
    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// A strong entity tag, of size and time of change.
    pub(super) fn etag(&self) -> String {
        format!("\"{:x}-{:x}.{:x}\"", self.length, self.modified.0, self.modified.1)
    }

    /// When it was changed, in whole seconds; `None` before 1970.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.modified.0).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }
}

impl State {
    /// Whether every change after `now` would show.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = since_epoch(now);
        self.stamps.iter().flatten().all(|stamp| {
            // The second in which it changed is over by then.
            let seconds = u64::try_from(stamp.changed.0).unwrap_or(0);
            Duration::from_secs(seconds.saturating_add(1)).saturating_add(TICK) <= now
        })
    }
}

/// Finds what `name` stands for below `root`. Opens nothing for reading when its state is `known`.
///
/// # Errors
/// What the system says, but for what only means that there is nothing to serve.
pub(super) fn find(
    root: &Path,
    name: &str,
    options: &Options,
    known: Option<&State>,
) -> io::Result<Found> {
    let found =
        Root::open(root, options.symlinks).and_then(|root| look(&root, name, options, known));
    match found {
        Err(error) if is_missing(&error) => Ok(Found::Missing),
        found => found,
    }
}

fn look(
    root: &Root<'_>,
    name: &str,
    options: &Options,
    known: Option<&State>,
) -> io::Result<Found> {
    let (name, metadata) = if name.is_empty() || name.ends_with('/') {
        match index(root, name, options)? {
            Some(found) => found,
            None if options.listing => {
                return Ok(Found::Listing(listing::page(root, name, options)?));
            }
            None => return Ok(Found::Missing),
        }
    } else {
        named(root, name, options)?
    };
    if metadata.is_dir() {
        return Ok(Found::Directory);
    }
    if !metadata.is_file() {
        return Ok(Found::Missing);
    }
    let state = state(root, &name, &metadata, options)?;
    if known == Some(&state) {
        return Ok(Found::Same);
    }
    load(root, state)
}

/// The index of a directory, if it has one.
fn index(
    root: &Root<'_>,
    directory: &str,
    options: &Options,
) -> io::Result<Option<(String, Metadata)>> {
    for index in &options.indices {
        let name = [directory, index].concat();
        match root.look(&name) {
            Ok(metadata) if metadata.is_file() => return Ok(Some((name, metadata))),
            Err(error) if !is_missing(&error) => return Err(error),
            Ok(_) | Err(_) => (),
        }
    }
    Ok(None)
}

/// What that name is, or else with an extension.
fn named(root: &Root<'_>, name: &str, options: &Options) -> io::Result<(String, Metadata)> {
    let bare = match root.look(name) {
        Err(error) if is_missing(&error) => error,
        found => return Ok((name.to_owned(), found?)),
    };
    for extension in &options.extensions {
        let name = [name, ".", extension].concat();
        match root.look(&name) {
            Err(error) if is_missing(&error) => (),
            found => return Ok((name, found?)),
        }
    }
    Err(bare)
}

/// What tells whether a file, or one of its siblings, has changed.
fn state(root: &Root<'_>, name: &str, metadata: &Metadata, options: &Options) -> io::Result<State> {
    let mut stamps = [const { None }; 1 + SIBLINGS.len()];
    stamps[0] = Some(Stamp::new(metadata));
    if options.precompressed {
        for (stamp, (_, suffix)) in stamps[1..].iter_mut().zip(SIBLINGS) {
            match root.look(&[name, suffix].concat()) {
                // By seconds: there are compressors that keep no more of the time of a file.
                Ok(sibling) if sibling.is_file() && sibling.mtime() >= metadata.mtime() => {
                    *stamp = Some(Stamp::new(&sibling));
                }
                Err(error) if !is_missing(&error) => return Err(error),
                Ok(_) | Err(_) => (),
            }
        }
    }
    Ok(State { name: name.into(), stamps })
}

/// Reads a file and its siblings, or leaves them open.
fn load(root: &Root<'_>, mut state: State) -> io::Result<Found> {
    let names = [(Coding::Identity, "")].into_iter().chain(SIBLINGS);
    let mut contents = Vec::new();
    for (stamp, (coding, suffix)) in state.stamps.iter_mut().zip(names) {
        if stamp.is_none() {
            continue;
        }
        match read(root, &[&state.name, suffix].concat()) {
            Ok((content, read)) => {
                *stamp = Some(read);
                contents.push((coding, content, read));
            }
            // A sibling that went away meanwhile is none.
            Err(error) if coding != Coding::Identity && is_missing(&error) => *stamp = None,
            Err(error) => return Err(error),
        }
    }
    let name = state.name.clone();
    Ok(Found::File(Box::new(Loaded { name, contents, state })))
}

fn read(root: &Root<'_>, name: &str) -> io::Result<(Content, Stamp)> {
    for _ in 0..TRIES {
        let mut file = root.read(name)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let stamp = Stamp::new(&metadata);
        if stamp.length > SMALL {
            return Ok((Content::Large(file), stamp));
        }
        let mut content = Vec::with_capacity(stamp.length as usize + 1);
        (&mut file).take(SMALL + 1).read_to_end(&mut content)?;
        if content.len() as u64 == stamp.length && Stamp::new(&file.metadata()?) == stamp {
            return Ok((Content::Small(content), stamp));
        }
    }
    Err(io::Error::other("the file changes faster than it can be read"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_state_is_known_again() {
        let root = std::env::temp_dir().join(format!("trilane-disk-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("a"), "one").unwrap();
        let options = Options::default();
        let find = |known: Option<&State>| find(&root, "a", &options, known).unwrap();
        let state_of = |found| match found {
            Found::File(loaded) => loaded.state,
            other => panic!("{other:?}"),
        };
        let first = state_of(find(None));
        assert!(matches!(find(Some(&first)), Found::Same));
        fs::write(root.join("a"), "longer").unwrap();
        let second = state_of(find(Some(&first)));
        assert_ne!(first, second);
        // A sibling that comes is a change, and so is one that goes.
        fs::write(root.join("a.br"), "").unwrap();
        let third = state_of(find(Some(&second)));
        assert!(matches!(find(Some(&third)), Found::Same));
        fs::remove_file(root.join("a.br")).unwrap();
        assert_eq!(state_of(find(Some(&third))), second);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_has_just_changed_is_not_settled() {
        let stamp = |changed| Stamp {
            device: 0,
            inode: 0,
            length: 0,
            modified: (0, 0),
            changed: (changed, 999_999_999),
        };
        let state = |sibling| State {
            name: "a".into(),
            stamps: [Some(stamp(10)), None, Some(stamp(sibling)), None],
        };
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert!(!state(0).is_settled(at(12_999)) && state(0).is_settled(at(13_000)));
        assert!(!state(20).is_settled(at(22_999)) && state(20).is_settled(at(23_000)));
        assert!(state(-1).is_settled(at(13_000)));
        assert!(!state(i64::MAX).is_settled(at(13_000)));
    }
}
