//! A session against rustls's own client: whole, cut at every byte, and with what should not come.

use std::io::{Read, Write};
use std::iter;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, SupportedProtocolVersion};

use super::support::{Made, client_of, config};
use crate::session::HELD;
use crate::{Acceptor, Broken, Heard, RECORD, Session, TlsConfig};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// What a session has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) ready: Option<Option<Vec<u8>>>,
    pub(super) content: Vec<u8>,
    pub(super) is_end: bool,
}

impl Told {
    pub(super) fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Ready(info) => {
                assert!(self.ready.is_none() && self.content.is_empty(), "once, and first");
                self.ready = Some(info.alpn.map(<[u8]>::into_vec));
            }
            Heard::Content(content) => {
                assert!(self.ready.is_some() && !self.is_end);
                self.content.extend_from_slice(content);
            }
            Heard::End => self.is_end = true,
        }
    }
}

pub(super) struct Pair {
    pub(super) client: ClientConnection,
    pub(super) session: Session,
    pub(super) told: Told,
    /// The session is told of so many bytes at a time.
    piece: usize,
    /// What the client has read, and whether it was told that it is all.
    pub(super) got: Vec<u8>,
    is_end: bool,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion, piece: usize) -> Self {
        let made = Made::new(&["localhost"]);
        let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = Acceptor::new(TlsConfig { alpn, ..config(&[&made]) }).unwrap();
        let mut client = client_of(&[&made], &[version]);
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        client.enable_secret_extraction = true;
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            client: ClientConnection::new(Arc::new(client), name).unwrap(),
            session: Session::server(acceptor.current()).unwrap(),
            told: Told::default(),
            piece,
            got: Vec::new(),
            is_end: false,
        }
    }

    /// One with its handshake behind it.
    pub(super) fn ready(version: &'static SupportedProtocolVersion, piece: usize) -> Self {
        let mut pair = Self::new(version, piece);
        pair.run().unwrap();
        assert!(pair.session.is_ready() && !pair.client.is_handshaking());
        assert_eq!(pair.told.ready, Some(Some(b"http/1.1".to_vec())), "RFC 7301");
        pair
    }

    /// The session hears these bytes, piece by piece.
    pub(super) fn deliver(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        let told = &mut self.told;
        bytes
            .chunks_mut(self.piece)
            .try_for_each(|piece| self.session.receive(piece, |heard| told.hear(heard)))
    }

    /// What the client has to say, in records.
    fn said(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            self.is_end |= self.client.process_new_packets().unwrap().peer_has_closed();
            let _ = self.client.reader().read_to_end(&mut self.got);
        }
    }

    /// Moves bytes until neither has any.
    fn run(&mut self) -> Result<(), Broken> {
        loop {
            let mut bytes = self.said();
            let mut owed = Vec::new();
            let result = self.deliver(&mut bytes);
            self.session.take_owed(&mut owed);
            assert!(!self.session.owes());
            if result.is_ok() && bytes.is_empty() && owed.is_empty() {
                return Ok(());
            }
            self.take(&owed);
            result?;
        }
    }

    /// The client sends `content`, which the session must hear as it was.
    pub(super) fn says(&mut self, content: &[u8]) {
        self.client.writer().write_all(content).unwrap();
        self.run().unwrap();
        assert!(std::mem::take(&mut self.told.content) == content);
    }

    /// Seals `content`, which the client must read as it was.
    fn answers(&mut self, content: &[u8]) {
        let mut sealed = b"before".to_vec();
        self.session.seal(iter::once(content), &mut sealed).unwrap();
        assert_eq!(&sealed[..6], b"before");
        self.take(&sealed[6..]);
        assert!(self.got == content);
        self.got.clear();
    }
}

#[test]
fn content_goes_both_ways_however_it_is_cut() {
    for version in VERSIONS {
        for piece in [1, 2, 3, 5, 7, 100, 1000, usize::MAX] {
            let mut pair = Pair::ready(version, piece);
            for size in [1, 2, 1000, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD + 5] {
                let content: Vec<u8> = (0..size).map(|at| (at ^ (at >> 8)) as u8).collect();
                for part in content.chunks(7000) {
                    pair.client.writer().write_all(part).unwrap();
                    pair.run().unwrap();
                }
                assert!(std::mem::take(&mut pair.told.content) == content);
                pair.answers(&content);
                let mut sealed = Vec::new();
                pair.session.seal(content.chunks(700), &mut sealed).unwrap();
                assert!(sealed.len() <= crate::sealed(size), "what is reserved is enough");
                pair.take(&sealed);
                pair.got.clear();
            }
            pair.answers(b"");
        }
    }
}

