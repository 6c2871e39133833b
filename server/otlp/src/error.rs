//! Why nothing can be exported.

use std::fmt;

/// Why nothing can be exported.
#[derive(Debug)]
#[non_exhaustive]
pub enum OtlpError {
    /// A setting that is not one of its choices, in words.
    Setting(String),
    /// There is no thread to be had.
    Thread(std::io::Error),
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(text) => f.write_str(text),
            Self::Thread(error) => write!(f, "no thread for OTLP: {error}"),
        }
    }
}

impl std::error::Error for OtlpError {}
