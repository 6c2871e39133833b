//! Certificates from a real authority, Debian's pebble (FEATURES T4): ordered, served, kept, renewed, refused. Its root is made anew at
//! each start, and what is served must lead to it.

use std::io::{Read, Write, stderr};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::super::parity::{Folder, Over, Place, eventually, secure};
use super::super::process::Process;

/// What is ordered.
const NAMES: [&str; 2] = ["one.example.test", "two.example.test"];

/// A port that nobody has at the moment.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An authority, and a resolver to which every name is 127.0.0.1.
struct Pebble {
    children: Vec<Child>,
    directory: u16,
    management: u16,
    /// Where it looks for us.
    http: u16,
    tls: u16,
    folder: Folder,
}

impl Pebble {
    /// `None`, and said aloud, where there is none installed. Its certificates are good for so many seconds.
    fn start(lifetime: u32) -> Option<Self> {
        let (certificate, key) = secure::files();
        let [directory, management, http, tls, dns] = [(); 5].map(|()| free());
        let folder = Folder::new();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificate, "privateKey": key,
            "httpPort": http, "tlsPort": tls,
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": lifetime,
            "domainBlocklist": ["blocked.example.test"],
        }});
        folder.write("pebble.json", config.to_string());
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&folder.0).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            // No pauses, and every name is looked at each time.
            command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0").spawn().ok()
        };
        let resolver = format!("127.0.0.1:{dns}");
        let manage = format!("127.0.0.1:{}", free());
        let of_names = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let names = [&of_names[..], &["-dns01", &resolver, "-management", &manage]].concat();
        let children = (|| {
            let names = run("pebble-challtestsrv", &names)?;
            Some(vec![names, run("pebble", &["-config", "pebble.json", "-dnsserver", &resolver])?])
        })();
        let Some(children) = children else {
            // Not by `eprintln!`, which the test harness would keep to itself.
            stderr().write_all(b"\nskipped: NO pebble ON THIS MACHINE\n\n").unwrap();
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has a pebble");
            return None;
        };
        let pebble = Self { children, directory, management, http, tls, folder };
        eventually("pebble listens", || TcpStream::connect(("127.0.0.1", directory)).is_ok());
        eventually("and is managed", || TcpStream::connect(("127.0.0.1", management)).is_ok());
        Some(pebble)
    }

    /// The root of this start.
    fn root(&self) -> CertificateDer<'static> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.management)).unwrap();
        let mut tls = secure::connect(&mut socket, "http/1.1");
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        stream
            .write_all(b"GET /roots/0 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        CertificateDer::from_pem_slice(answer.as_bytes()).unwrap()
    }

    /// A server that orders from it, where it looks: in clear that is a listener that redirects all else; `more` follows in the section.
    fn client(&self, more: &str) -> Process {
        self.client_of(more, Some(&secure::files().0))
    }

    /// The same, which believes only what these roots vouch for, or the system's.
    fn client_of(&self, more: &str, roots: Option<&Path>) -> Process {
        let roots = roots.map(|path| format!("directory_roots = '{}'\n", path.display()));
        let file = format!(
            "[acme]\ndirectory = 'https://127.0.0.1:{}/dir'\nagree_to_terms = true\n{}\
             contacts = ['mailto:a@example.org']\nstorage = 'storage'\n{more}\n\
             [tls]\ndevelopment = 'development'\n",
            self.directory,
            roots.unwrap_or_default(),
        );
        self.folder.write("t.toml", file);
        let (http, https) = (format!("127.0.0.1:{}", self.http), format!("127.0.0.1:{}", self.tls));
        let arguments = [
            "serve",
            "--root",
            ".",
            "--config",
            "t.toml",
            "--http",
            "127.0.0.1:0",
            "--redirect",
            &http,
            "--https",
            &https,
            "--shards",
            "2",
        ];
        let folder = self.folder.0.clone();
        Process::start(&arguments, |command| {
            command.current_dir(folder);
        })
        .unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The certificate that is shown for a name, if it leads to `root`.
fn served(at: SocketAddr, name: &str, root: &CertificateDer<'static>) -> Option<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(at).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).ok()?;
    }
    Some(tls.peer_certificates().unwrap()[0].to_vec())
}

