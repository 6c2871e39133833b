//! Whose a QUIC datagram is, for arbitrary datagrams of arbitrary strangers.
//!
//! Steps: `<bytes` comes as it is; `p 1200` is the length that what follows is filled up to; `i 8` a first packet to an id of so many bytes,
//! `v 5` a packet of that version, `h` a handshake packet, `s` a short one, to an id that was made up; `I`, `H` and `S` are to an
//! id of this shard, `O` is to one of another; `m 3` the byte of the last datagram that is changed when it comes again; `t 5`
//! milliseconds pass.
//!
//! No panic; a stranger gets less than three times what it sent, and nothing for little; handshakes are bounded; only what has the
//! id of another shard goes there.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use trilane_quic::{Endpoint, Identity, Path, Place, Retry, Route, Secrets, Session, Settings};
use trilane_tls::{Acceptor, Identity as Pair, Pem, TlsConfig};

use crate::script::{Script, Step};

/// Handshakes of an endpoint.
const HANDSHAKES: usize = 4;

/// What does not change from script to script: keys take long to make.
struct World {
    acceptor: Acceptor,
    secrets: Secrets,
    start: Instant,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn world() -> World {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("its own key");
    let pair = Pair::new(Pem::Text(certificate.pem()), Pem::Text(key.serialize_pem()));
    let config = TlsConfig { identities: vec![pair], ..TlsConfig::default() };
    let acceptor = Acceptor::new(config).expect("a certificate and its key");
    let secrets = Secrets::new(&acceptor).expect("random numbers");
    World { acceptor, secrets, start: Instant::now() }
}

/// `data` as a script.
pub fn quic_route(data: &[u8]) {
    WORLD.with_borrow_mut(|made| Run::new(made.get_or_insert_with(world)).run(data));
}

struct Run {
    ours: Endpoint,
    sessions: Vec<Box<Session>>,
    /// Ids of this shard and of another: what its connections have sent.
    ids: [Vec<Vec<u8>>; 2],
    other: Endpoint,
    now: Instant,
    length: usize,
    last: Vec<u8>,
}

impl Run {
    fn new(world: &World) -> Self {
        let endpoint = |shard| {
            let retry = Retry::UnderLoad;
            let settings =
                Settings { handshakes: HANDSHAKES, busy: 2, retry, ..Settings::default() };
            let place = Place { shard, shards: 2, generation: 0 };
            let identity = Identity::new(&world.acceptor);
            Endpoint::new(settings, &identity, place, &world.secrets).expect("it is usable")
        };
        Self {
            ours: endpoint(0),
            sessions: Vec::new(),
            ids: [Vec::new(), Vec::new()],
            other: endpoint(1),
            now: world.start,
            length: 1_200,
            last: Vec::new(),
        }
    }

    fn run(mut self, data: &[u8]) {
        for step in Script::new(data).0 {
            self.step(step);
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let n = step.number();
        let made = [0x5a; 16];
        let own = self.ids[0].last().cloned().unwrap_or_else(|| made.to_vec());
        match step.op {
            b'<' => self.come(step.rest.to_vec()),
            b'p' => self.length = n.min(2_000),
            b'i' => self.come(long(0xc0, 1, &vec![n as u8; n.min(30)])),
            b'I' => self.come(long(0xc0, 1, &own)),
            b'v' => self.come(long(0xc0, n as u32, &made)),
            b'h' => self.come(long(0xe0, 1, &made)),
            b'H' => self.come(long(0xe0, 1, &own)),
            b's' => self.come([&[0x40][..], &made].concat()),
            b'S' => self.come([&[0x40][..], &own].concat()),
            b'O' => {
                // The other shard makes an id, by accepting somebody.
                let id = self.id_of_the_other();
                self.come([&[0x40][..], &id].concat());
            }
            b'm' => {
                let mut again = self.last.clone();
                if let Some(byte) = again.get_mut(n) {
                    *byte ^= 0x55;
                }
                self.come(again);
            }
            b't' => self.now += Duration::from_millis(n as u64),
            _ => (),
        }
    }

    fn come(&mut self, mut datagram: Vec<u8>) {
        datagram.resize(datagram.len().max(self.length), 0);
        self.last.clone_from(&datagram);
        let sent = datagram.len();
        match self.ours.route(self.now, &mut datagram, path()) {
            Route::New(mut session) => {
                assert!(sent >= 1_200, "RFC 9000 §14.1");
                let key = self.sessions.len() as u32;
                self.ours.bind(&mut session, key);
                assert!(self.ours.handshakes() <= HANDSHAKES);
                self.ids[0].push(id(&session));
                self.sessions.push(session);
                self.receive(key, &mut datagram);
            }
            Route::Known(key) => self.receive(key, &mut datagram),
            Route::Reply(length) => {
                assert_eq!(length, self.ours.reply().len());
                assert!(length < 3 * sent && (length < sent || sent >= 1_200), "RFC 9000 §8.1");
                assert!(sent >= 22, "a reset is longer than what asks for one (RFC 9000 §10.3.3)");
            }
            Route::Forward(shard) => {
                assert_eq!(shard, 1);
                let id = self.ids[1].iter().any(|id| datagram.windows(16).any(|it| it == &id[..]));
                assert!(id, "what nobody of ours has made is passed on");
            }
            Route::Drop(_) => assert_eq!(datagram, self.last, "it was only looked at"),
        }
    }

    fn receive(&mut self, key: u32, datagram: &mut [u8]) {
        let session = &mut self.sessions[key as usize];
        // It is nonsense, and that is the connection's matter.
        let _ = session.receive(datagram, path());
        self.ours.sync(session, key);
        let mut buffer = [0; 1_500];
        while session.transmit(&mut buffer).is_some() {}
    }

    fn id_of_the_other(&mut self) -> Vec<u8> {
        if let Some(id) = self.ids[1].last() {
            return id.clone();
        }
        let mut first = long(0xc0, 1, &[7; 8]);
        first.resize(1_200, 0);
        let Route::New(session) = self.other.route(self.now, &mut first, path()) else {
            panic!("it is the first one");
        };
        self.ids[1].push(id(&session));
        id(&session)
    }
}

/// The id of a connection, by its name.
fn id(session: &Session) -> Vec<u8> {
    let name = session.name();
    let byte = |at| u8::from_str_radix(&name[at..at + 2], 16).expect("hexadecimal digits");
    (0..name.len()).step_by(2).map(byte).collect()
}

/// The front of a packet with a long header (RFC 8999 §5.1).
fn long(first: u8, version: u32, to: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(version.to_be_bytes());
    packet.push(to.len() as u8);
    packet.extend_from_slice(to);
    packet.extend([4, 1, 2, 3, 4]);
    packet
}

fn path() -> Path {
    let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    Path { local: at(443), peer: at(40_000) }
}
