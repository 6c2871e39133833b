//! SIGHUP, and the certificate for development.

use std::time::{Duration, Instant};

use super::openssl::{ask, run};
use super::place::{Connection, Place, address};
use crate::process::Process;

/// Changes the `[tls]` section, and lets the process read it again. What it says about that.
pub(super) fn reload(place: &Place, process: &Process, section: &str) -> String {
    place.write("t.toml", &format!("[tls]\n{section}"));
    let before = process.errors().len();
    process.signal("HUP");
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        let said = process.errors()[before..].to_owned();
        if said.ends_with('\n')
            && (said.contains("read again") || said.contains("nothing was changed"))
        {
            return said;
        }
        assert!(Instant::now() < end, "{said}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_next_client_sees_the_new_certificate_and_nobody_is_dropped() {
    let place = Place::new("reload");
    place.certificate("old", "localhost", 1);
    place.certificate("new", "localhost", 2);
    let process = place.serve(&place.entry("old"));
    let mut living = Connection::new(&process, &place.client());
    assert_eq!(living.get("/tls")["resumed"], false);
    let shows = |name: &str| {
        let seen = ask(address(&process), &[])?;
        Some((seen.text.contains(&format!("subject=CN = {name}\n")), seen.text))
    };
    let Some((is_old, text)) = shows("old") else { return };
    assert!(is_old, "{text}");

    let said = reload(&place, &process, &place.entry("new"));
    assert!(said.contains("read again"), "{said}");
    let (is_new, text) = shows("new").unwrap();
    assert!(is_new, "{text}");
    assert_eq!(living.get("/tls")["resumed"], false);

    // What cannot be used changes nothing, and is told with its file, or its line.
    for (section, expected) in [
        (place.entry("gone"), "gone.pem"),
        (format!("min = '1.1'\n{}", place.entry("old")), "line 2"),
        (place.entry("old").replace("old.key", "new.key"), "not the key of the certificate"),
    ] {
        let said = reload(&place, &process, &section);
        assert!(said.contains(expected) && said.contains("nothing was changed"), "{said}");
        let (is_new, text) = shows("new").unwrap();
        assert!(is_new, "{text}");
    }
    assert_eq!(living.get("/tls")["resumed"], false);
}

#[test]
fn a_certificate_for_development_is_made_told_and_kept() {
    let place = Place::new("development");
    let path = place.path("trilane/certificate.pem");
    let mut last = String::new();
    for _ in 0..2 {
        let process = place.serve("");
        // Both lines come before it is ready.
        let said = process.errors();
        assert!(said.contains(&format!("certificate for development: {path}\n")), "{said}");
        let shown = run(&["x509", "-in", &path, "-noout", "-fingerprint", "-sha256"], b"");
        let Some((_, text)) = shown else { return };
        let fingerprint = text.trim_end().split_once('=').unwrap().1;
        assert!(said.contains(fingerprint), "{said} {text}");
        for name in ["localhost", "127.0.0.1"] {
            let verify = if name == "localhost" { "-verify_hostname" } else { "-verify_ip" };
            let arguments = ["-CAfile", &path, "-verify_return_error", verify, name];
            let seen = ask(address(&process), &arguments).unwrap();
            assert_eq!(seen.get("version"), "TLS 1.3", "{}", seen.text);
        }
        assert!(last.is_empty() || last == fingerprint);
        last = fingerprint.to_owned();
    }
}

/// What a certificate or a setting has against it ends the start.
#[test]
fn a_bad_configuration_is_refused_at_the_start() {
    let place = Place::new("refused");
    for (section, expected) in [
        ("clients = 'required'\n", "needs client_roots"),
        ("ticket_keys = '/nonexistent'\n", "cannot read /nonexistent"),
        ("tickets = 9\n", "8 at most"),
        ("[[tls.certificates]]\ncertificate = '/nonexistent'\n", "cannot read /nonexistent"),
    ] {
        place.write("t.toml", &format!("[tls]\n{section}"));
        let config = place.path("t.toml");
        let arguments = ["--http", "off", "--https", "127.0.0.1:0", "--config", &config];
        let refused = Process::start(&arguments, |command| {
            command.env("XDG_STATE_HOME", place.path(""));
        });
        let Err(refusal) = refused else { panic!("{section}") };
        assert_eq!(refusal.code, Some(1));
        assert!(refusal.errors.contains(expected), "{}", refusal.errors);
    }
}
