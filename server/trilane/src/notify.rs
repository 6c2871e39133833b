//! What the service manager is told (`sd_notify(3)`): ready, reloading, stopping, and that all shards turn.
//!
//! A datagram of lines to the socket that NOTIFY_SOCKET names. Without that variable nobody is told anything. What cannot be sent
//! is lost: there is nobody else to tell.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use trilane_shard::Stage;

use crate::running::Running;

/// For the manager to take a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Notify(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Within which it wants to hear that we live.
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment has it: NOTIFY_SOCKET, and WATCHDOG_USEC with WATCHDOG_PID.
    ///
    /// # Errors
    /// NOTIFY_SOCKET names what is no unix socket, or there are no more sockets.
    pub fn of_process() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        Self::new(&name, watchdog(&|name| env::var_os(name)))
    }

    fn new(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let (address, socket) = (address(name)?, UnixDatagram::unbound()?);
        // Its queue is short, and a word counts; but nobody waits for ever for a manager that is stuck.
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Some(Arc::new(Manager { socket, address, watchdog }))))
    }

    /// `READY=1`: it serves, for the first time or after [`Notify::reloading`].
    pub fn ready(&self) {
        self.tell(format_args!("READY=1"));
    }

    /// `RELOADING=1`, and when: [`Notify::ready`] follows, whatever became of it.
    pub fn reloading(&self) {
        self.tell(format_args!("RELOADING=1\nMONOTONIC_USEC={}", monotonic()));
    }

    /// `STOPPING=1`.
    pub fn stopping(&self) {
        self.tell(format_args!("STOPPING=1"));
    }

    /// `MAINPID=`: another process has taken over. The unit needs `NotifyAccess=main` at least.
    pub fn main_process(&self, pid: u32) {
        self.tell(format_args!("MAINPID={pid}"));
    }

    /// `STATUS=`: a line for people.
    pub fn status(&self, text: impl Display) {
        self.tell(format_args!("STATUS={}", text.to_string().replace('\n', " ")));
    }

    fn tell(&self, lines: impl Display) {
        let Some(manager) = &self.0 else { return };
        let _ = manager.socket.send_to_addr(lines.to_string().as_bytes(), &manager.address);
    }

    /// Tells, on a thread of its own: `WATCHDOG=1` at half the time that the manager wants, as long as each shard's loop turns; and
    /// `STOPPING=1` when it drains, unless another process has taken over.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn watch(&self, running: &Running) -> io::Result<()> {
        let Some(manager) = &self.0 else { return Ok(()) };
        let (mut pulse, notify, watchdog) = (running.pulse(), self.clone(), manager.watchdog);
        // Without a watchdog there is one word to say, when it drains.
        let every = watchdog.map_or(Duration::from_secs(3600), |time| time / 2);
        thread::Builder::new().name("trilane-watchdog".to_owned()).spawn(move || {
            let mut is_stopping = false;
            loop {
                let stage = pulse.wait(every);
                let stops = stage != Stage::Serving && !pulse.is_left();
                if stops && !std::mem::replace(&mut is_stopping, true) {
                    notify.stopping();
                }
                if stage == Stage::Over {
                    return;
                }
                if watchdog.is_some() && pulse.is_beating() {
                    notify.tell("WATCHDOG=1");
                }
            }
        })?;
        Ok(())
    }
}

/// The address of that name: a path, or `@` and an abstract one.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET names no unix socket")),
    }
}

/// Within which the manager wants to hear of this process, if it does.
fn watchdog(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    let is_other = variable("WATCHDOG_PID").is_some()
        && number("WATCHDOG_PID") != Some(std::process::id().into());
    let time = number("WATCHDOG_USEC").filter(|time| *time > 0 && !is_other)?;
    Some(Duration::from_micros(time))
}

/// Microseconds of the clock that `CLOCK_MONOTONIC` is.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
    u64::try_from(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_path_or_abstract() {
        assert!(address(OsStr::new("/run/systemd/notify")).unwrap().as_pathname().is_some());
        let abstract_one = address(OsStr::new("@a/b")).unwrap();
        assert_eq!(abstract_one.as_abstract_name(), Some(&b"a/b"[..]));
        for bad in ["", "relative", "vsock:2:1"] {
            assert!(address(OsStr::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_watchdog_is_ours_or_none() {
        let of = |usec: Option<&str>, pid: Option<&str>| {
            let variable = |name: &str| match name {
                "WATCHDOG_USEC" => usec.map(OsString::from),
                _ => pid.map(OsString::from),
            };
            watchdog(&variable)
        };
        let (ours, second) = (std::process::id().to_string(), Some(Duration::from_secs(1)));
        assert_eq!(of(Some("1000000"), None), second);
        assert_eq!(of(Some("1000000"), Some(&ours)), second);
        for (usec, pid) in [
            (None, None),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("1000000"), Some("1")),
            (Some("1000000"), Some("x")),
        ] {
            assert_eq!(of(usec, pid), None, "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn lines_go_to_the_socket() {
        let name = format!("@trilane-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        let notify = Notify::new(OsStr::new(&name), None).unwrap();
        let heard = || {
            let mut bytes = [0; 100];
            let len = socket.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        };
        notify.ready();
        assert_eq!(heard(), "READY=1");
        let before = monotonic();
        notify.reloading();
        let said = heard();
        let time = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse::<u64>();
        assert!((before..=monotonic()).contains(&time.unwrap()), "{said}");
        notify.stopping();
        assert_eq!(heard(), "STOPPING=1");
        notify.main_process(7);
        assert_eq!(heard(), "MAINPID=7");
        notify.status("two\nlines");
        assert_eq!(heard(), "STATUS=two lines");
        drop(socket);
        // Nobody hears it.
        notify.ready();
        Notify::default().ready();
    }
}
