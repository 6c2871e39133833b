//! Upgrade and CONNECT, server role (RFC 9110 §7.8, §9.3.6).

use trilane_semantics::{Cause, Misuse, Payload};

use super::*;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\n\
                       upgrade: websocket\r\n\r\n";
const CONNECT: &str = "CONNECT h:443 HTTP/1.1\r\nhost: h:443\r\n\r\n";

fn switching() -> ResponseHead {
    let mut head = status(101);
    head.fields = fields(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    head
}

/// Both ways, then both ends.
fn use_tunnel(side: &mut Side) {
    side.take_log();
    assert_eq!(side.feed("ping"), Rest::NeedInput);
    let mut body = Payload::from("pong");
    side.machine.send_body(side.id, &mut body, 3, &mut side.out).unwrap();
    assert_eq!((sent(&mut side.out).as_str(), body.len()), ("pon", 1));
    assert_eq!(side.fin(), Rest::Paused(Why::Answer));
    assert_eq!(side.take_log(), ["body ping", "end"]);
    side.machine.send_body(side.id, &mut body, 9, &mut side.out).unwrap();
    side.machine.finish(side.id, None, &mut side.out).unwrap();
    assert_eq!(sent(&mut side.out), "g<fin>");
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::TunnelEnd)));
}

#[test]
fn an_upgrade() {
    let mut side = Side::new(server());
    // What follows is not read before the answer.
    assert_eq!(side.feed([UPGRADE, "x"].concat()), Rest::Paused(Why::Answer));
    assert!(side.take_log()[0].ends_with(" Tunnel"));
    assert_eq!(side.machine.wanted(()), 0);
    let answer = side.respond(&switching(), Content::Tunnel);
    let lines = "connection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(answer, format!("HTTP/1.1 101 Switching Protocols\r\n{DATE}{lines}"));
    assert_eq!(side.poll(NOW), Rest::NeedInput);
    assert_eq!(side.take_log(), ["body x"]);
    use_tunnel(&mut side);
}

#[test]
fn an_upgrade_refused_is_a_plain_request() {
    let mut side = Side::new(server());
    side.feed([UPGRADE, UPGRADE].concat());
    side.respond(&status(200), Content::None);
    assert_eq!(side.poll(NOW), Rest::Paused(Why::Answer));
    assert_eq!(side.take_log().len(), 2);
}

/// RFC 9110 §7.8: Upgrade is ignored in HTTP/1.0, without its option, and here with content.
#[test]
fn what_is_no_upgrade() {
    for (head, content) in [
        ("GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nhost: h\r\nupgrade: x\r\n\r\n", "None"),
        ("GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\r\n", "None"),
        (
            "POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: x\r\n\
             content-length: 1\r\n\r\n",
            "Exact(1)",
        ),
    ] {
        let mut side = Side::new(server());
        side.feed(head);
        assert!(side.take_log()[0].ends_with(&format!(" {content}")), "{head}");
        let wrong =
            side.machine.respond(side.id, &switching(), Content::Tunnel, &stamp(), &mut side.out);
        assert_eq!(wrong, Err(Misuse::Status));
        assert!(side.out.is_empty());
    }
}

#[test]
fn connect() {
    let mut side = Side::new(server());
    assert_eq!(side.feed(CONNECT), Rest::Paused(Why::Answer));
    let answer = side.respond(&status(200), Content::Tunnel);
    assert_eq!(answer, format!("HTTP/1.1 200 OK\r\n{DATE}\r\n"));
    use_tunnel(&mut side);
    // Refused: what the client sent for the tunnel must not be read as a request.
    let mut side = Side::new(server());
    side.feed([CONNECT, "GET / HTTP/1.1\r\nhost: h\r\n\r\n"].concat());
    assert!(side.respond(&status(403), Content::None).contains("connection: close\r\n"));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::lingering(Cause::LastMessage)));
    assert_eq!(side.take_log().len(), 1);
}
