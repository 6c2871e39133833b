//! Files that must never be there by halves, nor be read by others: certificates and keys that are made here.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes `folder`, if there is none, for its owner alone; and waits until no other process has it. It has it until it drops what this
/// gives.
///
/// # Errors
/// It cannot be made, or not be written.
pub fn hold(folder: &Path) -> io::Result<File> {
    let lock = lock(folder)?;
    lock.lock()?;
    Ok(lock)
}

/// The same without waiting: nothing if another process has it.
///
/// # Errors
/// As [`hold`].
pub fn try_hold(folder: &Path) -> io::Result<Option<File>> {
    let lock = lock(folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    File::create(folder.join("lock"))
}

/// Writes a file of `folder` with that mode, so that there is always all of the old one or all of the new one.
///
/// # Errors
/// It cannot be written; then it is as it was.
pub fn keep(folder: &Path, name: &str, mode: u32, text: &str) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    // What a process has left that ended in here may have another mode.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, folder.join(name))
}
