//! Records of TLS 1.3 that no peer of rustls's would send: each is refused with the alert that its RFC names, or taken.

use std::iter;

use rustls::version::TLS13;
use rustls::{ExtractedSecrets, ServerConnection};

use super::both::acceptor;
use super::sessions::{Pair, Told};
use super::support::Made;
use crate::record::{Half, Kind, Opened, RECORD};
use crate::{Broken, Connector, Session};

/// A peer that can say anything.
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) told: Told,
    sending: Half,
    pub(super) receiving: Half,
}

/// What became of what was said: the alert that came for it, if one did.
pub(super) type Outcome = Result<(), (Broken, Option<u8>)>;

impl Peer {
    /// A client, of a session in the server role.
    fn client() -> Self {
        let Pair { client, session, told, .. } = Pair::ready(&TLS13, usize::MAX);
        Self::new(session, told, client.dangerous_extract_secrets().unwrap())
    }

    /// A server, of a session in the client role.
    pub(super) fn server(made: &Made, connector: &Connector) -> Self {
        let (mut session, mut told) =
            (Session::client(connector, "localhost").unwrap(), Told::default());
        let mut server = ServerConnection::new(acceptor(made).current()).unwrap();
        while session.owes() {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            session.take_owed(&mut up);
            server.read_tls(&mut &up[..]).unwrap();
            server.process_new_packets().unwrap();
            while server.wants_write() {
                server.write_tls(&mut down).unwrap();
            }
            session.receive(&mut down, |heard| told.hear(heard)).unwrap();
        }
        assert!(session.is_ready() && !server.is_handshaking());
        Self::new(session, told, server.dangerous_extract_secrets().unwrap())
    }

    fn new(session: Session, told: Told, secrets: ExtractedSecrets) -> Self {
        let half = |secrets| Half::new(secrets).unwrap();
        Self { session, told, sending: half(secrets.tx), receiving: half(secrets.rx) }
    }

    /// A record with that inside, sealed.
    fn record(&mut self, kind: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let start = Half::begin(&mut out);
        out.extend_from_slice(content);
        out.push(kind);
        out.resize(out.len() + padding, 0);
        self.sending.protect(start, &mut out).unwrap();
        out
    }

    /// The session hears that.
    fn say(&mut self, bytes: &[u8]) -> Outcome {
        let mut bytes = bytes.to_vec();
        let told = &mut self.told;
        let result = self.session.receive(&mut bytes, |heard| told.hear(heard));
        let mut owed = Vec::new();
        self.session.take_owed(&mut owed);
        let alert =
            self.receiving.open(&mut owed).unwrap().map(|Opened { kind, inside, .. }| {
                assert_eq!((kind, inside[0], inside.len()), (Kind::Alert, 2, 2));
                inside[1]
            });
        result.map_err(|broken| (broken, alert))
    }

    pub(super) fn say_record(&mut self, kind: u8, content: &[u8]) -> Outcome {
        let record = self.record(kind, content, 0);
        self.say(&record)
    }
}

pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const CONTENT: u8 = 23;
pub(super) const UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

pub(super) fn refused(alert: u8) -> Outcome {
    Err((Broken::Record, Some(alert)))
}

#[test]
fn content_may_have_padding_and_be_empty() {
    let mut client = Peer::client();
    for (content, padding) in
        [(&b"a"[..], 0), (b"", 0), (b"", 100), (b"ends with\0\0", 7), (&[0; 50], 50)]
    {
        let record = client.record(CONTENT, content, padding);
        client.say(&record).unwrap();
        // RFC 8446 §5.4: padding is not content.
        assert_eq!(std::mem::take(&mut client.told.content), content);
    }
}

