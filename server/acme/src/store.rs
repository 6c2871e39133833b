//! What is kept on disk: the account, the certificate with its key, and how often orders have failed. Files are for their owner alone, and
//! replaced as a whole; only who holds the folder writes.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::SystemTime;

use instant_acme::AccountCredentials;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use trilane_tls::{CertificateFacts, keep};

use crate::error::AcmeError;
use crate::settings::Settings;

/// Chain and key.
pub(crate) const CERTIFICATE: &str = "certificate.pem";
/// The account's URL and key.
const ACCOUNT: &str = "account.json";
/// [`Failures`].
const FAILURES: &str = "failures.json";

/// Orders that failed, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    pub(crate) last: Option<SystemTime>,
    /// What they were for: who changes that may try at once.
    pub(crate) wanted: String,
}

/// The folder of one authority.
#[derive(Clone, Debug)]
pub(crate) struct Store(PathBuf);

impl Store {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(settings.folder())
    }

    /// Nobody else has the folder until that is dropped; nothing if somebody has.
    pub(crate) fn try_hold(&self) -> Result<Option<File>, AcmeError> {
        keep::try_hold(&self.0).map_err(|error| self.failed("lock", error))
    }

    /// What the certificate says, if there is one that can be used.
    pub(crate) fn certificate(&self, settings: &Settings) -> Option<CertificateFacts> {
        settings.identity()?.facts().ok()
    }

    pub(crate) fn keep_certificate(&self, pem: &str) -> Result<(), AcmeError> {
        self.keep(CERTIFICATE, pem)
    }

    pub(crate) fn account(&self) -> Result<Option<AccountCredentials>, AcmeError> {
        self.read(ACCOUNT)
    }

    pub(crate) fn keep_account(&self, credentials: &AccountCredentials) -> Result<(), AcmeError> {
        self.keep_json(ACCOUNT, credentials)
    }

    /// What is malformed there counts for nothing.
    pub(crate) fn failures(&self) -> Failures {
        self.read(FAILURES).ok().flatten().unwrap_or_default()
    }

    pub(crate) fn keep_failures(&self, failures: &Failures) -> Result<(), AcmeError> {
        self.keep_json(FAILURES, failures)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, AcmeError> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => {
                let value = serde_json::from_slice(&bytes);
                value.map(Some).map_err(|error| self.failed(name, error.into()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    fn keep_json(&self, name: &str, value: &impl Serialize) -> Result<(), AcmeError> {
        let text = serde_json::to_string(value).map_err(|error| self.failed(name, error.into()))?;
        self.keep(name, &text)
    }

    fn keep(&self, name: &str, text: &str) -> Result<(), AcmeError> {
        keep::keep(&self.0, name, 0o600, text).map_err(|error| self.failed(name, error))
    }

    fn failed(&self, name: &str, error: io::Error) -> AcmeError {
        AcmeError::Store(self.0.join(name).display().to_string(), error)
    }
}
