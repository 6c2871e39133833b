//! What the memory of a server process comes to: `memory cycles`, `memory idle` and `memory streams`.
//!
//! `cycles`: ten times 10,000 keep-alive connections, one answer each, then all closed; its memory when they are gone.
//! `idle`: the same 10,000 while they are open, a connection. `streams`: 1 GiB into one handler and 1 GiB out of one.
//! Each fails if the bound that it is for does not hold.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use trilane_benches::ask::{ask, connect, first_answer, request};
use trilane_benches::live::{Live, hold};

const CONNECTIONS: u64 = 10_000;
const CYCLES: usize = 10;
/// Connections that come and go before the idle ones.
const WARM: usize = 200;
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// What an idle connection may cost, in bytes: 0.55 KiB.
const IDLE: u64 = 563;
/// Long enough for a server to notice that everybody has left.
const SETTLE: Duration = Duration::from_millis(500);

type Outcome = Result<bool, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("cycles") => cycles(),
        Some("idle") => idle(),
        Some("streams") => streams(),
        _ => Err("memory cycles|idle|streams".into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "memory: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Connections that have each had an answer, one after the other.
fn answered(address: SocketAddr) -> io::Result<Vec<TcpStream>> {
    let plaintext = request("/plaintext");
    (0..CONNECTIONS)
        .map(|_| {
            let mut stream = connect(address)?;
            ask(&mut stream, &plaintext)?;
            Ok(stream)
        })
        .collect()
}

/// After cycle 10 within 5 % of after cycle 2.
fn cycles() -> Outcome {
    hold(CONNECTIONS + 64)?;
    let server = Live::start(&["--shards", "1"])?;
    let mut after = Vec::new();
    for cycle in 1..=CYCLES {
        drop(answered(server.address())?);
        sleep(SETTLE);
        after.push(server.memory()?);
        writeln!(io::stdout(), "after cycle {cycle}: {} KiB", after[cycle - 1] >> 10)?;
    }
    Ok(after[CYCLES - 1] * 100 <= after[1] * 105)
}

/// At most 0.55 KiB each.
fn idle() -> Outcome {
    hold(CONNECTIONS + 64)?;
    let server = Live::start(&["--shards", "1"])?;
    // What there is once for all connections, such as receive buffers, is there before.
    for _ in 0..WARM {
        first_answer(server.address(), &request("/plaintext"))?;
    }
    sleep(SETTLE);
    let before = server.memory()?;
    let held = answered(server.address())?;
    sleep(SETTLE);
    let each = (server.memory()?.saturating_sub(before)) / CONNECTIONS;
    drop(held);
    writeln!(io::stdout(), "{CONNECTIONS} idle connections: {each} bytes each, of {IDLE}")?;
    Ok(each <= IDLE)
}

/// Flat within 4 MiB while a gibibyte goes through, each way.
fn streams() -> Outcome {
    let server = Live::start(&["--shards", "1"])?;
    let mut fits = true;
    for (name, run) in [("up", up as fn(&Live, u64) -> io::Result<(u64, u64)>), ("down", down)] {
        let (least, most) = run(&server, GIB)?;
        fits &= most - least <= 4 * MIB;
        writeln!(
            io::stdout(),
            "1 GiB {name}: resident {} to {} KiB, {} KiB apart",
            least >> 10,
            most >> 10,
            (most - least) >> 10
        )?;
    }
    Ok(fits)
}

/// Looks at the server's memory every 8 MiB, from 64 MiB on: before that, an allocator takes what it has not got yet, or
/// gives back what is left of something else.
struct Watch<'a> {
    server: &'a Live,
    least: u64,
    most: u64,
    seen: u64,
}

impl<'a> Watch<'a> {
    const fn new(server: &'a Live) -> Self {
        Self { server, least: u64::MAX, most: 0, seen: 0 }
    }

    fn at(&mut self, bytes: u64) -> io::Result<()> {
        if bytes >= 64 * MIB && bytes / (8 * MIB) != self.seen {
            self.seen = bytes / (8 * MIB);
            let now = self.server.memory()?;
            (self.least, self.most) = (self.least.min(now), self.most.max(now));
        }
        Ok(())
    }
}

fn up(server: &Live, bytes: u64) -> io::Result<(u64, u64)> {
    let (mut stream, mut watch) = (connect(server.address())?, Watch::new(server));
    write!(stream, "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {bytes}\r\n\r\n")?;
    let piece = vec![b'u'; 256 << 10];
    let mut sent = 0;
    while sent < bytes {
        stream.write_all(&piece)?;
        sent += piece.len() as u64;
        watch.at(sent)?;
    }
    // The answer is small, and says how much has come.
    let mut answer = [0; 1024];
    let n = stream.read(&mut answer)?;
    let says = String::from_utf8_lossy(&answer[..n]).into_owned();
    if !says.contains(&bytes.to_string()) {
        return Err(io::Error::other(format!("not all has arrived: {says}")));
    }
    Ok((watch.least, watch.most))
}

fn down(server: &Live, bytes: u64) -> io::Result<(u64, u64)> {
    let (mut stream, mut watch) = (connect(server.address())?, Watch::new(server));
    write!(stream, "GET /bytes/{bytes} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut line = String::new();
    // The head ends with an empty line; only what follows is content.
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::Error::other("there is no answer"));
        }
    }
    let mut have = 0;
    loop {
        let n = stream.fill_buf()?.len();
        if n == 0 {
            break;
        }
        stream.consume(n);
        have += n as u64;
        watch.at(have)?;
    }
    if have != bytes {
        return Err(io::Error::other(format!("{have} bytes of content, not {bytes}")));
    }
    Ok((watch.least, watch.most))
}
