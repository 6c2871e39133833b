//! Chromium, the browser that we did not write. Without it these cases say so, loudly, and pass; with `CI=true` in the
//! environment they fail.

use std::io::{Write, stderr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::parity::{House, Over, secure};

/// The document that Chromium makes of what is at `target`, after its scripts ran. `None` without Chromium.
fn document(over: Over, target: &str) -> Option<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("trilane-it-{}-browser-{number}", std::process::id());
    let profile = std::env::temp_dir().join(name);
    let address = House::shared().at(over);
    let mut command = Command::new("chromium");
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    // The certificate is of this process, and no browser's.
    if over == Over::Quic {
        // Over QUIC that is forgiven only to a key that is named.
        command.arg(format!("--ignore-certificate-errors-spki-list={}", key()));
        command.arg(format!("--origin-to-force-quic-on={address}"));
    } else {
        command.arg("--ignore-certificate-errors");
    }
    command.args(["--no-first-run", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    let Ok(output) = command.arg(format!("https://{address}{target}")).output() else {
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

/// The name of our key (RFC 7469 §2.4).
fn key() -> String {
    let line = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform der \
        | openssl dgst -sha256 -binary | openssl base64";
    let output = Command::new("sh").args(["-c", line]).arg(&secure::files().0).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn chromium_speaks_http2_over_tls_with_us() {
    let Some(page) = document(Over::Tls, "/") else { return };
    assert!(page.contains("HTTP/2"), "{page}");
    let Some(facts) = document(Over::Tls, "/tls") else { return };
    // It offers the hybrid group first, as we do.
    for fact in ["TLS 1.3", "X25519MLKEM768", "\"alpn\":\"h2\""] {
        assert!(facts.contains(fact), "no {fact} in {facts}");
    }
}

#[test]
fn chromium_speaks_http3_with_us() {
    let Some(page) = document(Over::Quic, "/") else { return };
    assert!(page.contains("HTTP/3"), "{page}");
    let Some(facts) = document(Over::Quic, "/tls") else { return };
    for fact in ["TLS 1.3", "\"alpn\":\"h3\""] {
        assert!(facts.contains(fact), "no {fact} in {facts}");
    }
}
