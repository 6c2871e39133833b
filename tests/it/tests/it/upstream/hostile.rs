//! A scripted server that does what none should. The client must say why it gives up, to its caller and on the wire, and keep
//! no more than a frame of what it has not read.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trilane_hpack::{Encoder, Field};
use trilane_semantics::{Cause, Effect, Limits, Method, NameRef, Reason};

use super::{Client, Ending, SOON};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame, with any header of 9 bytes.
const HEADER: usize = 9;
/// What a flood sends at most: far more than any budget, in frames.
const FLOOD: usize = 100_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut encoder) = (Vec::new(), Encoder::new());
    encoder.begin(&mut bytes);
    for (name, value) in fields {
        let name = NameRef::Other(name.as_bytes());
        encoder.field(&mut bytes, Field { name, value: value.as_bytes(), sensitive: false });
    }
    bytes
}

fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

fn status(flags: u8, stream: u32, status: &str) -> Vec<u8> {
    headers(flags, stream, &[(":status", status)])
}

fn hello() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// A server for one connection: when a request has come it sends `first`, and then `flood` until it may not, and reads to the
/// end. What the client sent.
fn serve(first: Vec<u8>, flood: Vec<u8>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        socket.set_read_timeout(Some(SOON)).unwrap();
        let (mut came, mut buffer) = (Vec::new(), [0; 16 << 10]);
        while !frames(&came).iter().any(|&(kind, ..)| kind == HEADERS) {
            let n = socket.read(&mut buffer).unwrap();
            assert!(n > 0, "the client has left");
            came.extend_from_slice(&buffer[..n]);
        }
        let reader = socket.try_clone().unwrap();
        let rest = thread::spawn(move || rest(reader));
        if socket.write_all(&first).is_ok() && !flood.is_empty() {
            (0..FLOOD).all(|_| socket.write_all(&flood).is_ok());
        }
        came.extend(rest.join().unwrap());
        came
    });
    (address, thread)
}

fn rest(mut socket: TcpStream) -> Vec<u8> {
    let (mut came, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return came,
            Ok(n) => came.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Kind, stream and payload of what a client sent.
fn frames(came: &[u8]) -> Vec<(u8, u32, &[u8])> {
    let mut frames = Vec::new();
    let Some(mut rest) = came.strip_prefix(trilane_http2::PREFACE) else { return frames };
    while let Some((&[a, b, c, kind, _, s0, s1, s2, s3], payload)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, next)) = payload.split_at_checked(length) else { break };
        frames.push((kind, u32::from_be_bytes([s0, s1, s2, s3]), payload));
        rest = next;
    }
    frames
}

/// What a client must make of a server.
#[derive(Debug)]
enum Expected {
    /// The connection ends for that reason, with that code of GOAWAY.
    Broken(Reason, u32),
    /// The exchange does, with that code of RST_STREAM; the connection goes on.
    Exchange(Reason, u32),
    /// The server has left.
    Left,
}

struct Row {
    name: &'static str,
    first: Vec<u8>,
    flood: Vec<u8>,
    change: fn(&mut Limits),
    expected: Expected,
}

fn row(name: &'static str, frames: &[Vec<u8>], expected: Expected) -> Row {
    let first = [hello(), frames.concat()].concat();
    Row { name, first, flood: Vec::new(), change: |_| (), expected }
}

fn flood(name: &'static str, frames: &[Vec<u8>], flood: Vec<u8>, reason: Reason) -> Row {
    // ENHANCE_YOUR_CALM.
    Row { flood, ..row(name, frames, Expected::Broken(reason, 11)) }
}

/// A section that is small on the wire and large when it is read: one line, referred to again and again.
fn bomb() -> Vec<u8> {
    let value = "v".repeat(3000);
    let lines = vec![("bomb", &*value); 60];
    headers(0, 1, &[&[(":status", "200")][..], &lines].concat())
}

fn promise() -> Vec<u8> {
    let block =
        block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
    frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &block[..]].concat())
}

