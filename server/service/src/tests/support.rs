//! A shard that does nothing, requests by hand, and replies polled to their end.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use trilane_exchange::fake::Fake;
use trilane_exchange::{
    Address, ConnectionInfo, Exchange, Incoming, Outgoing, Reply, Request, Response, Service, Shard,
};
use trilane_semantics::{Instant, Method, Payload, RequestHead};

use crate::{App, Router};

/// 2026-11-21T22:21:32.045Z.
pub(crate) const NOW_MILLIS: u64 = 1_795_299_692_045;

/// A shard at that time, on which none passes.
fn still(now: Instant, clock: Instant) -> Shard {
    let (_, shard) = Fake::with(|fake| {
        (fake.id, fake.now, fake.clock) = (3, Cell::new(now), Some(clock));
        fake.wall = UNIX_EPOCH + Duration::from_millis(NOW_MILLIS);
    });
    shard
}

/// A request of `fields`, with content.
pub(crate) fn request(
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    content: impl Into<Payload>,
) -> Request {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut head = RequestHead::new(method, target).unwrap();
    for (name, value) in fields {
        head.fields.append(*name, value).unwrap();
    }
    let local = Address::Ip(([127, 0, 0, 1], 80).into());
    let peer = Address::Ip(([192, 0, 2, 1], 4711).into());
    let info = Rc::new(ConnectionInfo::new(local, peer));
    let shard = still(Instant::from_nanos(7), Instant::from_nanos(12_345_678));
    let exchange = Exchange::new(head, info, shard, Instant::from_nanos(0));
    Request::new(Rc::new(exchange), Incoming::full(content.into()))
}

/// A GET of `peer`, begun at `now`, on a shard that looks at it `delay` later.
pub(crate) fn request_of(
    peer: &str,
    target: &str,
    fields: &[(&str, &str)],
    (now, delay): (Duration, Duration),
) -> Request {
    let mut head = RequestHead::new(Method::GET, target).unwrap();
    for (name, value) in fields {
        head.fields.append(*name, value).unwrap();
    }
    let local = Address::Ip(([127, 0, 0, 1], 80).into());
    let peer = Address::Ip((peer.parse::<std::net::IpAddr>().unwrap(), 4711).into());
    let now = Instant::from_nanos(now.as_nanos() as u64);
    let shard = still(now, now + delay);
    let info = Rc::new(ConnectionInfo::new(local, peer));
    let exchange = Exchange::new(head, info, shard, now);
    Request::new(Rc::new(exchange), Incoming::empty())
}

/// The same, from whoever reaches our unix socket.
pub(crate) fn over_unix(request: &Request) -> Request {
    let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
    let (head, shard) = (request.head().clone(), request.shard().clone());
    let exchange = Exchange::new(head, info, shard, Instant::from_nanos(0));
    Request::new(Rc::new(exchange), Incoming::empty())
}

/// The answer to a request, polled at most 100 times.
pub(crate) fn send(app: &App, request: Request) -> Response {
    let mut cx = Context::from_waker(Waker::noop());
    let mut running = match app.call(request, &mut cx) {
        Reply::Ready(response) => return response,
        Reply::Pending(running) => running,
    };
    for _ in 0..100 {
        if let Poll::Ready(response) = running.poll(&mut cx) {
            return response;
        }
    }
    panic!("never ready")
}

/// Status and content of the answer to a request without fields or content.
pub(crate) fn ask(app: &App, method: &str, target: &str) -> (u16, String) {
    seen(send(app, request(method, target, &[], "")))
}

pub(crate) fn seen(response: Response) -> (u16, String) {
    let status = response.head.status.as_u16();
    match response.body {
        Outgoing::Empty => (status, String::new()),
        Outgoing::Full(payload) => (status, String::from_utf8(payload.as_ref().to_vec()).unwrap()),
        Outgoing::Stream { .. } => panic!("a stream"),
    }
}

pub(crate) fn built(router: Router) -> App {
    router.build().unwrap()
}

/// Pending once.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
