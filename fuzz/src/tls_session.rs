//! A session of TLS against rustls's client, and against somebody between them.
//!
//! Steps: `2` at the front is TLS 1.2, else it is 1.3; `c100` the client sends so much content, `k` it changes its key, `e` it ends;
//! `x7` the byte of that number is changed in what comes next, `d` what comes next is lost, `a` it comes twice, `<bytes` come from
//! nowhere; `t5` from now on pieces have that many bytes; `s100` the session sends so much content, `z` it ends. What is heard
//! is the front of what was said, and nothing after the first byte that was tampered with; what it seals the client reads as it
//! was; what is broken stays broken, and no more is kept than a message of the handshake may have.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trilane_tls::{Acceptor, Heard, Identity, Pem, Session, TlsConfig};

use crate::script::{Script, Step};

/// `data` as a script.
pub fn tls_session(data: &[u8]) {
    let mut run = Run::new(data.starts_with(b"2"));
    for step in Script::new(data).0 {
        // The first one comes before the handshake.
        run.step(step);
        run.exchange();
    }
    run.exchange();
}

/// What is done to the bytes that come next.
#[derive(Clone, Copy)]
enum Tamper {
    Nothing,
    Change(usize),
    Lose,
    Double,
}

struct Run {
    client: ClientConnection,
    session: Session,
    /// What the client has said, and how much of that was heard.
    said: Vec<u8>,
    heard: usize,
    /// Nothing that was said after so much can be heard.
    limit: Option<usize>,
    is_ended: bool,
    is_broken: bool,
    /// How much the client had said when it said that nothing follows.
    left: Option<usize>,
    /// The session has said that nothing follows.
    has_closed: bool,
    /// Something was changed, lost, doubled or made up.
    is_tampered: bool,
    /// What the session has said and the client has not read yet.
    answered: Vec<u8>,
    tamper: Tamper,
    piece: usize,
}

/// One acceptor and a client of each version, for all runs: making keys takes longer than a run.
fn ends() -> &'static (Acceptor, [Arc<ClientConfig>; 2]) {
    static ENDS: OnceLock<(Acceptor, [Arc<ClientConfig>; 2])> = OnceLock::new();
    ENDS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .expect("a name that is one");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("just made"))
            .expect("just made");
        let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
        let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() });
        let client = |version| {
            let config = ClientConfig::builder_with_protocol_versions(&[version])
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            Arc::new(config)
        };
        (acceptor.expect("a certificate and its key"), [client(&TLS13), client(&TLS12)])
    })
}

impl Run {
    fn new(is_old: bool) -> Self {
        let (acceptor, clients) = ends();
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::clone(&clients[usize::from(is_old)]), name);
        Self {
            client: client.expect("a configuration that was used before"),
            session: Session::server(acceptor.current()).expect("the same"),
            said: Vec::new(),
            heard: 0,
            limit: None,
            is_ended: false,
            is_broken: false,
            left: None,
            has_closed: false,
            is_tampered: false,
            answered: Vec::new(),
            tamper: Tamper::Nothing,
            piece: usize::MAX,
        }
    }

    fn step(&mut self, step: Step<'_>) {
        match step.op {
            b'c' => {
                let start = self.said.len();
                self.said.extend((0..step.number().min(40_000)).map(|at| (start + at) as u8));
                // Before it knows who it talks to, a client only keeps it.
                let taken = self.client.writer().write(&self.said[start..]).unwrap_or(0);
                self.said.truncate(start + taken);
            }
            // Refused before the handshake is over, and by TLS 1.2.
            b'k' => drop(self.client.refresh_traffic_keys()),
            b'e' => {
                self.left.get_or_insert(self.said.len());
                self.client.send_close_notify();
            }
            b'x' => self.tamper = Tamper::Change(step.number()),
            b'd' => self.tamper = Tamper::Lose,
            b'a' => self.tamper = Tamper::Double,
            b't' => self.piece = step.number().max(1),
            b'<' => {
                self.is_tampered = true;
                self.limit.get_or_insert(self.heard);
                self.deliver(&mut step.rest.to_vec());
            }
            // RFC 8446 §6.1: nothing is sent after that, which is for the caller to see to.
            b's' if self.has_closed => {}
            b's' => {
                let content: Vec<u8> = (0..step.number().min(40_000)).map(|at| at as u8).collect();
                let mut sealed = Vec::new();
                let result = self.session.seal(content.chunks(1000), &mut sealed);
                assert_eq!(result.is_ok(), self.session.is_ready(), "content after the handshake");
                if result.is_ok() {
                    self.answered.extend(content);
                }
                self.take(&sealed);
            }
            b'z' => {
                let mut sealed = Vec::new();
                self.session.close(&mut sealed);
                self.has_closed = true;
                self.take(&sealed);
            }
            _ => {}
        }
    }

    /// Moves bytes until neither has any.
    fn exchange(&mut self) {
        loop {
            let mut bytes = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut bytes).expect("it is memory");
            }
            let mut owed = Vec::new();
            self.session.take_owed(&mut owed);
            if bytes.is_empty() && owed.is_empty() {
                // Nothing is lost, unless somebody has seen to that.
                let is_read = self.answered.is_empty() || self.has_closed;
                let is_heard = self.heard == self.left.unwrap_or(self.said.len());
                let is_spoilt = self.is_tampered || self.is_broken;
                assert!(is_spoilt || (is_heard && is_read), "all of it arrives");
                return;
            }
            self.take(&owed);
            if bytes.is_empty() {
                continue;
            }
            match std::mem::replace(&mut self.tamper, Tamper::Nothing) {
                Tamper::Nothing => {}
                tamper => {
                    self.is_tampered = true;
                    self.limit.get_or_insert(self.heard);
                    match tamper {
                        Tamper::Change(at) => {
                            let at = at % bytes.len();
                            bytes[at] ^= 0x55;
                            // Records before the changed one are good.
                            self.limit = None;
                        }
                        Tamper::Lose => bytes.clear(),
                        Tamper::Double => {
                            self.limit = None;
                            bytes.extend_from_within(..);
                        }
                        Tamper::Nothing => {}
                    }
                }
            }
            self.deliver(&mut bytes);
        }
    }

    fn deliver(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(self.piece.max(bytes.len() / 1000)) {
            let (said, heard, is_ended) = (&self.said, &mut self.heard, &mut self.is_ended);
            let mut has_heard = false;
            let result = self.session.receive(piece, |what| {
                has_heard = true;
                match what {
                    Heard::Ready(_) => {}
                    Heard::Content(content) => {
                        assert!(!*is_ended, "nothing after the end");
                        assert!(said[*heard..].starts_with(content), "what was said, in its order");
                        *heard += content.len();
                    }
                    Heard::End => assert!(!std::mem::replace(is_ended, true), "one end"),
                }
            });
            assert!(self.limit.is_none_or(|limit| self.heard <= limit), "what was tampered with");
            assert!(!self.is_broken || (result.is_err() && !has_heard), "broken stays broken");
            self.is_broken |= result.is_err();
        }
    }

    /// The client reads what came.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if !matches!(self.client.read_tls(&mut bytes), Ok(1..)) {
                // It reads no more after an error or the end.
                return;
            }
            if self.client.process_new_packets().is_err() {
                return;
            }
            let mut read = Vec::new();
            let _ = self.client.reader().read_to_end(&mut read);
            assert!(self.answered.starts_with(&read), "what was sealed, in its order");
            self.answered.drain(..read.len());
        }
    }
}