fn broken() -> Vec<Row> {
    use Expected::Broken;
    let setting = |id: u8, value: [u8; 4]| frame(SETTINGS, 0, 0, &[&[0, id], &value[..]].concat());
    let most = [0x7f, 0xff, 0xff, 0xff];
    let http1 = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let ok = || status(0, 1, "200");
    vec![
        Row { first: http1, ..row("HTTP/1.1", &[], Broken(Reason::Preface, 1)) },
        Row { first: ok(), ..row("no SETTINGS", &[], Broken(Reason::Preface, 1)) },
        Row { first: vec![0xff; 100_000], ..row("noise", &[], Broken(Reason::Preface, 1)) },
        row("HEADERS on 0", &[status(0, 0, "200")], Broken(Reason::Frame, 1)),
        row("HEADERS on an idle stream of ours", &[status(0, 3, "200")], Broken(Reason::Frame, 1)),
        row("HEADERS on a stream of its own", &[status(0, 2, "200")], Broken(Reason::Frame, 1)),
        row("DATA on an idle stream", &[frame(DATA, 0, 5, b"x")], Broken(Reason::Frame, 1)),
        row(
            "RST_STREAM on an idle stream",
            &[frame(RST_STREAM, 0, 3, &[0; 4])],
            Broken(Reason::Frame, 1),
        ),
        row("a promise", &[promise()], Broken(Reason::Frame, 1)),
        row("leave to push", &[setting(2, [0, 0, 0, 1])], Broken(Reason::Setting, 1)),
        row(
            "a window past its end",
            &[frame(WINDOW_UPDATE, 0, 0, &most), frame(WINDOW_UPDATE, 0, 0, &most)],
            Broken(Reason::FlowControl, 3),
        ),
        row(
            "a setting past its end",
            &[setting(4, [0x80, 0, 0, 0])],
            Broken(Reason::FlowControl, 3),
        ),
        row(
            "a frame too large",
            &[vec![0, 0x40, 1, 0, 0, 0, 0, 0, 1]],
            Broken(Reason::FrameSize, 6),
        ),
        row("half a PING", &[frame(PING, 0, 0, &[0; 4])], Broken(Reason::FrameSize, 6)),
        row(
            "no field block",
            &[frame(HEADERS, END_HEADERS, 1, &[0xff; 9])],
            Broken(Reason::Compression, 9),
        ),
        row(
            "a block cut in two",
            &[frame(HEADERS, 0, 1, &[0x88]), frame(PING, 0, 0, &[0; 8])],
            Broken(Reason::Frame, 1),
        ),
        Row {
            change: |limits| limits.head_timeout = Duration::from_millis(50),
            first: vec![0],
            ..row("silence", &[], Broken(Reason::HeadTimeout, 0))
        },
    ]
}

fn floods() -> Vec<Row> {
    let first = frame(HEADERS, 0, 1, &block(&[(":status", "200")]));
    let ok = || status(0, 1, "200");
    vec![
        flood("SETTINGS", &[], hello(), Reason::Flood),
        flood("PING", &[], frame(PING, 0, 0, &[0; 8]), Reason::Flood),
        flood("answers to no PING", &[], frame(PING, 1, 0, &[0; 8]), Reason::Flood),
        flood("interim responses", &[], status(0, 1, "103"), Reason::Flood),
        flood("empty DATA", &[ok()], frame(DATA, 0, 1, &[]), Reason::Flood),
        flood("WINDOW_UPDATE", &[], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), Reason::Flood),
        flood("GOAWAY", &[], frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), Reason::Flood),
        flood("PRIORITY", &[], frame(PRIORITY, 0, 1, &[0; 5]), Reason::Flood),
        flood("unknown frames", &[], frame(0xfa, 0, 0, &[]), Reason::Flood),
        flood(
            "CONTINUATION",
            std::slice::from_ref(&first),
            frame(CONTINUATION, 0, 1, &[0; 5]),
            Reason::Continuations,
        ),
        flood(
            "empty CONTINUATION",
            std::slice::from_ref(&first),
            frame(CONTINUATION, 0, 1, &[]),
            Reason::Continuations,
        ),
        flood(
            "a large block",
            &[first],
            frame(CONTINUATION, 0, 1, &[0; 16_384]),
            Reason::FieldsTooLarge,
        ),
        Row {
            change: |limits| limits.pushes = 1,
            // The next number each time would be right; the same one is not.
            ..row("a promise twice", &[promise(), promise()], Expected::Broken(Reason::Frame, 1))
        },
    ]
}

