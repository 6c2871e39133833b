//! What a session has found out in its handshake.

use std::io::Write;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig};
use trilane_exchange::{TlsInfo, TlsVersion};

use super::support::{Made, client, client_of, config};
use crate::{Acceptor, Broken, ClientAuth, ClientRoots, Heard, Pem, Session, TlsConfig};

/// A whole handshake with our own session, and content after it so that tickets arrive.
fn found(
    server: Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<TlsInfo, Broken> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let (mut session, mut info) = (Session::server(server).unwrap(), None);
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        session.receive(&mut bytes, |heard| {
            if let Heard::Ready(found) = heard {
                info = Some(found);
            }
        })?;
        let mut bytes = Vec::new();
        session.take_owed(&mut bytes);
        if bytes.is_empty() {
            return Ok(info.expect("the handshake is over"));
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        if !client.is_handshaking() {
            client.writer().write_all(b"x").unwrap();
        }
    }
}

#[test]
fn versions_suites_groups_names_and_protocols() {
    let made = Made::new(&["*.example.com"]);
    let alpn = vec![b"h2".to_vec()];
    let acceptor = Acceptor::new(TlsConfig { alpn, ..config(&[&made]) }).unwrap();
    let mut new = client(&[&made]);
    new.alpn_protocols = vec![b"h2".to_vec()];
    let new = Arc::new(new);
    let info = found(acceptor.current(), &new, "A.example.com").unwrap();
    let expected = TlsInfo {
        version: TlsVersion::V1_3,
        cipher_suite: "TLS_AES_256_GCM_SHA384",
        group: Some("X25519MLKEM768"),
        alpn: Some(b"h2"[..].into()),
        server_name: Some("a.example.com".into()),
        resumed: false,
        client: None,
    };
    assert_eq!(info, expected);
    let info = found(acceptor.current(), &new, "A.example.com").unwrap();
    assert_eq!(info, TlsInfo { resumed: true, ..expected });

    let old = Arc::new(client_of(&[&made], &[&TLS12]));
    let info = found(acceptor.current(), &old, "b.example.com").unwrap();
    assert_eq!((info.version, info.alpn), (TlsVersion::V1_2, None));
    assert_eq!(info.cipher_suite, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    assert_eq!(info.group, Some("X25519"));
    let info = found(acceptor.current(), &old, "b.example.com").unwrap();
    assert_eq!((info.resumed, info.group), (true, None));
    assert_eq!(info.server_name.as_deref(), Some("b.example.com"));
}

/// A name is that of its own connection, also when handshakes of one thread take turns.
#[test]
fn names_of_two_handshakes_at_once_are_not_mixed_up() {
    let made = Made::new(&["a.example", "127.0.0.1"]);
    let acceptor = Acceptor::new(config(&[&made])).unwrap();
    let client = Arc::new(client_of(&[&made], &[&TLS13]));
    let mut ends = ["a.example", "127.0.0.1"].map(|name| {
        let name = ServerName::try_from(name).unwrap();
        let client = ClientConnection::new(Arc::clone(&client), name).unwrap();
        (client, Session::server(acceptor.current()).unwrap(), None)
    });
    for _ in 0..3 {
        for (client, session, seen) in &mut ends {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            let hear = |heard: Heard<'_>| {
                if let Heard::Ready(info) = heard {
                    *seen = Some(info.server_name);
                }
            };
            session.receive(&mut bytes, hear).unwrap();
            let mut bytes = Vec::new();
            session.take_owed(&mut bytes);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().unwrap();
            }
        }
    }
    let [(.., first), (.., second)] = ends;
    assert_eq!((first, second), (Some(Some("a.example".into())), Some(None)));
}

#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.0)))
    }
}

/// Who the client is, again when it resumes; and not for longer than its certificate says.
#[test]
fn a_client_is_who_it_was_until_its_certificate_ends() {
    let made = Made::new(&["localhost"]);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "alice");
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(3000, 1, 1));
    let alice = Made::of(params, KeyPair::generate().unwrap());
    let roots = ClientRoots { roots: Pem::Text(alice.certificate.clone()), crl: None };
    let clients = ClientAuth::Required(roots);
    let acceptor = Acceptor::new(TlsConfig { clients, ..config(&[&made]) }).unwrap();
    for version in [&TLS12, &TLS13] {
        let client = client_of(&[&made], &[version]);
        let provider = Arc::clone(client.crypto_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.der.clone()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(alice.key.as_bytes()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![alice.der.clone()], key)
            .unwrap();
        let client = Arc::new(client);
        for resumed in [false, true] {
            let info = found(acceptor.current(), &client, "localhost").unwrap();
            assert_eq!(info.resumed, resumed);
            let seen = info.client.unwrap();
            assert_eq!(seen.subject, "CN=alice");
            assert_eq!(*seen.chain[0], *alice.der);
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &alice.der);
            assert_eq!(seen.fingerprint, digest.as_ref());
        }
        // The year 3000, in its first hour and in the one before: tickets live longer than that.
        let mut later = ServerConfig::clone(&acceptor.current());
        for (seconds, is_fine) in [(32_503_679_999, true), (32_503_680_001, false)] {
            later.time_provider = Arc::new(At(seconds));
            let found = found(Arc::new(later.clone()), &client, "localhost");
            assert_eq!(found.as_ref().map(|info| info.resumed).ok(), is_fine.then_some(true));
        }
    }
}
