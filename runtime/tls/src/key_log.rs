//! The secrets of connections, appended to a file for those who must look into them. Only when the configuration says so:
//! the environment alone never does.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustls::KeyLog;

use crate::error::TlsError;

/// A file in the format of SSLKEYLOGFILE.
#[derive(Debug)]
pub(crate) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Opens it; a new one can be read by its owner only.
    pub(crate) fn open(path: &Path) -> Result<Self, TlsError> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        file.map(|file| Self(Mutex::new(file)))
            .map_err(|error| TlsError::Write(path.display().to_string(), error))
    }

    /// Appends a line, which has its end.
    pub(crate) fn append(&self, line: &str) {
        // A line that cannot be written is missing from the log; connections go on.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.append(&format!("{label} {} {}\n", hex(client_random), hex(secret)));
    }
}
