//! Signals: the first SIGTERM or SIGINT drains, the second stops at once. SIGHUP and SIGUSR2 are for whoever wants them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use crate::control::Stopper;

/// Listens to signals as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it stops listening"]
pub struct SignalGuard(Handle);

/// Lets SIGTERM and SIGINT drain the server, and a second one stop it. SIGHUP stays as it is.
///
/// # Errors
/// The system takes no more signal handlers or threads.
pub fn drain_on_signals(stopper: Stopper) -> io::Result<SignalGuard> {
    listen(Signals::new([SIGTERM, SIGINT])?, stopper, || {})
}

/// The same, and `reload` is called for a SIGHUP, on a thread of its own that may block. For those that come while it is
/// at work it is called once more.
///
/// # Errors
/// As [`drain_on_signals`].
pub fn on_signals(
    stopper: Stopper,
    mut reload: impl FnMut() + Send + 'static,
) -> io::Result<SignalGuard> {
    let (send, receive) = sync_channel(1);
    // It ends with the other thread, which has the sender.
    thread::Builder::new()
        .name("trilane-reload".to_owned())
        .spawn(move || receive.iter().for_each(|()| reload()))?;
    // A full channel means that it will be called once more anyway.
    let hang_up = move || {
        let _ = send.try_send(());
    };
    listen(Signals::new([SIGTERM, SIGINT, SIGHUP])?, stopper, hang_up)
}

/// Calls `upgrade` for each SIGUSR2, on a thread of its own that may block.
///
/// # Errors
/// As [`drain_on_signals`].
pub fn on_upgrade_signals(upgrade: impl Fn() + Send + Sync + 'static) -> io::Result<SignalGuard> {
    let mut signals = Signals::new([SIGUSR2])?;
    let (guard, upgrade) = (SignalGuard(signals.handle()), Arc::new(upgrade));
    thread::Builder::new().name("trilane-upgrades".to_owned()).spawn(move || {
        for _ in signals.forever() {
            let upgrade = Arc::clone(&upgrade);
            // Where there are no threads any more, nothing happens: whoever waits for it will see.
            let _ =
                thread::Builder::new().name("trilane-upgrade".to_owned()).spawn(move || upgrade());
        }
    })?;
    Ok(guard)
}

fn listen(
    mut signals: Signals,
    stopper: Stopper,
    mut hang_up: impl FnMut() + Send + 'static,
) -> io::Result<SignalGuard> {
    let guard = SignalGuard(signals.handle());
    thread::Builder::new().name("trilane-signals".to_owned()).spawn(move || {
        let mut drained = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                hang_up();
                continue;
            }
            if drained {
                stopper.stop();
            } else {
                stopper.drain();
            }
            drained = true;
        }
    })?;
    Ok(guard)
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}
