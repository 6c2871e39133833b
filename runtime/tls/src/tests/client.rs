//! A session in the client role: tickets wherever they may come, keys that change, and servers that are none.

use std::iter;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hkdf;
use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::{ConnectionTrafficSecrets, KeyLog, ServerConfig};

use super::both::{Both, acceptor, trusting};
use super::records::{ALERT, CONTENT, HANDSHAKE, Peer, UPDATE, refused};
use super::support::Made;
use crate::record::{Half, Kind};
use crate::{Broken, Connector, Session};

/// A NewSessionTicket message (RFC 8446 §4.6.1) with these bytes for a ticket.
fn ticket(ticket: &[u8]) -> Vec<u8> {
    let [high, low] = (ticket.len() as u16).to_be_bytes();
    let content = [&[0, 0, 100, 0, 7, 7, 7, 7, 1, 9, high, low], ticket, &[0, 0]].concat();
    let [high, low] = (content.len() as u16).to_be_bytes();
    [&[4, 0, high, low], &content[..]].concat()
}

/// Whether the next connection would resume the session of this ticket; that uses it up.
fn offers(connector: &Connector, ticket: &[u8]) -> bool {
    let (mut session, mut hello) = (Session::client(connector, "localhost").unwrap(), Vec::new());
    session.take_owed(&mut hello);
    hello.windows(ticket.len()).any(|part| part == ticket)
}

fn localhost() -> (Made, Connector) {
    let made = Made::new(&["localhost"]);
    let connector = Connector::new(&trusting(&made)).unwrap();
    (made, connector)
}

/// RFC 8446 §4.6.1: at any time after the client's Finished; §5.1: in one record, or in several.
#[test]
fn tickets_come_with_content_around_them_however_they_are_cut() {
    let (made, connector) = localhost();
    let messages = [ticket(b"the first one"), ticket(b"the second one")].concat();
    for cut in 1..messages.len() {
        let mut server = Peer::server(&made, &connector);
        server.say_record(CONTENT, b"before").unwrap();
        server.say_record(HANDSHAKE, &messages[..cut]).unwrap();
        server.say_record(HANDSHAKE, &messages[cut..]).unwrap();
        server.say_record(CONTENT, b" and after").unwrap();
        assert_eq!(server.told.content, b"before and after");
        // The newest first.
        assert!(offers(&connector, b"the second one"), "{cut}");
        assert!(offers(&connector, b"the first one"), "{cut}");
    }
    // Nothing comes between the parts of one.
    let mut server = Peer::server(&made, &connector);
    server.say_record(HANDSHAKE, &messages[..9]).unwrap();
    assert_eq!(server.say_record(CONTENT, b"between"), refused(10));
}

#[test]
fn tickets_of_our_server_are_resumed_however_they_are_cut() {
    let (made, connector) = localhost();
    let acceptor = acceptor(&made);
    for fragment in [32, 33, 50, 100, 1000] {
        let mut config = ServerConfig::clone(&acceptor.current());
        config.max_fragment_size = Some(fragment);
        for piece in [1, 2, 31, 500, usize::MAX] {
            let mut both = Both::new(&acceptor, &connector, "localhost");
            both.server.session = Session::server(Arc::new(config.clone())).unwrap();
            both.piece = piece;
            both.run();
            both.assert_ready();
            both.talk(b"content");
            assert!(Both::ready(&acceptor, &connector, "localhost").is_resumed(), "{fragment}");
        }
    }
}

/// RFC 8446 §4.6, §6.2.
#[test]
fn messages_that_nobody_has_asked_for() {
    let (made, connector) = localhost();
    let whole = ticket(b"a ticket");
    let mut longer = whole.clone();
    longer[3] += 1;
    longer.push(0);
    let mut shorter = whole.clone();
    shorter[3] -= 1;
    shorter.pop();
    let update = [&UPDATE[..], &whole].concat();
    for (message, alert) in [
        (&b""[..], 10),
        (&[0, 0, 0, 0], 10),
        // A client's hello, its own certificate, and one that is asked for late (§4.6.2), which we do not offer.
        (&[1, 0, 0, 1, 0], 10),
        (&[11, 0, 0, 0], 10),
        (&[13, 0, 0, 0], 10),
        (&[24, 0, 0, 1, 2], 47),
        (&[24, 0, 0, 2, 0], 50),
        (&[4, 0, 0, 0], 50),
        (&[4, 1, 0, 0], 50),
        (&longer, 50),
        (&shorter, 50),
        // What changes a key ends its record (§5.1).
        (&update, 10),
    ] {
        let mut server = Peer::server(&made, &connector);
        assert_eq!(server.say_record(HANDSHAKE, message), refused(alert), "{message:?}");
    }
    // A ticket, and then a change of keys.
    let mut server = Peer::server(&made, &connector);
    server.say_record(HANDSHAKE, &[&whole[..], &UPDATE].concat()).unwrap();
    assert_eq!(server.say_record(CONTENT, b"with the old key"), refused(20));
}

