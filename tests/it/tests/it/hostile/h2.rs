//! HTTP/2 over a real socket, from a peer that means harm (FEATURES X9): each attack ends in GOAWAY with its code, and a client
//! beside it does not notice. The machine's own tests have every bound at n-1, n and n+1.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::super::parity::{Ask, House, LANES};

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET http://a/slow/60000`, without a reference to any table.
const SLOW: &[u8] = b"\x82\x86\x04\x0b/slow/60000\x01\x01a";

/// `POST http://a/test/late`, whose handler reads only after a while.
const LATE: &[u8] = b"\x83\x86\x04\x0a/test/late\x01\x01a";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends it all, or as much as is taken; the last error code of GOAWAY.
fn attack(address: SocketAddr, bytes: &[u8]) -> Option<u32> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut writer, bytes) = (socket.try_clone().unwrap(), [HELLO, bytes].concat());
    let sender = std::thread::spawn(move || writer.write_all(&bytes));
    let mut came = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(n @ 1..) => came.extend_from_slice(&buffer[..n]),
            // A reset is an end as good as any.
            Ok(_) => break,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "the connection stays open");
                break;
            }
        }
    }
    drop(socket);
    let _ = sender.join().unwrap();
    let (mut rest, mut code) = (&came[..], None);
    while let Some(&[a, b, c, kind, ..]) = rest.first_chunk::<9>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some(payload) = rest.get(9..9 + length) else { break };
        if kind == 7 {
            code = payload[4..].first_chunk().map(|code| u32::from_be_bytes(*code));
        }
        rest = &rest[9 + length..];
    }
    code
}

#[test]
fn attacks_end_and_nobody_else_notices() {
    const CALM: u32 = 11;
    let house = House::new(|_| {});
    let mut other = LANES[LANES.len() - 1].open(&house);
    let ids = || (0..100_000u32).map(|n| 2 * n + 1);
    let get = |id| frame(1, 5, id, SLOW);
    let open = frame(1, 4, 1, SLOW);
    let attacks: Vec<(&str, Vec<u8>, u32)> = vec![
        (
            "rapid reset",
            ids()
                .take(5000)
                .flat_map(|id| [get(id), frame(3, 0, id, &[0, 0, 0, 8])].concat())
                .collect(),
            CALM,
        ),
        (
            "made you reset",
            ids().take(5000).flat_map(|id| [get(id), frame(8, 0, id, &[0; 4])].concat()).collect(),
            CALM,
        ),
        (
            "continuations",
            [frame(1, 1, 1, SLOW), frame(9, 0, 1, b"").repeat(10_000)].concat(),
            CALM,
        ),
        ("settings", frame(4, 0, 0, &[0, 1, 0, 0, 16, 0]).repeat(10_000), CALM),
        ("pings", frame(6, 0, 0, &[1; 8]).repeat(10_000), CALM),
        ("empty data", [open.clone(), frame(0, 0, 1, b"").repeat(10_000)].concat(), CALM),
        ("tiny data", [frame(1, 4, 1, LATE), frame(0, 0, 1, b"x").repeat(10_000)].concat(), CALM),
        ("window updates", [open, frame(8, 0, 1, &[0, 0, 0, 1]).repeat(10_000)].concat(), CALM),
        (
            "a large block",
            [frame(1, 1, 1, &[0x40; 16_000]), frame(9, 0, 1, &[0x40; 16_000]).repeat(15)].concat(),
            CALM,
        ),
        ("a bad block", frame(1, 5, 1, &[0xff; 20]), 9),
    ];
    for (what, bytes, code) in attacks {
        let end = attack(house.address(), &bytes);
        // Who goes on sending may lose the last word to a reset.
        assert!(end.is_none_or(|end| end == code), "{what}: {end:?}");
        other.ask(&Ask::get("/plaintext")).status(200);
    }
    assert!(other.is_open());
    other.leave();
    house.settle();
}
