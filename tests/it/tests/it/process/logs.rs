//! Where the lines of the binary go: a file of the access log that SIGHUP opens anew, and standard error for what handlers log.

use std::fs;

use super::Process;
use crate::parity::{Ask, LANES, eventually};

#[test]
fn sighup_opens_the_file_of_the_log_anew() {
    let folder = std::env::temp_dir().join(format!("trilane-it-hup-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    let (log, moved, config) =
        (folder.join("access.log"), folder.join("moved.log"), folder.join("t.toml"));
    let text =
        "log = 'json'\n[access_log]\nkeep = 1\nexclude = ['/health']\n[trace]\nx_trace_id = true\n";
    fs::write(&config, text).unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--log-file", log.to_str().unwrap()];
    let process = Process::demo(&arguments);
    let mut client = LANES[0].open(&process);
    let answer = client.ask(&Ask::get("/plaintext").field("x-trace-id", "abc")).status(200);
    assert_eq!(answer.head.field("x-trace-id"), Some("abc"));
    client.ask(&Ask::get("/health/detailed")).status(200);
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    eventually("there is a line", || read(&log).ends_with('\n'));
    assert!(read(&log).contains("/plaintext") && read(&log).contains(&format!("{:032x}", 0xabc)));
    fs::rename(&log, &moved).unwrap();
    process.signal("HUP");
    eventually("there is another file", || {
        client.ask(&Ask::get("/json")).status(200);
        read(&log).contains("/json")
    });
    assert!(read(&moved).contains("/plaintext") && !read(&moved).contains("/health"));
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_the_start() {
    let refusal =
        Process::start(&["--http", "127.0.0.1:0", "--log-file", "/nowhere/x.log"], |_| {});
    let refusal = refusal.map(|_| ()).unwrap_err();
    assert!(refusal.errors.contains("--log-file /nowhere/x.log"), "{refusal:?}");
}
