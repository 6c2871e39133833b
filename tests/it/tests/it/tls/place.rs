//! A folder with certificates and a configuration, and the process that serves by it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::parity::{self, Over};
use crate::process::Process;

/// A folder, removed at its end, with an authority that signs what is asked for.
pub(super) struct Place {
    folder: PathBuf,
    authority: Issuer<'static, KeyPair>,
}

impl Place {
    /// With the authority's certificate in `ca.pem`.
    pub(super) fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("trilane-it-{}-{name}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let place = |authority| Self { folder, authority };
        let (pem, secret) = (certificate.pem(), key.serialize_pem());
        let place = place(Issuer::new(params, key));
        place.write("ca.pem", &pem);
        place.write("ca.key", &secret);
        place
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.folder.join(name), content).unwrap();
    }

    /// A certificate for this DNS name in `NAME.pem` and its key in `NAME.key`, signed by the authority.
    pub(super) fn certificate(&self, file: &str, name: &str, serial: u64) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name.push(DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{file}.pem"), &certificate.pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
    }

    /// A `[[tls.certificates]]` of those files.
    pub(super) fn entry(&self, file: &str) -> String {
        let (certificate, key) =
            (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        format!("[[tls.certificates]]\ncertificate = '{certificate}'\nkey = '{key}'\n")
    }

    /// A process with this `[tls]` section, and two shards.
    pub(super) fn serve(&self, section: &str) -> Process {
        self.write("t.toml", &format!("[tls]\n{section}"));
        let config = self.path("t.toml");
        let arguments =
            ["--http", "off", "--https", "127.0.0.1:0", "--shards", "2", "--config", &config];
        let started = Process::start(&arguments, |command| {
            command.env("XDG_STATE_HOME", &self.folder);
        });
        started.unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// A client that trusts the authority.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.join("ca.pem")).unwrap()).unwrap();
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where a process speaks TLS.
pub(super) fn address(process: &Process) -> SocketAddr {
    parity::Place::address(process, Over::Tls)
}

/// A connection of rustls's, on which requests can be made one after the other.
pub(super) struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    pub(super) fn new(process: &Process, client: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::clone(client), name).unwrap();
        Self(StreamOwned::new(client, TcpStream::connect(address(process)).unwrap()))
    }

    /// What is answered, as JSON.
    pub(super) fn get(&mut self, path: &str) -> Value {
        write!(self.0, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        loop {
            let n = self.0.read(&mut buffer).unwrap();
            assert!(n > 0, "{text}");
            text.push_str(str::from_utf8(&buffer[..n]).unwrap());
            if let Some((_, content)) = text.split_once("\r\n\r\n")
                && let Ok(json) = serde_json::from_str(content)
            {
                return json;
            }
        }
    }
}
