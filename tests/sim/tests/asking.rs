//! The client role over TLS, call by call: a conversation of ours with one of ours, and with a server that can say anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::future::Future;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rcgen::generate_simple_self_signed;
use trilane_connection::{Conversation, Goal, Host, client_secured, secured};
use trilane_exchange::caller::desk;
use trilane_exchange::{
    Address, Answer, Ask, AskError, AskFailure, Asking, Caller, ConnectionInfo, DialError,
    Outgoing, Reply, Request, Response, Service, Shard, Wake, WakeQueue,
};
use trilane_semantics::{
    Cause, Effect, Instant, Known, Limits, Method, Payload, Piece, Protocol, RequestHead,
};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::replays::Replays;
use trilane_sim::rng::Rng;
use trilane_tls::{
    Acceptor, Connector, ConnectorConfig, Heard, Identity, Pem, Session, TlsConfig, Trust,
};

/// The shard's names for both ends.
const SERVER: u64 = 1;
const CLIENT: u64 = 2;

/// Answers everything with so many bytes.
struct Plain(usize);

impl Service for Plain {
    fn call(&self, request: Request, _: &mut Context<'_>) -> Reply {
        assert!(request.exchange().connection().tls.is_some());
        let payload = Payload::from(vec![b'x'; self.0]);
        Reply::Ready(Response::default().body(Outgoing::Full(payload)))
    }
}

/// A client, and where it is run.
struct Client {
    host: Host,
    queue: WakeQueue,
    conversation: Box<dyn Conversation>,
    caller: Option<Caller>,
    now: Instant,
    is_closed: bool,
}

/// How a client and its server are.
struct Setup {
    /// The server's protocols.
    alpn: &'static [&'static str],
    /// What the client speaks if none is agreed on.
    protocol: Protocol,
    /// Goes first.
    first: &'static [u8],
    is_trusted: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { alpn: &["h2", "http/1.1"], protocol: Protocol::Http11, first: b"", is_trusted: true }
    }
}

impl Setup {
    fn begin(self) -> (Client, Acceptor) {
        let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let root = if self.is_trusted { &made } else { &other };
        let config = ConnectorConfig {
            trust: Trust::Only(Pem::Text(root.cert.pem())),
            ..ConnectorConfig::default()
        };
        let connector = Connector::new(&config).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
        let alpn = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = Acceptor::new(TlsConfig { identities, alpn, ..TlsConfig::default() });
        let (clock, queue) = (Rc::new(Clock::default()), WakeQueue::new(|| ()));
        let shard = Shard::new(Rc::new(SimShard::new(clock, Rng::new(1), queue.clone())));
        let limits = Rc::new(Limits::default());
        let host = Host::new(Rc::new(Plain(100_000)), Rc::clone(&limits), shard, queue.clone(), "");
        // Both ends are recorded, and come to the same end when they are run again.
        let host = host.recording(Some(Replays::recorder(1 << 20).0));
        let session = Session::client(&connector, "localhost").unwrap();
        let ((caller, desk), now) = (desk(), Instant::default());
        let conversation = client_secured(
            &host,
            now,
            (CLIENT, info()),
            (self.protocol, limits),
            (session, self.first.to_vec()),
            Rc::new(desk),
        );
        let caller = Some(caller);
        (Client { host, queue, conversation, caller, now, is_closed: false }, acceptor.unwrap())
    }
}

fn info() -> Rc<ConnectionInfo> {
    let address = Address::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    Rc::new(ConnectionInfo::new(address, address))
}

impl Client {
    fn caller(&self) -> &Caller {
        self.caller.as_ref().unwrap()
    }

    fn ask(&self) -> Asking {
        let mut head = RequestHead::new(Method::GET, "/").unwrap();
        head.fields.append(Known::Host, "localhost").unwrap();
        self.caller().ask(Ask::new(head))
    }

    /// What it has to say.
    fn said(&mut self) -> Vec<u8> {
        self.wake(None);
        said(&mut *self.conversation, &self.host, self.now)
    }

    /// It hears that, so many bytes at a time, and after all of it that nothing follows, if so.
    fn hear(&mut self, bytes: &mut [u8], piece: usize, is_end: bool) {
        for bytes in bytes.chunks_mut(piece) {
            self.conversation.receive_in_place(&self.host, self.now, bytes);
        }
        if is_end {
            self.conversation.receive_end(&self.host, self.now);
        }
        self.wake(None);
    }

    /// Who was woken goes on, the server of ours too.
    fn wake(&mut self, mut server: Option<&mut dyn Conversation>) -> bool {
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        for wake in &woken {
            match (wake, &mut server) {
                (Wake::Exchange(CLIENT, id), _) => {
                    self.conversation.wake(&self.host, self.now, *id);
                }
                (Wake::Exchange(_, id), Some(server)) => server.wake(&self.host, self.now, *id),
                _ => {}
            }
        }
        self.is_closed |= matches!(self.conversation.goal(), Goal::Close | Goal::Reset);
        !woken.is_empty()
    }
}

