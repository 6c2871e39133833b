//! Whom a client of ours believes, what it agrees on, and which sessions it resumes.

use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::version::{TLS12, TLS13};
use trilane_exchange::TlsVersion;

use super::both::{Both, acceptor, asking, trusting};
use super::support::{Folder, Made, config};
use crate::session::Broken::{self, Alert, Handshake};
use crate::{
    Acceptor, Connector, ConnectorConfig, Pem, Session, TlsConfig, TlsError, Trust, Untrusted,
    Version,
};

/// A client of each version.
fn versions(wanted: &ConnectorConfig) -> [(Connector, TlsVersion); 2] {
    let old = Connector::speaking(wanted, &[&TLS12]).unwrap();
    [(Connector::new(wanted).unwrap(), TlsVersion::V1_3), (old, TlsVersion::V1_2)]
}

#[test]
fn both_ends_agree_however_the_bytes_are_cut() {
    let made = Made::new(&["localhost"]);
    let acceptor = acceptor(&made);
    for (connector, version) in versions(&trusting(&made)) {
        for piece in [1, 2, 3, 5, 7, 100, 1000, usize::MAX] {
            let mut both = Both::new(&acceptor, &connector, "LocalHost");
            assert!(both.client.session.owes() && !both.client.session.is_ready());
            both.piece = piece;
            both.run();
            both.assert_ready();
            for info in [&both.client.info, &both.server.info] {
                let info = info.as_ref().unwrap();
                assert_eq!((info.version, info.alpn.as_deref()), (version, Some(&b"h2"[..])));
                assert_eq!(info.server_name.as_deref(), Some("localhost"));
                assert_eq!(info.client, None, "a server is no client");
            }
            for size in [1, 1000, crate::RECORD, 3 * crate::RECORD + 5] {
                let content: Vec<u8> = (0..size).map(|at| (at ^ (at >> 8)) as u8).collect();
                both.talk(&content);
            }
            assert_eq!((both.client.session.kept(), both.server.session.kept()), (0, 0));
            // RFC 8446 §6.1: each direction has its own end.
            let mut out = Vec::new();
            both.client.session.close(&mut out);
            both.server.hear(&mut out, piece);
            assert!(both.server.is_end && !both.client.is_end);
            let mut down = both.server.sealed(b"the rest");
            both.server.session.close(&mut down);
            both.client.hear(&mut down, piece);
            assert_eq!((&both.client.content[..], both.client.is_end), (&b"the rest"[..], true));
        }
    }
}

#[test]
fn the_hybrid_group_comes_first() {
    let made = Made::new(&["localhost"]);
    let connector = Connector::new(&trusting(&made)).unwrap();
    let both = Both::ready(&acceptor(&made), &connector, "localhost");
    assert_eq!(both.client.info.unwrap().group, Some("X25519MLKEM768"));
}

/// RFC 7301 §3.1, §3.2.
#[test]
fn protocols() {
    let made = Made::new(&["localhost"]);
    let connector = Connector::new(&trusting(&made)).unwrap();
    for (servers, offered, outcome) in [
        (&["h2", "http/1.1"][..], &["h2", "http/1.1"][..], Ok(Some("h2"))),
        (&["h2", "http/1.1"], &["http/1.1"], Ok(Some("http/1.1"))),
        (&["http/1.1"], &["h2", "http/1.1"], Ok(Some("http/1.1"))),
        (&[], &["h2"], Ok(None)),
        (&["h2"], &[], Ok(None)),
        // no_application_protocol
        (&["h2"], &["http/1.1"], Err(Alert(120))),
    ] {
        let alpn = servers.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = Acceptor::new(TlsConfig { alpn, ..config(&[&made]) }).unwrap();
        let connector = connector.with_alpn(offered.iter().copied());
        let mut both = Both::new(&acceptor, &connector, "localhost");
        both.run();
        let alpn = both.client.info.as_ref().and_then(|info| info.alpn.as_deref());
        let alpn = alpn.map(|alpn| str::from_utf8(alpn).unwrap());
        assert_eq!(both.client.broken.map_or(Ok(alpn), Err), outcome, "{servers:?} {offered:?}");
    }
}

/// What becomes of the client, and of the server, which hears an alert.
fn outcome(shown: &Made, trust: Trust, name: &str) -> (Option<Broken>, Option<Broken>) {
    let connector = Connector::new(&ConnectorConfig { trust, ..trusting(shown) }).unwrap();
    let mut both = Both::new(&acceptor(shown), &connector, name);
    both.run();
    if both.client.broken.is_some() {
        assert!(!both.client.session.is_ready() && both.client.info.is_none());
    }
    (both.client.broken, both.server.broken)
}

