//! Sessions that come back: to another shard, another process, after a rotation.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};

use super::support::{Folder, Made, client_of, config, handshake};
use crate::ticket_keys::Keys;
use crate::tickets::{MOST, Ticketer};
use crate::{Acceptor, Tickets, TlsConfig};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Whether a handshake was short.
fn resumes(acceptor: &Acceptor, client: &Arc<ClientConfig>) -> bool {
    let pair = handshake(acceptor.current(), client, "localhost").unwrap();
    pair.server.handshake_kind() == Some(HandshakeKind::Resumed)
}

fn with_keys(made: &Made, keys: Option<PathBuf>) -> TlsConfig {
    TlsConfig { tickets: Tickets { keys, ..Tickets::default() }, ..config(&[made]) }
}

fn each_version(test: impl Fn(&[&'static SupportedProtocolVersion])) {
    test(&[&TLS13]);
    test(&[&TLS12]);
}

#[test]
fn one_process_resumes_its_own_also_after_a_reload() {
    each_version(|versions| {
        let made = Made::new(&["localhost"]);
        let client = Arc::new(client_of(&[&made], versions));
        let acceptor = Acceptor::new(with_keys(&made, None)).unwrap();
        assert!(!resumes(&acceptor, &client));
        assert!(resumes(&acceptor, &client));
        acceptor.reload().unwrap();
        assert!(resumes(&acceptor, &client));
        // Another process has other keys.
        let other = Acceptor::new(with_keys(&made, None)).unwrap();
        assert!(!resumes(&other, &client));
    });
}

#[test]
fn a_process_that_takes_over_resumes_what_the_one_before_began() {
    each_version(|versions| {
        let made = Made::new(&["localhost"]);
        let client = Arc::new(client_of(&[&made], versions));
        let first = Acceptor::new(with_keys(&made, None)).unwrap();
        assert!(!resumes(&first, &client));
        let keys = first.random_keys();
        let next = Acceptor::inheriting(with_keys(&made, None), &keys).unwrap();
        assert!(resumes(&next, &client) && resumes(&first, &client));
        assert_eq!(next.random_keys(), keys);
        for cut in 0..keys.len() {
            assert!(Acceptor::inheriting(with_keys(&made, None), &keys[..cut]).is_err(), "{cut}");
        }
        let many = [&keys[..], &[7; 64]].concat();
        assert!(Acceptor::inheriting(with_keys(&made, None), &many).is_err());
    });
}

/// The steps that `ticket_keys` tells operators, with two processes that do not take them at the same time.
#[test]
fn a_file_of_keys_is_shared_and_rotated_with_overlap() {
    each_version(|versions| {
        let folder = Folder::new("rotation");
        let made = Made::new(&["localhost"]);
        let client = Arc::new(client_of(&[&made], versions));
        let write = |name: &str, keys: &[&str]| folder.write(name, keys.join("\n"));
        let acceptor = |path| Acceptor::new(with_keys(&made, Some(path))).unwrap();
        let one = acceptor(write("1", &[A]));
        let two = acceptor(write("2", &[A]));
        assert!(!resumes(&one, &client));
        assert!(resumes(&two, &client));
        for (keys_of_one, keys_of_two) in [
            (&[A, B][..], &[A][..]),
            (&[A, B], &[A, B]),
            (&[B, A], &[A, B]),
            (&[B, A], &[B, A]),
            (&[B], &[B, A]),
            (&[B], &[B]),
        ] {
            write("1", keys_of_one);
            write("2", keys_of_two);
            one.reload().unwrap();
            two.reload().unwrap();
            for _ in 0..2 {
                assert!(resumes(&one, &client), "{keys_of_one:?} {keys_of_two:?}");
                assert!(resumes(&two, &client), "{keys_of_one:?} {keys_of_two:?}");
            }
        }
        // Without overlap nothing resumes; and a file that cannot be used leaves all as it was.
        write("1", &[A]);
        one.reload().unwrap();
        assert!(!resumes(&one, &client));
        write("1", &["x"]);
        let error = one.reload().unwrap_err().to_string();
        assert!(error.ends_with("1, line 1: a secret is 64 hexadecimal digits"), "{error}");
        assert!(resumes(&one, &client));
    });
}

#[test]
fn a_file_that_everybody_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, made) = (Folder::new("open"), Made::new(&["localhost"]));
    let path = folder.write("keys", A);
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let acceptor = Acceptor::new(with_keys(&made, Some(path.clone()))).unwrap();
        let warnings = acceptor.warnings();
        assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("everybody may use it")));
    }
}

