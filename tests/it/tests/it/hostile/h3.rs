//! HTTP/3 from a peer that means harm (FEATURES X9), against a process of its own: each attack ends as its entry says, a client
//! beside it is answered all the while, and the process takes little more memory than before. The machine's own tests have every
//! bound at n-1, n and n+1.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{scope, sleep};
use std::time::Duration;

use super::h2::beside;
use crate::h3::frames::{
    code, data, frame, get, headers, integer, integers, kind, literal, post, pseudo, section, uni,
};
use crate::h3::peer::{CONTROL, Expected, Peer};
use crate::h3::wire::{End, Quic, config};
use crate::parity::{Over, Place};
use crate::process::Process;

/// What a process may grow by, whatever is done to it by one connection at a time, in bytes.
const GROWTH: u64 = 24 << 20;
/// More than any budget pays for.
const MANY: u64 = 5000;
/// Has no answer for as long as a test takes.
const SLOW: &str = "/slow/60000";

/// Does harm; whether the connection must end, with which code, or `None` where it is enough that it may.
type Attack = (&'static str, fn(&mut Peer), Option<u64>);

/// Until the server has had enough, on one request stream after the other.
fn each(peer: &mut Peer, does: impl Fn(&mut Peer, u64)) {
    for stream in (0..MANY).map(|n| 4 * n) {
        if peer.quic.end().is_some() {
            return;
        }
        does(peer, stream);
    }
}

fn rapid_resets(peer: &mut Peer) {
    each(peer, |peer, stream| {
        peer.send(stream, &get(SLOW), false);
        peer.quic.reset(stream, code::CANCELLED);
    });
}

fn resets_of_half_a_head(peer: &mut Peer) {
    each(peer, |peer, stream| {
        peer.send(stream, &get(SLOW)[..5], false);
        peer.quic.reset(stream, code::CANCELLED);
    });
}

fn malformed_requests(peer: &mut Peer) {
    let head = headers(&[&pseudo("GET", "/plaintext")[..], &[("connection", "close")]].concat());
    each(peer, |peer, stream| {
        peer.send(stream, &head, true);
        let _ = peer.rest(stream);
    });
}

/// A line of the dynamic table that every line of a section names.
fn header_bomb(peer: &mut Peer) {
    let line = [integer(0x40, 5, 1), b"a".to_vec(), integer(0, 7, 3900), vec![b'x'; 3900]];
    peer.send(
        6,
        &[integers(&[uni::ENCODER]), integer(0x20, 5, 4096), line.concat()].concat(),
        false,
    );
    let lines = b"\xd1\xd7\x50\x02it\x51\x01/".to_vec();
    let bomb = frame(kind::HEADERS, &[&[2, 0], &lines[..], &[0x80; 4000]].concat());
    for stream in (0..90).map(|n| 4 * n) {
        peer.send(stream, &bomb, false);
    }
}

fn unknown_streams(peer: &mut Peer) {
    for stream in (0..MANY).map(|n| 6 + 4 * n) {
        if peer.quic.end().is_some() || peer.quic.with(|it| it.peer_streams_left_uni()) == 0 {
            return;
        }
        peer.send(stream, &integers(&[uni::UNKNOWN]), false);
    }
}

fn empty_data(peer: &mut Peer) {
    peer.send(0, &[post(&[]), data(b"").repeat(2 * MANY as usize)].concat(), false);
}

fn reserved_frames(peer: &mut Peer) {
    peer.send(0, &frame(kind::RESERVED, b"").repeat(2 * MANY as usize), false);
}

fn reserved_frames_of_control(peer: &mut Peer) {
    peer.send(CONTROL, &frame(kind::RESERVED, b"").repeat(2 * MANY as usize), false);
}

fn pushes_that_nobody_makes(peer: &mut Peer) {
    let most: Vec<u8> =
        (0..2 * MANY).flat_map(|n| frame(kind::MAX_PUSH_ID, &integers(&[n]))).collect();
    peer.send(CONTROL, &most, false);
}

fn priorities(peer: &mut Peer) {
    let update = |n: u64| {
        frame(kind::PRIORITY_UPDATE, &[integers(&[4 * (n % 80)]), b"u=1".to_vec()].concat())
    };
    peer.send(CONTROL, &(0..2 * MANY).flat_map(update).collect::<Vec<_>>(), false);
}

fn insertions(peer: &mut Peer) {
    let line = [integer(0x40, 5, 1), b"a".to_vec(), integer(0, 7, 1), b"b".to_vec()].concat();
    let begins = [integers(&[uni::ENCODER]), integer(0x20, 5, 4096)].concat();
    peer.send(6, &[begins, line.repeat(20 * MANY as usize)].concat(), false);
}

fn sections_that_wait(peer: &mut Peer) {
    for stream in (0..16).map(|n| 4 * n) {
        let long = literal(b"x", &[b'x'; 30_000]);
        let lines = [&[2, 0][..], &long, &[0x80]].concat();
        peer.send(stream, &frame(kind::HEADERS, &lines), false);
    }
}

fn answers_that_nobody_reads(peer: &mut Peer) {
    for stream in (0..90).map(|n| 4 * n) {
        peer.send(stream, &get("/bytes/100000000"), true);
    }
}

fn uploads_without_an_end(peer: &mut Peer) {
    let long = section(&pseudo("POST", SLOW));
    for stream in (0..20).map(|n| 4 * n) {
        let head = frame(kind::HEADERS, &long);
        peer.quic.with(|it| {
            // What the window does not let through is not waited for.
            let _ = it.stream_send(stream, &[&head[..], &data(&[b'x'; 200_000])].concat(), false);
        });
    }
}

const ATTACKS: &[Attack] = &[
    ("rapid resets", rapid_resets, Some(code::EXCESSIVE_LOAD)),
    ("resets of half a head", resets_of_half_a_head, Some(code::EXCESSIVE_LOAD)),
    ("malformed requests", malformed_requests, Some(code::EXCESSIVE_LOAD)),
    ("a header bomb", header_bomb, None),
    ("streams that nobody knows", unknown_streams, None),
    ("empty DATA", empty_data, Some(code::EXCESSIVE_LOAD)),
    ("reserved frames", reserved_frames, Some(code::EXCESSIVE_LOAD)),
    ("reserved frames of control", reserved_frames_of_control, Some(code::EXCESSIVE_LOAD)),
    ("MAX_PUSH_ID", pushes_that_nobody_makes, Some(code::EXCESSIVE_LOAD)),
    ("PRIORITY_UPDATE", priorities, Some(code::EXCESSIVE_LOAD)),
    ("insertions", insertions, None),
    ("sections that wait", sections_that_wait, None),
    ("answers that nobody reads", answers_that_nobody_reads, None),
    ("uploads without an end", uploads_without_an_end, None),
];

/// Does it, on a connection of its own. Why it did not end as it should.
fn wrong(server: &Process, (what, does, code): &Attack) -> Option<String> {
    let mut peer = Peer::ready(server);
    does(&mut peer);
    let code = (*code)?;
    peer.expect(&Expected::Closed(code)).err().map(|why| format!("{what}: {why}"))
}

#[test]
fn attacks_end_and_nobody_else_notices() {
    let server = Process::demo(&["--log", "off"]);
    let (place, stop) = (server.addresses(), AtomicBool::new(false));
    let failures = scope(|scope| {
        let other = scope.spawn(|| beside("h3", &place, &stop));
        let mut failures = Vec::new();
        // What the first connections and answers take stays.
        let _ = wrong(&server, &ATTACKS[0]);
        let before = server.memory();
        for attack in ATTACKS {
            failures.extend(wrong(&server, attack));
            let growth = server.memory().saturating_sub(before);
            if growth > GROWTH {
                failures.push(format!("{}: {} MiB more", attack.0, growth >> 20));
            }
        }
        stop.store(true, SeqCst);
        println!("{} answers beside", other.join().unwrap());
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Packets that begin nothing, or nothing that goes on: memory and others are as before.
#[test]
fn floods_of_packets_harm_nobody() {
    let server = Process::demo(&["--log", "off"]);
    let (place, stop) = (server.addresses(), AtomicBool::new(false));
    let address = server.addresses().address(Over::Quic);
    scope(|scope| {
        let other = scope.spawn(|| beside("h3", &place, &stop));
        let before = server.memory();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut number = 0u64;
        for of in 0..4 {
            for _ in 0..5000 {
                number += 1;
                let mut packet = vec![0; if of == 3 { 30 } else { 1200 }];
                // A short header; an Initial that is not sealed; a version that nobody knows; a tiny one.
                packet[0] = [0x40, 0xc0, 0xc0, 0x40][of];
                packet[1..5].copy_from_slice(&[1u32, 1, 0x1a2a_3a4a, 1][of].to_be_bytes());
                packet[5] = 8;
                packet[6..14].copy_from_slice(&number.to_be_bytes());
                let _ = socket.send_to(&packet, address);
                if number.is_multiple_of(50) {
                    sleep(Duration::from_millis(1));
                }
            }
            let growth = server.memory().saturating_sub(before);
            assert!(growth < GROWTH, "{of}: {growth} bytes");
        }
        stop.store(true, SeqCst);
        other.join().unwrap();
    });
}

/// Handshakes that are begun and left.
#[test]
fn handshakes_that_nobody_ends_are_bounded() {
    let server = Process::demo(&["--log", "off"]);
    let address = server.addresses().address(Over::Quic);
    let before = server.memory();
    for _ in 0..300 {
        // The first flight is sent; whoever sends it never hears of the answer.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in crate::h3::wire::first_flight(address, None) {
            socket.send_to(&datagram, address).unwrap();
        }
    }
    let growth = server.memory().saturating_sub(before);
    assert!(growth < 2 * GROWTH, "{growth} bytes");
    let stop = AtomicBool::new(true);
    beside("h3", &server.addresses(), &stop);
    let quic = Quic::open(address, config());
    assert_ne!(quic.end(), Some(End::Silent));
}
