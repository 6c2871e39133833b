//! Which certificate is shown.

use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use rustls::CipherSuite;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, DigitallySignedStruct, Error, SignatureScheme};

use super::support::{Made, client, config, handshake};
use crate::{Acceptor, TlsConfig};

/// Trusts any certificate, and can verify some signatures only.
#[derive(Debug)]
struct Schemes(Vec<SignatureScheme>, Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Schemes {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.1.verify_tls12_signature(message, certificate, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.1.verify_tls13_signature(message, certificate, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// What a client is shown that can verify some signatures only.
fn shown(
    acceptor: &Acceptor,
    name: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
    schemes: &[SignatureScheme],
) -> Result<CertificateDer<'static>, Error> {
    let made = Made::new(&["nobody"]);
    let mut client = super::support::client_of(&[&made], versions);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.der.clone()).unwrap();
    let provider = Arc::clone(client.crypto_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = Schemes(schemes.to_vec(), inner.build().unwrap());
    client.dangerous().set_certificate_verifier(Arc::new(verifier));
    let pair = handshake(acceptor.current(), &Arc::new(client), name)?;
    Ok(pair.client.peer_certificates().unwrap()[0].clone())
}

const ECDSA: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];
const RSA: &[SignatureScheme] =
    &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS13, &TLS12];

#[test]
fn by_name_then_by_its_first_label_then_the_first() {
    let (first, exact, wild) = (
        Made::new(&["first.example"]),
        Made::new(&["www.example.com"]),
        Made::new(&["*.example.com", "Upper.Example"]),
    );
    let all = [&first, &exact, &wild];
    let lax = Acceptor::new(config(&all)).unwrap();
    let strict = Acceptor::new(TlsConfig { strict_sni: true, ..config(&all) }).unwrap();
    for (name, expected) in [
        ("first.example", Some(&first)),
        ("www.example.com", Some(&exact)),
        ("WWW.Example.com", Some(&exact)),
        ("api.example.com", Some(&wild)),
        ("upper.example", Some(&wild)),
        // `*` is one whole label (RFC 9525 §6.3).
        ("a.b.example.com", None),
        ("example.com", None),
        ("other.example", None),
        ("localhost", None),
        // Addresses are not names (RFC 6066 §3): clients send none.
        ("127.0.0.1", None),
    ] {
        let seen = shown(&lax, name, BOTH, ECDSA).unwrap();
        assert_eq!(seen, expected.unwrap_or(&first).der, "{name}");
        let denied = Error::AlertReceived(AlertDescription::AccessDenied);
        match (shown(&strict, name, BOTH, ECDSA), expected) {
            (Ok(seen), Some(expected)) => assert_eq!(seen, expected.der, "{name}"),
            (Err(error), None) => {
                // The server has found it out first.
                assert!(error == denied || matches!(error, Error::General(_)), "{error:?}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

/// What rustls says of names and certificates is what we say.
#[test]
fn rustls_agrees_about_the_names() {
    let names = ["example.com", "*.example.org", "xn--bcher-kva.example"];
    let made = Made::new(&names);
    let facts = crate::x509::Facts::read(&made.der).unwrap();
    assert_eq!(facts.names, names);
    let acceptor = Acceptor::new(TlsConfig { strict_sni: true, ..config(&[&made]) }).unwrap();
    for name in ["example.com", "www.example.org", "xn--bcher-kva.example"] {
        handshake(acceptor.current(), &Arc::new(client(&[&made])), name).unwrap();
    }
}

#[test]
fn one_name_may_have_keys_of_two_kinds() {
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let ecdsa = Made::with(&["www.example.com", "example.com"], ecdsa);
    let stranger = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let stranger = Made::with(&["stranger.example"], stranger);
    // Whose name nobody asks for helps nobody.
    let alone = Acceptor::new(config(&[&ecdsa, &stranger])).unwrap();
    shown(&alone, "nobody.example", BOTH, RSA).unwrap_err();
    let rsa = Made::with(&["www.example.com"], rsa);
    let acceptor = Acceptor::new(config(&[&ecdsa, &rsa, &stranger])).unwrap();
    let either = &[ECDSA, RSA].concat();
    for versions in [&[&TLS13][..], &[&TLS12]] {
        // A name that nobody has is the first one's, and so is who shares a name with it.
        for name in ["www.example.com", "nobody.example"] {
            let shown = |schemes| shown(&acceptor, name, versions, schemes).unwrap();
            assert_eq!(shown(ECDSA), ecdsa.der);
            assert_eq!(shown(RSA), rsa.der);
            assert_eq!(shown(either), ecdsa.der);
        }
        // Of this name there is none that the client can verify.
        shown(&acceptor, "example.com", versions, RSA).unwrap_err();
        shown(&acceptor, "stranger.example", versions, ECDSA).unwrap_err();
    }
    let suite = handshake(acceptor.current(), &Arc::new(client(&[&ecdsa])), "example.com");
    let suite = suite.unwrap().server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
}
