//! Clients that are asked who they are.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, Error, HandshakeKind};

use super::support::{Folder, Made, client, config, handshake};
use crate::{Acceptor, ClientAuth, ClientRoots, Pem, Tickets, TlsConfig, TlsError};

/// Who signs the certificates of clients.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A client's certificate and key.
    fn client(&self, name: &str, serial: u64) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        (certificate.der().clone(), key)
    }

    /// A list of revoked certificates.
    fn revokes(&self, serials: &[u64], until: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(until, 1, 2),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn roots(&self) -> ClientRoots {
        ClientRoots { roots: Pem::Text(self.pem.clone()), crl: None }
    }
}

fn asks(made: &Made, clients: ClientAuth) -> Acceptor {
    Acceptor::new(TlsConfig { clients, ..config(&[made]) }).unwrap()
}

/// A client that shows a certificate.
fn with(
    made: &Made,
    (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
) -> Arc<ClientConfig> {
    let client = client(&[made]);
    let provider = Arc::clone(client.crypto_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.der.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    Arc::new(client)
}

/// Whom the server has seen, if the handshake went well.
fn seen(acceptor: &Acceptor, client: &Arc<ClientConfig>) -> Result<Option<Vec<u8>>, Error> {
    let pair = handshake(acceptor.current(), client, "localhost")?;
    Ok(pair.server.peer_certificates().map(|chain| chain[0].to_vec()))
}

#[test]
fn off_optional_and_required() {
    let made = Made::new(&["localhost"]);
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let alice = ours.client("alice", 1);
    let der = alice.0.to_vec();
    let (alice, mallory) = (with(&made, alice), with(&made, theirs.client("alice", 1)));
    let nobody = Arc::new(client(&[&made]));
    let off = asks(&made, ClientAuth::Off);
    let optional = asks(&made, ClientAuth::Optional(ours.roots()));
    let required = asks(&made, ClientAuth::Required(ours.roots()));
    assert_eq!(seen(&off, &alice), Ok(None));
    assert_eq!(seen(&optional, &alice), Ok(Some(der.clone())));
    assert_eq!(seen(&required, &alice), Ok(Some(der)));
    assert_eq!(seen(&optional, &nobody), Ok(None));
    assert_eq!(seen(&required, &nobody), Err(Error::NoCertificatesPresented));
    for acceptor in [&optional, &required] {
        assert!(matches!(seen(acceptor, &mallory), Err(Error::InvalidCertificate(_))));
    }
}

#[test]
fn who_is_revoked_is_refused_and_so_is_who_cannot_be_looked_up() {
    let made = Made::new(&["localhost"]);
    let ours = Authority::new("ours");
    let (alice, bob) = (with(&made, ours.client("alice", 1)), with(&made, ours.client("bob", 2)));
    let listed = |crl: String| {
        let crl = Some(Pem::Text(crl));
        asks(&made, ClientAuth::Required(ClientRoots { crl, ..ours.roots() }))
    };
    let acceptor = listed(ours.revokes(&[2], 4000));
    assert!(seen(&acceptor, &alice).is_ok());
    assert!(matches!(seen(&acceptor, &bob), Err(Error::InvalidCertificate(_))));
    // A list that is out of date, and one of somebody else.
    for list in [ours.revokes(&[2], 2026), Authority::new("x").revokes(&[], 4000)] {
        let error = seen(&listed(list), &alice).unwrap_err();
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let made = Made::new(&["localhost"]);
    let ours = Authority::new("ours");
    let error = |roots: &str, crl: Option<&str>| {
        let roots = Pem::Text(roots.to_owned());
        let crl = crl.map(|text| Pem::Text(text.to_owned()));
        let clients = ClientAuth::Required(ClientRoots { roots, crl });
        Acceptor::new(TlsConfig { clients, ..config(&[&made]) }).unwrap_err()
    };
    assert!(matches!(error("", None), TlsError::NoCertificate(_)));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(error(garbage, None), TlsError::Clients(..)));
    let none = error(&ours.pem, Some("")).to_string();
    assert_eq!(none, "PEM text: no list of revoked certificates in it");
    let garbage = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    assert!(matches!(error(&ours.pem, Some(garbage)), TlsError::Clients(..)));
}

/// A resumed session is not asked again, so tickets do not outlive what was asked.
#[test]
fn a_ticket_is_good_only_while_the_same_is_asked() {
    let (folder, made) = (Folder::new("policy"), Made::new(&["localhost"]));
    let keys = Some(folder.write("keys", "aa".repeat(32)));
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let acceptor = |clients| {
        let tickets = Tickets { keys: keys.clone(), ..Tickets::default() };
        Acceptor::new(TlsConfig { clients, tickets, ..config(&[&made]) }).unwrap()
    };
    let listed = ClientRoots { crl: Some(Pem::Text(ours.revokes(&[9], 4000))), ..ours.roots() };
    let all = [
        acceptor(ClientAuth::Off),
        acceptor(ClientAuth::Optional(ours.roots())),
        acceptor(ClientAuth::Required(ours.roots())),
        acceptor(ClientAuth::Required(listed)),
        acceptor(ClientAuth::Optional(theirs.roots())),
    ];
    for (i, first) in all.iter().enumerate() {
        for (j, second) in all.iter().enumerate() {
            let authority = if i == 4 { &theirs } else { &ours };
            let alice = with(&made, authority.client("alice", 1));
            seen(first, &alice).unwrap();
            let Ok(pair) = handshake(second.current(), &alice, "localhost") else {
                assert_ne!(i, j);
                continue;
            };
            let resumed = pair.server.handshake_kind() == Some(HandshakeKind::Resumed);
            assert_eq!(resumed, i == j, "{i} {j}");
            // Who was known is known again.
            assert_eq!(pair.server.peer_certificates().is_some(), j > 0);
        }
    }
}
