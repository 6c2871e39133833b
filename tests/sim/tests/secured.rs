//! The stage of TLS, call by call: the ends that it must come to, whatever its peer does not do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trilane_connection::{Conversation, Goal, Host, secured};
use trilane_exchange::{
    Address, ConnectionInfo, Outgoing, Reply, Request, Response, Service, Shard, WakeQueue,
};
use trilane_semantics::{Cause, Command, Instant, Limits, Payload, Piece};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::rng::Rng;
use trilane_tls::{Acceptor, Identity, Pem, Session, TlsConfig};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Answers everything with so many bytes.
struct Plain(usize);

impl Service for Plain {
    fn call(&self, _: Request, _: &mut Context<'_>) -> Reply {
        let payload = Payload::from(vec![b'x'; self.0]);
        Reply::Ready(Response::default().body(Outgoing::Full(payload)))
    }
}

/// A conversation, and a client who speaks to it.
struct Rig {
    host: Host,
    conversation: Box<dyn Conversation>,
    client: ClientConnection,
    now: Instant,
    got: Vec<u8>,
    is_told: bool,
    /// The transport has something to send, and has not done so.
    is_sending: bool,
    is_half_closed: bool,
}

impl Rig {
    fn new(answer: usize) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
        let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap();
        let (clock, queue) = (Rc::new(Clock::default()), WakeQueue::new(|| ()));
        let shard = Shard::new(Rc::new(SimShard::new(clock, Rng::new(1), queue.clone())));
        let limits = Rc::new(Limits::default());
        let host = Host::new(Rc::new(Plain(answer)), limits, shard, queue, "");
        let address = Address::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let info = Rc::new(ConnectionInfo::new(address, address));
        let session = Session::server(acceptor.current()).unwrap();
        Self {
            conversation: secured(&host, Instant::default(), 1, info, session),
            host,
            client: ClientConnection::new(Arc::new(client), name).unwrap(),
            now: Instant::default(),
            got: Vec::new(),
            is_told: false,
            is_sending: false,
            is_half_closed: false,
        }
    }

    /// One with its handshake behind it.
    fn ready(answer: usize) -> Self {
        let mut rig = Self::new(answer);
        while rig.exchange() {}
        assert!(!rig.client.is_handshaking());
        rig
    }

    /// What the client has to say reaches the server, who hears `more` behind it.
    fn tell(&mut self, more: &[u8]) -> bool {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes.extend_from_slice(more);
        self.hear(&mut bytes);
        !bytes.is_empty()
    }

    /// The server hears these bytes.
    fn hear(&mut self, bytes: &mut [u8]) {
        self.conversation.receive_in_place(&self.host, self.now, bytes);
    }

    /// Takes what there is to be sent, as a transport does when it has sent all of before.
    fn take(&mut self) -> Option<Vec<u8>> {
        if self.is_sending {
            return None;
        }
        let outbox = self.conversation.take_output(&self.host, self.now)?;
        self.is_sending = true;
        let mut bytes = Vec::new();
        for piece in outbox.pieces() {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(piece),
                Piece::Command(command) => assert_eq!(command, Command::Fin),
                Piece::File(_) | Piece::Pipe(_) | Piece::Datagram(_) => panic!("no bytes"),
            }
        }
        Some(bytes)
    }

    /// Both sides say what they have to say. Whether there was anything.
    fn exchange(&mut self) -> bool {
        let said = self.tell(b"");
        let Some(bytes) = self.take() else { return said };
        self.sent();
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            self.is_told |= self.client.process_new_packets().is_ok_and(|io| io.peer_has_closed());
            let _ = self.client.reader().read_to_end(&mut self.got);
        }
        true
    }

    fn sent(&mut self) {
        self.is_sending = false;
        self.conversation.sent(&self.host, self.now);
    }

    /// What the transport does after each call, once. Whether it closes.
    fn drive(&mut self) -> bool {
        let goal = self.conversation.goal();
        if goal == Goal::HalfClose {
            assert!(!self.is_sending && !std::mem::replace(&mut self.is_half_closed, true));
            self.conversation.half_closed(&self.host, self.now);
        }
        matches!(goal, Goal::Close | Goal::Reset)
    }

    /// Nothing comes any more but the timers. It closes, and never waits without one.
    fn left_alone(mut self) -> Option<Cause> {
        for _ in 0..20 {
            if self.drive() {
                return self.conversation.cause();
            }
            let at = self.conversation.poll_timeout().expect("a time at which it goes on");
            self.now = self.now.max(at);
            self.conversation.timeout(&self.host, self.now);
        }
        panic!("never closed");
    }
}

/// Who leaves before saying anything has left at once, not at the handshake's deadline.
#[test]
fn a_peer_that_leaves_before_its_handshake() {
    for said in [&b""[..], b"\x16\x03\x01\x00"] {
        let mut rig = Rig::new(1);
        rig.hear(&mut said.to_vec());
        assert!(!rig.drive());
        rig.conversation.receive_end(&rig.host, rig.now);
        assert!(rig.drive(), "closed in the same turn");
        assert_eq!(rig.conversation.cause(), Some(Cause::Peer));
    }
}