/// RFC 8446 §5.1, §5.2.
#[test]
fn a_record_has_a_size() {
    for (size, outcome) in [
        (RECORD - 1, Ok(())),
        (RECORD, Ok(())),
        (RECORD + 1, refused(22)),
        (RECORD + 200, refused(22)),
    ] {
        assert_eq!(Peer::client().say_record(CONTENT, &vec![7; size]), outcome, "{size}");
    }
    // Its padding counts.
    for (padding, outcome) in [(RECORD - 10, Ok(())), (RECORD - 9, refused(22))] {
        let mut client = Peer::client();
        let record = client.record(CONTENT, &[7; 10], padding);
        assert_eq!(client.say(&record), outcome, "{padding}");
    }
    // It is refused by its header, before it is there.
    let longest = (RECORD + 256) as u16;
    for (length, outcome) in [(longest, Ok(())), (longest + 1, refused(22))] {
        let [high, low] = length.to_be_bytes();
        assert_eq!(Peer::client().say(&[23, 3, 3, high, low]), outcome);
    }
}

/// RFC 8446 §5: nothing is unprotected after the handshake; §5.4: a record has a type; §5.1: of the known ones.
#[test]
fn what_is_no_record_of_this_time() {
    for outside in [0, 20, 21, 22, 24, b'G'] {
        assert_eq!(Peer::client().say(&[outside, 3, 3, 0, 1]), refused(10), "{outside}");
    }
    for inside in [0, 1, 20, 24, 255] {
        assert_eq!(Peer::client().say_record(inside, b""), refused(10), "{inside}");
    }
    assert_eq!(Peer::client().say_record(0, &[0; 100]), refused(10));
    // RFC 8446 §5.2: too short to hold a tag, it cannot be decrypted.
    for length in 0..16 {
        let mut bytes = vec![23, 3, 3, 0, length];
        bytes.resize(5 + usize::from(length), 7);
        assert_eq!(Peer::client().say(&bytes), refused(20), "{length}");
    }
}

/// RFC 8446 §5.2, §5.3: a record counts once, and in its place.
#[test]
fn records_come_once_and_in_order() {
    let mut client = Peer::client();
    let record = client.record(CONTENT, b"once", 0);
    client.say(&record).unwrap();
    assert_eq!(client.say(&record), refused(20));
    let mut client = Peer::client();
    let [_, second] = [b"1", b"2"].map(|content| client.record(CONTENT, content, 0));
    assert_eq!(client.say(&second), refused(20));
    assert_eq!(client.told.content, b"");
}

/// RFC 8446 §6.
#[test]
fn alerts() {
    let mut client = Peer::client();
    // user_canceled says nothing by itself.
    client.say_record(ALERT, &[1, 90]).unwrap();
    client.say_record(CONTENT, b"still").unwrap();
    client.say_record(ALERT, &[1, 0]).unwrap();
    assert!(client.told.is_end);
    // After the end nothing is looked at.
    client.say_record(CONTENT, b"late").unwrap();
    client.say(b"not even a record").unwrap();
    assert_eq!(client.told.content, b"still");
    for number in [10, 20, 40, 80, 255] {
        // Whatever level it says: it is fatal, and not answered.
        for level in [1, 2] {
            let outcome = Peer::client().say_record(ALERT, &[level, number]);
            assert_eq!(outcome, Err((Broken::Alert(number), None)));
        }
    }
    for wrong in [&b""[..], b"\x01", b"\x01\x00\x00", b"\x02\x28\x02\x28"] {
        assert_eq!(Peer::client().say_record(ALERT, wrong), refused(50), "{wrong:?}");
    }
}

