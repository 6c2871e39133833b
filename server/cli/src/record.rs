//! `[record]`: connections are recorded; and `trilane replay`, which runs a recording again.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::num::NonZero;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Deserialize;
use trilane::Recordings;
use trilane::record::{Cause, Depth, Folder, Plan, Recording, Report};

use crate::nearest::nearest;
use crate::run::Failure;
use crate::secure::say as warn;

/// `[record]`: which connections are recorded, and where to. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSection {
    /// Where recordings are kept, a file each.
    pub folder: PathBuf,
    /// One connection of so many is recorded and kept, however it ends. Default: none.
    pub sample: Option<NonZero<u32>>,
    /// Whether all are recorded, and those kept that end because the peer broke the protocol or a limit.
    #[serde(default)]
    pub faults: bool,
    /// The same for these causes, as metrics name them: `write_timeout`, `peer_left`.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What is noted of a connection. Default 65,536.
    pub per_connection: Option<usize>,
    /// How many files are kept: the oldest make room. Default 100.
    pub files: Option<usize>,
    /// All recordings under way on a shard. Default 16 MiB.
    pub budget: Option<usize>,
    /// Whether content that comes is noted, and not only how much it is.
    #[serde(default)]
    pub content: bool,
    /// Whether values of Authorization, Cookie and the like are noted over HTTP/1.1. Over HTTP/2 and HTTP/3 they always are.
    #[serde(default)]
    pub secrets: bool,
}

/// How many files are kept, unless it is said.
const FILES: usize = 100;

impl RecordSection {
    /// What is recorded.
    ///
    /// # Errors
    /// It names a cause that there is not.
    pub fn plan(&self) -> Result<Plan, String> {
        let mut depth = Depth::default();
        depth.bytes = self.per_connection.unwrap_or(depth.bytes);
        (depth.content, depth.secrets) = (self.content, self.secrets);
        let mut plan = Plan::new().depth(depth);
        if let Some(one_of) = self.sample {
            plan = plan.sample(one_of);
        }
        if let Some(bytes) = self.budget {
            plan = plan.budget(bytes);
        }
        if self.faults {
            plan = plan.faults();
        }
        for label in &self.causes {
            let cause = Cause::all().find(|cause| cause.label() == label);
            plan = plan.cause(cause.ok_or_else(|| {
                let meant = nearest(label, Cause::all().map(Cause::label));
                let meant = meant.map(|meant| format!(": did you mean `{meant}`?"));
                format!("[record] `{label}` is no cause{}", meant.unwrap_or_default())
            })?);
        }
        Ok(plan)
    }

    /// The same, and the folder, which is made if it is not there.
    ///
    /// # Errors
    /// As [`RecordSection::plan`], or there can be no such folder.
    pub fn recordings(&self) -> Result<Recordings, String> {
        let plan = Arc::new(self.plan()?);
        let folder = Folder::open(&self.folder, self.files.unwrap_or(FILES));
        let wrong = |error| format!("[record] folder {}: {error}", self.folder.display());
        Ok(Recordings { plan, folder: Arc::new(folder.map_err(wrong)?) })
    }
}

/// Recordings to be run again.
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// What `[record]` has written.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Say each step: when it was, what the machine was told, and what it said.
    #[arg(long)]
    pub verbose: bool,
    /// Write what the peer has sent below DIR, as inputs of the fuzz targets. Only who runs this can read them: over HTTP/2 and HTTP/3, cookies
    /// and credentials are there.
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

/// Runs recordings again, and has `say` say how that went.
///
/// # Errors
/// One of them is none, or did not go as it was recorded: the others are not run. Or all went as they were recorded, and one was not to its end.
pub(crate) fn replay(
    wanted: &Replay,
    mut say: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut cut = 0;
    for path in &wanted.files {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::Setting(format!("{}: {error}", path.display()))
        };
        let bytes = fs::read(path).map_err(|error| wrong(&error))?;
        let recording = Recording::read(&bytes).map_err(|error| wrong(&error))?;
        let mut steps = String::new();
        let report = recording.replay(|step| {
            if wanted.verbose {
                // Writing to a string cannot fail.
                let _ = writeln!(steps, "{step}");
            }
        });
        say(&format!("{steps}{}: {}", path.display(), sum_up(&recording, &report)))?;
        if let Some(difference) = &report.difference {
            return Err(wrong(difference));
        }
        if !report.is_same() {
            return Err(wrong(&"the machine came to another end"));
        }
        if let Some(folder) = &wanted.corpus {
            if !recording.header().is_redacted {
                warn(&format_args!(
                    "{}: cookies and credentials that were sent are in its inputs",
                    path.display()
                ));
            }
            keep(&recording, path, folder).map_err(|error| wrong(&error))?;
        }
        cut += usize::from(!report.is_whole);
    }
    if cut > 0 { Err(Failure::Cut(cut)) } else { Ok(()) }
}

/// A line about a recording and its replay.
fn sum_up(recording: &Recording, report: &Report) -> String {
    let header = recording.header();
    let role = if header.is_client { "client" } else { "server" };
    let when = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(header.when));
    let when = when.map_or(String::new(), httpdate::fmt_http_date);
    let cause = match &report.verdict {
        Some(verdict) if *verdict == header.cause => format!("closed {verdict}"),
        Some(verdict) => format!("closed {}, when the machine had said {verdict}", header.cause),
        None => format!("closed {}, which is not for the machine to say", header.cause),
    };
    let end = match (report.is_same(), report.is_whole) {
        (false, _) => "NOT THE SAME",
        (true, false) => "CUT, the same as far as it was recorded",
        (true, true) => "the same",
    };
    let (protocol, peer, steps) = (header.protocol, &header.peer, report.steps);
    format!("{protocol} {role}, peer {peer}, {when}, {cause}; {steps} steps: {end}")
}

/// Writes what came as inputs below the folders of their targets.
fn keep(recording: &Recording, path: &Path, folder: &Path) -> std::io::Result<()> {
    let name = path.file_stem().unwrap_or_default();
    for (target, input) in recording.corpus() {
        write(&folder.join(target), Path::new(name), &input)?;
    }
    Ok(())
}

/// Writes what clients have sent: nobody else reads it, also where there was such a file.
fn write(folder: &Path, name: &Path, input: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_says_what_is_recorded() {
        let section = |text: &str| toml::from_str::<RecordSection>(text).map_err(|e| e.to_string());
        let all =
            section("folder = 'a'\nsample = 5\nfaults = true\ncauses = ['peer_left']").unwrap();
        assert!(all.plan().is_ok());
        let wrong = section("folder = 'a'\ncauses = ['write_timeot']").unwrap().plan();
        let text = "[record] `write_timeot` is no cause: did you mean `write_timeout`?";
        assert_eq!(wrong.unwrap_err(), text);
        assert!(section("sample = 1").unwrap_err().contains("folder"));
        assert!(section("folder = 'a'\nsample = 0").is_err());
    }

    #[test]
    fn inputs_are_for_nobody_else() {
        let top = std::env::temp_dir().join(format!("trilane-corpus-{}", std::process::id()));
        let folder = top.join("head");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        write(&folder, Path::new("a"), b"Cookie: a").unwrap();
        assert_eq!((mode(&top), mode(&folder), mode(&folder.join("a"))), (0o700, 0o700, 0o600));
        fs::set_permissions(folder.join("a"), Permissions::from_mode(0o644)).unwrap();
        write(&folder, Path::new("a"), b"b").unwrap();
        assert_eq!(mode(&folder.join("a")), 0o600);
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"b");
        fs::remove_dir_all(&top).unwrap();
    }
}
