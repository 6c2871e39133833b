//! The certificate for development: kept, renewed, and believed for nothing else.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::support::{Folder, Made, client, handshake};
use crate::development::Development;
use crate::{Acceptor, Pem, TlsConfig};

/// Whether a client that trusts it can talk to a server that has it.
fn works(development: &Development, name: &str) -> bool {
    let pem = match &development.identity.certificate {
        Pem::File(path) => std::fs::read_to_string(path).unwrap(),
        Pem::Text(text) => text.clone(),
    };
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let made = Made { der, certificate: String::new(), key: String::new() };
    let identities = vec![development.identity.clone()];
    let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap();
    assert_eq!(acceptor.warnings(), Vec::<String>::new());
    handshake(acceptor.current(), &Arc::new(client(&[&made])), name).is_ok()
}

#[test]
fn it_is_for_this_machine_and_nobody_else() {
    let folder = Folder::new("development");
    for one in [Development::kept(&folder.path("a/b")).unwrap(), Development::passing().unwrap()] {
        for (name, is_ours) in
            [("localhost", true), ("127.0.0.1", true), ("::1", true), ("example.com", false)]
        {
            assert_eq!(works(&one, name), is_ours, "{name}");
        }
        let digits: Vec<_> = one.fingerprint.split(':').collect();
        assert!(digits.len() == 32 && digits.iter().all(|pair| pair.len() == 2));
    }
}

#[test]
fn it_is_kept_and_its_key_is_its_owners() {
    let folder = Folder::new("kept");
    let kept = || Development::kept(&folder.path("")).unwrap().fingerprint;
    let first = kept();
    assert_eq!(kept(), first);
    let mode = |name| std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o644));
    // Half of it, somebody else's key, or nothing at all: there is a new one.
    let stranger = Made::new(&["localhost"]);
    let mut last = first;
    for break_it in
        [|| None, || Some(String::new()), || Some("-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned())]
    {
        match break_it() {
            None => drop(folder.write("key.pem", &stranger.key)),
            Some(text) => drop(folder.write("certificate.pem", text)),
        }
        let next = kept();
        assert_ne!(next, last);
        assert_eq!(kept(), next);
        last = next;
    }
}

#[test]
fn near_its_end_there_is_a_new_one() {
    let folder = Folder::new("near");
    let kept = || Development::kept(&folder.path("")).unwrap().fingerprint;
    let day = 24 * 3600;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (days, is_kept) in [(29, false), (30, false), (31, true)] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let end = std::time::Duration::from_secs(now + days * day);
        params.not_after = date_time_ymd(1970, 1, 1) + end;
        let made = Made::of(params, KeyPair::generate().unwrap());
        folder.write("certificate.pem", &made.certificate);
        folder.write("key.pem", &made.key);
        kept();
        let text = std::fs::read_to_string(folder.path("certificate.pem")).unwrap();
        assert_eq!(text == made.certificate, is_kept, "{days}");
    }
}

#[test]
fn several_at_once_agree() {
    let folder = Folder::new("several");
    let seen: Vec<_> = thread::scope(|scope| {
        let path = folder.path("");
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                scope.spawn(move || Development::kept(&path).unwrap().fingerprint)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|fingerprint| *fingerprint == seen[0]), "{seen:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new("file");
    let path = folder.write("taken", "");
    let error = Development::kept(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
}
