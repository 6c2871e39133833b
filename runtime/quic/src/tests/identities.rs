//! Who is shown which certificate, sessions that come back, and clients with certificates.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use trilane_tls::{Acceptor, ClientAuth, ClientRoots, Identity as Pair, Pem, Tickets, TlsConfig};

use super::support::*;
use crate::{Identity, Secrets, Settings};

/// The certificate that a client is shown, as DER; none if its handshake fails.
fn shown(server: &mut Server, name: &str) -> Option<Vec<u8>> {
    let mut client = Client::named(1, Some(name), &mut config());
    pump(&mut client, server);
    client.connection.is_established().then(|| client.connection.peer_cert().unwrap().to_vec())
}

fn der(pair: &Pair) -> Vec<u8> {
    let Pem::Text(text) = &pair.certificate else { panic!() };
    boring::x509::X509::from_pem(text.as_bytes()).unwrap().to_der().unwrap()
}

fn server(config: TlsConfig) -> Server {
    let acceptor = Acceptor::new(config).unwrap();
    let secrets = Secrets::new(&acceptor).unwrap();
    Server::with(Settings::default(), &acceptor, PLACE, &secrets)
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_that_it_asks_for() {
    let (first, second) = (pair(&["localhost"]), pair(&["b.test", "*.c.test"]));
    let identities = vec![first.clone(), second.clone()];
    let mut server = server(TlsConfig { identities: identities.clone(), ..TlsConfig::default() });
    for (name, expected) in
        [("localhost", &first), ("b.test", &second), ("x.C.test", &second), ("d.test", &first)]
    {
        assert_eq!(shown(&mut server, name), Some(der(expected)), "{name}");
    }
    let strict = TlsConfig { identities, strict_sni: true, ..TlsConfig::default() };
    let mut server = self::server(strict);
    assert_eq!(shown(&mut server, "b.test"), Some(der(&second)));
    assert_eq!(shown(&mut server, "d.test"), None);
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_one_that_it_can_verify() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let made = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let large = Pair::new(Pem::Text(made.pem()), Pem::Text(key.serialize_pem()));
    let small = pair(&["localhost"]);
    let mut server = server(TlsConfig {
        identities: vec![large.clone(), small.clone()],
        ..TlsConfig::default()
    });
    assert_eq!(shown(&mut server, "localhost"), Some(der(&large)));
    // A client that verifies P-256 alone.
    let mut builder = boring::ssl::SslContextBuilder::new(boring::ssl::SslMethod::tls()).unwrap();
    builder.set_sigalgs_list("ECDSA+SHA256").unwrap();
    let mut client = Client::named(1, Some("localhost"), &mut config_with(builder));
    pump(&mut client, &mut server);
    assert_eq!(client.connection.peer_cert(), Some(&der(&small)[..]));
}

/// RFC 9001 §8.1.
#[test]
fn a_client_without_our_protocol_gets_no_application_protocol() {
    let mut server = Server::new(Settings::default());
    let mut config = config();
    config.set_application_protos(&[b"h2", b"hq"]).unwrap();
    let mut client = Client::with(1, &mut config);
    pump(&mut client, &mut server);
    let error = client.connection.peer_error().unwrap();
    assert_eq!((error.is_app, error.error_code), (false, 0x0100 + 120));
    assert_eq!(server.only().ended(), Some(crate::Ended::OurTransport(0x0100 + 120)));
}

/// A folder for files, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trilane-quic-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A value of DER, of up to 127 bytes.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

/// RFC 8446 §4.4.2, §4.4.2.1.
#[test]
fn a_certificate_comes_with_its_chain_and_its_ocsp_response() {
    let folder = Folder::new("ocsp");
    // As much of a response as is looked at (RFC 6960 §4.2.1): a good one, without an end.
    let this = value(0x18, &[b"20260101000000Z"]);
    let single = value(0x30, &[&value(0x30, &[]), &[0x80, 0], &this]);
    let data = value(0x30, &[&value(0xa2, &[]), &this, &value(0x30, &[&single])]);
    let basic = value(4, &[&value(0x30, &[&data])]);
    let bytes = value(0xa0, &[&value(0x30, &[&value(6, &[&[1]]), &basic])]);
    let response = value(0x30, &[&value(0x0a, &[&[0]]), &bytes]);
    let path = folder.0.join("response");
    std::fs::write(&path, &response).unwrap();
    let (mut ours, issuer) = (pair(&["localhost"]), pair(&["issuer"]));
    let leaf = der(&ours);
    if let (Pem::Text(ours), Pem::Text(issuer)) = (&mut ours.certificate, &issuer.certificate) {
        ours.push_str(issuer);
    }
    ours.ocsp = Some(path);
    let mut server = server(TlsConfig { identities: vec![ours], ..TlsConfig::default() });
    let mut client = Client::new(1);
    client.connection.as_mut().set_status_type(boring::ssl::StatusType::OCSP).unwrap();
    pump(&mut client, &mut server);
    assert_eq!(client.connection.peer_cert_chain(), Some(vec![&leaf[..], &der(&issuer)]));
    assert_eq!(client.connection.as_mut().ocsp_status(), Some(&response[..]));
}

/// A client with this session, if it has one: whether it resumed, and its next session.
fn resumes(server: &mut Server, session: Option<&[u8]>) -> (bool, Vec<u8>) {
    let mut client = Client::new(1);
    if let Some(session) = session {
        client.connection.set_session(session).unwrap();
    }
    pump(&mut client, server);
    assert!(client.connection.is_established());
    (client.connection.is_resumed(), client.connection.session().unwrap_or_default().to_vec())
}

/// RFC 8446 §4.6.1.
#[test]
fn sessions_come_back_wherever_the_keys_are_and_as_long_as_they_are() {
    let folder = Folder::new("tickets");
    let identity = pair(&["localhost"]);
    let with = |keys: &[usize]| {
        let text: String = keys.iter().map(|key| format!("{key:064x}\n")).collect();
        let keys = Some(folder.write(&format!("{keys:?}"), &text));
        let tickets = Tickets { keys, ..Tickets::default() };
        let identities = vec![identity.clone()];
        Acceptor::new(TlsConfig { identities, tickets, ..TlsConfig::default() }).unwrap()
    };
    let start = |acceptor: &Acceptor| {
        Server::with(Settings::default(), acceptor, PLACE, &Secrets::new(acceptor).unwrap())
    };
    let (is_resumed, session) = resumes(&mut start(&with(&[1])), None);
    assert!(!is_resumed);
    // Another process with the same key; then with a new one before it.
    let (is_resumed, session) = resumes(&mut start(&with(&[1])), Some(&session));
    assert!(is_resumed);
    let mut server = start(&with(&[2, 1]));
    let (is_resumed, newer) = resumes(&mut server, Some(&session));
    assert!(is_resumed);
    assert_eq!((server.endpoint.stats().handshakes, server.endpoint.stats().resumed), (1, 1));
    assert!(resumes(&mut start(&with(&[2])), Some(&newer)).0);
    assert!(!resumes(&mut start(&with(&[1])), Some(&newer)).0);
    // A reload.
    let mut server = start(&with(&[1]));
    server.endpoint.replace(&Identity::new(&with(&[2]))).unwrap();
    assert!(!resumes(&mut server, Some(&session)).0);
    assert!(resumes(&mut server, Some(&newer)).0);
}

#[test]
fn no_tickets_no_sessions() {
    let tickets = Tickets { count: 0, ..Tickets::default() };
    let identities = vec![pair(&["localhost"])];
    let mut server = server(TlsConfig { identities, tickets, ..TlsConfig::default() });
    assert_eq!(resumes(&mut server, None), (false, Vec::new()));
}

#[test]
fn clients_are_asked_who_they_are() {
    let (us, them, strangers) = (pair(&["localhost"]), pair(&["them"]), pair(&["strangers"]));
    let roots = ClientRoots { roots: them.certificate.clone(), crl: None };
    let as_client = |who: Option<&Pair>| {
        let mut builder =
            boring::ssl::SslContextBuilder::new(boring::ssl::SslMethod::tls()).unwrap();
        if let Some(Pair { certificate: Pem::Text(certificate), key: Pem::Text(key), .. }) = who {
            let certificate = boring::x509::X509::from_pem(certificate.as_bytes()).unwrap();
            let key = boring::pkey::PKey::private_key_from_pem(key.as_bytes()).unwrap();
            builder.set_certificate(&certificate).unwrap();
            builder.set_private_key(&key).unwrap();
        }
        Client::named(1, Some("localhost"), &mut config_with(builder))
    };
    for (is_required, who, expected) in [
        (true, Some(&them), true),
        (true, None, false),
        (true, Some(&strangers), false),
        (false, Some(&them), true),
        (false, None, true),
        (false, Some(&strangers), false),
    ] {
        let roots = roots.clone();
        let clients =
            if is_required { ClientAuth::Required(roots) } else { ClientAuth::Optional(roots) };
        let identities = vec![us.clone()];
        let mut server = server(TlsConfig { identities, clients, ..TlsConfig::default() });
        let mut client = as_client(who);
        pump(&mut client, &mut server);
        assert_eq!(server.only().is_established(), expected, "{is_required} {who:?}");
        let Some(who) = who.filter(|_| expected) else { continue };
        let info = server.only().tls_info().client.unwrap();
        assert_eq!(*info.chain, [der(who).into_boxed_slice()]);
        // A session that comes back is still the client's.
        let session = client.connection.session().unwrap().to_vec();
        let mut again = as_client(None);
        again.connection.set_session(&session).unwrap();
        server.sessions.clear();
        pump(&mut again, &mut server);
        assert!(again.connection.is_resumed());
        assert_eq!(server.only().tls_info().client, Some(info));
    }
}

/// A resumed session is not asked who it is again.
#[test]
fn a_session_comes_back_only_where_the_same_is_asked_of_clients() {
    let folder = Folder::new("policies");
    let keys = folder.write("keys", &"7".repeat(64));
    let (us, them, others) = (pair(&["localhost"]), pair(&["them"]), pair(&["others"]));
    let start = |clients: ClientAuth| {
        let tickets = Tickets { keys: Some(keys.clone()), ..Tickets::default() };
        let identities = vec![us.clone()];
        server(TlsConfig { identities, tickets, clients, ..TlsConfig::default() })
    };
    let of = |who: &Pair| ClientRoots { roots: who.certificate.clone(), crl: None };
    let all = [ClientAuth::Off, ClientAuth::Optional(of(&them)), ClientAuth::Optional(of(&others))];
    for (at, first) in all.iter().enumerate() {
        let (_, session) = resumes(&mut start(first.clone()), None);
        for (other, second) in all.iter().enumerate() {
            let is_resumed = resumes(&mut start(second.clone()), Some(&session)).0;
            assert_eq!(is_resumed, at == other, "{first:?}, then {second:?}");
        }
    }
}

#[test]
fn the_key_log_is_written() {
    let folder = Folder::new("keys");
    let path = folder.0.join("log");
    let identities = vec![pair(&["localhost"])];
    let mut server =
        server(TlsConfig { identities, key_log: Some(path.clone()), ..TlsConfig::default() });
    shown(&mut server, "localhost").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.lines().any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")), "{text}");
}
