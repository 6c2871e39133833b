//! Against h2o.

use std::path::Path;

use trilane_semantics::{Cause, Method};

use super::real::{LARGE, Real, is_root, large};
use super::{Client, Ending};

fn start() -> Option<Real> {
    Real::start("h2o", &[], config)
}

fn config(folder: &Path, [port, _]: [u16; 2]) -> String {
    let user = if is_root() { "user: root\n" } else { "" };
    let folder = folder.display();
    format!(
        "{user}listen:
  host: 127.0.0.1
  port: {port}
num-threads: 1
pid-file: {folder}/pid
error-log: {folder}/error.log
hosts:
  default:
    paths:
      /take:
        mruby.handler: |
          Proc.new do |env|
            input = env['rack.input']
            [200, {{}}, [(input ? input.read.length : 0).to_s]]
          end
      /promises:
        mruby.handler: |
          Proc.new do |env|
            [200, {{'link' => '</pushed.txt>; rel=preload'}}, ['small']]
          end
      /:
        file.dir: {folder}/root
"
    )
}

fn url(path: &str) -> String {
    format!("http://localhost{path}")
}

#[test]
fn h2o_is_asked() {
    let Some(h2o) = start() else { return };
    let mut client = Client::open(h2o.address, |_| ());
    let id = client.get(&url("/small.txt"));
    let reply = client.reply_to(id);
    assert_eq!((reply.status, &*reply.content), (Some(200), &b"small"[..]));
    let id = client.get(&url("/large"));
    let reply = client.reply_to(id);
    assert_eq!(reply.end, Some(Ending::Complete));
    assert!(reply.content == large());
    let id = client.ask(Method::HEAD, &url("/large"), None).unwrap();
    let reply = client.reply_to(id);
    assert_eq!(
        (reply.status, reply.content.len(), reply.end),
        (Some(200), 0, Some(Ending::Complete))
    );
    let id = client.get(&url("/nowhere"));
    assert_eq!(client.reply_to(id).status, Some(404));
    for length in [1, 100_000, LARGE] {
        let id = client.ask(Method::POST, &url("/take"), Some(vec![b'x'; length])).unwrap();
        let reply = client.reply_to(id);
        let echoed = String::from_utf8(reply.content).unwrap();
        assert_eq!((reply.status, echoed), (Some(200), length.to_string()));
    }
    assert!(client.promises.is_empty() && client.cause.is_none());
}

#[test]
fn h2o_answers_a_hundred_at_once() {
    let Some(h2o) = start() else { return };
    let mut client = Client::open(h2o.address, |_| ());
    let ids: Vec<u64> = (0..100)
        .map(|n| client.get(&url(if n % 10 == 0 { "/large" } else { "/small.txt" })))
        .collect();
    let large = large();
    for (n, id) in ids.into_iter().enumerate() {
        let reply = client.reply_to(id);
        assert_eq!((reply.status, reply.end), (Some(200), Some(Ending::Complete)));
        assert!(reply.content == if n % 10 == 0 { &large[..] } else { b"small" });
    }
}

/// RFC 9113 §6.8: in two steps.
#[test]
fn h2o_goes_away() {
    let Some(h2o) = start() else { return };
    let mut client = Client::open(h2o.address, |_| ());
    let id = client.get(&url("/large"));
    client.until("content", |it| !it.replies[&id].content.is_empty());
    h2o.signal(libc::SIGTERM);
    let reply = client.reply_to(id);
    assert_eq!((reply.content.len(), reply.end), (LARGE, Some(Ending::Complete)));
    assert_eq!(client.end(), Cause::Peer);
}

/// RFC 9113 §8.4: h2o makes promises of `Link: <...>; rel=preload`.
#[test]
fn h2o_promises() {
    let Some(h2o) = start() else { return };
    let mut client = Client::open(h2o.address, |limits| limits.pushes = 4);
    let id = client.get(&url("/promises"));
    assert_eq!(&*client.reply_to(id).content, b"small");
    let [(promised, target)] = &client.promises[..] else { panic!("{:?}", client.promises) };
    assert_eq!((*promised, &**target), (2, "/pushed.txt"));
    let reply = client.reply_to(2);
    assert_eq!((reply.status, &*reply.content), (Some(200), &b"pushed"[..]));
}
