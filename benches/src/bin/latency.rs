//! How long answers take at a constant rate, timed from when each request was due.
//!
//! `latency ADDRESS RATE SECONDS [CONNECTIONS [TARGET]]` asks a server that runs already, whichever it is; rate 0 asks for
//! as much as goes, which tells where it is saturated. `latency neighbours RATE SECONDS` is about one slow handler on the
//! same shard: a server of our own, on CPU 0. Run it on a CPU of its own: `taskset -c 1 latency ...`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trilane::{Router, Shard, State, get};
use trilane_benches::ask::{ask, connect, quantile, request};
use trilane_benches::live::{move_to, serve};
use trilane_benches::steady::Load;

/// Connections, unless said otherwise.
const CONNECTIONS: usize = 64;
/// How long the slow handlers are slow.
const SLOW: Duration = Duration::from_secs(1);
/// How long the one that computes is.
const BUSY: Duration = Duration::from_millis(5);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match texts[..] {
        ["neighbours", rate, seconds] => neighbours(rate, seconds),
        [address, rate, seconds, ref rest @ ..] => server(address, rate, seconds, rest),
        _ => Err("latency ADDRESS|neighbours RATE SECONDS [CONNECTIONS [TARGET]]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "latency: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(
    address: SocketAddr,
    rate: &str,
    seconds: &str,
) -> Result<Load, Box<dyn std::error::Error>> {
    Ok(Load {
        address,
        request: request("/plaintext"),
        connections: CONNECTIONS,
        rate: rate.parse()?,
        duration: Duration::from_secs(seconds.parse()?),
    })
}

/// A server that runs already.
fn server(address: &str, rate: &str, seconds: &str, rest: &[&str]) -> Outcome {
    let mut load = load(address.parse()?, rate, seconds)?;
    if let Some(connections) = rest.first() {
        load.connections = connections.parse()?;
    }
    if let Some(target) = rest.get(1) {
        load.request = request(target);
    }
    row(address, &load)
}

/// Our own, with one handler that is slow.
fn neighbours(rate: &str, seconds: &str) -> Outcome {
    let (_server, address) = serve(|shard: Shard| {
        Router::new()
            .route("/plaintext", get(|| async { "Hello, World!" }))
            .route("/sleep", get(sleep))
            .route("/blocking", get(blocking))
            .route("/busy", get(busy))
            .with_state(shard)
    })?;
    move_to("1")?;
    let load = load(address, rate, seconds)?;
    load.run()?;
    row("nobody", &load)?;
    for slow in ["/sleep", "/blocking", "/busy"] {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let other = scope.spawn(|| again_and_again(address, slow, &is_over));
            let result = row(slow, &load);
            is_over.store(true, Ordering::Release);
            other.join().map_err(|_| "the slow client panicked")??;
            result
        })?;
    }
    row("nobody", &load)
}

/// Asks for the slow answer until it is over.
fn again_and_again(address: SocketAddr, target: &str, is_over: &AtomicBool) -> io::Result<()> {
    let (mut stream, request) = (connect(address)?, request(target));
    while !is_over.load(Ordering::Acquire) {
        ask(&mut stream, &request)?;
        // Not busy all the time: one slow handler, not a slow shard.
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

async fn sleep(State(shard): State<Shard>) -> &'static str {
    shard.sleep(SLOW).await;
    "slept"
}

async fn blocking(State(shard): State<Shard>) -> &'static str {
    // It fails only when the closure panics.
    let _ = shard.blocking(|| thread::sleep(SLOW)).await;
    "blocked"
}

async fn busy() -> &'static str {
    let began = Instant::now();
    while began.elapsed() < BUSY {
        std::hint::spin_loop();
    }
    "computed"
}

fn row(name: &str, load: &Load) -> Outcome {
    let times = load.run()?;
    if times.is_empty() {
        return Err("nothing was asked".into());
    }
    let micros = |parts| quantile(&times, parts) as f64 / 1000.0;
    writeln!(
        io::stdout(),
        "{name:<16} {:>7.0} a second: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, worst {:.0} us",
        times.len() as f64 / load.duration.as_secs_f64(),
        micros(500_000),
        micros(900_000),
        micros(990_000),
        micros(999_000),
        micros(1_000_000),
    )?;
    Ok(())
}
