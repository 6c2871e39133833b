//! Against nginx.

use std::path::Path;

use trilane_semantics::{Cause, Method, Misuse};

use super::real::{LARGE, Real, is_root, large};
use super::{Client, Ending};

fn start() -> Option<Real> {
    Real::start("nginx", &[], config)
}

fn config(folder: &Path, [port, inner]: [u16; 2]) -> String {
    let user = if is_root() { "user root root;" } else { "" };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
        events {{ worker_connections 512; }}
        http {{
            access_log off; client_max_body_size 16m; {temporary}
            server {{
                listen 127.0.0.1:{port} http2;
                root {folder}/root;
                location = /take {{ proxy_pass http://127.0.0.1:{inner}; }}
                location = /early {{ return 403 early; }}
                location = /promises {{ http2_push /pushed.txt; alias {folder}/root/small.txt; }}
            }}
            server {{ listen 127.0.0.1:{inner}; return 200 $http_content_length; }}
        }}"
    )
}

fn url(path: &str) -> String {
    format!("http://localhost{path}")
}

#[test]
fn nginx_is_asked() {
    let Some(nginx) = start() else { return };
    let mut client = Client::open(nginx.address, |_| ());
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
    // Small, and much more than its windows.
    for length in [0, 1, 100_000, LARGE] {
        let id = client.ask(Method::POST, &url("/take"), Some(vec![b'x'; length])).unwrap();
        let reply = client.reply_to(id);
        let echoed = String::from_utf8(reply.content).unwrap();
        assert_eq!((reply.status, echoed), (Some(200), length.to_string()));
    }
    // Answered before all of it was sent: what is left is given up.
    let id = client.ask(Method::POST, &url("/early"), Some(vec![b'x'; LARGE])).unwrap();
    let reply = client.reply_to(id);
    assert_eq!((reply.status, &*reply.content), (Some(403), &b"early"[..]));
    let id = client.get(&url("/small.txt"));
    assert_eq!(client.reply_to(id).status, Some(200), "the connection lives on");
    assert!(client.promises.is_empty() && client.cause.is_none());
}

#[test]
fn nginx_answers_a_hundred_at_once() {
    let Some(nginx) = start() else { return };
    let mut client = Client::open(nginx.address, |_| ());
    let ids: Vec<u64> = (0..100)
        .map(|n| client.get(&url(if n % 10 == 0 { "/large" } else { "/small.txt" })))
        .collect();
    let large = large();
    for (n, id) in ids.into_iter().enumerate() {
        let reply = client.reply_to(id);
        assert_eq!((reply.status, reply.end), (Some(200), Some(Ending::Complete)));
        assert!(reply.content == if n % 10 == 0 { &large[..] } else { b"small" });
    }
    // As many as it says: 128 by default. One more is not begun.
    let began = (0..200).map_while(|_| client.ask(Method::GET, &url("/large"), None).ok()).count();
    assert_eq!(began, 128);
    assert_eq!(client.ask(Method::GET, &url("/"), None), Err(Misuse::NotNow));
}

/// RFC 9113 §6.8: nginx says GOAWAY when its workers are replaced; what was begun is finished.
#[test]
fn nginx_goes_away() {
    let Some(nginx) = start() else { return };
    let mut client = Client::open(nginx.address, |_| ());
    let id = client.get(&url("/small.txt"));
    assert_eq!(client.reply_to(id).status, Some(200));
    nginx.signal(libc::SIGHUP);
    let cause = client.end();
    assert_eq!(cause, Cause::Peer);
    assert_eq!(client.ask(Method::GET, &url("/"), None), Err(Misuse::NotNow));
    // The next worker is there, and quits while an answer is under way.
    let mut client = Client::open(nginx.address, |_| ());
    let id = client.get(&url("/large"));
    client.until("content", |it| !it.replies[&id].content.is_empty());
    nginx.signal(libc::SIGQUIT);
    let reply = client.reply_to(id);
    assert_eq!((reply.content.len(), reply.end), (LARGE, Some(Ending::Complete)));
    assert_eq!(client.end(), Cause::Peer);
}

/// RFC 9113 §8.4.
#[test]
fn nginx_promises() {
    let Some(nginx) = start() else { return };
    let mut client = Client::open(nginx.address, |limits| limits.pushes = 4);
    let id = client.get(&url("/promises"));
    assert_eq!(&*client.reply_to(id).content, b"small");
    let [(promised, target)] = &client.promises[..] else { panic!("{:?}", client.promises) };
    assert_eq!((*promised, &**target), (2, "/pushed.txt"));
    let reply = client.reply_to(2);
    assert_eq!((reply.status, &*reply.content), (Some(200), &b"pushed"[..]));
    // Not to those who want none.
    let mut client = Client::open(nginx.address, |_| ());
    let id = client.get(&url("/promises"));
    assert_eq!(&*client.reply_to(id).content, b"small");
    assert!(client.promises.is_empty());
    assert!(matches!(client.cause, None | Some(Cause::Peer)));
}