/// The client's last flight and its first request in one piece.
#[test]
fn content_may_come_with_the_end_of_the_handshake() {
    let mut pair = Pair::new(&TLS13, usize::MAX);
    pair.client.writer().write_all(b"first").unwrap();
    pair.run().unwrap();
    assert_eq!(pair.told.content, b"first");
}

/// RFC 8446 §4.6.3: a key update that asks for one is answered before anything is sent with the old key.
#[test]
fn keys_change() {
    for piece in [1, usize::MAX] {
        let mut pair = Pair::ready(&TLS13, piece);
        for round in 0..5u8 {
            pair.client.refresh_traffic_keys().unwrap();
            pair.client.writer().write_all(&[round; 100]).unwrap();
            let mut bytes = pair.said();
            pair.deliver(&mut bytes).unwrap();
            assert_eq!(std::mem::take(&mut pair.told.content), [round; 100]);
            // What is owed goes first, in the same piece.
            pair.answers(&[round; 200]);
        }
    }
}

/// The same right behind the handshake, before rustls has let go of the records.
#[test]
fn keys_change_with_the_end_of_the_handshake() {
    for (updates, piece) in [(1, 1), (1, usize::MAX), (2, usize::MAX), (5, usize::MAX)] {
        let mut pair = Pair::new(&TLS13, piece);
        let mut hello = pair.said();
        pair.deliver(&mut hello).unwrap();
        let mut flight = Vec::new();
        pair.session.take_owed(&mut flight);
        pair.take(&flight);
        let mut bytes = pair.said();
        for _ in 0..updates {
            pair.client.refresh_traffic_keys().unwrap();
            bytes.extend(pair.said());
        }
        pair.client.writer().write_all(b"first").unwrap();
        bytes.extend(pair.said());
        pair.deliver(&mut bytes).unwrap();
        assert_eq!(std::mem::take(&mut pair.told.content), b"first");
        pair.answers(b"answer");
        pair.says(b"second");
        pair.answers(b"answer");
    }
}

/// RFC 8446 §6.1: each direction has its own end.
#[test]
fn ends_are_told() {
    for version in VERSIONS {
        let mut pair = Pair::ready(version, 1);
        pair.client.send_close_notify();
        pair.run().unwrap();
        assert!(pair.told.is_end);
        pair.answers(b"after the peer's end");
        let mut sealed = Vec::new();
        pair.session.close(&mut sealed);
        assert!(!pair.is_end && !sealed.is_empty());
        pair.take(&sealed);
        assert!(pair.is_end);
    }
}

#[test]
fn nothing_is_said_of_an_end_before_the_handshake_is_over() {
    let mut pair = Pair::new(&TLS13, usize::MAX);
    let mut out = Vec::new();
    pair.session.close(&mut out);
    assert!(out.is_empty());
    assert_eq!(pair.session.seal(iter::once(&b"early"[..]), &mut out), Err(Broken::Record));
    assert!(out.is_empty());
}

/// RFC 8446 §5.2: what does not decrypt ends the connection with bad_record_mac (20); RFC 5246 §7.2.2 alike.
#[test]
fn a_record_that_was_changed_is_the_end() {
    for version in VERSIONS {
        let whole = {
            let mut pair = Pair::ready(version, usize::MAX);
            pair.client.writer().write_all(b"some content").unwrap();
            pair.said().len()
        };
        for at in 5..whole {
            let mut pair = Pair::ready(version, usize::MAX);
            pair.client.writer().write_all(b"some content").unwrap();
            let mut bytes = pair.said();
            bytes[at] ^= 1;
            assert_eq!(pair.deliver(&mut bytes), Err(Broken::Record), "{at}");
            assert_eq!(pair.told.content, b"");
            assert!(pair.session.owes(), "an alert");
            let mut owed = Vec::new();
            pair.session.take_owed(&mut owed);
            pair.client.read_tls(&mut &owed[..]).unwrap();
            let error = pair.client.process_new_packets().unwrap_err();
            assert_eq!(
                error,
                rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac),
                "{at}"
            );
        }
    }
}