/// What has to be said, as a transport takes it.
fn said(conversation: &mut dyn Conversation, host: &Host, now: Instant) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(outbox) = conversation.take_output(host, now) {
        for piece in outbox.pieces() {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(piece),
                Piece::Command(_) => {}
                Piece::File(_) | Piece::Pipe(_) | Piece::Datagram(_) => panic!("no bytes"),
            }
        }
        conversation.sent(host, now);
    }
    bytes
}

/// What a future has come to, if it has.
fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn answered(asking: &mut Asking) -> Option<Result<Answer, AskError>> {
    now(pin!(asking))
}

/// A client and a server of ours.
struct Both {
    client: Client,
    server: Box<dyn Conversation>,
    piece: usize,
}

impl Both {
    fn new(setup: Setup, piece: usize) -> Self {
        let (client, acceptor) = setup.begin();
        let session = Session::server(acceptor.current()).unwrap();
        let server = secured(&client.host, client.now, SERVER, info(), session);
        Self { client, server, piece }
    }

    /// Moves bytes until neither end has any.
    fn run(&mut self) {
        loop {
            let woken = self.client.wake(Some(&mut *self.server));
            let (host, now) = (&self.client.host, self.client.now);
            let mut up = said(&mut *self.client.conversation, host, now);
            for bytes in up.chunks_mut(self.piece) {
                self.server.receive_in_place(host, now, bytes);
            }
            let mut down = said(&mut *self.server, host, now);
            if !woken && up.is_empty() && down.is_empty() {
                return;
            }
            for bytes in down.chunks_mut(self.piece) {
                self.client.conversation.receive_in_place(host, now, bytes);
            }
        }
    }

    /// Asks, and reads all of the answer.
    fn get(&mut self) -> Vec<u8> {
        let mut asking = self.client.ask();
        self.run();
        let mut answer = answered(&mut asking).unwrap().unwrap();
        let mut content = pin!(answer.body.collect());
        for _ in 0..100 {
            if let Some(bytes) = now(content.as_mut()) {
                return bytes.unwrap().to_vec();
            }
            self.run();
        }
        panic!("no end");
    }
}

/// RFC 7301 §3.2: the server chooses; if it does not, it is as was said.
#[test]
fn the_handshake_says_what_is_spoken() {
    use Protocol::{Http2, Http11};
    let cases: [(&[&str], _, _); 6] = [
        (&["h2", "http/1.1"], Http11, Http2),
        (&["http/1.1", "h2"], Http11, Http11),
        (&["http/1.1"], Http11, Http11),
        (&["http/1.1"], Http2, Http11),
        (&[], Http11, Http11),
        (&[], Http2, Http2),
    ];
    for (alpn, protocol, spoken) in cases {
        for piece in [1, 1000, usize::MAX] {
            let mut both = Both::new(Setup { alpn, protocol, ..Setup::default() }, piece);
            assert_eq!((both.client.caller().protocol(), both.client.caller().room()), (None, 0));
            both.run();
            assert_eq!(both.client.caller().protocol(), Some(spoken));
            let info = both.client.caller().info().unwrap();
            let agreed = info.tls.as_ref().unwrap().alpn.as_deref();
            assert_eq!(agreed.map(|alpn| alpn == b"h2"), alpn.first().map(|_| spoken == Http2));
            // Without a word of ALPN our server speaks HTTP/1.1.
            if agreed.is_some() || spoken == Http11 {
                assert!((0..3).all(|_| both.get() == [b'x'; 100_000]));
            }
        }
    }
}

/// Who asks before there is a connection is heard as soon as there is.
#[test]
fn requests_wait_for_the_handshake() {
    let mut both = Both::new(Setup::default(), usize::MAX);
    let mut asked: Vec<_> = (0..5).map(|_| both.client.ask()).collect();
    assert_eq!(both.client.caller().under_way(), 5);
    both.run();
    assert!(asked.iter_mut().all(|asking| answered(asking).unwrap().is_ok()));
}

fn closed(asking: &mut Asking) -> DialError {
    let error = answered(asking).unwrap().unwrap_err();
    assert!(error.request.is_some(), "it can be made again");
    assert_eq!(error.effect, Effect::None);
    match error.failure {
        AskFailure::Connection(error) => error,
        other => panic!("{other:?}"),
    }
}

fn tls(text: &str) -> DialError {
    DialError::Tls(text.into())
}

