//! A connection of ours makes promises: to our client, and to nghttp over a socket.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::rc::Rc;

use trilane_connection::{Connection, Received};
use trilane_http2::Http2;
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Limits, Machine as _, Method, Misuse, Next, Outbox, Piece,
    RequestHead,
};

use crate::toy::{Act, World};

/// A server that has a request for `/slow`, exchange 1, whose handler waits.
struct Server {
    world: World,
    connection: Connection<Http2>,
}

impl Server {
    fn new(pushes: usize) -> Self {
        let mut limits = Limits::default();
        limits.pushes = pushes;
        let world = World::under(limits.clone());
        let machine = Http2::server(Rc::new(limits), world.now());
        Self { world, connection: World::connect(machine) }
    }

    fn push(&mut self, id: u64, method: Method, target: &str) -> Result<(), Misuse> {
        let head = RequestHead::new(method, target).unwrap();
        let now = self.world.now();
        self.connection.push(&self.world.host, now, ExchangeId(id), head)
    }

    /// What it sends to these bytes.
    fn turn(&mut self, bytes: &[u8]) -> Vec<u8> {
        let now = self.world.now();
        self.connection.receive(&self.world.host, now, (), Received::copied(bytes), false);
        let acts = self.world.settle(&mut self.connection);
        acts.into_iter()
            .flat_map(|(_, act)| match act {
                Act::Bytes(bytes) => bytes,
                Act::Command(command) => panic!("{command:?}"),
            })
            .collect()
    }
}

fn bytes(out: &Outbox) -> Vec<u8> {
    let pieces = out.pieces().map(|piece| match piece {
        Piece::Bytes(bytes) => bytes,
        other => panic!("not bytes: {other:?}"),
    });
    pieces.collect::<Vec<_>>().concat()
}

/// Our client, in memory.
struct Peer {
    machine: Http2,
    log: Vec<String>,
}

impl Peer {
    fn new(pushes: usize) -> Self {
        let mut limits = Limits::default();
        limits.pushes = pushes;
        Self { machine: Http2::client(Rc::new(limits), Default::default()), log: Vec::new() }
    }

    fn ask(&mut self, target: &str) -> Vec<u8> {
        let mut out = Outbox::new();
        let head = RequestHead::new(Method::GET, target).unwrap();
        self.machine.request(&head, Content::None, &mut out).unwrap();
        bytes(&out)
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut input = Input::new((), bytes, false);
        loop {
            let line = match self.machine.poll_event(Default::default(), &mut input).unwrap() {
                Next::Event(Event::Promise { id, promised, head }) => {
                    let authority = head.authority().unwrap();
                    format!("{} promises {} {authority}{}", id.0, promised.0, head.target())
                }
                Next::Event(Event::Response { id, head, .. }) => {
                    format!("{} {}", id.0, head.status.as_str())
                }
                Next::Event(Event::Body { id, data }) => {
                    self.machine.release(id, data.len());
                    format!("{} {}", id.0, String::from_utf8_lossy(data))
                }
                Next::Event(Event::End { .. }) => continue,
                Next::NeedInput => return,
                other => panic!("{other:?}"),
            };
            self.log.push(line);
        }
    }
}

/// The service is called with the promised request, and answers it as others.
#[test]
fn the_service_keeps_the_promise() {
    let (mut server, mut peer) = (Server::new(2), Peer::new(2));
    let answer = server.turn(&peer.ask("http://a:1/slow"));
    peer.read(&answer);
    assert_eq!(server.push(1, Method::GET, "/early?x"), Ok(()));
    let answer = server.turn(b"");
    peer.read(&answer);
    assert_eq!(peer.log, ["1 promises 2 a:1/early?x", "2 403", "2 no"]);
    assert_eq!(server.world.over(), ["/early complete"]);
    // A handler that takes its time is no different.
    assert_eq!(server.push(1, Method::GET, "/slow"), Ok(()));
    let answer = server.turn(b"");
    peer.read(&answer);
    server.world.open_gate();
    let answer = server.turn(b"");
    peer.read(&answer);
    let mut end = peer.log.split_off(4);
    end.sort();
    assert_eq!(peer.log[3], "1 promises 4 a:1/slow");
    assert_eq!(end, ["1 200", "1 slow", "4 200", "4 slow"]);
    assert_eq!(server.push(1, Method::GET, "/early"), Err(Misuse::NotNow), "it is answered");
}

#[test]
fn what_cannot_be_promised_is_not_served() {
    for (ours, theirs) in [(0, 2), (2, 0)] {
        let (mut server, mut peer) = (Server::new(ours), Peer::new(theirs));
        server.turn(&peer.ask("http://a/slow"));
        assert_eq!(server.push(1, Method::GET, "/early"), Err(Misuse::NotNow));
    }
    let (mut server, mut peer) = (Server::new(2), Peer::new(2));
    server.turn(&peer.ask("http://a/slow"));
    assert_eq!(server.push(1, Method::POST, "/early"), Err(Misuse::NotNow));
    // RFC 9113 §8.4: not for others.
    assert_eq!(server.push(1, Method::GET, "http://b/early"), Err(Misuse::NotNow));
    assert_eq!(server.push(9, Method::GET, "/early"), Err(Misuse::NotNow), "no such request");
    assert_eq!(server.world.over(), [""; 0]);
}

/// nghttp knows what a promise must be.
#[test]
fn nghttp_takes_the_promise() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/slow", listener.local_addr().unwrap());
    let mut command = Command::new("nghttp");
    command.args(["-v", &url]).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(child) = command.spawn() else {
        super::real::skip("nghttp");
        return;
    };
    let mut socket = listener.accept().unwrap().0;
    let mut server = Server::new(1);
    let (mut buffer, mut has_promised) = (vec![0; 16 << 10], false);
    loop {
        let n = socket.read(&mut buffer).unwrap_or(0);
        if n == 0 {
            break;
        }
        let mut answer = server.turn(&buffer[..n]);
        // Until the request has come there is nothing to promise with. nghttp's first has any odd number.
        let promised = (1..40)
            .step_by(2)
            .any(|id| !has_promised && server.push(id, Method::GET, "/early").is_ok());
        if promised {
            has_promised = true;
            answer.extend(server.turn(b""));
            server.world.open_gate();
            answer.extend(server.turn(b""));
        }
        if socket.write_all(&answer).is_err() {
            break;
        }
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(has_promised && output.status.success(), "{text}");
    for expected in [
        "recv PUSH_PROMISE frame",
        ":path: /early",
        "promised_stream_id=2",
        "(stream_id=2) :status: 403",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