/// RFC 8446 §4.6.3, §5.1.
#[test]
fn messages_of_the_handshake() {
    for (message, alert) in [
        (&b""[..], 10),
        // A second ClientHello, certificates that nobody asked for, the end of early data.
        (&[1, 0, 0, 1, 0], 10),
        (&[11, 0, 0, 0], 10),
        (&[5, 0, 0, 0], 10),
        // Clients give no tickets.
        (&[4, 0, 0, 0], 10),
        (&[24, 0, 0, 1, 2], 47),
        (&[24, 0, 0, 2, 0], 50),
        (&[24, 1, 0, 1, 0], 50),
        // What changes a key ends its record.
        (&[24, 0, 0, 1, 0, 24], 10),
    ] {
        assert_eq!(Peer::client().say_record(HANDSHAKE, message), refused(alert), "{message:?}");
    }
    for cut in 1..UPDATE.len() {
        let mut client = Peer::client();
        client.say_record(HANDSHAKE, &UPDATE[..cut]).unwrap();
        client.say_record(HANDSHAKE, &UPDATE[cut..]).unwrap();
        // The old key is over.
        assert_eq!(client.say_record(CONTENT, b"x"), refused(20), "{cut}");
        let mut client = Peer::client();
        client.say_record(HANDSHAKE, &UPDATE[..cut]).unwrap();
        assert_eq!(client.say_record(CONTENT, b"between"), refused(10), "{cut}");
        let mut client = Peer::client();
        client.say_record(HANDSHAKE, &UPDATE[..cut]).unwrap();
        let more = [&UPDATE[cut..], &[24]].concat();
        assert_eq!(client.say_record(HANDSHAKE, &more), refused(10), "{cut}");
    }
}

/// A key that has protected as many records as it may is changed (RFC 8446 §5.5), and the peer told.
#[test]
fn our_key_is_changed_in_time() {
    for most in [2, 3, 10] {
        let mut pair = Pair::ready(&TLS13, usize::MAX);
        pair.session.traffic().unwrap().set_most(most);
        let mut updates = 0;
        for round in 0..50u8 {
            let mut out = Vec::new();
            pair.session.seal(iter::once(&[round; 9][..]), &mut out).unwrap();
            updates += usize::from(out.len() > 9 + 22);
            pair.take(&out);
            assert_eq!(std::mem::take(&mut pair.got), [round; 9]);
        }
        // Of `most` records one is the update.
        let least = 49 / (most as usize - 1);
        assert!(updates >= least && updates <= least + 2, "{updates} for {most}");
    }
}

/// Each key update costs us more than the peer: it may make 32 before it says something.
#[test]
fn keys_are_not_changed_for_nothing() {
    for (updates, is_refused) in [(31, false), (32, false), (33, true)] {
        let mut pair = Pair::ready(&TLS13, usize::MAX);
        for _ in 0..2 {
            let mut bytes = Vec::new();
            for _ in 0..updates {
                pair.client.refresh_traffic_keys().unwrap();
                pair.client.write_tls(&mut bytes).unwrap();
            }
            assert_eq!(pair.deliver(&mut bytes).is_err(), is_refused, "{updates}");
            if is_refused {
                break;
            }
            // Content, and it may do so again.
            pair.says(b"content");
        }
    }
}

/// RFC 8446 §4.6.3: who asks for a key update gets one, once, before any content; who does not ask gets none.
#[test]
fn a_key_update_is_answered_if_that_was_asked_for() {
    for (request, is_answered) in [(0, false), (1, true)] {
        let mut client = Peer::client();
        client.say_record(HANDSHAKE, &[24, 0, 0, 1, request]).unwrap();
        let mut out = Vec::new();
        client.session.seal(iter::once(&b"content"[..]), &mut out).unwrap();
        let first = client.receiving.open(&mut out).unwrap().unwrap();
        if is_answered {
            assert_eq!((first.kind, &*first.inside), (Kind::Handshake, &UPDATE[..]));
            let len = first.len;
            // What follows has the new key.
            assert!(client.receiving.open(&mut out[len..]).is_err());
        } else {
            assert_eq!((first.kind, &*first.inside), (Kind::Content, &b"content"[..]));
        }
        let before = out.len();
        client.session.seal(iter::once(&b"content"[..]), &mut out).unwrap();
        assert_eq!(out.len() - before, 5 + 7 + 1 + 16, "one record");
    }
}
