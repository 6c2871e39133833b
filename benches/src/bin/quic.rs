//! What QUIC costs a server process: `quic idle`, `quic handshakes`, `quic streams` and `quic loss`.
//!
//! `idle`: memory of 10,000 connections that have had an answer, one each. `handshakes`: CPU of a full one and of one that is
//! resumed, with one request. `streams`: 1 GiB into one handler and 1 GiB out of one, CPU and memory. `loss`: how fast 64 MiB come
//! when one datagram in 100 is lost, either way. The server has CPU 1, the clients CPU 0.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use trilane_benches::live::{Live, move_to};
use trilane_benches::quic::Clients;

const IDLE: usize = 10_000;
const HANDSHAKES: usize = 1_000;
/// Handshakes at once.
const AT_ONCE: usize = 16;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Ticks of the kernel's clock a second, by which CPU time is counted (`times(2)`).
const TICKS: f64 = 100.0;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("idle") => idle(),
        Some("handshakes") => handshakes(),
        Some("streams") => streams(),
        Some("loss") => loss(),
        _ => Err("quic idle|handshakes|streams|loss".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "quic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

fn server() -> io::Result<Live> {
    let live = Live::start(&["--https", "127.0.0.1:0", "--shards", "1", "--cpus", "1"])?;
    // After it: a process inherits where it may run.
    move_to("0")?;
    Ok(live)
}

/// CPU time of the server so far, in seconds.
fn cpu(live: &Live) -> Result<f64, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", live.process()))?;
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS)
}

/// Connects clients from `first` to `last`, [`AT_ONCE`] at a time, each with an answer.
fn connect(clients: &mut Clients, count: usize, session: Option<&[u8]>) -> Outcome {
    for _ in 0..count.div_ceil(AT_ONCE) {
        let numbers: Result<Vec<_>, _> = (0..AT_ONCE).map(|_| clients.connect(session)).collect();
        let numbers = numbers?;
        clients.until(|all| numbers.iter().all(|number| all.is_ready(*number)))?;
        for &number in &numbers {
            clients.ask(number, "/plaintext", 0)?;
        }
        clients.until(|all| numbers.iter().all(|number| all.client(*number).done == 1))?;
    }
    Ok(())
}

fn idle() -> Outcome {
    let live = server()?;
    let mut clients = Clients::new(live.quic()?, 0)?;
    connect(&mut clients, 200, None)?;
    let before = live.memory()?;
    connect(&mut clients, IDLE, None)?;
    let each = (live.memory()? - before) / IDLE as u64;
    say(format_args!("an idle connection: {each} bytes of the server's memory"))?;
    Ok(())
}

fn handshakes() -> Outcome {
    let live = server()?;
    let mut clients = Clients::new(live.quic()?, 0)?;
    connect(&mut clients, AT_ONCE, None)?;
    let session = clients.session(0).ok_or("no session")?;
    for (name, session) in [("full", None), ("resumed", Some(&session[..]))] {
        let before = cpu(&live)?;
        connect(&mut clients, HANDSHAKES, session)?;
        let each = (cpu(&live)? - before) * 1e6 / HANDSHAKES as f64;
        say(format_args!("a handshake with a request, {name}: {each:.0} us of CPU"))?;
    }
    Ok(())
}

fn streams() -> Outcome {
    let live = server()?;
    for (name, path, content) in
        [("down", format!("/bytes/{GIB}"), 0), ("up", "/upload".to_owned(), GIB)]
    {
        let mut clients = Clients::new(live.quic()?, 0)?;
        connect(&mut clients, AT_ONCE, None)?;
        let number = clients.connect(None)?;
        clients.until(|all| all.is_ready(number))?;
        let (memory, used, began) = (live.memory()?, cpu(&live)?, Instant::now());
        clients.ask(number, &path, content)?;
        let mut most = memory;
        clients.until(|all| {
            most = most.max(live.memory().unwrap_or(0));
            all.client(number).done == 1
        })?;
        let (seconds, used) = (began.elapsed().as_secs_f64(), cpu(&live)? - used);
        let (rate, grown) = (GIB as f64 / seconds / MIB as f64, (most - memory) >> 10);
        say(format_args!(
            "1 GiB {name}: {rate:.0} MiB a second, {used:.2} s of CPU, {grown} KiB of memory more"
        ))?;
    }
    Ok(())
}

fn loss() -> Outcome {
    let live = server()?;
    let all = 64 * MIB;
    for lose in [0, 100] {
        let mut clients = Clients::new(live.quic()?, lose)?;
        let number = clients.connect(None)?;
        clients.until(|all| all.is_ready(number))?;
        let began = Instant::now();
        clients.ask(number, &format!("/bytes/{all}"), 0)?;
        clients.until(|all| all.client(number).done == 1)?;
        let rate = 64.0 / began.elapsed().as_secs_f64();
        say(format_args!("64 MiB, one datagram in {lose} lost: {rate:.0} MiB a second"))?;
    }
    Ok(())
}