/// Each message costs us more than the server: it may send 32 before it says something.
#[test]
fn tickets_are_not_taken_without_end() {
    let (made, connector) = localhost();
    for (tickets, outcome) in [(31, Ok(())), (32, Ok(())), (33, refused(10))] {
        let mut server = Peer::server(&made, &connector);
        // Those of the handshake count.
        server.say_record(CONTENT, b"content").unwrap();
        let mut result = Ok(());
        for _ in 0..tickets {
            result = result.and_then(|()| server.say_record(HANDSHAKE, &ticket(b"a ticket")));
        }
        assert_eq!(result, outcome, "{tickets}");
        if outcome.is_ok() {
            server.say_record(CONTENT, b"content").unwrap();
            server.say_record(HANDSHAKE, &ticket(b"a ticket")).unwrap();
        }
    }
}

/// The secrets of a server, as they become known.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<u8>>);

impl KeyLog for Log {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "SERVER_TRAFFIC_SECRET_0" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

impl Log {
    /// The server's key, before its client has finished (RFC 8446 §7.3).
    fn half(&self) -> Half {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA384, &self.0.lock().unwrap());
        let expand = |label: &str, out: &mut [u8]| {
            let label = format!("tls13 {label}");
            let lengths = [[0, out.len() as u8], [label.len() as u8, 0]];
            let info = [&lengths[0][..], &lengths[1][..1], label.as_bytes(), &lengths[1][1..]];
            secret.expand(&info, Length(out.len())).unwrap().fill(out).unwrap();
        };
        let (mut key, mut iv) = ([0; 32], [0; 12]);
        expand("key", &mut key);
        expand("iv", &mut iv);
        let (key, iv) = (AeadKey::from(key), Iv::from(iv));
        Half::new((0, ConnectionTrafficSecrets::Aes256Gcm { key, iv })).unwrap()
    }
}

/// A server may say anything with the end of its handshake: what it says then, in records, its client has to take.
fn early(connector: &Connector, made: &Made, said: &[(Kind, &[u8])], cuts: &[usize]) -> Both {
    let acceptor = acceptor(made);
    let (mut config, log) = (ServerConfig::clone(&acceptor.current()), Arc::new(Log::default()));
    config.key_log = Arc::<Log>::clone(&log);
    // Its own would have the same numbers.
    config.send_tls13_tickets = 0;
    let mut both = Both::new(&acceptor, connector, "localhost");
    both.server.session = Session::server(Arc::new(config)).unwrap();
    both.server.hear(&mut both.client.owed(), usize::MAX);
    let (mut flight, mut half) = (both.server.owed(), log.half());
    let mut starts = vec![flight.len()];
    for (kind, content) in said {
        let start = Half::begin(&mut flight);
        flight.extend_from_slice(content);
        half.end(start, *kind, &mut flight).unwrap();
        starts.push(flight.len());
    }
    // Cut before these records.
    let mut rest = &mut flight[..];
    let mut done = 0;
    for cut in cuts {
        let (front, behind) = rest.split_at_mut(starts[*cut] - done);
        both.client.hear(front, both.piece);
        (done, rest) = (starts[*cut], behind);
    }
    both.client.hear(rest, both.piece);
    both
}

/// RFC 8446 §4.6.1 lets a server give tickets before it has heard the client's Finished; boringssl's does.
#[test]
fn tickets_come_with_the_end_of_the_handshake() {
    let (made, connector) = localhost();
    let message = ticket(b"an early ticket");
    for at in 1..message.len() {
        let (front, behind) = message.split_at(at);
        let said = [(Kind::Handshake, front), (Kind::Handshake, behind), (Kind::Content, b"hello")];
        for cuts in [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
            let mut both = early(&connector, &made, &said, cuts);
            assert_eq!(both.client.broken, None, "{at} {cuts:?}");
            assert_eq!(both.client.content, b"hello", "{at} {cuts:?}");
            assert!(offers(&connector, b"an early ticket"), "{at} {cuts:?}");
            let mut up = both.client.owed();
            up.extend(both.client.sealed(b"content"));
            both.server.hear(&mut up, usize::MAX);
            assert_eq!((&both.server.content[..], both.server.broken), (&b"content"[..], None));
        }
    }
}