#[test]
fn a_handshake_that_fails_is_told_with_its_reason() {
    let untrusted = tls("the server's certificate is not the only one that is trusted");
    let refused = tls("the peer has sent the TLS alert 120");
    for (setup, error) in [
        (Setup { is_trusted: false, ..Setup::default() }, untrusted),
        (Setup { alpn: &["other"], ..Setup::default() }, refused),
    ] {
        let mut both = Both::new(setup, 7);
        let mut asking = both.client.ask();
        both.run();
        assert_eq!(closed(&mut asking), error);
        assert_eq!(closed(&mut both.client.ask()), error, "and from now on");
        assert!(!both.client.caller().is_open());
        // The server hears of it, or has said it.
        assert!(both.server.cause().is_some());
    }
    // What speaks no TLS.
    let (mut client, _) = Setup::default().begin();
    let mut asking = client.ask();
    client.hear(&mut b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), 3, false);
    assert_eq!(closed(&mut asking), tls("the TLS handshake failed"));
}

#[test]
fn a_handshake_has_its_time() {
    let (mut client, _) = Setup::default().begin();
    let mut asking = client.ask();
    assert!(!client.said().is_empty());
    let until = client.now + Limits::default().handshake_timeout;
    assert_eq!(client.conversation.poll_timeout(), Some(until));
    client.now = until;
    client.conversation.timeout(&client.host, until);
    assert_eq!(closed(&mut asking), DialError::Closed(Cause::HandshakeTimeout));
    assert_eq!(client.conversation.cause(), Some(Cause::HandshakeTimeout));
}

#[test]
fn a_server_that_leaves_amid_the_handshake() {
    let (mut client, _) = Setup::default().begin();
    let mut asking = client.ask();
    client.said();
    client.hear(&mut [22, 3, 3, 0], 1, true);
    assert_eq!(closed(&mut asking), DialError::Closed(Cause::Peer));
    assert!(client.is_closed);
}

/// A connection that cannot be made at all: the first reason stays.
#[test]
fn a_transport_that_fails() {
    let (mut client, _) = Setup::default().begin();
    let mut asking = client.ask();
    client.conversation.failed(&client.host, client.now);
    client.wake(None);
    assert_eq!(closed(&mut asking), DialError::Closed(Cause::Transport));
    assert!(client.is_closed);
}

/// When nobody is left who could ask, nobody waits for the handshake.
#[test]
fn a_connection_that_nobody_wants_any_more() {
    for (begins, asks) in [(false, false), (true, false), (true, true)] {
        let (mut client, _) = Setup::default().begin();
        if begins {
            client.said();
        }
        let asking = asks.then(|| client.ask());
        client.caller = None;
        client.wake(None);
        assert_eq!(client.is_closed, !asks);
        drop(asking);
    }
}

/// What goes first goes in clear, and once.
#[test]
fn a_preface_goes_before_the_handshake() {
    let first = b"PROXY UNKNOWN\r\n";
    let (mut client, _) = Setup { first, ..Setup::default() }.begin();
    let bytes = client.said();
    let hello = bytes.strip_prefix(first).unwrap();
    assert_eq!((hello[0], &client.said()[..]), (22, &b""[..]), "a handshake, and no more");
}

/// What a server of one exchange says, with or without an end of TLS, and what its client makes of it.
fn outcome(response: &[u8], closes: bool, piece: usize) -> Result<Vec<u8>, ()> {
    let (mut client, acceptor) = Setup { alpn: &["http/1.1"], ..Setup::default() }.begin();
    let mut asking = client.ask();
    let (mut server, mut heard) = (Session::server(acceptor.current()).unwrap(), Vec::new());
    while heard.is_empty() {
        let mut up = client.said();
        let hear = |what: Heard<'_>| {
            if let Heard::Content(content) = what {
                heard.extend_from_slice(content);
            }
        };
        server.receive(&mut up, hear).unwrap();
        let mut down = Vec::new();
        server.take_owed(&mut down);
        client.hear(&mut down, piece, false);
    }
    assert!(heard.starts_with(b"GET / HTTP/1.1\r\n"));
    let mut down = Vec::new();
    server.seal(iter::once(response), &mut down).unwrap();
    if closes {
        server.close(&mut down);
    }
    client.hear(&mut down, piece, true);
    let mut answer = answered(&mut asking).ok_or(())?.map_err(drop)?;
    let content = now(pin!(answer.body.collect())).ok_or(())?;
    content.map(|bytes| bytes.to_vec()).map_err(drop)
}

/// RFC 9112 §9.8: content that ends with the connection is complete only if TLS says that it has ended.
#[test]
fn nobody_cuts_a_response() {
    let until_close = &b"HTTP/1.1 200 OK\r\n\r\ncontent"[..];
    let exact = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n";
    for piece in [1, usize::MAX] {
        for response in [until_close, exact, chunked] {
            assert_eq!(outcome(response, true, piece), Ok(b"content".to_vec()));
        }
        assert_eq!(outcome(exact, false, piece), Ok(b"content".to_vec()));
        assert_eq!(outcome(chunked, false, piece), Ok(b"content".to_vec()));
        assert_eq!(outcome(until_close, false, piece), Err(()));
        for closes in [false, true] {
            assert_eq!(outcome(&exact[..exact.len() - 1], closes, piece), Err(()));
            assert_eq!(outcome(&chunked[..chunked.len() - 2], closes, piece), Err(()));
        }
    }
}
