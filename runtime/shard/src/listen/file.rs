//! The files of unix sockets: those of the dead are removed before, ours after.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::sys::{self, SocketName};

/// Removes a socket that nobody answers on.
pub(super) fn remove_stale(path: &Path, name: &SocketName) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    // Non-blocking: a server with a full queue says EAGAIN, and is alive.
    let probe = sys::stream_socket(libc::AF_UNIX, libc::SOCK_NONBLOCK)?;
    match sys::connect(&probe, name) {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => fs::remove_file(path),
        Ok(()) => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
            Err(io::Error::from_raw_os_error(libc::EADDRINUSE))
        }
        Err(error) => Err(error),
    }
}

/// The file of a unix socket, removed when dropped, unless another one stands in its place by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// None: it is left to others.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // Absolute, for the process may change its directory.
        Ok(Self { path: std::path::absolute(path)?, identity: Some(identity(path)?) })
    }

    /// Whether it is the one at that path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        std::path::absolute(path).is_ok_and(|path| path == self.path)
    }

    /// Leaves it where it is.
    pub(super) fn leave(mut self) {
        self.identity = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path).ok() == self.identity {
            // If it cannot be removed, the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode: the same file, not only the same name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