#[test]
fn no_tickets_no_resumption_and_never_more_than_are_allowed() {
    each_version(|versions| {
        let made = Made::new(&["localhost"]);
        let with = |count, seconds| {
            let lifetime = Duration::from_secs(seconds);
            let tickets = Tickets { keys: None, lifetime, count };
            Acceptor::new(TlsConfig { tickets, ..config(&[&made]) })
        };
        let client = Arc::new(client_of(&[&made], versions));
        let none = with(0, 60).unwrap();
        assert!(!resumes(&none, &client) && !resumes(&none, &client));
        let week = Tickets::MOST_LIFETIME.as_secs();
        for (count, seconds, is_fine) in [
            (Tickets::MOST - 1, 1, true),
            (Tickets::MOST, week - 1, true),
            (Tickets::MOST + 1, 60, false),
            (1, week, true),
            (1, week + 1, false),
            (1, 0, false),
        ] {
            assert_eq!(with(count, seconds).is_ok(), is_fine, "{count} {seconds}");
        }
    });
}

#[test]
fn clients_are_given_as_many_tickets_as_is_said() {
    let made = Made::new(&["localhost"]);
    for count in [0, 1, Tickets::MOST] {
        let tickets = Tickets { count, ..Tickets::default() };
        let acceptor = Acceptor::new(TlsConfig { tickets, ..config(&[&made]) }).unwrap();
        let client = Arc::new(client_of(&[&made], &[&TLS13]));
        let pair = handshake(acceptor.current(), &client, "localhost").unwrap();
        assert_eq!(pair.client.tls13_tickets_received() as usize, count);
    }
}

#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

#[test]
fn a_ticket_has_its_bound() {
    let (keys, clock) = (Arc::new(Keys::parse(A).unwrap()), Arc::new(At(1_000)));
    let ticketer = Ticketer { keys, policy: [0; 32], lifetime: 10, clock };
    let around = ticketer.encrypt(b"").unwrap().len();
    for (length, is_fine) in [(MOST - 1, true), (MOST, true), (MOST + 1, false)] {
        let plain = vec![7; length - around];
        let ticket = ticketer.encrypt(&plain);
        assert_eq!(ticket.is_some(), is_fine);
        assert_eq!(ticket.and_then(|ticket| ticketer.decrypt(&ticket)), is_fine.then_some(plain));
    }
}

#[test]
fn a_ticket_opens_as_long_as_it_lives_and_only_whole() {
    let at = |now, lifetime| Ticketer {
        keys: Arc::new(Keys::parse(A).unwrap()),
        policy: [1; 32],
        lifetime,
        clock: Arc::new(At(now)),
    };
    let ticket = at(1_000, 100).encrypt(b"session").unwrap();
    assert_ne!(at(1_000, 100).encrypt(b"session").unwrap(), ticket, "a nonce each");
    let opened = |now, lifetime| at(now, lifetime).decrypt(&ticket);
    let session = Some(b"session".to_vec());
    // A clock of another machine may be behind.
    for (now, expected) in
        [(900, &session), (1_000, &session), (1_099, &session), (1_100, &session), (1_101, &None)]
    {
        assert_eq!(opened(now, 100), *expected, "{now}");
    }
    assert_eq!(opened(1_011, 10), None, "what is said now counts");
    let asks = Ticketer { policy: [2; 32], ..at(1_000, 100) };
    assert_eq!(asks.decrypt(&ticket), None);
    for end in 0..ticket.len() {
        assert_eq!(at(1_000, 100).decrypt(&ticket[..end]), None);
        let mut changed = ticket.clone();
        changed[end] ^= 1;
        assert_eq!(at(1_000, 100).decrypt(&changed), None);
    }
}
