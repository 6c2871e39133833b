//! The old process: starts the new one, hands over, and makes room for it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::hello::Hello;
use super::inherited::{CLOSED, READY, SOCKETS};
use super::link::{self, Link};
use super::{HandoverError, STDIN, VARIABLE};
use crate::control::{Control, Order};
use crate::listen::steering::Steering;

/// For our own shards to stop accepting.
const STOPPING: Duration = Duration::from_secs(1);

/// Variables that were for this process alone.
const OURS: [&str; 4] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_PID"];

/// Has another process take over from a server. Clones are the same one.
#[derive(Clone)]
pub struct Upgrader(Arc<Inner>);

struct Inner {
    control: Arc<Control>,
    /// Ends when no shard accepts any more.
    listening: Mutex<Receiver<()>>,
    is_busy: AtomicBool,
    /// Other servers of this process.
    beside: Mutex<Vec<Arc<Control>>>,
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
        listening: Receiver<()>,
        steering: &Arc<Steering>,
        is_busy: bool,
        hello: impl Fn() -> Hello + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            control,
            listening: Mutex::new(listening),
            is_busy: AtomicBool::new(is_busy),
            beside: Mutex::default(),
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
        self.0.is_busy.store(false, Ordering::Release);
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
        if let Err(error) = self.lead(&link, &mut child, within) {
            // It fails only if it has ended.
            let _ = child.kill();
            let status = child.wait().ok();
            if let Some(steering) = self.steering.upgrade() {
                steering.restore();
            }
            return Err(match error {
                UpgradeError::Ended(_) => UpgradeError::Ended(status),
                other => other,
            });
        }
        self.control.leave();
        self.others().iter().for_each(|other| other.leave());
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = listening.recv_timeout(STOPPING);
        // If it is gone by now there is nobody to tell.
        let _ = link.send(CLOSED, &[]);
        *self.successor.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        Ok(child.id())
    }

    /// Gives all to the new process, and waits until it is ready.
    fn lead(&self, link: &Link, child: &mut Child, within: Duration) -> Result<(), UpgradeError> {
        match self.give(link) {
            // It ended before it had read all.
            Err(HandoverError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(UpgradeError::Ended(child.try_wait().ok().flatten()));
            }
            result => result.map_err(UpgradeError::Handover)?,
        }
        match link.receive(Some(within)) {
            Ok(Some(message)) if message.bytes == READY => {}
            Ok(Some(_)) => {
                let what =
                    HandoverError::Malformed("the new process says something else than ready");
                return Err(UpgradeError::Handover(what));
            }
            Ok(None) => return Err(UpgradeError::Ended(None)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(UpgradeError::Late(within));
            }
            Err(error) => return Err(UpgradeError::Handover(error.into())),
        }
        if self.control.order() == Order::Serve { Ok(()) } else { Err(UpgradeError::Draining) }
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
