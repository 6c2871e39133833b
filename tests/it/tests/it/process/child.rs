//! A `trilane` process: built, started, watched, and killed in the end whatever happens.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::parity::{Over, Place, secure};

/// How long anything of a process may take.
const SOON: Duration = Duration::from_secs(15);

/// A process that is ready.
pub(crate) struct Process {
    child: Child,
    /// Who has taken over from it, the last first.
    heirs: Vec<u32>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    /// Its first line.
    pub(crate) ready: String,
}

/// What a process said that ended before it was ready.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<i32>,
    pub(crate) errors: String,
}

impl Process {
    /// With these arguments, on a port of its own; it must start.
    #[track_caller]
    pub(crate) fn demo(arguments: &[&str]) -> Self {
        let clear = ["--http", "127.0.0.1:0", "--h2c"];
        let two = if arguments.contains(&"--shards") { &[][..] } else { &["--shards", "2"] };
        let all = [&clear[..], two, arguments].concat();
        Self::start(&all, |_| {}).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// With these arguments, after `set` has had its way. Over TLS too, on a port of its own, unless they say otherwise.
    pub(crate) fn start(
        arguments: &[&str],
        set: impl FnOnce(&mut Command),
    ) -> Result<Self, Refusal> {
        Self::of(binary(), arguments, set)
    }

    /// The same of another file.
    pub(crate) fn of(
        program: &Path,
        arguments: &[&str],
        set: impl FnOnce(&mut Command),
    ) -> Result<Self, Refusal> {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("PORT");
        if !arguments.contains(&"--https") {
            let (certificate, key) = secure::files();
            command.args(["--https", "127.0.0.1:0"]);
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        set(&mut command);
        let mut child = command.spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let mut err = child.stderr.take().unwrap();
        let errors: Arc<Mutex<String>> = Arc::default();
        let heard = Arc::clone(&errors);
        let hears: JoinHandle<()> = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = err.read(&mut buffer) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        let mut process = Self { child, heirs: Vec::new(), lines, errors, ready: String::new() };
        match process.line() {
            Some(line) => process.ready = line,
            None => {
                let code = process.exit_within(SOON).code();
                hears.join().unwrap();
                return Err(Refusal { code, errors: process.errors() });
            }
        }
        Ok(process)
    }

    /// What the binary says to these arguments, with which it ends at once; and whether that is well.
    pub(crate) fn said(arguments: &[&str]) -> (bool, String) {
        Self::said_with(arguments, &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn said_with(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
        let mut command = Command::new(binary());
        command.args(arguments).env_remove("PORT").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// As [`Process::said`], started by another program: its name, and arguments that end before ours.
    pub(crate) fn said_by(
        launcher: &[&str],
        arguments: &[&str],
        set: impl FnOnce(&mut Command),
    ) -> Option<(bool, String)> {
        let (name, rest) = launcher.split_first()?;
        let mut command = Command::new(name);
        command.args(rest).arg(binary()).args(arguments).env_remove("PORT");
        set(&mut command);
        let output = command.output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Of the one that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.heirs.first().copied().unwrap_or_else(|| self.child.id())
    }

    /// Who it has started, if anybody, and is there still.
    pub(crate) fn started(&self) -> Option<u32> {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.find(|pid| parent(*pid) == Some(self.pid()))
    }

    /// Has another one take over, and waits until it is ready.
    #[track_caller]
    pub(crate) fn upgrade(&mut self) {
        self.signal("USR2");
        self.succeeded();
    }

    /// Another one takes over.
    #[track_caller]
    pub(crate) fn succeeded(&mut self) {
        self.ready = self.line().unwrap_or_else(|| panic!("{}", self.errors()));
        self.heirs.insert(0, after(&self.ready, " pid=").parse().unwrap());
    }

    /// Waits until all are gone but the one that serves.
    #[track_caller]
    pub(crate) fn alone_within(&mut self, patience: Duration) {
        let serves = self.pid();
        self.left_within(patience, |pid| pid == serves);
    }

    /// Waits until all are gone, after a signal.
    #[track_caller]
    pub(crate) fn gone_within(&mut self, patience: Duration) {
        self.left_within(patience, |_| false);
    }

    #[track_caller]
    fn left_within(&mut self, patience: Duration, stays: impl Fn(u32) -> bool) {
        let end = Instant::now() + patience;
        loop {
            let is_first = !stays(self.child.id()) && self.child.try_wait().unwrap().is_none();
            let mut heirs = self.heirs.iter().filter(|pid| !stays(**pid));
            if !is_first && heirs.all(|pid| parent(*pid).is_none()) {
                return;
            }
            assert!(Instant::now() < end, "still there after {patience:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next line of its standard output; `None` at its end.
    #[track_caller]
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(SOON) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line in {SOON:?}"),
        }
    }

    /// What it has said on its standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// What stands after `http=` in its first line.
    pub(crate) fn http(&self) -> &str {
        after(&self.ready, " http=")
    }

    /// Where it is to be found, for who does not watch it.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses(self.ready.clone())
    }

    /// Where it speaks in clear.
    pub(crate) fn address(&self) -> SocketAddr {
        Place::address(self, Over::Tcp)
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(signal(name, self.pid()));
    }

    /// How it ended, which must be within that time.
    #[track_caller]
    pub(crate) fn exit_within(&mut self, patience: Duration) -> ExitStatus {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "still there after {patience:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Bytes of memory it has.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Processor time it has used, in hundredths of a second (proc(5): `USER_HZ` is 100 wherever we run).
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // After the name, which may hold anything, `utime` and `stime` are the 12th and 13th.
        let rest = stat.rsplit_once(") ").unwrap().1;
        rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }
}

/// The first line of a process, which says where it is to be found.
pub(crate) struct Addresses(String);

impl Place for Addresses {
    fn address(&self, over: Over) -> SocketAddr {
        let name = match over {
            Over::Tcp => " http=",
            Over::Tls => " https=",
            Over::Quic => " h3=",
        };
        after(&self.0, name).split(',').next().unwrap().parse().unwrap()
    }
}

impl Place for Process {
    fn address(&self, over: Over) -> SocketAddr {
        self.addresses().address(over)
    }
}

/// What stands behind that word in a first line.
fn after<'a>(ready: &'a str, name: &str) -> &'a str {
    let rest = ready.split_once(name).unwrap().1;
    rest.split(' ').next().unwrap()
}

/// Sends a signal; whether there was a process to take it.
pub(crate) fn signal(name: &str, pid: u32) -> bool {
    // The shell's own `kill`: no tool, and no unsafe call, is needed.
    let script = format!("kill -{name} {pid} 2>/dev/null");
    Command::new("sh").args(["-c", &script]).status().unwrap().success()
}

/// Whose child it is, if it runs still; who has ended may wait for somebody to ask how.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: its state, and its parent.
    let (_, rest) = stat.rsplit_once(") ")?;
    let (state, rest) = rest.split_once(' ')?;
    (!matches!(state, "Z" | "X")).then(|| rest.split(' ').next()?.parse().ok())?
}

impl Drop for Process {
    fn drop(&mut self) {
        for heir in &self.heirs {
            // It fails only when the process has ended.
            signal("KILL", *heir);
        }
        // It fails only when the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary beside this one, built once, in this one's profile.
pub(super) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let here = std::env::current_exe().unwrap();
        // TARGET/PROFILE/deps/it-HASH
        let folder = here.ancestors().nth(2).unwrap();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let built = Command::new(env!("CARGO"))
            // Of the whole workspace, and beside a test, as the tests are: then crates have the features that they have there, and
            // nothing is built for the second time.
            .args([
                "build",
                "--locked",
                "--quiet",
                "--workspace",
                "--bin",
                "trilane",
                "--test",
                "it",
            ])
            .args(["--profile", profile])
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        folder.join("trilane")
    })
}
