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
fn check(name: &str, changes: &[(&str, String)]) {
    let mut text = read(name);
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    let folder = Folder::new();
    let file = folder.0.join("site.toml");
    fs::write(&file, text).unwrap();
    let (is_well, said) = Process::said(&["check", "--config", file.to_str().unwrap()]);
    assert!(is_well && said.contains("ok, 3 routes"), "{said}");
}

#[test]
fn configurations_would_be_served() {
    let (certificate, key) = secure::files();
    let keys = Folder::new();
    keys.write("keys", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
    check(
        "kubernetes/trilane.toml",
        &[
            ("/etc/trilane/tls/tls.crt", certificate.display().to_string()),
            ("/etc/trilane/tls/tls.key", key.display().to_string()),
            ("/etc/trilane/tickets/keys", keys.0.join("keys").display().to_string()),
            ("app.default.svc.cluster.local", "127.0.0.1".to_owned()),
            ("trilane-redis", "127.0.0.1".to_owned()),
        ],
    );
    check("trilane.toml", &[("/usr/share/trilane/www", path("www").display().to_string())]);
}

#[test]
fn health_is_what_the_server_says() {
    let process = Process::demo(&["--log", "off"]);
    let url = |path: &str| format!("http://{}{path}", process.http());
    let (is_well, said) = Process::said(&["health", &url("/health")]);
    assert!(is_well && said.ends_with("/health: 200\n"), "{said}");
    let (is_well, said) = Process::said(&["health", &url("/nothing")]);
    assert!(!is_well && said.ends_with("/nothing: 404\n"), "{said}");
    let gone = url("/health");
    drop(process);
    assert!(!Process::said(&["health", &gone, "--timeout", "1"]).0);
}