fn malformed() -> Vec<Row> {
    use Expected::Exchange;
    let line = |name: &str| headers(0, 1, &[(":status", "200"), (name, "x")]);
    let large = frame(DATA, 0, 1, &[0; 16_384]);
    vec![
        row("DATA before HEADERS", &[frame(DATA, 0, 1, b"x")], Exchange(Reason::Frame, 1)),
        row("no status", &[headers(0, 1, &[("a", "b")])], Exchange(Reason::PseudoField, 1)),
        row("an odd status", &[status(0, 1, "2000")], Exchange(Reason::StatusLine, 1)),
        row("101", &[status(0, 1, "101")], Exchange(Reason::StatusLine, 1)),
        row("connection", &[line("connection")], Exchange(Reason::ConnectionField, 1)),
        row("upper case", &[line("Server")], Exchange(Reason::FieldLine, 1)),
        row("100 and the end", &[status(END_STREAM, 1, "100")], Exchange(Reason::Frame, 1)),
        row(
            "too little",
            &[headers(END_STREAM, 1, &[(":status", "200"), ("content-length", "1")])],
            Exchange(Reason::ContentLength, 1),
        ),
        row("a bomb", &[bomb()], Exchange(Reason::FieldsTooLarge, 8)),
        row("no credit", &[frame(WINDOW_UPDATE, 0, 1, &[0; 4])], Exchange(Reason::Frame, 1)),
        Row {
            // A smaller one would hold only from its acknowledgement on (RFC 9113 §6.9.3).
            change: |limits| limits.stream_window = 70_000,
            ..row(
                "more than the window",
                &[&[status(0, 1, "200")][..], &vec![large; 5]].concat(),
                Exchange(Reason::FlowControl, 3),
            )
        },
        Row {
            change: |limits| limits.body_timeout = Duration::from_millis(50),
            ..row(
                "content that does not come",
                &[status(0, 1, "200")],
                Exchange(Reason::BodyTimeout, 8),
            )
        },
        Row {
            change: |limits| limits.write_timeout = Duration::from_millis(50),
            ..row("a window that does not open", &[], Exchange(Reason::WindowTimeout, 8))
        },
    ]
}

fn left() -> Vec<Row> {
    [("half a frame", vec![0, 0, 9]), ("half a head", status(0, 1, "200")[..HEADER].to_vec())]
        .map(|(name, half)| row(name, &[half], Expected::Left))
        .into()
}

/// One request, with more content than a window takes.
fn check(row: Row) -> Result<(), String> {
    let is_left = matches!(row.expected, Expected::Left);
    let (address, server) = serve(row.first, row.flood);
    let mut client = Client::open(address, row.change);
    client.releases = false;
    let id = client.ask(Method::POST, "http://a/", Some(vec![b'x'; 100_000])).unwrap();
    if is_left {
        client.until("an answer", |it| it.input.len() >= 3);
        client.socket.shutdown(std::net::Shutdown::Read).unwrap();
    }
    client.until(row.name, |it| it.replies[&id].end.is_some() || it.cause.is_some());
    let (end, cause, most) = (client.replies[&id].end, client.cause, client.most);
    drop(client);
    let came = server.join().unwrap();
    let code = |wanted: u8| {
        let of = frames(&came).into_iter().rfind(|&(kind, ..)| kind == wanted);
        of.and_then(|(.., payload)| payload.last_chunk()).map(|code| u32::from_be_bytes(*code))
    };
    let is_right = match row.expected {
        Expected::Broken(reason, _) if cause != Some(Cause::Fault(reason)) => false,
        // GOAWAY may be lost to a reset of a connection that floods.
        Expected::Broken(_, expected) => code(GOAWAY).is_none_or(|code| code == expected),
        Expected::Exchange(reason, expected) => {
            end == Some(Ending::Fault(reason))
                && cause.is_none()
                && code(RST_STREAM) == Some(expected)
        }
        Expected::Left => cause == Some(Cause::PeerLeft),
    };
    let codes = [code(RST_STREAM), code(GOAWAY)];
    if !is_right {
        return Err(format!("{end:?} {cause:?} {codes:?}, not {:?}", row.expected));
    }
    if most > (16 << 10) + HEADER { Err(format!("keeps {most} bytes")) } else { Ok(()) }
}

fn run(rows: Vec<Row>) {
    let mut wrong = String::new();
    for row in rows {
        let name = row.name;
        if let Err(error) = check(row) {
            wrong.push_str(&format!("\n{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_server_that_breaks_the_connection() {
    run(broken());
}

#[test]
fn a_server_that_floods() {
    run(floods());
}

#[test]
fn a_server_that_spoils_its_answer() {
    run(malformed());
}

#[test]
fn a_server_that_leaves() {
    run(left());
}

/// RFC 9113 §8.7: each request is refused; the caller may ask again, and the client puts an end to it.
#[test]
fn a_server_that_refuses_all() {
    let refusals: Vec<_> =
        (0..100).map(|n| frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 7])).collect();
    let (address, server) = serve([hello(), refusals.concat()].concat(), Vec::new());
    let mut client = Client::open(address, |limits| limits.abuse = 500);
    let ids: Vec<_> = (0..100).map(|_| client.get("http://a/")).collect();
    assert_eq!(client.end(), Cause::Fault(Reason::Resets));
    let refused =
        ids.iter().filter(|id| client.replies[id].end == Some(Ending::Reset(7, Effect::None)));
    assert_eq!(refused.count(), 49, "10 points each, and SETTINGS before them");
    drop(client);
    server.join().unwrap();
}
