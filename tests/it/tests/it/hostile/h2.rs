//! HTTP/2 from a peer that means harm (FEATURES X9), against a process of its own: each attack ends as its entry says, a client
//! beside it is answered all the while, and the process takes no more memory than before, or a little. The machine's own tests
//! have every bound at n-1, n and n+1, and the cause that is stored.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{scope, sleep};
use std::time::Duration;

use super::floods::{Attack, End, attacks};
use crate::h2::frames::{PREFACE, code, get, literal, settings, window};
use crate::h2::peer::Peer;
use crate::parity::{Ask, LANES, Over, Place};
use crate::process::Process;

/// What a process may grow by, whatever is done to it by one connection at a time, in bytes.
const GROWTH: u64 = 24 << 20;

/// Another client of that server, which asks until it is told to stop. How often it was answered.
pub(super) fn beside(name: &str, server: &dyn Place, stop: &AtomicBool) -> u32 {
    let lane = LANES.iter().find(|lane| lane.name() == name).unwrap();
    let mut client = lane.open(server);
    let mut answers = 0;
    while !stop.load(SeqCst) || answers == 0 {
        client.ask(&Ask::get("/plaintext")).status(200);
        answers += 1;
    }
    assert!(client.is_open(), "it is another connection that ends");
    answers
}

/// Does it, on a connection of its own. Why it did not end as it should.
fn wrong(server: &Process, attack: &Attack) -> Option<String> {
    let mut peer = Peer::ready(server, Over::Tcp);
    for piece in &attack.pieces {
        peer.send(piece);
        sleep(attack.pause);
    }
    // Who goes on sending may lose the last word to a reset.
    let came = match attack.end {
        End::Goaway(_) => peer.ends(),
        End::Nothing | End::Perhaps => match peer.lives() {
            Ok(()) => return None,
            Err(code) if attack.end == End::Nothing => return Some(format!("it ends: {code:?}")),
            Err(code) => Ok(code),
        },
    };
    let expected = if let End::Goaway(code) = attack.end { code } else { code::ENHANCE_YOUR_CALM };
    match came {
        Err(why) => Some(why.to_owned()),
        Ok(Some(code)) if code != expected => Some(format!("GOAWAY with {code}")),
        Ok(_) => None,
    }
}

#[test]
fn attacks_end_and_nobody_else_notices() {
    let attacks = attacks();
    assert!(attacks.len() >= 40, "{} attacks", attacks.len());
    let server = Process::demo(&["--log", "off"]);
    let (place, stop) = (server.addresses(), AtomicBool::new(false));
    let failures = scope(|scope| {
        let other = scope.spawn(|| beside("h2c", &place, &stop));
        let mut failures = Vec::new();
        // What the first connections and answers take stays.
        let _ = wrong(&server, &attacks[0]);
        let before = server.memory();
        for attack in &attacks {
            failures.extend(wrong(&server, attack).map(|why| format!("{}: {why}", attack.what)));
            let growth = server.memory().saturating_sub(before);
            if growth > GROWTH {
                failures.push(format!("{}: {} MiB more", attack.what, growth >> 20));
            }
        }
        stop.store(true, SeqCst);
        println!("{} attacks, {} answers beside", attacks.len(), other.join().unwrap());
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// As the attacks that hold something, by many connections at once that stay: memory is theirs by the connection.
#[test]
fn what_many_hold_has_a_bound() {
    const CONNECTIONS: usize = 16;
    let folder = std::env::temp_dir().join(format!("trilane-it-{}-held", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("large"), vec![b'x'; 8 << 20]).unwrap();
    let server = Process::demo(&["--log", "off", "--root", folder.to_str().unwrap()]);
    let head = b"\x82\x86\x04\x0b/slow/60000\x01\x02it";
    let bomb = |id: u32| {
        let line = literal(0x40, b"a", &[b'x'; 4000]);
        let more = if id == 1 { line } else { vec![0xbe; 15] };
        crate::h2::frames::headers(1, id, &[&head[..], &more].concat())
    };
    let ids = || (0..128).map(|n| 2 * n + 1);
    let large = |id| get(id, "/bytes/100000000");
    let file = |id| get(id, "/static/large");
    let open = [settings(&[(4, i32::MAX as u32)]), window(0, 1 << 30)].concat();
    let shut = settings(&[(4, 0)]);
    let narrow = settings(&[(4, 1)]);
    for (what, bytes, each) in [
        ("header bombs", ids().flat_map(bomb).collect(), 2 << 20),
        ("windows of 0", [shut.clone(), ids().flat_map(large).collect()].concat(), 1 << 20),
        ("files, and windows of 0", [shut, ids().flat_map(file).collect()].concat(), 1 << 20),
        // Each has a piece that was read for a byte of it.
        ("files, and windows of 1", [narrow, ids().flat_map(file).collect()].concat(), 3 << 20),
        // Whoever reads nothing has what `Limits::send_queue` and one turn may make.
        ("nothing is read", [open, ids().flat_map(large).collect()].concat(), 1 << 20),
    ] {
        let before = server.memory();
        let held: Vec<TcpStream> = (0..CONNECTIONS)
            .map(|_| {
                let mut socket = TcpStream::connect(server.address()).unwrap();
                socket.write_all(&[PREFACE, &settings(&[]), &bytes].concat()).unwrap();
                socket
            })
            .collect();
        sleep(Duration::from_millis(500));
        let stop = AtomicBool::new(true);
        beside("h2c", &server, &stop);
        let growth = server.memory().saturating_sub(before);
        assert!(growth < CONNECTIONS as u64 * each, "{what}: {growth} bytes");
        drop(held);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Answers that are owed to who reads nothing pile up to a bound, in the kernel and with us; then nothing more is read.
#[test]
fn who_reads_nothing_is_not_read() {
    let server = Process::demo(&["--log", "off"]);
    let before = server.memory();
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // It is TCP that holds the answers up.
    let open = [settings(&[(4, i32::MAX as u32)]), window(0, 1 << 30)].concat();
    socket.write_all(&[PREFACE, &open].concat()).unwrap();
    let mut id = 1;
    let blocked = loop {
        let batch: Vec<u8> = (0..100).flat_map(|n| get(id + 2 * n, "/headers")).collect();
        id += 200;
        match socket.write_all(&batch) {
            Ok(()) if id < 2_000_000 => (),
            Ok(()) => break false,
            Err(error) => {
                break matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    };
    assert!(blocked, "it takes {} requests", id / 2);
    assert!(server.memory().saturating_sub(before) < 8 << 20);
    let stop = AtomicBool::new(true);
    beside("h2c", &server, &stop);
    // And who reads at last has its answers.
    let mut buffer = [0; 64 << 10];
    assert!(socket.read(&mut buffer).unwrap() > 0);
}