fn domains() -> String {
    format!("domains = ['{}']", NAMES.join("', '"))
}

#[test]
fn a_certificate_is_ordered_over_http_and_kept() {
    let Some(pebble) = Pebble::start(90 * 86_400) else { return };
    let root = pebble.root();
    let server = pebble.client(&domains());
    let at = server.addresses().address(Over::Tls);
    eventually("it has a certificate", || served(at, NAMES[0], &root).is_some());
    let first = served(at, NAMES[0], &root).unwrap();
    assert_eq!(served(at, NAMES[1], &root).as_ref(), Some(&first));
    let said = server.errors();
    assert!(
        said.contains("ACME: ordering a certificate for one.example.test, two.example.test"),
        "{said}"
    );
    drop(server);
    // What is kept is there at once, and nothing is ordered.
    let again = pebble.client(&domains());
    assert_eq!(
        served(again.addresses().address(Over::Tls), NAMES[0], &root).as_ref(),
        Some(&first)
    );
    assert!(!again.errors().contains("ordering"), "{}", again.errors());
}

/// By handshakes, of certificates that are good for seconds: the next one comes while a connection with the one before lives on.
#[test]
fn a_certificate_is_renewed_over_tls_and_nobody_is_dropped() {
    let Some(pebble) = Pebble::start(10) else { return };
    let root = pebble.root();
    let server = pebble.client(&format!("{}\nchallenge = 'tls-alpn-01'", domains()));
    let at = server.addresses().address(Over::Tls);
    let mut first = None;
    eventually("it has a certificate", || {
        first = served(at, NAMES[0], &root);
        first.is_some()
    });
    let mut old = TcpStream::connect(at).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(NAMES[0]).unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut old);
    let mut ask = || {
        let mut answer = [0; 12];
        stream.write_all(b"HEAD /t.toml HTTP/1.1\r\nhost: one.example.test\r\n\r\n").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            rest.extend(byte);
        }
    };
    ask();
    eventually("it has another one", || {
        let now = served(at, NAMES[0], &root);
        now.is_some() && now != first
    });
    ask();
    // RFC 8737 §3: outside of an order nobody is told that there is such a protocol.
    let config = {
        let mut config = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        Arc::new(config)
    };
    let mut tls = ClientConnection::new(config, ServerName::try_from(NAMES[0]).unwrap()).unwrap();
    let mut socket = TcpStream::connect(at).unwrap();
    let refused = loop {
        if let Err(error) = tls.complete_io(&mut socket) {
            break error.to_string();
        }
    };
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

/// The server serves all the same, with the certificate for development, and says why. Whoever is started again and again does not
/// order again and again.
#[test]
fn who_is_refused_serves_and_says_why() {
    let Some(pebble) = Pebble::start(90 * 86_400) else { return };
    let blocked = "domains = ['blocked.example.test']";
    let trusted = secure::files().0.as_path();
    for (names, roots, part) in [
        // To the system's roots it is a stranger.
        (&*domains(), None, "certificate"),
        (blocked, Some(trusted), "blocked.example.test"),
    ] {
        let server = pebble.client_of(names, roots);
        eventually("it says why", || server.errors().contains("; tried again in"));
        let said = server.errors();
        assert!(said.contains(part) && said.contains("certificate for development"), "{said}");
        let mut socket = TcpStream::connect(server.addresses().address(Over::Tcp)).unwrap();
        socket.write_all(b"HEAD /t.toml HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let again = pebble.client(blocked);
    eventually("it waits", || again.errors().contains("the last order came to nothing"));
    assert!(!again.errors().contains("ordering"), "{}", again.errors());
}
