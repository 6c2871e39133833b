//! Which clients are asked who they are, and who vouches for them. Verification itself is rustls's.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::certificates::{chain, read};
use crate::config::{ClientAuth, ClientRoots, Pem};
use crate::error::TlsError;
use crate::tickets::Policy;

/// Who verifies clients, and a digest of what that depends on.
pub(crate) fn load(
    wanted: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Policy), TlsError> {
    let (who, kind) = match wanted {
        ClientAuth::Off => return Ok((WebPkiClientVerifier::no_client_auth(), policy(0, &[]))),
        ClientAuth::Optional(who) => (who, 1),
        ClientAuth::Required(who) => (who, 2),
    };
    let (roots, lists) = (chain(&who.roots)?, revoked(who)?);
    let parts: Vec<&[u8]> =
        roots.iter().map(|root| &root[..]).chain(lists.iter().map(|list| &list[..])).collect();
    let policy = policy(kind, &parts);
    let mut store = RootCertStore::empty();
    let refused =
        |error: &dyn ToString| TlsError::Clients(who.roots.to_string(), error.to_string());
    for root in roots {
        store.add(root).map_err(|error| refused(&error))?;
    }
    let provider = Arc::clone(provider);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
    let builder = builder.with_crls(lists).enforce_revocation_expiration();
    let builder = if kind == 1 { builder.allow_unauthenticated() } else { builder };
    // The roots have been taken, so it is about a list if there are any.
    let verifier = builder.build().map_err(|error| match &who.crl {
        Some(source) => TlsError::Clients(source.to_string(), error.to_string()),
        None => refused(&error),
    })?;
    Ok((verifier, policy))
}

/// The lists of revoked certificates.
fn revoked(who: &ClientRoots) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(source) = &who.crl else { return Ok(Vec::new()) };
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&read(source)?)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem(source.to_string(), error.to_string()))?;
    match lists.is_empty() {
        true => Err(none(source)),
        false => Ok(lists),
    }
}

fn none(source: &Pem) -> TlsError {
    TlsError::Clients(source.to_string(), "no list of revoked certificates in it".to_owned())
}

/// The lengths are in it, so that no two lists of parts are alike.
fn policy(kind: u8, parts: &[&[u8]]) -> Policy {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[kind]);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut policy = [0; 32];
    policy.copy_from_slice(context.finish().as_ref());
    policy
}
