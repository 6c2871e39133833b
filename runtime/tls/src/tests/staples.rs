//! What goes beside a certificate: OCSP responses, warnings of dates, and the log of secrets.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::Error;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::support::{Folder, Made, client, client_of, config, handshake};
use crate::der::{OCTETS, OID, SEQUENCE};
use crate::{Acceptor, TlsConfig, TlsError};

/// Believes everything, and keeps the response.
#[derive(Debug, Default)]
struct Keeps(Mutex<Vec<u8>>);

impl ServerCertVerifier for Keeps {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = response.to_vec();
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A value of up to 127 bytes.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

/// As much of an OCSP response as is looked at.
fn response(status: u8, next: Option<&str>) -> Vec<u8> {
    let date = |text: &str| value(0x18, &[text.as_bytes()]);
    let next = next.map(|next| value(0xa0, &[&date(next)])).unwrap_or_default();
    let good: &[u8] = &[0x80, 0];
    let this = date("20260101000000Z");
    let single = value(SEQUENCE, &[&value(SEQUENCE, &[]), good, &this, &next]);
    let data = value(SEQUENCE, &[&value(0xa2, &[]), &this, &value(SEQUENCE, &[&single])]);
    let basic = value(OCTETS, &[&value(SEQUENCE, &[&data])]);
    let bytes = value(SEQUENCE, &[&value(OID, &[&[1]]), &basic]);
    value(SEQUENCE, &[&value(0x0a, &[&[status]]), &value(0xa0, &[&bytes])])
}

/// RFC 6066 §8, RFC 8446 §4.4.2.1.
#[test]
fn a_response_is_passed_on_as_it_is_and_renewed_by_a_reload() {
    let (folder, made) = (Folder::new("staple"), Made::new(&["localhost"]));
    let first = response(0, Some("99991231235959Z"));
    let path = folder.write("ocsp.der", &first);
    let mut wanted = config(&[&made]);
    wanted.identities[0].ocsp = Some(path.clone());
    let acceptor = Acceptor::new(wanted).unwrap();
    assert_eq!(acceptor.warnings(), Vec::<String>::new());
    let seen = |version| {
        let (mut client, keeps) = (client_of(&[&made], &[version]), Arc::new(Keeps::default()));
        client.dangerous().set_certificate_verifier(Arc::clone(&keeps) as _);
        handshake(acceptor.current(), &Arc::new(client), "localhost").unwrap();
        keeps.0.lock().unwrap().clone()
    };
    assert_eq!((seen(&TLS13), seen(&TLS12)), (first.clone(), first));

    let second = response(0, None);
    folder.write("ocsp.der", &second);
    acceptor.reload().unwrap();
    assert_eq!(seen(&TLS13), second);

    folder.write("ocsp.der", response(0, Some("20260102000000Z")));
    acceptor.reload().unwrap();
    let warnings = acceptor.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("the OCSP response ended"), "{warnings:?}");

    // "Try later" says nothing of a certificate.
    let last = seen(&TLS13);
    let whole = response(0, None);
    for bad in
        [&response(3, None)[..], &whole[..whole.len() - 1], b"", &[&whole[..], b"x"].concat()]
    {
        folder.write("ocsp.der", bad);
        assert!(matches!(acceptor.reload(), Err(TlsError::Ocsp(_))));
    }
    std::fs::remove_file(path).unwrap();
    assert!(matches!(acceptor.reload(), Err(TlsError::Read(..))));
    assert_eq!(seen(&TLS13), last);
}

#[test]
fn dates_that_are_over_or_to_come_are_warned_of() {
    let warned = |from: i32, to: i32| {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let made = Made::of(params, KeyPair::generate().unwrap());
        Acceptor::new(config(&[&made])).unwrap().warnings().join("\n")
    };
    assert_eq!(warned(2000, 4000), "");
    assert!(warned(2000, 2001).contains("expired"));
    assert!(warned(3999, 4000).contains("not valid for"));
}

/// Only when it is asked for, and readable for its owner alone.
#[test]
fn secrets_are_logged_when_the_configuration_says_so() {
    let (folder, made) = (Folder::new("log"), Made::new(&["localhost"]));
    let path = folder.path("secrets");
    let key_log = Some(path.clone());
    let acceptor = Acceptor::new(TlsConfig { key_log, ..config(&[&made]) }).unwrap();
    assert!(acceptor.warnings()[0].contains("the secrets of all connections"));
    handshake(acceptor.current(), &Arc::new(client(&[&made])), "localhost").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).unwrap();
    let fields: Vec<_> = line.split(' ').collect();
    assert_eq!((fields.len(), fields[1].len()), (3, 64));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let none = TlsConfig { key_log: Some(folder.path("no/where")), ..config(&[&made]) };
    assert!(matches!(Acceptor::new(none), Err(TlsError::Write(..))));
}
