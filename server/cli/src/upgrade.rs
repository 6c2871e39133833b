//! Another process takes over, at SIGUSR2: the same command once more, of whatever file stands at its place by then.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, IoSliceMut, Write, stderr};
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};
use trilane::{Notify, RunError, Running, SignalGuard, Upgrader};

use crate::run::Failure;

/// How this process was started, to be done again.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// For the other to be ready.
    within: Duration,
}

impl Again {
    /// As it is now: later the folder may be another, and the file behind us gone.
    pub(crate) fn of_process(within: Duration) -> Self {
        let mut all = env::args_os();
        let name = all.next().unwrap_or_default();
        let program = found(&name, env::var_os("PATH").as_deref(), Path::is_file);
        let program = program.or_else(|| env::current_exe().ok()).unwrap_or_else(|| name.into());
        Self { program, arguments: all.collect(), within }
    }

    /// Hands over at each SIGUSR2, as long as the guard lives. What comes of it is said on standard error, and to `trilane upgrade`.
    pub(crate) fn on_signals(
        self,
        running: &Running,
        notify: Notify,
    ) -> Result<SignalGuard, RunError> {
        let (upgrader, again) = (running.upgrader(), Arc::new(self));
        running.on_upgrade_signals(move || again.upgrade(&upgrader, &notify))
    }

    fn upgrade(&self, upgrader: &Upgrader, notify: &Notify) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        let (kind, text) = match upgrader.upgrade(command, self.within) {
            Ok(pid) => {
                notify.main_process(pid);
                (DONE, format!("process {pid} has taken over; this one drains"))
            }
            Err(error) => (REFUSED, format!("no handover: {error}")),
        };
        say(&text);
        // Whoever asks listens there; mostly it was a signal of somebody else's.
        if let (Ok(socket), Ok(address)) = (UnixDatagram::unbound(), ear(std::process::id())) {
            let _ = socket.send_to_addr(&[&[kind][..], text.as_bytes()].concat(), &address);
        }
    }
}

/// How the word to `trilane upgrade` begins.
const DONE: u8 = b'+';
const REFUSED: u8 = b'-';

/// Where whoever asks process `pid` to hand over waits for its word.
fn ear(pid: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("trilane/upgrade/{pid}"))
}

/// `trilane upgrade`: whom to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct Upgrade {
    /// The process that serves: another one takes over from it, started by the same command.
    #[arg(long, value_name = "PID")]
    pub pid: NonZero<i32>,
    /// Seconds to wait for it to say what came of it: more than its `[drain] handover_timeout`.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}

/// Asks a process to hand over, and waits for what comes of it.
///
/// # Errors
/// It does not, or nothing is heard of it.
pub(crate) fn upgrade(asked: &Upgrade) -> Result<String, Failure> {
    let failed = |what: String| Failure::Setting(format!("process {}: {what}", asked.pid));
    let pid = Pid::from_raw(asked.pid.get()).filter(|_| asked.pid.get() > 1);
    let pid = pid.ok_or_else(|| failed("no process has such a number".to_owned()))?;
    let address = ear(pid.as_raw_nonzero().get().unsigned_abs());
    let socket = address.and_then(|address| UnixDatagram::bind_addr(&address));
    let socket = socket.map_err(|error| failed(format!("somebody else asks it: {error}")))?;
    let timeout = Duration::from_secs(asked.timeout.max(1));
    set_socket_passcred(&socket, true).map_err(|error| failed(error.to_string()))?;
    kill_process(pid, Signal::USR2).map_err(|error| failed(error.to_string()))?;
    let word = hear(&socket, pid, timeout).map_err(|_| {
        failed(format!("nothing was heard in {} s: look at its log", timeout.as_secs()))
    })?;
    match word.split_first() {
        Some((&DONE, text)) => Ok(printable(text)),
        Some((_, text)) => Err(failed(printable(text))),
        None => Err(failed("said nothing".to_owned())),
    }
}

/// The first word of that process, `within` that time. Anybody can send one here: what others say is passed over.
fn hear(socket: &UnixDatagram, pid: Pid, within: Duration) -> io::Result<Vec<u8>> {
    let end = Instant::now() + within;
    let mut word = vec![0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut word)];
        let len = match recvmsg(socket, into, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?.bytes,
        };
        let is_its = |message: RecvAncillaryMessage<'_>| matches!(message, RecvAncillaryMessage::ScmCredentials(of) if of.pid == pid);
        if control.drain().any(is_its) {
            word.truncate(len);
            return Ok(word);
        }
    }
}

/// What can be shown on a terminal of what a process says.
fn printable(text: &[u8]) -> String {
    let safe = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(text).chars().map(safe).collect()
}

/// The path of the program of that name: as it stands there, links and all, so that what replaces it is found.
fn found(name: &OsStr, path: Option<&OsStr>, is_file: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let named = Path::new(name);
    if named.components().count() > 1 {
        return std::path::absolute(named).ok().filter(|it| is_file(it));
    }
    let folders = env::split_paths(path?).map(|folder| folder.join(named));
    folders.filter_map(|it| std::path::absolute(it).ok()).find(|it| is_file(it))
}

/// Writes a line to standard error.
fn say(text: &dyn fmt::Display) {
    // Nowhere is left to report that standard error is closed.
    let _ = writeln!(stderr(), "trilane: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_was_asked_is_believed() {
        let (here, there) = UnixDatagram::pair().unwrap();
        set_socket_passcred(&here, true).unwrap();
        let us = rustix::process::getpid();
        there.send(b"+yes").unwrap();
        assert_eq!(hear(&here, us, Duration::from_secs(600)).unwrap(), b"+yes");
        there.send(b"+yes").unwrap();
        let other = Pid::from_raw(1).unwrap();
        assert!(hear(&here, other, Duration::from_millis(1)).is_err());
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        assert_eq!(printable(b"pid 7\x1b[2J\n\xffdone"), "pid 7\u{fffd}[2J\u{fffd}\u{fffd}done");
    }

    #[test]
    fn the_program_is_found_where_the_shell_has_found_it() {
        let here = env::current_dir().unwrap();
        let is_there = |path: &Path| path != Path::new("/a/trilane");
        for (name, expected) in [
            ("/opt/now/trilane", Some(PathBuf::from("/opt/now/trilane"))),
            ("./trilane", Some(here.join("trilane"))),
            ("bin/trilane", Some(here.join("bin/trilane"))),
            ("trilane", Some(PathBuf::from("/b/trilane"))),
            ("/a/trilane", None),
        ] {
            let path = Some(OsStr::new("/a:/b:/c"));
            assert_eq!(found(OsStr::new(name), path, is_there), expected, "{name}");
        }
        assert_eq!(found(OsStr::new("trilane"), None, is_there), None);
    }
}
