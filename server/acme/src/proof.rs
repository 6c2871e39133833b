//! What the authority is shown while it looks, and that is gone afterwards.

use std::collections::HashMap;
use std::net::IpAddr;

use instant_acme::KeyAuthorization;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use trilane_tls::{Acceptor, Identity, Pem};

use crate::challenges::Challenges;
use crate::error::AcmeError;
use crate::settings::Challenge;

/// Where it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) challenges: Challenges,
    pub(crate) acceptor: Acceptor,
}

/// What is to be shown.
#[derive(Default)]
pub(crate) struct Proofs {
    answers: HashMap<String, String>,
    certificates: Vec<(String, Identity)>,
}

impl Proofs {
    /// For `name`, by that challenge.
    pub(crate) fn add(
        &mut self,
        challenge: Challenge,
        name: &str,
        token: &str,
        key: &KeyAuthorization,
    ) -> Result<(), AcmeError> {
        match challenge {
            Challenge::Http01 => {
                self.answers.insert(token.to_owned(), key.as_str().to_owned());
            }
            Challenge::TlsAlpn01 => {
                let certificate = certificate(name, key.digest().as_ref())?;
                self.certificates.push((asked(name), certificate));
            }
        }
        Ok(())
    }

    /// Shows it, until that is dropped.
    pub(crate) fn show(self, stage: &Stage) -> Result<Shown<'_>, AcmeError> {
        let shown = Shown(stage);
        if !self.certificates.is_empty() {
            stage.acceptor.prove(&self.certificates)?;
        }
        stage.challenges.set(self.answers);
        Ok(shown)
    }
}

/// What is shown at the moment.
pub(crate) struct Shown<'a>(&'a Stage);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.challenges.set(HashMap::new());
        // None can always be shown.
        let _ = self.0.acceptor.prove(&[]);
    }
}

/// A certificate of its own, with the digest of the key authorization (RFC 8737 §3).
fn certificate(name: &str, digest: &[u8]) -> Result<Identity, AcmeError> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Identity::new(Pem::Text(certificate.pem()), Pem::Text(key.serialize_pem())))
}

/// The name that a handshake asks for: that of an IP address is its place in the reverse tree (RFC 8738 §6).
fn asked(name: &str) -> String {
    match name.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let halves = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            halves.map(|half| format!("{half:x}.")).collect::<String>() + "ip6.arpa"
        }
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_handshakes_ask_for() {
        assert_eq!(asked("example.org"), "example.org");
        assert_eq!(asked("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        let expected = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
        assert_eq!(asked("2001:db8::1"), expected);
    }

    #[test]
    fn a_certificate_for_a_name_or_an_address() {
        for name in ["example.org", "192.0.2.1", "2001:db8::1"] {
            let Pem::Text(text) = certificate(name, &[7; 32]).unwrap().certificate else {
                panic!()
            };
            assert!(text.starts_with("-----BEGIN CERTIFICATE-----"), "{text}");
        }
    }
}
