//! `openssl` as a client, and for what only it can make. Without it these cases say so, loudly, and pass; with `CI=true` in
//! the environment they fail.

use std::io::{Write, stderr};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `/tls` is asked with.
const REQUEST: &[u8] = b"GET /tls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// What a client saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// All that it printed.
    pub(super) text: String,
    /// What `/tls` has answered, if it did.
    pub(super) json: Option<Value>,
}

impl Seen {
    /// A member of what `/tls` has answered; null if there is no answer.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.json.as_ref().map_or(&Value::Null, |json| &json[name])
    }
}

/// Runs `openssl` with this on its standard input: all that it printed, and whether it was content. `None` without openssl.
pub(super) fn run(arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no openssl on this machine");
        // Not by `eprintln!`, which the test harness would keep to itself.
        let text = b"\nNO OPENSSL ON THIS MACHINE: cases of TLS did not run\n\n";
        stderr().write_all(text).unwrap();
        return None;
    };
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// Connects, and asks for `/tls`. `None` without openssl.
pub(super) fn ask(address: SocketAddr, arguments: &[&str]) -> Option<Seen> {
    let address = address.to_string();
    let all = [&["s_client", "-ign_eof", "-connect", &address][..], arguments].concat();
    let (_, text) = run(&all, REQUEST)?;
    let json = text.find("\r\n\r\n{").and_then(|at| {
        let rest = &text[at + 4..];
        serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
    });
    Some(Seen { text, json })
}
