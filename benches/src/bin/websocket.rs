//! What WebSocket messages cost servers: `websocket [--same-core] [NAME=ADDRESS=PID ..]`, against the demo and others that echo at
//! `/ws`, which are to run on CPU 1.
//!
//! 64 connections, each with some messages under way: all are sent, then all are awaited. CPU by the kernel's count of each process.
//! The client has CPU 0, or the servers' with `--same-core`: then no server ever waits for it while it has work, as under load.
//! Of five rounds, in which each server has its turn, the least disturbed counts.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use trilane_benches::live::{Live, move_to};
use trilane_websocket::{Limits, Message, Receiver, Role, Sender};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// Of one turn.
const SPAN: Duration = Duration::from_secs(2);
/// Ticks of the kernel's clock a second, by which CPU time is counted (`times(2)`).
const TICKS: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "websocket: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A server to be measured.
struct Server {
    name: String,
    address: SocketAddr,
    process: u32,
}

fn run() -> Outcome<()> {
    let live = Live::start(&["--https", "off", "--shards", "1", "--cpus", "1"])?;
    let mut arguments = std::env::args().skip(1).peekable();
    let is_same = arguments.next_if(|argument| argument == "--same-core").is_some();
    // After it: a process inherits where it may run.
    move_to(if is_same { "1" } else { "0" })?;
    let ours =
        Server { name: "trilane".to_owned(), address: live.address(), process: live.process() };
    let mut servers = vec![ours];
    for argument in arguments {
        let mut parts = argument.split('=');
        let mut part = || parts.next().ok_or("NAME=ADDRESS=PID");
        let name = part()?.to_owned();
        servers.push(Server { name, address: part()?.parse()?, process: part()?.parse()? });
    }
    for (size, depth) in [(64, 1), (64, 16), (4096, 1), (4096, 16)] {
        let mut best: Vec<Option<(f64, f64)>> = vec![None; servers.len()];
        for _ in 0..ROUNDS {
            for (server, best) in servers.iter().zip(&mut best) {
                let (rate, cost) = measure(server, size, depth)?;
                if best.is_none_or(|(_, least)| cost < least) {
                    *best = Some((rate, cost));
                }
            }
        }
        for (server, best) in servers.iter().zip(best) {
            let (rate, cost) = best.unwrap_or_default();
            writeln!(
                io::stdout(),
                "{size} bytes, {depth} under way: {:16} {rate:9.0} messages a second, {cost:6.3} us of CPU each",
                server.name
            )?;
        }
    }
    Ok(())
}

/// Messages a second, and microseconds of the server's CPU each.
fn measure(server: &Server, size: usize, depth: usize) -> Outcome<(f64, f64)> {
    let connections: Outcome<Vec<_>> = (0..CONNECTIONS).map(|_| connect(server.address)).collect();
    let mut connections = connections?;
    let mut batch = Vec::new();
    for n in 0..depth {
        let text = "x".repeat(size);
        let mask = (n as u32).wrapping_mul(0x9e37_79b9).to_ne_bytes();
        Sender::new(Role::Client).push(Message::from(text), mask, &mut batch)?;
    }
    let mut buffer = vec![0; 256 << 10];
    let (used, began, mut count) = (cpu(server.process)?, Instant::now(), 0);
    while began.elapsed() < SPAN {
        for (socket, _) in &mut connections {
            socket.write_all(&batch)?;
        }
        for (socket, receiver) in &mut connections {
            let mut left = depth;
            while left > 0 {
                let n = socket.read(&mut buffer)?;
                let mut bytes = &buffer[..n];
                if n == 0 {
                    return Err("the server has left".into());
                }
                while let Some(message) = receiver.poll(&mut bytes)? {
                    if message.len() != size {
                        return Err(format!("{message:?}").into());
                    }
                    left -= 1;
                }
            }
        }
        count += CONNECTIONS * depth;
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), cpu(server.process)? - used);
    Ok((count as f64 / seconds, used * 1e6 / count as f64))
}

fn connect(address: SocketAddr) -> Outcome<(TcpStream, Receiver)> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.write_all(
        b"GET /ws HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&head).into());
    }
    Ok((socket, Receiver::new(Role::Client, Limits::default())))
}

/// CPU time of a process so far, in seconds.
fn cpu(process: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS)
}
