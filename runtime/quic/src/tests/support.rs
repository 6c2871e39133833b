//! A server in memory, and clients of quiche's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use boring::ssl::SslContextBuilder;
use quiche::{Config, Connection, ConnectionId, RecvInfo};
use rcgen::{CertificateParams, KeyPair};
use trilane_tls::{Acceptor, Identity as Pair, Pem, TlsConfig};

use crate::{Endpoint, Identity, Path, Place, Route, Secrets, Session, Settings};

pub(super) const SERVER: SocketAddr = at(443);

/// An address.
pub(super) const fn at(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

/// What the server sees of a datagram of a client at that port.
pub(super) const fn from(port: u16) -> Path {
    Path { local: SERVER, peer: at(port) }
}

/// A certificate for these names.
pub(super) fn pair(names: &[&str]) -> Pair {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Pair::new(Pem::Text(certificate.pem()), Pem::Text(key.serialize_pem()))
}

pub(super) fn acceptor() -> Acceptor {
    let identities = vec![pair(&["localhost"])];
    Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap()
}

pub(super) const PLACE: Place = Place { shard: 1, shards: 4, generation: 5 };

/// An endpoint with the sessions that it has made.
pub(super) struct Server {
    pub(super) endpoint: Endpoint,
    pub(super) sessions: HashMap<u32, Box<Session>>,
    next: u32,
}

/// What a datagram came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    To(u32),
    Reply(Vec<u8>),
    Else(String),
}

impl Server {
    pub(super) fn new(settings: Settings) -> Self {
        let acceptor = acceptor();
        let secrets = Secrets::new(&acceptor).unwrap();
        Self::with(settings, &acceptor, PLACE, &secrets)
    }

    pub(super) fn with(
        settings: Settings,
        acceptor: &Acceptor,
        place: Place,
        secrets: &Secrets,
    ) -> Self {
        let endpoint = Endpoint::new(settings, &Identity::new(acceptor), place, secrets).unwrap();
        Self { endpoint, sessions: HashMap::new(), next: 0 }
    }

    /// A datagram comes.
    pub(super) fn take(&mut self, datagram: &[u8], path: Path) -> Came {
        let mut datagram = datagram.to_vec();
        let key = match self.endpoint.route(Instant::now(), &mut datagram, path) {
            Route::Known(key) => key,
            Route::New(mut session) => {
                self.next += 1;
                self.endpoint.bind(&mut session, self.next);
                self.sessions.insert(self.next, session);
                self.next
            }
            Route::Reply(length) => {
                assert_eq!(length, self.endpoint.reply().len());
                return Came::Reply(self.endpoint.reply().to_vec());
            }
            other => return Came::Else(format!("{other:?}")),
        };
        let session = self.sessions.get_mut(&key).unwrap();
        let _ = session.receive(&mut datagram, path);
        self.endpoint.sync(session, key);
        Came::To(key)
    }

    /// All that is to be sent.
    pub(super) fn flight(&mut self) -> Vec<(Vec<u8>, Path)> {
        let mut flight = Vec::new();
        let mut buffer = [0; 2_000];
        for session in self.sessions.values_mut() {
            while let Some(sent) = session.transmit(&mut buffer) {
                flight.push((buffer[..sent.len].to_vec(), sent.path));
            }
        }
        flight
    }

    pub(super) fn only(&mut self) -> &mut Session {
        assert_eq!(self.sessions.len(), 1);
        self.sessions.values_mut().next().unwrap()
    }
}

/// A client.
pub(super) struct Client {
    pub(super) connection: Connection,
    /// Where the server sees it.
    pub(super) port: u16,
}

pub(super) fn config() -> Config {
    configured(Config::new(quiche::PROTOCOL_VERSION).unwrap())
}

/// With a TLS context of its own.
pub(super) fn config_with(builder: SslContextBuilder) -> Config {
    configured(Config::with_boring_ssl_ctx_builder(quiche::PROTOCOL_VERSION, builder).unwrap())
}

fn configured(mut config: Config) -> Config {
    config.set_application_protos(&[b"h3"]).unwrap();
    config.set_max_idle_timeout(30_000);
    config.set_initial_max_data(1 << 20);
    config.set_initial_max_stream_data_bidi_local(256 << 10);
    config.set_initial_max_stream_data_bidi_remote(256 << 10);
    config.set_initial_max_stream_data_uni(64 << 10);
    config.set_initial_max_streams_bidi(100);
    config.set_initial_max_streams_uni(3);
    config.set_active_connection_id_limit(8);
    config.verify_peer(false);
    config.enable_early_data();
    config.set_max_recv_udp_payload_size(1_500);
    config.set_max_send_udp_payload_size(1_350);
    config
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self::with(port, &mut config())
    }

    pub(super) fn with(port: u16, config: &mut Config) -> Self {
        Self::named(port, Some("localhost"), config)
    }

    pub(super) fn named(port: u16, name: Option<&str>, config: &mut Config) -> Self {
        let mut scid = [0; 16];
        boring::rand::rand_bytes(&mut scid).unwrap();
        let scid = ConnectionId::from_ref(&scid);
        let connection = quiche::connect(name, &scid, at(port), SERVER, config).unwrap();
        Self { connection, port }
    }

    pub(super) fn flight(&mut self) -> Vec<Vec<u8>> {
        let mut flight = Vec::new();
        let mut buffer = [0; 2_000];
        while let Ok((length, _)) = self.connection.send(&mut buffer) {
            flight.push(buffer[..length].to_vec());
        }
        flight
    }

    pub(super) fn take(&mut self, datagram: &[u8]) {
        let info =
            RecvInfo { from: SERVER, to: self.connection.path_stats().next().unwrap().local_addr };
        let _ = self.connection.recv(&mut datagram.to_vec(), info);
    }
}

/// Moves datagrams both ways until there are none.
pub(super) fn pump(client: &mut Client, server: &mut Server) {
    loop {
        let out = client.flight();
        let is_silent = out.is_empty();
        for datagram in out {
            if let Came::Reply(reply) = server.take(&datagram, from(client.port)) {
                client.take(&reply);
            }
        }
        let back = server.flight();
        if is_silent && back.is_empty() {
            return;
        }
        for (datagram, _) in back {
            client.take(&datagram);
        }
    }
}

/// Both, with their handshake done.
pub(super) fn connected(settings: Settings) -> (Client, Server) {
    let (mut client, mut server) = (Client::new(1), Server::new(settings));
    pump(&mut client, &mut server);
    assert!(client.connection.is_established() && server.only().is_established());
    (client, server)
}
