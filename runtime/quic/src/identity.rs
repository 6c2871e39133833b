//! Who we are over QUIC: what `trilane-tls` has in force, in the terms of BoringSSL.

use std::sync::Arc;

use boring::pkey::{PKey, Private};
use boring::ssl::{SslContextBuilder, SslMethod};
use boring::x509::X509;
use trilane_tls::material::Shown;
use trilane_tls::{Acceptor, Material};

use crate::error::Error;

/// Who we are: the certificates, keys of tickets and all else of TLS that an [`Acceptor`] has in force at this moment.
#[derive(Clone, Debug)]
pub struct Identity(pub(crate) Arc<Material>);

impl Identity {
    /// What is in force now.
    #[must_use]
    pub fn new(acceptor: &Acceptor) -> Self {
        Self(acceptor.material())
    }
}

/// Whether they are the same one: two that were read one after the other are not, whatever they say.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Identity {}

/// A certificate and its key, as BoringSSL has them.
struct Certificate {
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Certificate {
    fn load(shown: Shown<'_>) -> Result<Self, Error> {
        let chain = shown.chain().map(X509::from_der).collect::<Result<_, _>>()?;
        let key = PKey::private_key_from_der(shown.key())
            .or_else(|_| PKey::private_key_from_pkcs8(shown.key()))?;
        Ok(Self { chain, key })
    }
}

/// The context in which connections are made.
pub(crate) fn context(identity: &Identity) -> Result<SslContextBuilder, Error> {
    let mut builder = SslContextBuilder::new(SslMethod::tls())?;
    let all = identity.0.identities().map(Certificate::load).collect::<Result<Vec<_>, _>>()?;
    let first = all.first().ok_or(Error::Setting("there is no certificate"))?;
    let (leaf, rest) = first.chain.split_first().ok_or(Error::Setting("an empty chain"))?;
    builder.set_certificate(leaf)?;
    builder.set_private_key(&first.key)?;
    for certificate in rest {
        builder.add_extra_chain_cert(certificate.clone())?;
    }
    Ok(builder)
}
