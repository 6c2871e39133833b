//! Opening what lies below a root, and nothing else, wherever links lead: openat2(2), and where the system has none, or
//! forbids it, a look at the real place.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// How often a name is looked up while somebody moves directories about.
const TRIES: usize = 4;

/// A root, open.
#[derive(Debug)]
pub(super) struct Root<'a> {
    descriptor: OwnedFd,
    path: &'a Path,
    /// Whether links below it count.
    links: bool,
}

impl<'a> Root<'a> {
    /// Opened each time that something is looked up, so that a root that is a link may be turned to another directory.
    pub(super) fn open(path: &'a Path, links: bool) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { descriptor: rustix::fs::open(path, flags, Mode::empty())?, path, links })
    }

    /// What is there. Nothing is opened for reading: a look at a device or a pipe does nothing to it.
    pub(super) fn look(&self, name: &str) -> io::Result<Metadata> {
        self.opened(name, OFlags::PATH)?.metadata()
    }

    /// A file or directory, to be read. It does not wait, should it have become a pipe since it was looked at.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.opened(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    fn opened(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let name = Path::new(if name.is_empty() { "." } else { name });
        match self.below(name, flags, self.links) {
            // A link that leads out, or one with an absolute target, which may lead back in.
            Err(Errno::XDEV) if self.links => {
                Ok(self.below(&self.real(name)?, flags, false)?.into())
            }
            Err(Errno::NOSYS | Errno::PERM) => self.looked_up(name, flags),
            opened => Ok(opened?.into()),
        }
    }

    /// The kernel sees to it that no step of the way leaves the root.
    fn below(&self, name: &Path, flags: OFlags, links: bool) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !links {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        for _ in 1..TRIES {
            let opened =
                openat2(&self.descriptor, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                return opened;
            }
        }
        openat2(&self.descriptor, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Without openat2. Who can turn a link between the look and the opening can write below the root, and is trusted with it.
    fn looked_up(&self, name: &Path, flags: OFlags) -> io::Result<File> {
        let real = self.real(name)?;
        if !self.links && real != name && name != Path::new(".") {
            return Err(Errno::LOOP.into());
        }
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = fs::canonicalize(self.path)?.join(real);
        Ok(rustix::fs::open(place, flags, Mode::empty())?.into())
    }

    /// The name without links, if its real place lies below the root.
    fn real(&self, name: &Path) -> io::Result<PathBuf> {
        let root = fs::canonicalize(self.path)?;
        let place = fs::canonicalize(root.join(name))?;
        let below = place.strip_prefix(&root).map_err(|_| Errno::XDEV)?;
        Ok(if below.as_os_str().is_empty() { ".".into() } else { below.into() })
    }
}

/// Whether an error only means that there is nothing to serve. Who may not read a file learns
/// nothing of it.
pub(super) fn is_missing(error: &io::Error) -> bool {
    let missing = [
        Errno::ACCESS,
        Errno::INVAL,
        Errno::LOOP,
        Errno::NAMETOOLONG,
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::NXIO,
        Errno::XDEV,
    ];
    let errno = Errno::from_io_error(error);
    let found_none = errno.is_none() && error.kind() == io::ErrorKind::NotFound;
    found_none || errno.is_some_and(|errno| missing.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Both ways come to the same.
    #[test]
    fn nothing_outside_is_opened() {
        let base = std::env::temp_dir().join(format!("trilane-open-{}", std::process::id()));
        let root = base.join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        for name in ["../secret", "a", "dir/b"] {
            fs::write(root.join(name), "").unwrap();
        }
        let absolute = root.join("a");
        for (target, link) in [
            ("a", "to-a"),
            ("../a", "dir/to-a"),
            ("dir", "to-dir"),
            (absolute.to_str().unwrap(), "absolute"),
            ("../secret", "out"),
            ("..", "up"),
            ("/etc/passwd", "far"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for (name, links, there) in [
            ("a", true, true),
            ("a", false, true),
            ("", true, true),
            ("", false, true),
            ("dir/", false, true),
            ("dir/b", false, true),
            ("to-a", true, true),
            ("to-a", false, false),
            ("dir/to-a", true, true),
            ("dir/to-a", false, false),
            ("to-dir/b", true, true),
            ("to-dir/b", false, false),
            ("absolute", true, true),
            ("absolute", false, false),
            ("out", true, false),
            ("up", true, false),
            ("up/secret", true, false),
            // Where a way leads counts, not how.
            ("up/root/a", true, true),
            ("up/root/a", false, false),
            ("far", true, false),
            ("loop", true, false),
            ("none", true, false),
            ("a/", true, false),
            ("a/b", true, false),
            ("..", true, false),
            ("../secret", true, false),
            ("/etc/passwd", true, false),
        ] {
            let place = Root::open(&root, links).unwrap();
            let is_there = |opened: io::Result<File>| match opened {
                Ok(_) => true,
                Err(error) => {
                    assert!(is_missing(&error), "{name}: {error}");
                    false
                }
            };
            for flags in [OFlags::PATH, OFlags::RDONLY | OFlags::NONBLOCK] {
                assert_eq!(is_there(place.opened(name, flags)), there, "{name} {links}");
                // `..` and absolute names never come here: no clean name has them.
                let name = Path::new(if name.is_empty() { "." } else { name });
                assert_eq!(is_there(place.looked_up(name, flags)), there, "{name:?} {links}");
            }
        }
        fs::remove_dir_all(base).unwrap();
    }
}
