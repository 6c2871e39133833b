//! aioquic, a client of HTTP/3 that is neither ours nor quiche's, against a process of its own: what QUIC does besides carrying
//! requests. `aioquic_client.py` is what is run. Without it these cases say so, loudly, and pass; with `CI=true` in the
//! environment they fail.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::frames::code;
use crate::parity::{Ask, LANES, Over, Place, secure};
use crate::process::Process;

/// Where `make deps` puts it: in the target directory.
fn python() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    // TARGET/PROFILE/deps/it-HASH
    here.ancestors().nth(3).unwrap().join("aioquic/bin/python")
}

/// What that case of the script says. `None` without aioquic.
#[track_caller]
fn run(server: &Process, case: &str, arguments: &[&str]) -> Option<Value> {
    run_by(server, &secure::files().0, case, arguments)
}

/// As [`run`], by a client that trusts these authorities.
#[track_caller]
pub(crate) fn run_by(
    server: &Process,
    trusted: &Path,
    case: &str,
    arguments: &[&str],
) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("aioquic_client.py");
    let port = server.addresses().address(Over::Quic).port().to_string();
    let mut command = Command::new(python());
    command.arg(script).args([case, &port]).arg(trusted).args(arguments);
    let Ok(output) = command.output() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no aioquic: make deps");
        // Not by `eprintln!`, which the test harness would keep to itself.
        stderr()
            .write_all(b"\nNO AIOQUIC HERE: its cases did not run; see `make deps`\n\n")
            .unwrap();
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case} {arguments:?}: {errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A process with this `[quic]` section.
fn serve(section: &str) -> Process {
    let name = format!("trilane-it-{}-{}.toml", std::process::id(), section.len());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, format!("[quic]\n{section}")).unwrap();
    let process = Process::demo(&["--log", "off", "--config", path.to_str().unwrap()]);
    std::fs::remove_file(path).unwrap();
    process
}

/// Requests that this process has answered so far, and this one.
fn answered(server: &Process) -> u64 {
    LANES[0].open(server).ask(&Ask::get("/stats")).json()["requests"].as_u64().unwrap()
}

#[test]
fn it_asks_and_is_answered() {
    let server = Process::demo(&["--log", "off"]);
    let plain = json!({"status": 200, "body": "Hello, World!", "retries": 0});
    let Some(got) = run(&server, "get", &[]) else { return };
    assert_eq!(got, plain);
    for size in ["1", "20000", "2000000"] {
        assert_eq!(run(&server, "post", &[size]), Some(json!({"status": 200, "same": true})));
    }
    assert_eq!(run(&server, "many", &["100"]), Some(json!({"right": 100})));
}

#[test]
fn keys_are_updated() {
    let server = Process::demo(&["--log", "off"]);
    let Some(got) = run(&server, "keys", &[]) else { return };
    // RFC 9001 §6: the phase is what tells old and new keys apart.
    assert_eq!(got, json!({"statuses": [200, 200, 200, 200], "phases": [1, 0, 1]}));
}

#[test]
fn an_address_is_asked_for_again() {
    // RFC 9000 §8.1.2.
    let server = serve("retry = 'always'\n");
    let Some(got) = run(&server, "get", &[]) else { return };
    assert_eq!(got, json!({"status": 200, "body": "Hello, World!", "retries": 1}));
}

#[test]
fn what_is_malformed_ends_it_with_the_code_of_http() {
    let server = Process::demo(&["--log", "off"]);
    for (stream, bytes, code) in [
        // DATA before HEADERS, DATA on a control stream, a second control stream, a bad section, a push stream.
        ("4", "000141", code::FRAME_UNEXPECTED),
        ("2", "000141", code::FRAME_UNEXPECTED),
        ("14", "000400", code::STREAM_CREATION),
        ("14", "0100", code::STREAM_CREATION),
        ("4", "010400ff8001", code::DECOMPRESSION),
        ("2", "070100070101", code::ID),
    ] {
        let Some(got) = run(&server, "malformed", &[stream, bytes]) else { return };
        assert_eq!(got["code"], code, "{bytes} on {stream}");
    }
    // RFC 9114 §6.2.1: nor is the server's own to be stopped.
    let got = run(&server, "stopped", &[]).unwrap();
    assert_eq!(got["code"], code::CLOSED_CRITICAL);
}

