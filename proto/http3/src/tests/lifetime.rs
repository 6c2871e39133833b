//! How a connection ends that does no wrong, and how long things may take (RFC 9114 §5).

use std::time::Duration;

use super::*;

const ANY: u64 = (1 << 62) - 4;

impl Side {
    /// Time goes by; what comes of it.
    fn wait(&mut self, duration: Duration) -> Vec<String> {
        self.now = self.now + duration;
        if let Err(fault) = self.machine.handle_timeout(self.now) {
            let scope = match fault.scope {
                Scope::Connection => "connection".to_owned(),
                Scope::Exchange(id) => id.0.to_string(),
            };
            self.log.push(format!("{scope} fault {:?}", fault.reason));
        }
        self.come(0, b"", false);
        self.turn()
    }

    /// The same, until just before its timer and until that.
    fn wait_exactly(&mut self, duration: Duration) -> Vec<String> {
        assert!(self.machine.poll_timeout().is_some_and(|at| at <= self.now + duration));
        assert_eq!(self.wait(duration - Duration::from_nanos(1)), [""; 0]);
        self.wait(Duration::from_nanos(1))
    }
}

/// RFC 9114 §5.2: in two steps.
#[test]
fn a_drain_finishes_what_is_under_way() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed(0, post(&[]));
    side.machine.drain();
    assert_eq!(side.turn(), [format!("3 goaway {ANY}")]);
    // What was on its way is answered; packets overtake one another.
    assert_eq!(side.end(8, get()), ["8 GET / None"]);
    assert_eq!(side.wait_exactly(limits.goaway_timeout), ["3 goaway 12"]);
    assert_eq!(side.end(4, get()), ["4 GET / None"]);
    assert_eq!(side.end(12, get()), ["12 reset 10b", "12 stop 10b"]);
    assert!(side.end(12, b"more").is_empty());
    for id in [0, 4, 8] {
        side.respond(id, 200, Content::None);
        side.turn();
    }
    assert!(side.feed(0, b"").is_empty(), "its content is read on");
    assert_eq!(side.end(0, b""), ["closed drain"]);
    side.machine.drain();
    assert!(side.turn().is_empty());
    assert_eq!(side.machine.poll_timeout(), None);
    // Nothing is under way.
    let mut side = Side::ready();
    side.machine.drain();
    side.turn();
    assert_eq!(side.wait_exactly(limits.goaway_timeout), ["closed drain", "3 goaway 0"]);
}

#[test]
fn an_idle_connection_ends() {
    let idle = Limits::default().idle_timeout;
    let mut side = Side::ready();
    assert_eq!(side.wait_exactly(idle), ["closed idle_timeout"]);
    // It begins anew after each request.
    let mut side = Side::ready();
    side.now = side.now + Duration::from_secs(50);
    side.end(0, get());
    side.now = side.now + Duration::from_secs(50);
    side.turn();
    assert_eq!(side.machine.poll_timeout(), None, "it is the caller's turn");
    side.respond(0, 200, Content::None);
    assert_eq!(side.wait_exactly(idle), ["closed idle_timeout"]);
}

#[test]
fn a_head_has_its_time() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed(0, &get()[..4]);
    assert_eq!(side.wait(limits.head_timeout / 2), [""; 0]);
    side.feed(0, &get()[4..5]);
    assert_eq!(side.wait_exactly(limits.head_timeout / 2), ["0 fault HeadTimeout"]);
    assert_eq!(side.respond(0, 408, Content::None), ["0 408 content-length=0", "0 fin"]);
    assert_eq!(side.turn(), ["0 stop 100"]);
    assert!(side.machine.streams.is_empty());
    // Frames that mean nothing are no head, whole or not.
    let unknown = one(0x21, b"abc");
    for bytes in [&unknown[..2], &unknown[..4], &unknown] {
        let mut side = Side::ready();
        side.feed(0, bytes);
        assert_eq!(side.wait_exactly(limits.head_timeout), ["0 fault HeadTimeout"], "{bytes:?}");
    }
}

