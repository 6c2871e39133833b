//! Connections that we begin, to a server of ours: whom they are with, and what goes over them.

use std::time::Instant;

use trilane_tls::{Acceptor, Broken, Connector, ConnectorConfig, Expected, Pem, Trust, Untrusted};

use super::support::{Came, PLACE, SERVER, Server, at, pair};
use crate::{Ended, Endpoint, Path, Place, Read, Secrets, Session, Settings};

/// What the client sees of a datagram of the server's.
const PATH: Path = Path { local: at(7), peer: SERVER };
const KEY: u32 = 3;

/// A client of ours, and the server that it has been led to.
struct Pair {
    endpoint: Endpoint,
    session: Session,
    server: Server,
}

impl Pair {
    /// The client expects this; the server has a certificate for `localhost` and 127.0.0.1, which `expect` is given.
    fn new(expect: impl FnOnce(Pem) -> Expected) -> Self {
        Self::with(Settings::default(), expect)
    }

    fn with(settings: Settings, expect: impl FnOnce(Pem) -> Expected) -> Self {
        let identity = pair(&["localhost", "127.0.0.1"]);
        let certificate = identity.certificate.clone();
        let config = trilane_tls::TlsConfig { identities: vec![identity], ..Default::default() };
        let acceptor = Acceptor::new(config).unwrap();
        let secrets = Secrets::new(&acceptor).unwrap();
        let server = Server::with(settings.clone(), &acceptor, PLACE, &secrets);
        let place = Place { shard: 0, shards: 1, generation: 0 };
        let mut endpoint = Endpoint::dialing(settings, place, &Secrets::random().unwrap()).unwrap();
        let mut session = endpoint.dial(Instant::now(), &expect(certificate), PATH).unwrap();
        endpoint.bind(&mut session, KEY);
        Self { endpoint, session, server }
    }

    fn flight(&mut self) -> Vec<Vec<u8>> {
        let (mut flight, mut buffer) = (Vec::new(), [0; 2_000]);
        while let Some(sent) = self.session.transmit(&mut buffer) {
            assert_eq!(sent.path, PATH);
            flight.push(buffer[..sent.len].to_vec());
        }
        flight
    }

    fn take(&mut self, datagram: &[u8]) {
        assert_eq!(self.endpoint.known(datagram), Some(KEY));
        let _ = self.session.receive(&mut datagram.to_vec(), PATH);
        self.endpoint.sync(&mut self.session, KEY);
    }

    /// Moves datagrams both ways until there are none.
    fn pump(&mut self) {
        loop {
            let out = self.flight();
            let is_silent = out.is_empty();
            for datagram in out {
                let from = Path { local: SERVER, peer: at(7) };
                if let Came::Reply(reply) = self.server.take(&datagram, from) {
                    self.take(&reply);
                }
            }
            let back = self.server.flight();
            if is_silent && back.is_empty() {
                return;
            }
            for (datagram, _) in back {
                self.take(&datagram);
            }
        }
    }
}

fn expected(trust: Trust, name: &str) -> Expected {
    let config = ConnectorConfig { trust, ..ConnectorConfig::default() };
    Connector::new(&config).unwrap().expect(name).unwrap()
}

