//! Chromium, the browser that we did not write. Without it these cases say so, loudly, and pass; with `CI=true` in the
//! environment they fail.

use std::io::{Write, stderr};
use std::process::Command;

use crate::parity::{House, Over};

/// The document that Chromium makes of what is at `target`, after its scripts ran. `None` without Chromium.
fn document(target: &str) -> Option<String> {
    let profile = std::env::temp_dir().join(format!("trilane-it-{}-browser", std::process::id()));
    let mut command = Command::new("chromium");
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    // The certificate is of this process, and no browser's.
    command.args(["--ignore-certificate-errors", "--no-first-run", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    let url = format!("https://{}{target}", House::shared().at(Over::Tls));
    let Ok(output) = command.arg(url).output() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no Chromium on this machine");
        // Not by `eprintln!`, which the test harness would keep to itself.
        let text = b"\nNO CHROMIUM ON THIS MACHINE: its cases did not run\n\n";
        stderr().write_all(text).unwrap();
        return None;
    };
    // What is left in the temporary directory harms nobody.
    let _ = std::fs::remove_dir_all(&profile);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn chromium_speaks_http2_over_tls_with_us() {
    let Some(page) = document("/") else { return };
    assert!(page.contains("HTTP/2"), "{page}");
    let Some(facts) = document("/tls") else { return };
    // It offers the hybrid group first, as we do.
    for fact in ["TLS 1.3", "X25519MLKEM768", "\"alpn\":\"h2\""] {
        assert!(facts.contains(fact), "no {fact} in {facts}");
    }
}