/// What is said to a failed handshake is sent, then the peer has its time to read it, and no longer.
#[test]
fn a_handshake_that_fails() {
    for leaves in [false, true] {
        let mut rig = Rig::new(1);
        rig.hear(&mut ASK.to_vec());
        let alert = rig.take().unwrap();
        assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
        assert!(!rig.drive(), "it is under way");
        rig.sent();
        assert!(!rig.drive() && rig.is_half_closed);
        if leaves {
            rig.conversation.receive_end(&rig.host, rig.now);
            assert!(rig.drive());
        } else {
            assert_eq!(rig.left_alone(), Some(Cause::Handshake));
        }
    }
}

/// A peer that takes nothing of an answer, and then breaks TLS: the alert can never be sent, and is not waited for.
#[test]
fn an_alert_that_cannot_be_sent() {
    let mut rig = Rig::ready(1 << 20);
    rig.client.writer().write_all(ASK).unwrap();
    rig.tell(b"");
    assert!(rig.take().unwrap().len() > 100_000);
    rig.tell(b"\x17\x03\x03\x00\x20 this is no record, but is as long");
    assert!(rig.take().is_none(), "the answer is still under way");
    assert_eq!(rig.left_alone(), Some(Cause::Record));
}

/// The same, and the server is told to stop.
#[test]
fn an_alert_that_cannot_be_sent_holds_up_no_drain() {
    let mut rig = Rig::ready(1 << 20);
    rig.client.writer().write_all(ASK).unwrap();
    rig.tell(b"");
    rig.take().unwrap();
    rig.tell(b"GET / HTTP/1.1\r\n");
    assert!(!rig.drive());
    rig.conversation.shut(&rig.host, rig.now, Cause::DrainDeadline);
    assert!(rig.drive());
}

/// The same, and the peer has closed its half as well: it has its time all the same.
#[test]
fn an_alert_that_cannot_be_sent_to_who_has_half_closed() {
    let mut rig = Rig::ready(1 << 20);
    rig.client.writer().write_all(ASK).unwrap();
    rig.tell(b"");
    rig.take().unwrap();
    rig.tell(b"GET / HTTP/1.1\r\n");
    rig.conversation.receive_end(&rig.host, rig.now);
    assert!(!rig.drive());
    assert_eq!(rig.left_alone(), Some(Cause::Record));
}

/// RFC 8446 §6.1: who is idle when the server stops is told that nothing follows, and then closed.
#[test]
fn an_idle_connection_is_told_of_the_end() {
    for is_cut in [false, true] {
        let mut rig = Rig::ready(1);
        if is_cut {
            rig.conversation.shut(&rig.host, rig.now, Cause::DrainDeadline);
        } else {
            rig.conversation.drain(&rig.host, rig.now, Duration::ZERO);
            rig.conversation.timeout(&rig.host, rig.now);
        }
        assert!(!rig.drive() && !rig.is_half_closed);
        assert!(rig.exchange() && rig.is_told);
        assert_eq!(rig.drive(), is_cut);
        assert_eq!(rig.is_half_closed, !is_cut);
    }
}

/// Who does not even take close_notify is not waited for longer than others who linger.
#[test]
fn an_end_that_nobody_takes() {
    let mut rig = Rig::ready(1);
    rig.conversation.shut(&rig.host, rig.now, Cause::DrainDeadline);
    rig.take().unwrap();
    let until = rig.now + rig.host.limits().linger_timeout;
    assert_eq!(rig.conversation.poll_timeout(), Some(until));
    assert_eq!(rig.left_alone(), Some(Cause::DrainDeadline));
}

/// Who says nothing, at any point of the handshake.
#[test]
fn a_handshake_has_its_time() {
    let mut rig = Rig::new(1);
    let until = rig.now + rig.host.limits().handshake_timeout;
    assert_eq!(rig.conversation.poll_timeout(), Some(until));
    rig.tell(b"");
    assert!(!rig.take().unwrap().is_empty());
    rig.sent();
    assert_eq!(rig.conversation.poll_timeout(), Some(until), "the same deadline for all of it");
    assert_eq!(rig.left_alone(), Some(Cause::HandshakeTimeout));
}

/// A request whose records come one byte at a time, and its answer.
#[test]
fn a_request_and_its_answer() {
    let mut rig = Rig::ready(3);
    for byte in ASK {
        rig.client.writer().write_all(&[*byte]).unwrap();
        rig.exchange();
    }
    assert!(rig.got.starts_with(b"HTTP/1.1 200 OK\r\n") && rig.got.ends_with(b"\r\n\r\nxxx"));
    assert!(!rig.drive() && !rig.is_told);
}
