//! From PEM to a certificate chain with its key, checked against each other. It asks nobody whether it is trusted.

use std::borrow::Cow;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::config::{Identity, Pem};
use crate::error::TlsError;

/// Loads an identity.
pub(crate) fn load(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = chain(&identity.certificate)?;
    let key = key(&identity.key)?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::Key(identity.key.to_string(), error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch(identity.key.to_string(), identity.certificate.to_string()))
        }
        Err(error) => {
            Err(TlsError::Certificate(identity.certificate.to_string(), error.to_string()))
        }
    }
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

/// The first private key of a source.
fn key(source: &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(source)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(source.to_string()),
        error => TlsError::Pem(source.to_string(), error.to_string()),
    })
}
