//! A certificate for development: for `localhost` and the loopback addresses, signed by itself, and kept so that whoever
//! trusts it once need not do so again tomorrow. It vouches for nobody else: with its key no other certificate can be made
//! that is believed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;

use crate::certificates;
use crate::config::{Identity, Pem};
use crate::error::TlsError;
use crate::keep::{hold, keep};
use crate::x509::Facts;

/// Whom it is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long it is good for.
const LIFE: Duration = Duration::from_secs(365 * DAY);
/// With so much of that left, or less, there is a new one.
const NEAR_END: Duration = Duration::from_secs(30 * DAY);
/// Clocks of clients may be behind by as much.
const BEFORE: Duration = Duration::from_secs(DAY);
/// Seconds.
const DAY: u64 = 24 * 3600;

/// A certificate for development.
#[derive(Clone, Debug)]
pub struct Development {
    /// It, and its key.
    pub identity: Identity,
    /// SHA-256 of its DER, as browsers show it: `AB:CD:...`.
    pub fingerprint: String,
    /// The file with it, for clients to trust; none if it could not be kept.
    pub path: Option<PathBuf>,
}

impl Development {
    /// The certificate in `folder`, which is made if there is none or if it has 30 days left at most: `certificate.pem`,
    /// and `key.pem` that only its owner can read. Several processes may do so at once.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn kept(folder: &Path) -> Result<Self, TlsError> {
        let failed = |error| TlsError::Write(folder.display().to_string(), error);
        // Until it is dropped no other process looks.
        let _lock = hold(folder).map_err(failed)?;
        let path = folder.join("certificate.pem");
        let identity = Identity::new(Pem::File(path.clone()), Pem::File(folder.join("key.pem")));
        if let Some(fingerprint) = usable(&identity, seconds()) {
            return Ok(Self { identity, fingerprint, path: Some(path) });
        }
        let (certificate, key) = made()?;
        keep(folder, "key.pem", 0o600, &key).map_err(failed)?;
        keep(folder, "certificate.pem", 0o644, &certificate).map_err(failed)?;
        let fingerprint = fingerprint(&identity)?;
        Ok(Self { identity, fingerprint, path: Some(path) })
    }

    /// One that ends with the process.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn passing() -> Result<Self, TlsError> {
        let (certificate, key) = made()?;
        let identity = Identity::new(Pem::Text(certificate), Pem::Text(key));
        let fingerprint = fingerprint(&identity)?;
        Ok(Self { identity, fingerprint, path: None })
    }
}

/// The fingerprint of what is kept, if it can be used for some time yet.
fn usable(identity: &Identity, now: i64) -> Option<String> {
    let chain = certificates::chain(&identity.certificate).ok()?;
    let facts = Facts::read(chain.first()?)?;
    let left = facts.not_after - now;
    // With its key.
    certificates::load(identity, &default_provider(), now, &mut Vec::new()).ok()?;
    let is_good = left > NEAR_END.as_secs().cast_signed() && facts.not_before <= now;
    is_good.then(|| hex(&chain[0]))
}

fn fingerprint(identity: &Identity) -> Result<String, TlsError> {
    certificates::chain(&identity.certificate).map(|chain| hex(&chain[0]))
}

fn hex(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    let bytes: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// A certificate and its key, as PEM: ECDSA with P-256, which every client can verify.
fn made() -> Result<(String, String), TlsError> {
    let refused = |error: rcgen::Error| TlsError::Refused(error.to_string());
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(refused)?;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds().unsigned_abs());
    (params.not_before, params.not_after) = (now - BEFORE, now + LIFE);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "trilane development");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(refused)?;
    let certificate = params.self_signed(&key).map_err(refused)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Seconds since 1970.
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