#[test]
fn content_has_its_time() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed(0, post(&[]));
    assert_eq!(side.wait_exactly(limits.body_timeout), ["0 fault BodyTimeout"]);
    assert_eq!(side.respond(0, 408, Content::None), ["0 408 content-length=0", "0 fin"]);
    assert_eq!(side.turn(), ["0 stop 100"]);
    // A byte now and then is too slow.
    let mut side = Side::ready();
    side.feed(0, post(&[]));
    let mut log = Vec::new();
    for _ in 0..40 {
        log.extend(side.wait(Duration::from_secs(1)));
        log.extend(side.feed(0, data(b"x")));
    }
    assert!(reason(&log, Reason::BodyTimeout), "{log:?}");
    // The time that its reader takes is not the peer's.
    let mut side = Side::ready();
    side.releases = false;
    side.feed(0, [post(&[]), data(b"abc")].concat());
    assert_eq!(side.wait(Duration::from_secs(3600)), [""; 0]);
    side.machine.release(ExchangeId(0), 3);
    assert_eq!(side.wait_exactly(limits.body_timeout), ["0 fault BodyTimeout"]);
    // Nor is it when what others have not read leaves nothing for this one.
    let mut side = Side::ready_with(|limits| {
        (limits.stream_window, limits.connection_window) = (70_000, 70_000);
    });
    side.releases = false;
    side.feed(0, [post(&[]), data(&[b'x'; 70_000])].concat());
    side.feed(4, post(&[]));
    assert_eq!(side.machine.wanted(4), 0);
    assert_eq!(side.wait(limits.body_timeout), [""; 0]);
    side.machine.release(ExchangeId(0), 1);
    assert_eq!(side.wait_exactly(limits.body_timeout), ["4 fault BodyTimeout"]);
}

#[test]
fn room_has_its_time() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.room = 10;
    side.end(0, get());
    side.respond(0, 200, Content::Exact(100));
    assert_eq!(side.send(0, 100).0, 90);
    assert_eq!(side.wait(limits.write_timeout / 2), [""; 0]);
    // It takes a little more, and has its time anew.
    side.machine.set_room(0, 1);
    assert_eq!(side.feed(0, b""), ["0 writable"]);
    assert_eq!(side.send(0, 90).0, 89);
    assert_eq!(side.wait_exactly(limits.write_timeout), ["0 fault WindowTimeout"]);
    let ((), _) = side.act(|machine, out| machine.cancel(ExchangeId(0), out));
    assert_eq!(side.turn(), ["0 reset 10c"]);
    // While something goes on another stream, it may be the window of all.
    let mut side = Side::ready();
    side.room = 10;
    side.end(0, get());
    side.respond(0, 200, Content::Exact(100));
    side.send(0, 100);
    side.now = side.now + limits.write_timeout / 2;
    side.room = 1000;
    side.end(4, get());
    side.respond(4, 200, Content::Exact(100));
    side.send(4, 100);
    assert_eq!(side.wait(limits.write_timeout / 2), [""; 0]);
    assert_eq!(side.wait_exactly(limits.write_timeout / 2), ["0 fault WindowTimeout"]);
    // Who asks whether there is room waits for it too.
    let mut side = Side::ready();
    side.room = 0;
    side.end(0, get());
    side.respond(0, 200, Content::Unknown);
    assert_eq!(side.machine.sendable(ExchangeId(0)), 0);
    side.machine.set_room(0, 7);
    assert_eq!(side.feed(0, b""), ["0 writable"]);
    assert_eq!(side.machine.sendable(ExchangeId(0)), 7);
    assert_eq!(side.machine.poll_timeout(), Some(side.now + limits.write_timeout));
    assert_eq!(side.wait(limits.write_timeout), [""; 0]);
    assert_eq!(side.machine.poll_timeout(), None);
}

#[test]
fn what_nobody_wants_and_tunnels_have_their_time() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed(0, post(&[]));
    side.respond(0, 200, Content::None);
    assert_eq!(side.wait_exactly(limits.linger_timeout), ["0 stop 100"]);
    let mut side = Side::ready();
    side.feed(0, headers(&[(":method", "CONNECT"), (":authority", "a:1")]));
    assert_eq!(side.machine.poll_timeout(), None);
    side.respond(0, 200, Content::Unknown);
    assert_eq!(side.wait(limits.tunnel_timeout / 2), [""; 0]);
    side.feed(0, data(b"a"));
    assert_eq!(side.wait(limits.tunnel_timeout / 2), [""; 0]);
    side.send(0, 5);
    assert_eq!(side.wait_exactly(limits.tunnel_timeout), ["0 fault BodyTimeout"]);
}

/// Nothing comes before our own streams, and they come once.
#[test]
fn our_streams_are_opened_first() {
    let mut side = Side::of(Http3::server, |_| ());
    side.end(0, get());
    let mut side = Side::of(Http3::server, |_| ());
    side.come(0, &get(), true);
    side.log.clear();
    let log = side.respond(0, 200, Content::None);
    assert_eq!(log, ["3 settings", "15 fin", "0 200 content-length=0", "0 fin"]);
    assert!(side.turn().is_empty());
    // Their types, and the streams they stand on.
    let mut out = Outbox::new();
    let mut machine = Http3::client(Rc::new(Limits::default()), NOW);
    machine.flush(NOW, &mut out);
    let opened: Vec<(u64, u8)> = out
        .entries()
        .filter_map(|(stream, piece)| match piece {
            Piece::Bytes(bytes) => Some((stream, bytes[0])),
            _ => None,
        })
        .collect();
    assert_eq!(opened[..3], [(2, 0), (6, 2), (10, 3)]);
    assert_eq!(opened[3].0, 14);
}
