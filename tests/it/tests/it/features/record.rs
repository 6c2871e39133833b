//! The flight recorder: connections that end in a fault are kept, over each protocol, and come to the same end when they are run again.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::h3::frames::settings;
use crate::h3::peer::{CONTROL, Expected, Peer};
use crate::parity::{Ask, LANES, SOON, eventually};
use crate::process::Process;

/// A folder for recordings, and a process that writes them there.
struct Recorded {
    folder: PathBuf,
    process: Process,
}

impl Recorded {
    fn start(name: &str, section: &str) -> Self {
        let name = format!("trilane-it-record-{name}-{}", std::process::id());
        let place = std::env::temp_dir().join(name);
        let folder = place.join("recordings");
        fs::create_dir_all(&place).unwrap();
        let file = place.join("trilane.toml");
        let text = format!("[record]\nfolder = {folder:?}\n{section}\n");
        fs::write(&file, text).unwrap();
        let process = Process::demo(&["--config", file.to_str().unwrap()]);
        Self { folder, process }
    }

    /// The recordings that are there, the oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| !file.file_name().unwrap().to_str().unwrap().starts_with('.'));
        files.sort();
        files
    }

    /// The same, once they are so many.
    fn files_when(&self, is_so: impl Fn(&[PathBuf]) -> bool) -> Vec<PathBuf> {
        let mut files = Vec::new();
        eventually("recordings", || {
            files = self.files();
            is_so(&files)
        });
        files
    }

    /// Speaks with it over TCP, until it closes.
    fn converse(&self, bytes: &[u8]) -> Vec<u8> {
        let mut peer = TcpStream::connect(self.process.address()).unwrap();
        peer.set_read_timeout(Some(SOON)).unwrap();
        peer.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = peer.read_to_end(&mut answer);
        answer
    }

    /// Healthy connections over all protocols.
    fn ask(&self) {
        for lane in LANES {
            let mut client = lane.open(&self.process);
            client.ask(&Ask::get("/plaintext")).status(200);
            client.leave();
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder.parent().unwrap());
    }
}

const H1: &[u8] =
    b"GET /plaintext HTTP/1.1\r\nhost: a\r\ncookie: id=5ecret\r\n\r\nGET / HTTP/1.1\nhost: a\n\n";
/// A SETTINGS frame on a stream (RFC 9113 §6.5).
const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\0\0\0\0\x01";

fn replay(arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let files = files.iter().map(|file| file.to_str().unwrap());
    Process::said(
        &["replay"].into_iter().chain(arguments.iter().copied()).chain(files).collect::<Vec<_>>(),
    )
}

#[test]
fn a_connection_that_ends_in_a_fault_is_recorded_and_comes_to_the_same_end() {
    let recorded = Recorded::start("faults", "faults = true\nfiles = 4");
    recorded.ask();
    assert!(recorded.converse(H1).starts_with(b"HTTP/1.1 200 "));
    recorded.converse(H2);
    let mut peer = Peer::ready(&recorded.process);
    // RFC 9114 §7.2.4: SETTINGS, a second time.
    peer.send(CONTROL, &settings(&[]), false);
    peer.expect(&Expected::Closed(0x105)).unwrap();
    let files = recorded.files_when(|files| files.len() >= 3);
    assert_eq!(files.len(), 3, "nothing is kept of what was well: {files:?}");
    for file in &files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("5ecret"), "no secrets over HTTP/1.1");
    }
    let (is_well, said) = replay(&[], &files);
    assert!(is_well, "{said}");
    for (protocol, cause) in [("HTTP/1.1", "bare_lf"), ("HTTP/2", "frame"), ("HTTP/3", "frame")] {
        let is_it = |line: &str| {
            let parts =
                [format!(": {protocol} server, peer 127.0.0.1:"), format!("closed {cause};")];
            parts.iter().all(|part| line.contains(part)) && line.ends_with("steps: the same")
        };
        assert!(said.lines().any(is_it), "{protocol}: {said}");
    }
    let (_, said) = replay(&["--verbose"], &files);
    for step in ["request 1 GET /plaintext none", "respond 1 200", "fault bare_lf", "fault frame"] {
        assert!(said.contains(step), "{step}: {said}");
    }
    // The oldest make room.
    (0..4).for_each(|_| drop(recorded.converse(H2)));
    let later =
        recorded.files_when(|later| later.last() != files.last() && !later.contains(&files[2]));
    assert_eq!(later.len(), 4, "{later:?}");
}

#[test]
fn a_sample_is_recorded_however_it_ends() {
    let recorded = Recorded::start("sample", "sample = 1\nfiles = 50");
    recorded.ask();
    let files = recorded.files_when(|files| files.len() >= LANES.len());
    let (is_well, said) = replay(&[], &files);
    assert!(is_well && said.lines().count() == LANES.len(), "{said}");
    let corpus = recorded.folder.join("corpus");
    let (is_well, said) = replay(&["--corpus", corpus.to_str().unwrap()], &files);
    assert!(is_well, "{said}");
    let inputs = |target: &str| fs::read_dir(corpus.join(target)).unwrap().count();
    let counts = ["connection", "head", "h2_frames", "h3_operations"].map(inputs);
    assert_eq!(counts, [3, 3, 2, 1]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&corpus), mode(&corpus.join("h2_frames"))), (0o700, 0o700));
    for input in fs::read_dir(corpus.join("h2_frames")).unwrap() {
        assert_eq!(mode(&input.unwrap().path()), 0o600, "cookies are there");
    }
    for input in fs::read_dir(corpus.join("head")).unwrap() {
        let input = fs::read(input.unwrap().path()).unwrap();
        assert!(input.starts_with(b"GET /plaintext HTTP/1."), "{input:?}");
    }
}

#[test]
fn what_was_changed_is_told() {
    let recorded = Recorded::start("changed", "causes = ['bare_lf']");
    recorded.converse(H1);
    let files = recorded.files_when(|files| !files.is_empty());
    let whole = fs::read(&files[0]).unwrap();
    let says = |bytes: &[u8], expected: &str| {
        fs::write(&files[0], bytes).unwrap();
        let (is_well, said) = replay(&[], &files);
        assert!(!is_well && said.contains(expected), "{said}");
    };
    says(&whole[..whole.len() - 1], "the recording is cut, or was changed");
    says(b"trilane recording 9\n\n", "of version 9");
    says(b"GET / HTTP/1.1\r\n", "not a recording");
    let none = Path::new("/nowhere/at/all").to_owned();
    assert!(!replay(&[], &[none]).0);
    let (is_well, said) = Process::said(&["replay"]);
    assert!(!is_well && said.contains("FILE"), "{said}");
}