#[test]
fn a_handshake_and_a_stream() {
    for name in ["localhost", "127.0.0.1"] {
        let mut pair = Pair::new(|root| expected(Trust::Roots(vec![root]), name));
        assert!(pair.session.is_dialed() && pair.session.streams_left() == 0);
        pair.pump();
        assert!(pair.session.is_established() && pair.session.broken().is_none());
        assert_eq!(pair.session.streams_left(), Settings::default().bidi_streams);
        assert_eq!(pair.session.write(0, b"hello", true), Ok(5));
        assert_eq!(pair.session.streams_left(), Settings::default().bidi_streams - 1);
        pair.pump();
        let mut into = [0; 9];
        let server = pair.server.only();
        // Addresses are nobody's name (RFC 6066 §3).
        let said = server.tls_info().server_name;
        assert_eq!(said.as_deref(), (name == "localhost").then_some("localhost"));
        assert!(!server.is_dialed());
        assert_eq!((server.read(0, &mut into), &into[..5]), (Read::Bytes(5, true), &b"hello"[..]));
        server.write(0, b"hi", true).unwrap();
        pair.pump();
        assert_eq!(
            (pair.session.read(0, &mut into), &into[..2]),
            (Read::Bytes(2, true), &b"hi"[..])
        );
        assert_eq!(pair.session.tls_info().alpn.as_deref(), Some(&b"h3"[..]));
        pair.session.close(0x100);
        pair.pump();
        assert_eq!(pair.server.only().ended(), Some(Ended::Peer(0x100)));
        pair.endpoint.unbind(&pair.session);
        assert_eq!(pair.endpoint.handshakes(), 0);
    }
}

#[test]
fn servers_that_are_not_who_they_must_be() {
    let only = |pem| Trust::Only(pem);
    let other = || pair(&["localhost"]).certificate;
    type Expect = Box<dyn FnOnce(Pem) -> Expected>;
    let cases: [(Expect, Option<Untrusted>); 6] = [
        (Box::new(move |pem| expected(Trust::Roots(vec![pem]), "localhost")), None),
        (Box::new(move |pem| expected(only(pem), "any.example")), None),
        (Box::new(|_| expected(Trust::DangerAnyone, "any.example")), None),
        (Box::new(|pem| expected(Trust::Roots(vec![pem]), "other.example")), Some(Untrusted::Name)),
        (
            Box::new(move |_| expected(Trust::Roots(vec![other()]), "localhost")),
            Some(Untrusted::Malformed),
        ),
        (Box::new(move |_| expected(Trust::Only(other()), "localhost")), Some(Untrusted::Other)),
    ];
    for (expect, why) in cases {
        let mut pair = Pair::new(expect);
        pair.pump();
        assert_eq!(pair.session.broken(), why.map(Broken::Untrusted));
        assert_eq!(pair.session.is_established(), why.is_none());
        // CRYPTO_ERROR with bad_certificate (RFC 9001 §4.8).
        let said = pair.server.only().ended();
        assert_eq!(said, why.map(|_| Ended::PeerTransport(0x100 + 42)));
    }
}

#[test]
fn an_address_is_validated_first() {
    let settings = Settings { retry: crate::Retry::Always, ..Settings::default() };
    let mut pair = Pair::with(settings, |_| expected(Trust::DangerAnyone, "localhost"));
    pair.pump();
    assert!(pair.session.is_established());
    assert!(pair.server.endpoint.stats().retries > 0);
}

#[test]
fn a_server_stays_where_it_is() {
    let mut pair = Pair::new(|_| expected(Trust::DangerAnyone, "localhost"));
    pair.pump();
    pair.server.only().write(3, b"x", false).unwrap();
    let (datagram, _) = pair.server.flight().remove(0);
    // RFC 9000 §9: what comes from elsewhere is discarded.
    let elsewhere = Path { peer: at(444), ..PATH };
    pair.session.receive(&mut datagram.clone(), elsewhere).unwrap();
    assert_eq!((pair.session.next_readable(), pair.session.moved()), (None, None));
    pair.session.receive(&mut datagram.clone(), PATH).unwrap();
    assert_eq!(pair.session.next_readable(), Some(3));
}

#[test]
fn nobody_begins_a_connection_with_who_only_dials() {
    let (mut asking, mut asked) = (
        Pair::new(|_| expected(Trust::DangerAnyone, "localhost")),
        Pair::new(|_| expected(Trust::DangerAnyone, "localhost")),
    );
    for mut datagram in asking.flight() {
        assert_eq!(asked.endpoint.known(&datagram), None);
        let route = asked.endpoint.route(Instant::now(), &mut datagram, PATH);
        assert!(matches!(route, crate::Route::Drop(_)), "{route:?}");
    }
}