/// RFC 8446 §4.6.3: who asks for a change of keys gets one before any content, also if it asks early.
#[test]
fn keys_change_with_the_end_of_the_handshake() {
    let (made, connector) = localhost();
    let asks = [24, 0, 0, 1, 1];
    let message = ticket(b"an early ticket");
    let (front, behind) = message.split_at(20);
    let alone = [(Kind::Handshake, &asks[..])];
    let behind = [behind, &asks].concat();
    let after = [(Kind::Handshake, front), (Kind::Handshake, &behind[..])];
    let heard = |said: &[(Kind, &[u8])], cuts: &[usize]| {
        let mut both = early(&connector, &made, said, cuts);
        assert_eq!(both.client.broken, None);
        let mut up = both.client.owed();
        up.extend(both.client.sealed(b"content"));
        both.server.hear(&mut up, usize::MAX);
        assert_eq!((&both.server.content[..], both.server.broken), (&b"content"[..], None));
        up.len()
    };
    let without = heard(&[], &[]);
    for (said, cuts) in [(&alone[..], &[][..]), (&alone, &[0]), (&after, &[]), (&after, &[1])] {
        assert_eq!(heard(said, cuts), without + 5 + UPDATE.len() + 1 + 16, "one record more");
    }
}

#[test]
fn keys_change_in_both_directions() {
    let (made, connector) = localhost();
    for (ours, theirs, piece) in [(3, u64::MAX, 1), (u64::MAX, 3, 7), (2, 5, usize::MAX)] {
        let mut both = Both::ready(&acceptor(&made), &connector, "localhost");
        both.piece = piece;
        both.client.session.traffic().unwrap().set_most(ours);
        both.server.session.traffic().unwrap().set_most(theirs);
        for round in 0..50u8 {
            both.talk(&[round; 300]);
        }
    }
    for (request, is_answered) in [(0, false), (1, true)] {
        let mut server = Peer::server(&made, &connector);
        server.say_record(HANDSHAKE, &[24, 0, 0, 1, request]).unwrap();
        let mut out = Vec::new();
        server.session.seal(iter::once(&b"content"[..]), &mut out).unwrap();
        let first = server.receiving.open(&mut out).unwrap().unwrap();
        let expected = if is_answered {
            (Kind::Handshake, &UPDATE[..])
        } else {
            (Kind::Content, &b"content"[..])
        };
        assert_eq!((first.kind, &*first.inside), expected);
    }
}

/// RFC 8446 §6: the level says nothing, and there is no answer.
#[test]
fn alerts_are_told_by_number() {
    let (made, connector) = localhost();
    for number in [10, 20, 40, 80, 116, 255] {
        let outcome = Peer::server(&made, &connector).say_record(ALERT, &[2, number]);
        assert_eq!(outcome, Err((Broken::Alert(number), None)));
    }
    // In clear, in place of a handshake.
    for number in [40, 70, 80, 112] {
        for piece in [1, 7] {
            let mut both = Both::new(&acceptor(&made), &connector, "localhost");
            both.client.hear(&mut [21, 3, 3, 0, 2, 2, number], piece);
            assert_eq!(both.client.broken, Some(Broken::Alert(number)));
        }
    }
}

#[test]
fn content_waits_for_the_handshake() {
    let (made, connector) = localhost();
    let mut session = Session::client(&connector, "localhost").unwrap();
    let mut out = Vec::new();
    session.take_owed(&mut out);
    out.clear();
    assert_eq!(session.seal(iter::once(&b"early"[..]), &mut out), Err(Broken::Record));
    session.close(&mut out);
    assert!(out.is_empty());
    // The server's neither.
    let mut both = Both::new(&acceptor(&made), &connector, "localhost");
    both.client.hear(&mut [23, 3, 3, 0, 5, b'e', b'a', b'r', b'l', b'y'], 1);
    assert_eq!((both.client.broken, &both.client.content[..]), (Some(Broken::Handshake), &b""[..]));
}

#[test]
fn what_does_not_speak_tls_is_refused() {
    let (made, connector) = localhost();
    for said in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", &[0; 40]] {
        for piece in [1, usize::MAX] {
            let mut both = Both::new(&acceptor(&made), &connector, "localhost");
            both.client.hear(&mut said.to_vec(), piece);
            assert_eq!(both.client.broken, Some(Broken::Handshake));
            assert!(both.client.session.kept() < 2 * crate::session::HELD);
        }
    }
}