#[test]
fn frames_of_quic_that_no_client_may_send() {
    let server = Process::demo(&["--log", "off"]);
    for (of, kind, payload, codes) in [
        ("RFC 9000 §19.20 HANDSHAKE_DONE", "0x1e", "", &[10][..]),
        ("RFC 9000 §19.7 NEW_TOKEN", "0x07", "0141", &[10]),
        ("RFC 9000 §12.4 a type that nobody knows", "0x21", "", &[7]),
        ("RFC 9000 §19.8 a stream above the most", "0x0a", "80100000 00", &[4]),
        ("RFC 9000 §19.8 a stream of the server's own", "0x0a", "0300", &[5]),
        ("RFC 9000 §19.8 content above the window", "0x0e", "04 9fffffff 0141", &[3]),
        ("RFC 9000 §19.5 STOP_SENDING on a stream of ours alone", "0x05", "02 00", &[5]),
        ("RFC 9000 §19.11 MAX_STREAMS above 2^60", "0x12", "ffffffffffffffff", &[7]),
        ("RFC 9000 §19.16 an id that was never given", "0x19", "7fff", &[10]),
        ("RFC 9000 §19.15 an id without bytes", "0x18", "09 00 00", &[7]),
    ] {
        let bytes = payload.replace(' ', "");
        let Some(got) = run(&server, "raw", &[kind, &bytes]) else { return };
        let is_one = got["code"].as_u64().is_some_and(|code| codes.contains(&code));
        assert!(is_one, "{of}: {got}");
    }
}

#[test]
fn both_tables_of_qpack_are_used() {
    let server = Process::demo(&["--log", "off"]);
    let Some(got) = run(&server, "qpack", &[]) else { return };
    let numbers = |name: &str| -> Vec<u64> {
        got[name].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect()
    };
    // Its lines are inserted once; from then on its sections refer to them, and we acknowledge that.
    let instructions = numbers("instructions");
    assert!(instructions.iter().any(|n| *n > 50) && instructions.ends_with(&[0]), "{got}");
    assert!(got["received"]["decoder"].as_u64() > Some(0), "{got}");
    // Ours too; but aioquic acknowledges no insertion by itself, and what may block it we do not say (RFC 9204 §2.1.2).
    assert!(got["received"]["encoder"].as_u64() > Some(0), "{got}");
    assert!(numbers("sections").windows(2).all(|pair| pair[0] >= pair[1]), "{got}");
}

#[test]
fn a_client_moves() {
    let server = Process::demo(&["--log", "off"]);
    for how in ["migration", "rebinding"] {
        let Some(got) = run(&server, "move", &[how]) else { return };
        assert_eq!(got, json!({"status": 200, "pieces": 100, "after": 200}), "{how}");
    }
}

#[test]
fn early_data_is_answered_once_and_in_the_first_flight() {
    let server = Process::demo(&["--log", "off"]);
    for _ in 0..4 {
        let early = |method, path| run(&server, "early", &[method, path]);
        let Some(got) = early("GET", "/plaintext") else { return };
        assert_eq!(got, json!({"status": 200, "accepted": true, "after": 200}));
        // RFC 8470 §5.2: what may do harm when it is replayed is asked for again, but where a route says otherwise.
        let late = json!({"status": 425, "accepted": true, "after": 200});
        assert_eq!(early("POST", "/echo"), Some(late.clone()));
        assert_eq!(early("POST", "/early"), Some(late));
    }
    let lenient = serve("early_data = 'on'\n");
    for (path, status) in [("/echo", 425), ("/early", 200)] {
        let got = run(&lenient, "early", &["POST", path]).unwrap();
        assert_eq!(got["status"], status, "{path}");
    }
    let strict = serve("early_data = 'off'\n");
    let got = run(&strict, "tardy", &["/plaintext"]).unwrap();
    assert_eq!(got, json!({"status": 200, "accepted": false}));
    let before = answered(&server);
    let got = run(&server, "replay", &["/plaintext"]).unwrap();
    assert_eq!(got["accepted"], true, "{got}");
    assert!(got["replies"].as_u64() > Some(0), "{got}");
    // The request before, the one in early data, and this one: no replay was answered.
    assert_eq!(answered(&server), before + 3, "{got}");
}

#[test]
fn datagrams_come_back() {
    let server = Process::demo(&["--log", "off"]);
    let Some(got) = run(&server, "datagrams", &["3"]) else { return };
    assert_eq!(got["came"], json!(["datagram 0", "datagram 1", "datagram 2"]), "{got}");
}

#[test]
fn hints_come_before_the_answer() {
    let server = Process::demo(&["--log", "off"]);
    let Some(got) = run(&server, "hints", &["/hints"]) else { return };
    let told = json!([[103, "</static/style.css>; rel=preload; as=style"]]);
    assert_eq!(got, json!({"status": 200, "told": told}));
}

#[test]
fn a_connection_that_is_forgotten_is_reset() {
    // RFC 9000 §10.3.
    let server = Process::demo(&["--log", "off"]);
    let Some(got) = run(&server, "reset", &[]) else { return };
    assert_eq!(got, json!({"reset": true, "short": true, "shorter": true}));
}
