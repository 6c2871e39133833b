//! Another process takes over, at SIGUSR2: the same command once more, of whatever file stands at its place by then.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use trilane::{RunError, Running, SignalGuard, Upgrader};

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

    /// Hands over at each SIGUSR2, as long as the guard lives. What comes of it is said on standard error.
    pub(crate) fn on_signals(self, running: &Running) -> Result<SignalGuard, RunError> {
        let (upgrader, again) = (running.upgrader(), Arc::new(self));
        running.on_upgrade_signals(move || again.upgrade(&upgrader))
    }

    fn upgrade(&self, upgrader: &Upgrader) {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        match upgrader.upgrade(command, self.within) {
            Ok(pid) => say(&format_args!("process {pid} has taken over; this one drains")),
            Err(error) => say(&format_args!("no handover: {error}")),
        }
    }
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