fn untrusted(why: Untrusted, alert: u8) -> (Option<Broken>, Option<Broken>) {
    (Some(Broken::Untrusted(why)), Some(Alert(alert)))
}

#[test]
fn servers_are_who_they_must_be() {
    let of = |made: &Made| Pem::Text(made.certificate.clone());
    let roots = |made: &Made| Trust::Roots(vec![of(made)]);
    let made = Made::new(&["a.example", "*.b.example", "127.0.0.1", "::1"]);
    let params = || CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let [mut elsewhere, mut over] = [params(), params()];
    elsewhere.distinguished_name.push(rcgen::DnType::CommonName, "of somebody else");
    over.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let [other, old] = [elsewhere, over].map(|of| Made::of(of, KeyPair::generate().unwrap()));
    let fine = (None, None);
    for name in ["a.example", "A.Example.", "x.b.example", "127.0.0.1", "::1"] {
        assert_eq!(outcome(&made, roots(&made), name), fine, "{name}");
    }
    // RFC 9525 §6.3: a wildcard is one label; an address is no name, and the other way round.
    for name in ["c.example", "b.example", "x.y.b.example", "127.0.0.2", "::2"] {
        let expected = untrusted(Untrusted::Name, 42);
        assert_eq!(outcome(&made, roots(&made), name), expected, "{name}");
    }
    assert_eq!(outcome(&made, roots(&other), "a.example"), untrusted(Untrusted::Unknown, 48));
    assert_eq!(outcome(&old, roots(&old), "a.example"), untrusted(Untrusted::Date, 45));
    // Of the same name as one that is trusted, signed by another key.
    let namesake = Made::new(&["a.example"]);
    assert_eq!(outcome(&made, roots(&namesake), "a.example"), untrusted(Untrusted::Malformed, 51));
    let both = Trust::Roots(vec![of(&other), of(&made)]);
    assert_eq!(outcome(&made, both, "a.example"), fine);
    assert_eq!(outcome(&made, Trust::SystemAnd(vec![of(&made)]), "a.example"), fine);
    // Only this one, whatever its names and dates are.
    assert_eq!(outcome(&made, Trust::Only(of(&made)), "elsewhere"), fine);
    assert_eq!(outcome(&old, Trust::Only(of(&old)), "elsewhere"), fine);
    assert_eq!(
        outcome(&made, Trust::Only(of(&other)), "a.example"),
        untrusted(Untrusted::Other, 49)
    );
    assert_eq!(outcome(&old, Trust::DangerAnyone, "elsewhere"), fine);
}

/// RFC 6066 §3: an address is not asked for by SNI.
#[test]
fn addresses_are_not_told() {
    let made = Made::new(&["127.0.0.1"]);
    let connector = Connector::new(&trusting(&made)).unwrap();
    let both = Both::ready(&acceptor(&made), &connector, "127.0.0.1");
    assert_eq!(both.server.info.unwrap().server_name, None);
    assert_eq!(both.client.info.unwrap().server_name, None);
}

#[test]
fn what_is_no_name_is_refused() {
    let made = Made::new(&["localhost"]);
    let connector = Connector::new(&trusting(&made)).unwrap();
    for name in ["", ".", "a b", "a..b", "[::1]", "a:443", "1.2.3", "\u{e9}"] {
        assert_eq!(Session::client(&connector, name).err(), Some(Broken::Name), "{name}");
    }
}

#[test]
fn clients_say_who_they_are_when_asked() {
    let [made, us] = [&["localhost"], &["us.example"]].map(|names| Made::new(names));
    let acceptor = asking(&made, &us);
    let known = ConnectorConfig { identity: Some(us.identity()), ..trusting(&made) };
    for (connector, version) in versions(&known) {
        let mut both = Both::ready(&acceptor, &connector, "localhost");
        both.talk(b"content");
        let client = both.server.info.unwrap().client.unwrap();
        assert_eq!(&*client.chain[0], &us.der[..], "{version}");
    }
    for (connector, version) in versions(&trusting(&made)) {
        let mut both = Both::new(&acceptor, &connector, "localhost");
        both.run();
        assert_eq!(both.server.broken, Some(Handshake));
        // certificate_required (RFC 8446 §6.2).
        assert_eq!(both.client.broken, Some(Alert(116)), "{version}");
    }
}