/// RFC 8446 §6.2: after an alert that is fatal nothing more is read, and nothing is said.
#[test]
fn what_is_broken_stays_broken() {
    for version in VERSIONS {
        let mut pair = Pair::ready(version, usize::MAX);
        pair.client.writer().write_all(b"changed").unwrap();
        let mut changed = pair.said();
        pair.client.writer().write_all(b"good").unwrap();
        let mut good = pair.said();
        changed[7] ^= 1;
        assert_eq!(pair.deliver(&mut changed), Err(Broken::Record));
        pair.session.take_owed(&mut Vec::new());
        assert!(pair.deliver(&mut good).is_err());
        assert_eq!(pair.told.content, b"");
        let mut out = Vec::new();
        assert!(pair.session.seal(iter::once(&b"more"[..]), &mut out).is_err());
        pair.session.close(&mut out);
        assert!(out.is_empty(), "{out:?}");
    }
}

/// Whatever a stranger says is refused with an alert, and no more is kept of it than a message may have.
#[test]
fn what_is_no_handshake_is_refused() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 100],
        &[0xff; 100],
        // Content, and an alert, before any handshake.
        b"\x17\x03\x03\x00\x05hello",
        b"\x15\x03\x03\x00\x02\x02\x28",
        // A record longer than any may be (RFC 8446 §5.1).
        b"\x16\x03\x01\x50\x00\x01",
        // A message that is none, one that is longer than any may be, and one that something else comes amidst.
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03",
        b"\x16\x03\x01\x00\x05\x01\x00\x01\x00\x03\x17\x03\x03\x00\x05hello",
        b"\x16\x03\x01\x00\x05\x01\x00\x01\x00\x03\x15\x03\x03\x00\x02\x02\x28",
    ] {
        for piece in [1, usize::MAX] {
            let mut pair = Pair::new(&TLS13, piece);
            let result = pair.deliver(&mut bytes.to_vec());
            assert!(matches!(result, Err(Broken::Handshake | Broken::Alert(_))), "{bytes:?}");
            assert_eq!(pair.told, Told::default());
        }
    }
    let mut pair = Pair::new(&TLS13, usize::MAX);
    assert_eq!(
        pair.deliver(&mut b"\x15\x03\x03\x00\x02\x02\x28".to_vec()),
        Err(Broken::Alert(40)),
        "its reason is known"
    );
}

/// A message of the handshake may be as long as rustls takes it, but not in as many pieces as it has bytes: all of them are
/// kept until it is there, and nobody has said who they are yet.
#[test]
fn a_handshake_in_pieces() {
    const LEN: usize = 65_000;
    for (fragment, is_refused) in
        [(RECORD, false), (1000, false), (100, false), (10, true), (1, true)]
    {
        let mut hello = vec![1, 0, (LEN >> 8) as u8, LEN as u8];
        hello.resize(4 + LEN - 1, 0);
        let records = hello.chunks(fragment).flat_map(|part| {
            let [high, low] = (part.len() as u16).to_be_bytes();
            [&[22, 3, 1, high, low], part].concat()
        });
        let mut bytes: Vec<u8> = records.collect();
        let mut pair = Pair::new(&TLS13, 8192);
        let result = pair.deliver(&mut bytes);
        assert_eq!(result, if is_refused { Err(Broken::Handshake) } else { Ok(()) }, "{fragment}");
        assert!(pair.session.kept() <= 2 * HELD, "{}", pair.session.kept());
    }
}

/// An idle session keeps no memory for what was said.
#[test]
fn nothing_is_kept_of_what_is_done_with() {
    let mut pair = Pair::ready(&TLS13, 1000);
    pair.client.writer().write_all(&[7; 50_000]).unwrap();
    pair.run().unwrap();
    pair.answers(&[8; 50_000]);
    assert_eq!(pair.session.kept(), 0);
}
