//! A shard between a server and a client that are both plain sockets: what of an answer goes by in pipes, and what becomes of it
//! when one of them leaves.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::service::Pool;
use trilane_exchange::{
    Ask, Caller, Dial, Frame, Incoming, Outgoing, Remote, Reply, Request, Response, Service,
    Shard as ShardHandle, Source,
};
use trilane_semantics::{Known, Limits, RequestHead};

use super::*;
use crate::listen::{ListenAddress, Listeners};
use crate::server::{Config, alone};

/// What the answer's content is, so that a byte that is lost or doubled shows.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at / 7) ^ (at >> 11)) as u8).collect()
}

/// How the service gives what it gets from the server.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// As it comes, in pipes too.
    Pipes,
    /// As it comes, as bytes.
    Bytes,
    /// When all of it is here.
    Whole,
}

/// Asks the server whatever it is asked, over one connection.
struct Front {
    shard: ShardHandle,
    server: SocketAddr,
    way: Way,
    caller: RefCell<Option<Caller>>,
    pool: Rc<Pool<Pin<Box<dyn Future<Output = Response>>>>>,
}

/// Content on its way.
struct Relay(Incoming);

impl Source for Relay {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        self.0.poll_frame(cx).map(|next| next.map(|it| it.map_err(Into::into)))
    }

    fn welcome_pipes(mut self: Pin<&mut Self>) {
        self.0.welcome_pipes();
    }
}

impl Service for Front {
    fn call(&self, mut request: Request, cx: &mut Context<'_>) -> Reply {
        let mut caller = self.caller.borrow_mut();
        if caller.as_ref().is_none_or(|it| !it.is_open()) {
            *caller = Some(self.shard.dial(Dial::new(Remote::Ip(self.server))).unwrap());
        }
        let caller = caller.clone().unwrap();
        let (method, way) = (request.exchange().head().method.clone(), self.way);
        let mut head = RequestHead::new(method, "/").unwrap();
        head.fields.append(Known::Host, "localhost").unwrap();
        let mut ask = Ask::new(head);
        let body = std::mem::take(&mut request.body);
        if let Some(length) = body.promised().filter(|&it| it > 0) {
            ask.body = Outgoing::source(Relay(body)).with_length(length);
        }
        let answer = async move {
            let Ok(mut answer) = caller.ask(ask).await else { return Response::default() };
            let length = answer.body.promised().unwrap();
            let body = match way {
                Way::Pipes => Outgoing::source(Relay(answer.body)).with_length(length),
                Way::Bytes => Outgoing::frames(answer.body).with_length(length),
                Way::Whole => answer.body.collect().await.unwrap().into(),
            };
            Response::default().body(body)
        };
        self.pool.run(Box::pin(answer), cx)
    }
}

/// A shard without an executor, and a client of it.
struct Rig {
    shard: Shard,
    _listeners: Listeners,
    client: TcpStream,
    address: SocketAddr,
}

impl Rig {
    fn new(server: SocketAddr, way: Way, limits: Limits) -> Self {
        let mut config = Config::new(vec!["127.0.0.1:0".parse().unwrap()]).unwrap();
        config.limits = limits;
        let (shard, listeners) = alone(config, &move |shard| {
            let (caller, pool) = (RefCell::default(), Rc::default());
            Ok(Rc::new(Front { shard, server, way, caller, pool }) as _)
        });
        let ListenAddress::Tcp(address) = listeners.addresses()[0] else { panic!() };
        let client = TcpStream::connect(address).unwrap();
        let mut rig = Self { shard, _listeners: listeners, client, address };
        rig.shard.regulate();
        rig
    }

    fn turn(&mut self) {
        let (mut completions, mut woken) = (Vec::new(), Vec::new());
        self.shard.buffers.publish();
        self.shard.ring.turn(&mut completions).unwrap();
        let now = self.shard.core.tick();
        for completion in completions {
            self.shard.completed(now, completion);
        }
        self.shard.queue.drain(&mut woken);
        for wake in woken {
            self.shard.wake(now, wake);
        }
        self.shard.dial(now);
    }

    /// Turns until that is so.
    fn until(&mut self, mut is_so: impl FnMut(&Shard) -> bool) {
        for _ in 0..20_000 {
            if is_so(&self.shard) {
                return;
            }
            self.turn();
            thread::sleep(Duration::from_micros(100));
        }
        panic!("never");
    }

    /// Turns until that thread has ended.
    fn join<T>(&mut self, thread: JoinHandle<T>) -> T {
        self.until(|_| thread.is_finished());
        thread.join().unwrap()
    }

    fn piped(&self) -> usize {
        usize::try_from(self.shard.host.stats().piped.get()).unwrap()
    }

    /// Asks, and reads the answer.
    fn get(&mut self) -> JoinHandle<Vec<u8>> {
        ask(&mut self.client);
        let mut client = self.client.try_clone().unwrap();
        thread::spawn(move || read_message(&mut client).1)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The kernel hears of what is to be closed.
        self.turn();
    }
}

