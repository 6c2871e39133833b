//! The old process: starts the new one, hands over, and makes room for it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::hello::Hello;
use super::inherited::{GO, READY, SERVES, SOCKETS, unasked};
use super::link::{self, Link};
use super::{HandoverError, STDIN, VARIABLE};
use crate::control::{Control, Order};
use crate::listen::steering::Steering;

/// For the new process to serve, once it may.
const SERVING: Duration = Duration::from_secs(10);
/// How often we look whether we are to end ourselves, while we wait for the new process.
const LOOK: Duration = Duration::from_millis(20);

/// Variables that were for this process alone.
const OURS: [&str; 4] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_PID"];

/// Has another process take over from a server. Clones are the same one.
#[derive(Clone)]
pub struct Upgrader(Arc<Inner>);

struct Inner {
    control: Arc<Control>,
    is_busy: AtomicBool,
    /// Other servers of this process.
    beside: Mutex<Vec<Arc<Control>>>,
    /// Held as long as a process that has not taken over yet may live.
    under_way: Mutex<()>,
    /// As long as the server is there.
    steering: Weak<Steering>,
    /// What we say of ourselves, but for the sockets.
    hello: Box<dyn Fn() -> Hello + Send + Sync>,
    /// The line to who has taken over, as long as we live.
    successor: Mutex<Option<Link>>,
}

