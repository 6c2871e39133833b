//! From PEM to a certificate chain with its key, checked against each other, with its names and what is odd about it. It
//! asks nobody whether it is trusted.

use std::borrow::Cow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{Error, InconsistentKeys};

use crate::config::{Identity, Pem};
use crate::error::TlsError;
use crate::ocsp;
use crate::x509::Facts;

/// An identity that was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) certified: Arc<CertifiedKey>,
    /// For a TLS that is not rustls's.
    pub(crate) key: PrivateKeyDer<'static>,
    /// The names in the certificate, in small letters.
    pub(crate) names: Vec<String>,
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = DefaultTimeProvider.current_time().map_or(0, |now| now.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// Loads an identity. `now` is in seconds since 1970.
pub(crate) fn load(
    identity: &Identity,
    provider: &CryptoProvider,
    now: i64,
    warnings: &mut Vec<String>,
) -> Result<Loaded, TlsError> {
    let (certificate, key) = (&identity.certificate, &identity.key);
    let bad =
        |error: &dyn ToString| TlsError::Certificate(certificate.to_string(), error.to_string());
    let (mut certified, der) = certified(identity, provider)?;
    match certified.keys_match() {
        Ok(()) => {}
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err(TlsError::Mismatch(key.to_string(), certificate.to_string()));
        }
        Err(error) => return Err(bad(&error)),
    }
    let first = certified.end_entity_cert().map_err(|error| bad(&error))?;
    let facts = Facts::read(first).ok_or_else(|| bad(&"not as RFC 5280 has it"))?;
    if facts.not_after < now {
        warnings.push(format!("{certificate}: expired {} ago", ago(now - facts.not_after)));
    }
    if facts.not_before > now {
        warnings.push(format!("{certificate}: not valid for {} yet", ago(facts.not_before - now)));
    }
    if let Pem::File(path) = key {
        warn_if_open(path, warnings);
    }
    if let Some(path) = &identity.ocsp {
        certified.ocsp = Some(ocsp::load(path, now, warnings)?);
    }
    Ok(Loaded { certified: Arc::new(certified), key: der, names: facts.names })
}

/// A chain with its key, which may be another one's.
pub(crate) fn certified(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, PrivateKeyDer<'static>), TlsError> {
    let chain = chain(&identity.certificate)?;
    let (key, der) = (&identity.key, private_key(&identity.key)?);
    let signer = provider.key_provider.load_private_key(der.clone_key());
    let signer = signer.map_err(|error| TlsError::Key(key.to_string(), error.to_string()))?;
    Ok((CertifiedKey::new(chain, signer), der))
}

/// The bytes of a source.
pub(crate) fn read(source: &Pem) -> Result<Cow<'_, [u8]>, TlsError> {
    match source {
        Pem::File(path) => std::fs::read(path)
            .map(Cow::Owned)
            .map_err(|error| TlsError::Read(source.to_string(), error)),
        Pem::Text(text) => Ok(Cow::Borrowed(text.as_bytes())),
    }
}

/// All certificates of a source, in its order; at least one.
pub(crate) fn chain(source: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(source)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem(source.to_string(), error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(source.to_string()));
    }
    Ok(chain)
}

/// Warns of a file with a secret that others than its owner and group can use.
pub(crate) fn warn_if_open(path: &Path, warnings: &mut Vec<String>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        warnings
            .push(format!("{}: everybody may use it (mode {mode:o}); chmod 600", path.display()));
    }
}

/// A time that has passed, or not yet, for people.
pub(crate) fn ago(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{} minutes", seconds / 60),
    }
}

/// The first private key of a source.
fn private_key(source: &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(source)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(source.to_string()),
        error => TlsError::Pem(source.to_string(), error.to_string()),
    })
}
