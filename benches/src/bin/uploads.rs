//! What 1,000 uploads to a handler that never reads do to connection 1,001, and to the server's memory.
//!
//! `uploads [UPLOADS]`: a server of one shard on CPU 0, this program on CPU 1, five rounds. Strangers, one fresh
//! connection and one request each, are timed alone, while the uploads come, right after the shard was busy with something
//! else while all of them sent, and when they all wait. The machine's other work makes the worst ones worse, so that the
//! least disturbed round counts.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use trilane::{Incoming, Router, Shard, State, get, post};
use trilane_benches::ask::{ask, connect, first_answer, quantile, request};
use trilane_benches::live::{hold, memory, move_to, serve};

/// What each upload has ready, in bytes: more than the server may keep of it.
const READY: usize = 160 << 10;
/// How often all of it is done.
const ROUNDS: usize = 5;
/// How long a handler holds an upload, longer than a round takes.
const HELD: Duration = Duration::from_secs(25);
/// How long the shard does something else, long enough for all uploads to send.
const STALL: Duration = Duration::from_millis(400);
/// Strangers that are timed for one row.
const STRANGERS: usize = 2001;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "uploads: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let uploads = std::env::args().nth(1).map_or(Ok(1000), |text| text.parse::<u64>())?;
    hold(2 * uploads + 64)?;
    for _ in 0..ROUNDS {
        // The threads of a server go where this one may.
        move_to("0-1")?;
        round(uploads)?;
    }
    Ok(())
}

fn round(uploads: u64) -> Result<(), Box<dyn std::error::Error>> {
    let (_server, address) = serve(|shard: Shard| {
        Router::new()
            .route("/plaintext", get(|| async { "Hello, World!" }))
            .route("/hold", post(hold_on))
            .route("/busy", get(busy))
            .with_state(shard)
    })?;
    move_to("1")?;
    let (plaintext, content) = (request("/plaintext"), vec![b'u'; READY]);
    strangers(address, &plaintext, STRANGERS)?;
    row("alone", strangers(address, &plaintext, STRANGERS)?)?;
    let before = memory(std::process::id())?;
    let (mut held, mut times) = (Vec::new(), Vec::new());
    for _ in 0..uploads / 2 {
        held.push(begin(address)?);
        fill(&held[held.len() - 1], &content)?;
        times.push(first_answer(address, &plaintext)?);
    }
    row("while they come", times)?;
    for _ in uploads / 2..uploads {
        held.push(begin(address)?);
    }
    let mut other = connect(address)?;
    other.write_all(&request("/busy"))?;
    for stream in &held[held.len() / 2..] {
        fill(stream, &content)?;
    }
    ask(&mut other, b"")?;
    row("after a stall", strangers(address, &plaintext, 50)?)?;
    row("while they wait", strangers(address, &plaintext, STRANGERS)?)?;
    let grown = memory(std::process::id())?.saturating_sub(before);
    writeln!(
        io::stdout(),
        "{uploads} uploads of {} KiB: {} MiB more resident, {} KiB each\n",
        READY >> 10,
        grown >> 20,
        (grown >> 10) / uploads
    )?;
    drop(held);
    Ok(())
}

/// Keeps its request, content and all, and never reads.
async fn hold_on(State(shard): State<Shard>, content: Incoming) -> &'static str {
    shard.sleep(HELD).await;
    drop(content);
    "held"
}

async fn busy() -> &'static str {
    // A shard must never block: that is what is measured here.
    std::thread::sleep(STALL);
    "stalled"
}

fn strangers(address: SocketAddr, request: &[u8], count: usize) -> io::Result<Vec<Duration>> {
    (0..count).map(|_| first_answer(address, request)).collect()
}

/// Begins an upload to the handler that never reads.
fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = connect(address)?;
    stream.write_all(b"POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Sends as much content as is taken at once.
fn fill(mut stream: &TcpStream, mut content: &[u8]) -> io::Result<()> {
    while !content.is_empty() {
        match stream.write(content) {
            Ok(n) => content = &content[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn row(name: &str, mut times: Vec<Duration>) -> io::Result<()> {
    times.sort_unstable();
    let (median, late, worst) =
        (quantile(&times, 500_000), quantile(&times, 990_000), quantile(&times, 1_000_000));
    writeln!(
        io::stdout(),
        "{name:<16} {:>6} strangers: median {median:.2?}, p99 {late:.2?}, worst {worst:.2?}",
        times.len()
    )
}
