//! TLS-ALPN-01 (RFC 8737): who is shown what proves a name, and who is not.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::support::{Made, client, config, handshake};
use crate::{ACME_TLS, Acceptor, ClientAuth, ClientRoots, Development, TlsConfig, TlsError};

/// What a client is shown that offers these protocols and asks for that name; or why not.
fn shown(
    acceptor: &Acceptor,
    all: &[&Made],
    offered: &[&[u8]],
    name: &str,
) -> Result<Vec<u8>, rustls::Error> {
    let mut client = client(all);
    client.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let pair = handshake(acceptor.current(), &Arc::new(client), name)?;
    Ok(pair.client.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn a_proof_is_for_who_offers_nothing_else_and_asks_for_that_name() {
    let (ours, proof) = (Made::new(&["a.test", "b.test"]), Made::new(&["a.test"]));
    let all = [&ours, &proof];
    let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = Acceptor::new(TlsConfig { alpn, ..config(&[&ours]) }).unwrap();
    let usual = acceptor.current();
    let none = Err(rustls::Error::NoApplicationProtocol);
    assert_eq!(shown(&acceptor, &all, &[ACME_TLS], "a.test"), none);
    acceptor.prove(&[("A.test".to_owned(), proof.identity())]).unwrap();
    let is_proof = |offered: &[&[u8]], name: &str| {
        let shown = shown(&acceptor, &all, offered, name).ok()?;
        Some(shown != shown_of(&usual, &all))
    };
    assert_eq!(is_proof(&[ACME_TLS], "a.test"), Some(true));
    // RFC 8737 §3: a name that nobody is to see proved has no certificate.
    assert_eq!(is_proof(&[ACME_TLS], "b.test"), None);
    for offered in [&[b"h2", ACME_TLS][..], &[ACME_TLS, b"http/1.1"], &[b"h2"], &[]] {
        assert_eq!(is_proof(offered, "a.test"), Some(false), "{offered:?}");
    }
    // A reload in between takes nothing away; the end does.
    acceptor.reload().unwrap();
    assert_eq!(is_proof(&[ACME_TLS], "a.test"), Some(true));
    acceptor.prove(&[]).unwrap();
    assert_eq!(shown(&acceptor, &all, &[ACME_TLS], "a.test"), none);
}

fn shown_of(usual: &Arc<rustls::ServerConfig>, all: &[&Made]) -> Vec<u8> {
    let pair = handshake(Arc::clone(usual), &Arc::new(client(all)), "a.test").unwrap();
    pair.client.peer_certificates().unwrap()[0].to_vec()
}

/// rustls takes none with an extension that it does not know and must heed.
#[test]
fn a_real_proof_can_be_shown() {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.custom_extensions.push(CustomExtension::new_acme_identifier(&[7; 32]));
    let proof = Made::of(params, KeyPair::generate().unwrap());
    let ours = Made::new(&["a.test"]);
    let acceptor =
        Acceptor::new(TlsConfig { alpn: vec![b"h2".to_vec()], ..config(&[&ours]) }).unwrap();
    acceptor.prove(&[("a.test".to_owned(), proof.identity())]).unwrap();
}

#[test]
fn where_nobody_could_look_it_is_told() {
    let ours = Made::new(&["a.test"]);
    let proofs = [("a.test".to_owned(), ours.identity())];
    let without = Acceptor::new(TlsConfig { alpn: Vec::new(), ..config(&[&ours]) }).unwrap();
    let roots = ClientRoots { roots: ours.identity().certificate, crl: None };
    let clients = ClientAuth::Required(roots);
    let alpn = vec![b"h2".to_vec()];
    let asks = Acceptor::new(TlsConfig { clients, alpn, ..config(&[&ours]) }).unwrap();
    for acceptor in [without, asks] {
        assert!(matches!(acceptor.prove(&proofs), Err(TlsError::Setting(_))));
        assert!(acceptor.prove(&[]).is_ok());
    }
}

#[test]
fn a_certificate_says_what_it_is_for() {
    let facts = Development::passing().unwrap().identity.facts().unwrap();
    assert_eq!(facts.names, ["localhost"]);
    let addresses: Vec<_> = facts.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["127.0.0.1", "::1"]);
    let life = facts.not_after.duration_since(facts.not_before).unwrap();
    assert_eq!(life.as_secs(), 366 * 86_400);
    assert!(!facts.serial.is_empty());
}