/// Why no other process has taken over.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// One is being started, or has taken over already.
    UnderWay,
    /// The server drains.
    Draining,
    /// It could not be started.
    Start(io::Error),
    /// It has ended before it was ready.
    Ended(Option<ExitStatus>),
    /// It was not ready in that time, and was ended.
    Late(Duration),
    /// What we have could not be given to it.
    Handover(HandoverError),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderWay => f.write_str("a handover is under way"),
            Self::Draining => f.write_str("this process drains"),
            Self::Start(error) => write!(f, "the new process cannot be started: {error}"),
            Self::Ended(Some(status)) => {
                write!(f, "the new process has ended before it was ready: {status}")
            }
            Self::Ended(None) => f.write_str("the new process has ended before it was ready"),
            Self::Late(within) => {
                write!(f, "the new process was not ready in {} s", within.as_secs())
            }
            Self::Handover(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UpgradeError {}

impl Upgrader {
    /// `is_busy`: we take over from another process ourselves, until [`Upgrader::settled`].
    pub(crate) fn new(
        control: Arc<Control>,
        steering: &Arc<Steering>,
        is_busy: bool,
        hello: impl Fn() -> Hello + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            control,
            is_busy: AtomicBool::new(is_busy),
            beside: Mutex::default(),
            under_way: Mutex::default(),
            steering: Arc::downgrade(steering),
            hello: Box::new(hello),
            successor: Mutex::default(),
        }))
    }

    /// Another server of this process goes with it: its TCP and unix sockets change hands, too.
    pub fn beside(&self, other: &Self) {
        self.0.others().push(Arc::clone(&other.0.control));
    }

    /// The process before us is gone: all that comes is for us, and another one may take over.
    pub(crate) fn settled(&self) {
        if let Some(steering) = self.0.steering.upgrade() {
            steering.settle();
        }
        self.0.control.share(false);
        self.0.is_busy.store(false, Ordering::Release);
    }

    /// Waits for a handover under way to come to its end: it does soon when the server drains. Whoever was started by then has
    /// taken over, or is gone.
    pub(crate) fn end(&self) {
        drop(self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts `command`, and drains when it says `within` that time that it is ready; its process id. Its standard input is
    /// the line to us. It blocks.
    ///
    /// # Errors
    /// Nobody has taken over, and all is as it was.
    pub fn upgrade(&self, command: Command, within: Duration) -> Result<u32, UpgradeError> {
        if self.0.is_busy.swap(true, Ordering::AcqRel) {
            return Err(UpgradeError::UnderWay);
        }
        let result = self.0.try_upgrade(command, within);
        if result.is_err() {
            self.0.is_busy.store(false, Ordering::Release);
        }
        result
    }
}

impl Inner {
    fn try_upgrade(&self, mut command: Command, within: Duration) -> Result<u32, UpgradeError> {
        let _under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if self.control.order() != Order::Serve {
            return Err(UpgradeError::Draining);
        }
        let (link, theirs) = Link::pair().map_err(UpgradeError::Start)?;
        for name in OURS {
            command.env_remove(name);
        }
        command.env(VARIABLE, STDIN).stdin(Stdio::from(theirs));
        let mut child = command.spawn().map_err(UpgradeError::Start)?;
        // With it goes our copy of their end, or we would not notice that they are gone.
        drop(command);
        let unasked = self.lead(&link, within).map_err(|error| {
            // It fails only if it has ended.
            let _ = child.kill();
            let status = child.wait().ok();
            if let Some(steering) = self.steering.upgrade() {
                steering.restore();
            }
            match error {
                UpgradeError::Ended(_) => UpgradeError::Ended(status),
                other => other,
            }
        })?;
        // It serves, and we go on until all shards have seen that they need not.
        self.control.leave(unasked);
        self.others().iter().for_each(|other| other.leave(Vec::new()));
        *self.successor.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        let pid = child.id();
        // It may end before us; without the thread its entry stays until we are gone.
        let _ = thread::Builder::new().name("trilane-heir".to_owned()).spawn(move || child.wait());
        Ok(pid)
    }

    /// Gives all to the new process, and waits until it serves: where it does not, of what we have.
    fn lead(&self, link: &Link, within: Duration) -> Result<Vec<String>, UpgradeError> {
        match self.give(link) {
            // It ended before it had read all.
            Err(HandoverError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(UpgradeError::Ended(None));
            }
            result => result.map_err(UpgradeError::Handover)?,
        }
        self.hear(link, READY, within)?;
        // If it is gone, the next word does not come.
        let _ = link.send(GO, &[]);
        self.hear(link, SERVES, SERVING).map(|word| unasked(&word))
    }

    /// Waits for that word, as long as we serve ourselves: the word, and what follows it.
    fn hear(&self, link: &Link, word: &[u8], within: Duration) -> Result<Vec<u8>, UpgradeError> {
        let end = Instant::now() + within;
        loop {
            let heard = link.receive(Some(LOOK));
            if self.control.order() != Order::Serve {
                return Err(UpgradeError::Draining);
            }
            match heard {
                Ok(Some(message)) if message.bytes.starts_with(word) => return Ok(message.bytes),
                Ok(Some(_)) => {
                    let what = "the new process says something else than it should";
                    return Err(UpgradeError::Handover(HandoverError::Malformed(what)));
                }
                Ok(None) => return Err(UpgradeError::Ended(None)),
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {
                    return Err(UpgradeError::Handover(error.into()));
                }
                Err(_) if Instant::now() >= end => return Err(UpgradeError::Late(within)),
                Err(_) => {}
            }
        }
    }

    fn give(&self, link: &Link) -> Result<(), HandoverError> {
        // Copies of our own, for the locks are also those of whoever ends a server.
        let mut sockets = copies(&self.control.estate())?;
        let own = sockets.len();
        for other in self.others().iter() {
            sockets.extend(copies(&other.estate())?);
        }
        let hello = Hello { sockets: own, beside: sockets.len() - own, ..(self.hello)() };
        link.send(&hello.encode()?, &[])?;
        for some in sockets.chunks(link::MOST) {
            let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
            link.send(SOCKETS, &some)?;
        }
        Ok(())
    }

    fn others(&self) -> MutexGuard<'_, Vec<Arc<Control>>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copies(sockets: &[OwnedFd]) -> io::Result<Vec<OwnedFd>> {
    sockets.iter().map(OwnedFd::try_clone).collect()
}

impl fmt::Debug for Upgrader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_busy = self.0.is_busy.load(Ordering::Relaxed);
        f.debug_struct("Upgrader").field("is_busy", &is_busy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn upgrader() -> Upgrader {
        let control = Arc::new(Control::new(Duration::ZERO, Duration::ZERO));
        control.give(Order::Serve);
        let steering = Arc::new(Steering::new(None, 1));
        Upgrader::new(control, &steering, false, Hello::default)
    }

    /// A shell as the new process: the line is its standard input.
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// A file that says how far it is.
    struct Marked(PathBuf);

    impl Marked {
        fn new() -> Self {
            let name = format!("trilane-handover-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Marked {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_is_gone_once_it_was_ready_has_not_taken_over() {
        let upgrader = upgrader();
        // Ready, and killed before it serves.
        let result = upgrader.upgrade(shell("printf R >&0; kill -9 $$"), LONG);
        let Err(UpgradeError::Ended(Some(status))) = result else { panic!("{result:?}") };
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert_eq!(upgrader.0.control.order(), Order::Serve);
        assert!(!upgrader.0.control.is_left());
        // Once it serves it is on its own.
        let upgraded = upgrader.upgrade(shell("printf R >&0; printf A >&0; cat >/dev/null"), LONG);
        assert!(upgraded.is_ok(), "{upgraded:?}");
        assert!(upgrader.0.control.is_left());
        assert_eq!(upgrader.0.control.order(), Order::Drain);
    }

    #[test]
    fn who_ends_takes_with_it_whom_it_has_started() {
        let upgrader = upgrader();
        let control = Arc::clone(&upgrader.0.control);
        let (mark, other) = (Marked::new(), upgrader.clone());
        let command = shell(&format!("touch {}; exec sleep 600", mark.0.display()));
        let handover = thread::spawn(move || other.upgrade(command, LONG));
        while !mark.0.exists() {
            thread::yield_now();
        }
        control.give(Order::Drain);
        // Who ends the server waits here; then nobody is left.
        upgrader.end();
        assert!(matches!(handover.join().unwrap(), Err(UpgradeError::Draining)));
        assert!(!control.is_left());
    }
}
