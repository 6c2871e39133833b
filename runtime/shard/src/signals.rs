//! Signals: the first SIGTERM or SIGINT drains, the second stops at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::server::Stopper;

/// Listens to signals as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it stops listening"]
pub struct SignalGuard(Handle);

/// Lets SIGTERM and SIGINT drain the server, and a second one stop it.
///
/// # Errors
/// The system takes no more signal handlers or threads.
pub fn drain_on_signals(stopper: Stopper) -> io::Result<SignalGuard> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let guard = SignalGuard(signals.handle());
    thread::Builder::new().name("trilane-signals".to_owned()).spawn(move || {
        let mut drained = false;
        for _ in signals.forever() {
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
