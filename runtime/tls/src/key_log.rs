//! The secrets of connections, appended to a file for those who must look into them. Only when the configuration says so:
//! the environment alone never does.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::KeyLog;

use crate::error::TlsError;

/// A file in the format of SSLKEYLOGFILE.
#[derive(Debug)]
pub(crate) struct KeyLogFile(Mutex<File>);

/// Opens it, and warns that it is there; a new one can be read by its owner only.
pub(crate) fn open(path: &Path, warnings: &mut Vec<String>) -> Result<Arc<KeyLogFile>, TlsError> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let file = file.map_err(|error| TlsError::Write(path.display().to_string(), error))?;
    warnings.push(format!("{}: the secrets of all connections go there", path.display()));
    Ok(Arc::new(KeyLogFile(Mutex::new(file))))
}

impl KeyLogFile {
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
