//! A real server to be measured from outside, a process of its own or inside this one, and what a program needs to be many clients.
//!
//! The binary is the one beside the program that measures, so both are built in one profile.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::{Child, Command, Stdio};

use trilane::{ListenAddress, Router, Running, Server, Shard};
use trilane_shard::StartError;
use trilane_shard::preflight::raise_descriptors;

/// A `trilane` process. Dropping it kills it.
#[derive(Debug)]
pub struct Live {
    child: Child,
    address: SocketAddr,
    quic: Option<SocketAddr>,
}

impl Live {
    /// Runs the demo, without a log, on a free port of the loopback interface, with these arguments more.
    ///
    /// # Errors
    /// There is no binary beside this program, or it does not start.
    pub fn start(arguments: &[&str]) -> io::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("trilane");
        let mut child = Command::new(binary)
            .args(["demo", "--http", "127.0.0.1:0", "--log", "off"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let named = |name| {
            let (_, rest) = line.split_once(name)?;
            rest.split([' ', ',', '\n']).next().and_then(|address| address.parse().ok())
        };
        let quic = named(" h3=");
        match named(" http=") {
            Some(address) => Ok(Self { child, address, quic }),
            None => {
                let _ = child.kill();
                Err(io::Error::other(format!("the server did not start: {line:?}")))
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for HTTP/3.
    ///
    /// # Errors
    /// It does not.
    pub fn quic(&self) -> io::Result<SocketAddr> {
        self.quic.ok_or_else(|| io::Error::other("no HTTP/3"))
    }

    /// Its number as a process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    /// The process is gone.
    pub fn memory(&self) -> io::Result<u64> {
        memory(self.child.id())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It fails only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server inside this process, of one shard on CPU 0, and where it listens.
///
/// # Errors
/// It does not start.
pub fn serve(
    app: impl Fn(Shard) -> Router + Send + Sync + 'static,
) -> Result<(Running, SocketAddr), Box<dyn std::error::Error>> {
    let server = Server::new(app).listen("127.0.0.1:0").shards(NonZero::<usize>::MIN).cpus("0");
    let running = server.start()?;
    let Some(&ListenAddress::Tcp(address)) = running.addresses().first() else {
        return Err("no address".into());
    };
    Ok((running, address))
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// There is no such process.
pub fn memory(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("no VmRSS"))
}

/// Lets the calling thread run on these CPUs only (`0-1`); threads started later follow it.
///
/// # Errors
/// There is no `taskset`, or no such CPU.
pub fn move_to(cpus: &str) -> io::Result<()> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread.file_name().unwrap_or_default();
    let moved = Command::new("taskset")
        .args(["-p", "-c", cpus])
        .arg(thread)
        .stdout(Stdio::null())
        .status()?;
    if moved.success() { Ok(()) } else { Err(io::Error::other("taskset refuses")) }
}

/// Lets this process hold `need` connections at once, if it may.
///
/// # Errors
/// The hard limit is below that.
pub fn hold(need: u64) -> Result<(), StartError> {
    raise_descriptors(need).map(drop)
}
