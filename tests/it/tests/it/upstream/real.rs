//! Servers of others, each a process of its own with its files in a folder of its own, on a free port; killed in the end
//! whatever happens.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant as Clock;

use super::SOON;

/// What `/large` has, in bytes: more than any window.
pub(super) const LARGE: usize = 3 << 20;

/// A server that answers.
pub(crate) struct Real {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Real {
    /// Starts `program` with its configuration, which is made for its folder and two ports, the first of which speaks HTTP/2.
    /// `None`, and said aloud, where the program is not installed; that is a failure where `CI` is `true`.
    pub(crate) fn start(
        program: &str,
        arguments: &[&str],
        config: impl Fn(&Path, [u16; 2]) -> String,
    ) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<_> = std::env::split_paths(&path).collect();
        // Where Debian keeps what only root starts.
        places.push("/usr/sbin".into());
        let Some(file) = places.iter().map(|it| it.join(program)).find(|it| it.is_file()) else {
            skip(program);
            return None;
        };
        let folder = folder(program);
        for _ in 0..3 {
            let ports = [free_port(), free_port()];
            fs::write(folder.join("config"), config(&folder, ports)).unwrap();
            let log = fs::File::create(folder.join("output")).unwrap();
            let mut command = Command::new(&file);
            command.arg("-c").arg(folder.join("config")).args(arguments).stdin(Stdio::null());
            command.stdout(log.try_clone().unwrap()).stderr(log);
            let child = command.spawn().unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
            let mut real = Self { child, folder: folder.clone(), address };
            if real.answers() {
                return Some(real);
            }
            // Somebody else may have had the port first; its folder goes with it.
            let output = fs::read_to_string(folder.join("output")).unwrap_or_default();
            say(&format!("{program} does not answer: {output}"));
            drop(real);
            fill(&folder);
        }
        panic!("{program} never answers");
    }

    /// Whether it takes a connection before it ends.
    fn answers(&mut self) -> bool {
        let end = Clock::now() + SOON;
        while Clock::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        false
    }

    pub(super) fn signal(&self, signal: libc::c_int) {
        let pid = self.child.id().to_string();
        let signal = format!("-{signal}");
        assert!(Command::new("kill").args([&signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // nginx has children of its own, which a plain kill would leave behind.
        self.signal_quietly();
        let end = Clock::now() + std::time::Duration::from_secs(3);
        while Clock::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Real {
    fn signal_quietly(&self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
    }
}

/// Says aloud that a program is missing: where `CI` is `true`, by failing.
pub(super) fn skip(program: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is not installed");
    say(&format!("skipped: {program} is not installed"));
}

#[expect(clippy::print_stderr, reason = "what a test leaves out, people should see")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A folder with files to be asked for.
fn folder(program: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("trilane-{program}-{}-{count}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fill(&folder);
    folder
}

fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("root")).unwrap();
    fs::write(folder.join("root/small.txt"), "small").unwrap();
    fs::write(folder.join("root/pushed.txt"), "pushed").unwrap();
    fs::write(folder.join("root/large"), large()).unwrap();
}

/// The content of `/large`.
pub(super) fn large() -> Vec<u8> {
    (0..LARGE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Whether whatever we start is started by root, and would become somebody else.
pub(crate) fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|it| it.contains("\nUid:\t0\t"))
}
