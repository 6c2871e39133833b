//! The client role, call by call.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::caller::desk;
use trilane_exchange::fake::Fake;
use trilane_exchange::{
    Address, Asking, Caller, ConnectionInfo, Frame, Reply, Request, Response, Service, Wake,
    WakeQueue,
};
use trilane_http1::Http1;
use trilane_semantics::{Known, Limits, Outbox, RequestHead};

use super::*;
use crate::connection::Received;

/// In the client role nobody calls it.
struct Nothing;

impl Service for Nothing {
    fn call(&self, _: Request, _: &mut Context<'_>) -> Reply {
        Reply::Ready(Response::default())
    }
}

/// A connection to a server, and whoever asks there.
struct Client {
    host: Host,
    queue: WakeQueue,
    connection: Connection<Http1>,
    caller: Caller,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let (queue, now) = (WakeQueue::new(|| ()), Instant::default());
        let limits = Rc::new(Limits::default());
        let (_, shard) = Fake::new();
        let host = Host::new(Rc::new(Nothing), Rc::clone(&limits), shard, queue.clone(), "");
        let (caller, desk) = desk();
        let address = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 1)));
        let info = Rc::new(ConnectionInfo::new(address, address));
        let connection = Connection::new(Http1::client(limits, now), 1, info);
        let first = (Protocol::Http11, Vec::new());
        let connection = connection.asking(&host, first, Rc::new(desk));
        Self { host, queue, connection, caller, now }
    }

    fn ask(&mut self, method: Method, change: impl FnOnce(&mut Ask)) -> Asking {
        let mut head = RequestHead::new(method, "/").unwrap();
        head.fields.append(Known::Host, "localhost").unwrap();
        let mut ask = Ask::new(head);
        change(&mut ask);
        let asking = self.caller.ask(ask);
        self.run();
        asking
    }

    /// Who was woken goes on.
    fn run(&mut self) {
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        for wake in woken {
            if let Wake::Exchange(_, id) = wake {
                self.connection.wake(&self.host, self.now, id);
            }
        }
    }

    fn take(&mut self) -> Option<Outbox> {
        self.connection.take_output(&self.host, self.now)
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.connection.receive(&self.host, self.now, (), Received::copied(bytes), false);
    }
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A server may answer before it takes the rest of a request, and take no more of it before its answer is read.
#[test]
fn a_response_is_read_while_the_request_waits_for_room() {
    let mut client = Client::new();
    let content = Payload::from(vec![b'x'; 4 << 20]);
    let mut asking = client.ask(Method::POST, |ask| ask.body = Outgoing::Full(content));
    let under_way = client.take();
    assert!(under_way.is_some_and(|out| out.len() > client.host.limits().send_queue));
    assert!(client.connection.wants_input(&client.host));
    client.hear(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    client.hear(b"hello");
    let mut answer = now(&mut asking).expect("it is heard").unwrap();
    assert!(client.connection.wants_input(&client.host));
    let piece = now(answer.body.frame()).expect("and so is what there is of its content");
    assert!(matches!(piece, Ok(Some(Frame::Data(data))) if data.len() == 5));
}

/// What goes through a tunnel waits for it, and is no reason to wait for ever.
#[test]
fn a_tunnel_has_its_time_to_begin() {
    let mut client = Client::new();
    let (timeout, nothing) = (Duration::from_secs(5), Incoming::full(Payload::new()));
    let mut asking = client.ask(Method::GET, |ask| {
        ask.head.fields.append(Known::Upgrade, "websocket").unwrap();
        ask.head.fields.append(Known::Connection, "upgrade").unwrap();
        (ask.body, ask.is_tunnel, ask.timeout) = (Outgoing::frames(nothing), true, timeout);
    });
    assert!(client.take().is_some());
    client.connection.sent(&client.host, client.now);
    assert_eq!(client.connection.poll_timeout(), Some(client.now + timeout));
    client.now = client.now + timeout;
    client.connection.timeout(&client.host, client.now);
    let error = now(&mut asking).expect("it is over").unwrap_err();
    assert!(matches!(error.failure, AskFailure::Timeout), "{error:?}");
}
