//! Versions, groups, ALPN and the replacing of all of it.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, ProtocolVersion};

use super::support::{Folder, Made, client, client_of, config, handshake};
use crate::{Acceptor, Identity, Pem, TlsConfig, TlsError, Version};

#[test]
fn both_versions_and_the_floor() {
    let made = Made::new(&["localhost"]);
    for (min, versions, expected) in [
        (Version::V1_2, &[&TLS12][..], Some(ProtocolVersion::TLSv1_2)),
        (Version::V1_2, &[&TLS12, &TLS13], Some(ProtocolVersion::TLSv1_3)),
        (Version::V1_3, &[&TLS12, &TLS13], Some(ProtocolVersion::TLSv1_3)),
        (Version::V1_3, &[&TLS12], None),
    ] {
        let acceptor = Acceptor::new(TlsConfig { min, ..config(&[&made]) }).unwrap();
        let client = Arc::new(client_of(&[&made], versions));
        let pair = handshake(acceptor.current(), &client, "localhost").ok();
        assert_eq!(pair.and_then(|pair| pair.server.protocol_version()), expected);
    }
}

#[test]
fn the_hybrid_group_comes_first() {
    let made = Made::new(&["localhost"]);
    let acceptor = Acceptor::new(config(&[&made])).unwrap();
    let groups = &acceptor.current().crypto_provider().kx_groups.clone();
    assert_eq!(groups[0].name(), NamedGroup::X25519MLKEM768);
    let pair = handshake(acceptor.current(), &Arc::new(client(&[&made])), "localhost").unwrap();
    let group = pair.server.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

/// RFC 7301 §3.2: no protocol in common is fatal.
#[test]
fn protocols_are_chosen_in_our_order() {
    let made = Made::new(&["localhost"]);
    let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = Acceptor::new(TlsConfig { alpn, ..config(&[&made]) }).unwrap();
    for (offered, expected) in [
        (&["http/1.1", "h2"][..], Ok(Some("h2"))),
        (&["http/1.1"], Ok(Some("http/1.1"))),
        (&[], Ok(None)),
        (&["spdy/1"], Err(rustls::Error::NoApplicationProtocol)),
    ] {
        let mut client = client(&[&made]);
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let chosen = handshake(acceptor.current(), &Arc::new(client), "localhost")
            .map(|pair| pair.server.alpn_protocol().map(<[u8]>::to_vec));
        assert_eq!(chosen, expected.map(|name| name.map(|name| name.as_bytes().to_vec())));
    }
}

#[test]
fn the_next_handshake_sees_the_new_one_and_old_connections_live_on() {
    let (old, new) = (Made::new(&["localhost"]), Made::new(&["localhost"]));
    let folder = Folder::new("reload");
    let write =
        |made: &Made| (folder.write("c.pem", &made.certificate), folder.write("k.pem", &made.key));
    let (certificate, key) = write(&old);
    let identity = Identity::new(Pem::File(certificate.clone()), Pem::File(key));
    let acceptor = Acceptor::new(TlsConfig { identities: vec![identity], ..TlsConfig::default() });
    let acceptor = acceptor.unwrap();
    // Each with a client of its own, as a resumed session shows no certificate.
    let shown = |acceptor: &Acceptor| {
        let client = Arc::new(client(&[&old, &new]));
        let pair = handshake(acceptor.current(), &client, "localhost").unwrap();
        pair.client.peer_certificates().unwrap()[0].clone()
    };
    let mut living =
        handshake(acceptor.current(), &Arc::new(client(&[&old])), "localhost").unwrap();

    // A file that cannot be used changes nothing.
    std::fs::write(&certificate, &new.certificate).unwrap();
    assert!(matches!(acceptor.reload(), Err(TlsError::Mismatch(..))));
    assert_eq!(shown(&acceptor), old.der);
    write(&new);
    acceptor.clone().reload().unwrap();
    assert_eq!(shown(&acceptor), new.der);

    living.client.writer().write_all(b"still").unwrap();
    living.run().unwrap();
    let mut read = [0; 5];
    living.server.reader().read_exact(&mut read).unwrap();
    assert_eq!(&read, b"still");
}

#[test]
fn what_cannot_be_used_is_named() {
    let (one, other) = (Made::new(&["localhost"]), Made::new(&["localhost"]));
    let text = |certificate: &str, key: &str| {
        let (certificate, key) = (Pem::Text(certificate.into()), Pem::Text(key.into()));
        Acceptor::new(TlsConfig {
            identities: vec![Identity::new(certificate, key)],
            ..TlsConfig::default()
        })
        .map_err(|error| error.to_string())
        .unwrap_err()
    };
    assert_eq!(text("", &one.key), "PEM text: no certificate in it");
    assert_eq!(text(&one.certificate, &one.certificate), "PEM text: no private key in it");
    let mismatch = "PEM text: not the key of the certificate in PEM text";
    assert_eq!(text(&one.certificate, &other.key), mismatch);
    let broken = one.certificate.replace("MII", "!!!");
    assert!(text(&broken, &one.key).contains("not PEM"));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(text(no_certificate, &one.key).contains("bad certificate"));
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(text(&one.certificate, no_key).contains("cannot use this key"));
    let none = Acceptor::new(TlsConfig::default()).unwrap_err();
    assert_eq!(none.to_string(), "TLS needs a certificate");
    let gone = Pem::File("/nonexistent/c.pem".into());
    let identity = Identity { certificate: gone, ..one.identity() };
    let error = Acceptor::new(TlsConfig { identities: vec![identity], ..TlsConfig::default() });
    assert!(error.unwrap_err().to_string().starts_with("cannot read /nonexistent/c.pem: "));
}