/// RFC 8446 §2.2, RFC 5077 §3.1.
#[test]
fn sessions_are_resumed_by_name() {
    let made = Made::new(&["a.example", "b.example"]);
    let acceptor = acceptor(&made);
    for (connector, version) in versions(&trusting(&made)) {
        let resumed = |connector: &Connector, name| {
            let mut both = Both::ready(&acceptor, connector, name);
            both.talk(b"content");
            both.is_resumed()
        };
        assert!(!resumed(&connector, "a.example"));
        assert!(!resumed(&connector, "b.example"), "another server");
        for _ in 0..10 {
            assert!(resumed(&connector, "a.example"), "{version}: each brings new tickets");
        }
        // All that is made of a connector shares them, on every thread.
        assert!(resumed(&connector.with_alpn(["http/1.1"]), "a.example"));
        let clone = connector.clone();
        thread::scope(|scope| {
            assert!(scope.spawn(|| resumed(&clone, "b.example")).join().unwrap());
        });
        let none = Connector::new(&ConnectorConfig { servers: 0, ..trusting(&made) }).unwrap();
        assert!(!resumed(&none, "a.example") && !resumed(&none, "a.example"));
    }
}

/// Whom it met first is forgotten first.
#[test]
fn of_so_many_servers_sessions_are_kept() {
    let names = ["a.example", "b.example", "c.example"];
    let made = Made::new(&names);
    let acceptor = acceptor(&made);
    let connector = Connector::new(&ConnectorConfig { servers: 2, ..trusting(&made) }).unwrap();
    for name in names {
        assert!(!Both::ready(&acceptor, &connector, name).is_resumed());
    }
    assert!(Both::ready(&acceptor, &connector, "c.example").is_resumed());
    assert!(!Both::ready(&acceptor, &connector, "a.example").is_resumed());
}

#[test]
fn versions_have_a_floor() {
    let made = Made::new(&["localhost"]);
    let wanted = ConnectorConfig { min: Version::V1_3, ..trusting(&made) };
    let connector = Connector::new(&wanted).unwrap();
    let both = Both::ready(&acceptor(&made), &connector, "localhost");
    assert_eq!(both.client.info.unwrap().version, TlsVersion::V1_3);
    assert_eq!(wanted.min.and_newer(), [&TLS13]);
}

#[test]
fn what_cannot_be_used_is_named() {
    let [made, other] = [&["localhost"], &["localhost"]].map(|names| Made::new(names));
    let folder = Folder::new("connector");
    let missing = Pem::File(folder.path("missing.pem"));
    let text = |text: &str| Pem::Text(text.to_owned());
    let refused = |config: ConnectorConfig| Connector::new(&config).unwrap_err();
    let trust = |trust| refused(ConnectorConfig { trust, ..ConnectorConfig::default() });
    assert!(matches!(trust(Trust::Roots(Vec::new())), TlsError::NoRoots));
    assert!(matches!(trust(Trust::Roots(vec![missing.clone()])), TlsError::Read(..)));
    assert!(matches!(trust(Trust::Only(text(""))), TlsError::NoCertificate(_)));
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(trust(Trust::Roots(vec![text(odd)])), TlsError::Certificate(..)));
    let mut identity = made.identity();
    identity.key = Pem::Text(other.key.clone());
    let identity = Some(identity);
    let error = refused(ConnectorConfig { identity, ..trusting(&made) });
    assert!(matches!(error, TlsError::Mismatch(..)));
    let key_log = Some(folder.path("no/such/folder"));
    let error = refused(ConnectorConfig { key_log, ..trusting(&made) });
    assert!(matches!(error, TlsError::Write(..)));
}

#[test]
fn what_is_odd_is_warned_of() {
    let made = Made::new(&["localhost"]);
    let folder = Folder::new("connector");
    let key_log = folder.path("keys");
    let config = ConnectorConfig { key_log: Some(key_log.clone()), ..trusting(&made) };
    let connector = Connector::new(&config).unwrap();
    assert!(connector.warnings()[0].contains("the secrets of all connections go there"));
    Both::ready(&acceptor(&made), &connector, "localhost");
    let log = std::fs::read_to_string(key_log).unwrap();
    assert!(log.contains("CLIENT_TRAFFIC_SECRET_0 "), "{log}");
    let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
    assert!(Connector::new(&config).unwrap().warnings()[0].contains("no certificate is verified"));
    assert!(Connector::new(&trusting(&made)).unwrap().warnings().is_empty());
}