fn ask(client: &mut TcpStream) {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

/// Reads a head, and the content that it promises.
fn read_message(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return (String::new(), Vec::new());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut content = vec![0; length];
    stream.read_exact(&mut content).unwrap();
    (head, content)
}

/// A server that answers each request, of one connection after the other, with that much content of which it sends so much, and
/// leaves if that is less. What it was sent, it adds up.
fn server(len: usize, sent: usize, connections: usize) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (content, mut got) = (content(len), Vec::new());
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            loop {
                let (head, body) = read_message(&mut stream);
                got.extend(body);
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
                let is_over = head.is_empty()
                    || stream.write_all(answer.as_bytes()).is_err()
                    || stream.write_all(&content[..sent]).is_err();
                if is_over || sent < len {
                    break;
                }
            }
        }
        got
    });
    (address, server)
}

const MIB: usize = 1 << 20;

#[test]
fn much_content_goes_by_in_pipes() {
    let (address, server) = server(3 * MIB + 5, 3 * MIB + 5, 1);
    let mut rig = Rig::new(address, Way::Pipes, Limits::default());
    for round in 1..=5 {
        let reader = rig.get();
        assert!(rig.join(reader) == content(3 * MIB + 5), "other content in round {round}");
        let (piped, all) = (rig.piped(), round * 3 * MIB);
        assert!(piped > all / 2, "{piped} of {all}");
    }
    assert_eq!(rig.shard.pipes.used(), 0);
    drop(rig);
    server.join().unwrap();
}

#[test]
fn who_looks_at_content_gets_bytes() {
    let mut slow = Limits::default();
    slow.bandwidth = 1 << 40;
    for (way, limits, len) in [
        (Way::Bytes, Limits::default(), MIB),
        (Way::Whole, Limits::default(), MIB),
        (Way::Pipes, slow, MIB),
        // Not worth it.
        (Way::Pipes, Limits::default(), trilane_connection::PIPE_FROM - 1),
    ] {
        let (address, server) = server(len, len, 1);
        let mut rig = Rig::new(address, way, limits);
        let reader = rig.get();
        assert!(rig.join(reader) == content(len));
        assert_eq!(rig.piped(), 0);
        drop(rig);
        server.join().unwrap();
    }
}

#[test]
fn what_is_sent_to_servers_goes_by_too() {
    let (address, server) = server(1, 1, 1);
    let mut rig = Rig::new(address, Way::Pipes, Limits::default());
    let mut client = rig.client.try_clone().unwrap();
    let client = thread::spawn(move || {
        write!(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 3 * MIB)
            .unwrap();
        client.write_all(&content(3 * MIB)).unwrap();
        read_message(&mut client).1
    });
    assert_eq!(rig.join(client), content(1));
    assert!(rig.piped() > MIB, "{}", rig.piped());
    assert_eq!(rig.shard.pipes.used(), 0);
    drop(rig);
    assert!(server.join().unwrap() == content(3 * MIB));
}

/// RFC 9112 §8: a message that was cut short must not look complete.
#[test]
fn a_server_that_leaves_in_mid_content_breaks_the_answer_off() {
    let (address, server) = server(4 * MIB, 2 * MIB, 2);
    let mut rig = Rig::new(address, Way::Pipes, Limits::default());
    for _ in 0..2 {
        rig.client = TcpStream::connect(rig.address).unwrap();
        ask(&mut rig.client);
        let mut client = rig.client.try_clone().unwrap();
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            let end = client.read_to_end(&mut got).map_err(|error| error.kind());
            (got.len(), end)
        });
        let (got, end) = rig.join(reader);
        assert!(got < 3 * MIB && matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        rig.until(|shard| shard.sockets.is_empty());
        assert_eq!(rig.shard.pipes.used(), 0);
    }
    assert!(rig.piped() > 0);
    server.join().unwrap();
}

/// What was meant for a client that has left is in no pipe that others get.
#[test]
fn a_client_that_leaves_spoils_its_pipe_only() {
    let (address, server) = server(20 * MIB, 20 * MIB, 2);
    let mut rig = Rig::new(address, Way::Pipes, Limits::default());
    ask(&mut rig.client);
    // It reads nothing: what there is room for on the way is full some time.
    rig.until(|shard| shard.host.stats().piped.get() > 0 && shard.pipes.used() == 2);
    let fresh = TcpStream::connect(rig.address).unwrap();
    drop(std::mem::replace(&mut rig.client, fresh));
    rig.until(|shard| shard.pipes.used() == 0);
    let reader = rig.get();
    assert!(rig.join(reader) == content(20 * MIB));
    drop(rig);
    server.join().unwrap();
}

/// Back-pressure: one pipe on its way out, and one that waits for it.
#[test]
fn a_client_that_does_not_read_holds_the_server_back() {
    let (address, server) = server(64 * MIB, 64 * MIB, 1);
    let mut limits = Limits::default();
    // It is not this that holds it back.
    limits.file_queue = 64 * MIB;
    let mut rig = Rig::new(address, Way::Pipes, limits);
    ask(&mut rig.client);
    let (mut received, mut same) = (0, 0);
    rig.until(|shard| {
        let now = shard.host.stats().received.get();
        same = if now == received { same + 1 } else { 0 };
        received = now;
        assert!(shard.pipes.used() <= 2);
        same == 500 && now > MIB as u64
    });
    assert!(received < 64 * MIB as u64);
    let mut client = rig.client.try_clone().unwrap();
    let reader = thread::spawn(move || read_message(&mut client).1);
    assert!(rig.join(reader) == content(64 * MIB));
    drop(rig);
    server.join().unwrap();
}
