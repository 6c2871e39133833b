//! What a certificate of ours says of itself, for who renews it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::default_provider;

use crate::certificates;
use crate::config::Identity;
use crate::error::TlsError;
use crate::x509::Facts;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its DNS names, in small letters; `*.example.org` among them.
    pub names: Vec<String>,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
    /// Its number: the content of the INTEGER.
    pub serial: Vec<u8>,
    /// Which key of its authority has signed it (RFC 5280 §4.2.1.1); empty if that is not said.
    pub authority_key: Vec<u8>,
}

impl Identity {
    /// What its first certificate says, whose key must be there too. It blocks: not for a shard.
    ///
    /// # Errors
    /// It cannot be read or used, or the key is another one's.
    pub fn facts(&self) -> Result<CertificateFacts, TlsError> {
        let now = certificates::now();
        let loaded = certificates::load(self, &default_provider(), now, &mut Vec::new())?;
        let source = self.certificate.to_string();
        let bad = || TlsError::Certificate(source, "not as RFC 5280 has it".to_owned());
        let facts =
            loaded.certified.cert.first().and_then(|der| Facts::read(der)).ok_or_else(bad)?;
        let Facts { names, addresses, not_before, not_after, serial, authority_key, .. } = facts;
        let (not_before, not_after) = (time(not_before), time(not_after));
        Ok(CertificateFacts { names, addresses, not_before, not_after, serial, authority_key })
    }
}

/// What is before 1970 is 1970.
fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
