//! The manifests of Kubernetes, and the configurations that images and packages bring.

use std::fs;

use serde_json::Value;

use super::super::super::parity::{Ask, Folder, House, LANES, secure};
use super::super::super::process::Process;
use super::{ask, of_environment, path, read, top};

/// `manifests.py` says what it looks at.
#[test]
fn manifests_are_of_their_schemas_and_fit_together() {
    let script = top().join("tests/it/manifests.py");
    let Some((is_well, said)) = ask(of_environment("python").arg(script).arg(path("kubernetes")))
    else {
        return;
    };
    assert!(is_well, "{said}");
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found["wrong"], serde_json::json!([]), "{said}");
    assert_eq!(found["documents"], 8);
    // What the autoscaler goes by is told by us.
    let house = House::shared();
    let metrics = LANES[0].open(house).ask(&Ask::get("/metrics")).status(200).text();
    assert!(metrics.contains(&format!("\n{}", found["metric"].as_str().unwrap())), "{metrics}");
}

/// That file with places that there are here: each change must find what it is about.
#[track_caller]
fn check(name: &str, routes: usize, changes: &[(&str, String)]) {
    let mut text = read(name);
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    let folder = Folder::new();
    let file = folder.0.join("site.toml");
    fs::write(&file, text).unwrap();
    let (is_well, said) = Process::said(&["check", "--config", file.to_str().unwrap()]);
    assert!(is_well && said.contains(&format!("ok, {routes} routes")), "{said}");
}

#[test]
fn configurations_would_be_served() {
    let (certificate, key) = secure::files();
    let keys = Folder::new();
    keys.write("keys", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
    check(
        "kubernetes/trilane.toml",
        1,
        &[
            ("/etc/trilane/tls/tls.crt", certificate.display().to_string()),
            ("/etc/trilane/tls/tls.key", key.display().to_string()),
            ("/etc/trilane/tickets/keys", keys.0.join("keys").display().to_string()),
            ("/etc/trilane/admin/token", keys.0.join("keys").display().to_string()),
            ("app.default.svc.cluster.local", "127.0.0.1".to_owned()),
            ("trilane-redis", "127.0.0.1".to_owned()),
        ],
    );
    check("trilane.toml", 3, &[("/usr/share/trilane/www", path("www").display().to_string())]);
}

/// As the probes of pods ask: the listener of operators, with its token.
#[test]
fn health_is_what_the_server_says() {
    let folder = Folder::new();
    folder.write("token", "0123456789abcdef\n");
    let token = folder.0.join("token");
    let admin = format!("[admin]\nlisten = ['127.0.0.1:0']\ntoken_file = '{}'\n", token.display());
    folder.write("site.toml", admin);
    let file = folder.0.join("site.toml");
    let process = Process::demo(&["--log", "off", "--config", file.to_str().unwrap()]);
    let at = process.ready.split_once(" admin=").unwrap().1.split(' ').next().unwrap();
    let health = |url: &str, flags: &[&str]| Process::said(&[&["health", url], flags].concat());
    let with = ["--token-file", token.to_str().unwrap()];
    for (path, flags, is_good, words) in [
        ("/health", &with[..], true, "/health: 200\n"),
        ("/ready", &with, true, "/ready: 200\n"),
        ("/ready", &[], false, "/ready: 401\n"),
        ("/nothing", &with, false, "/nothing: 404\n"),
    ] {
        let (is_well, said) = health(&format!("http://{at}{path}"), flags);
        assert!(is_well == is_good && said.ends_with(words), "{said}");
    }
    let gone = format!("http://{at}/health");
    drop(process);
    assert!(!health(&gone, &["--timeout", "1"]).0);
}
