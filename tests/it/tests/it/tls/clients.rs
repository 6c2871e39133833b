//! Clients that show a certificate.

use super::openssl::ask;
use super::place::{Place, address};

#[test]
fn openssl_is_known_to_the_handler() {
    let place = Place::new("clients");
    place.certificate("localhost", "localhost", 1);
    place.certificate("alice", "alice", 2);
    let stranger = Place::new("stranger");
    stranger.certificate("mallory", "mallory", 2);
    let [ca, alice, key] = ["ca.pem", "alice.pem", "alice.key"].map(|name| place.path(name));
    let [mallory, secret] = ["mallory.pem", "mallory.key"].map(|name| stranger.path(name));
    let shows_alice = ["-cert", &alice, "-key", &key];
    let shows_mallory = ["-cert", &mallory, "-key", &secret];
    for kind in ["optional", "required"] {
        let section = format!("clients = '{kind}'\nclient_roots = '{ca}'\n");
        let process = place.serve(&(section + &place.entry("localhost")));
        for version in ["-tls1_3", "-tls1_2"] {
            let ask =
                |arguments: &[&str]| ask(address(&process), &[&[version], arguments].concat());
            let Some(seen) = ask(&shows_alice) else { return };
            let client = seen.get("client");
            assert_eq!(client["subject"], "CN=alice", "{}", seen.text);
            let fingerprint = super::openssl::run(
                &["x509", "-in", &alice, "-noout", "-fingerprint", "-sha256"],
                b"",
            );
            let text = fingerprint.unwrap().1.replace(':', "").to_lowercase();
            assert!(text.trim_end().ends_with(client["fingerprint"].as_str().unwrap()), "{text}");

            let seen = ask(&shows_mallory).unwrap();
            assert!(seen.json.is_none() && seen.text.contains("SSL alert number"), "{}", seen.text);
            let seen = ask(&[]).unwrap();
            if kind == "optional" {
                assert!(seen.json.is_some() && seen.get("client").is_null(), "{}", seen.text);
            } else {
                // certificate_required (RFC 8446 §6.2), in both versions.
                assert!(seen.text.contains("SSL alert number 116"), "{}", seen.text);
            }
        }
    }
}

/// FEATURES W10: the listener for operators is open to all addresses when a certificate tells them from others. The main one asks for none.
#[test]
fn operators_show_a_certificate() {
    let place = Place::new("operators");
    place.certificate("localhost", "localhost", 1);
    place.certificate("alice", "alice", 2);
    let [ca, alice, key] = ["ca.pem", "alice.pem", "alice.key"].map(|name| place.path(name));
    let admin = format!("[admin]\nlisten = ['0.0.0.0:0']\nclient_roots = '{ca}'\n");
    let process = place.serve(&(place.entry("localhost") + &admin));
    let at = process.ready.split_once(" admin=0.0.0.0:").unwrap().1;
    let port = at.split(' ').next().unwrap().parse().unwrap();
    let operators = ([127, 0, 0, 1], port).into();
    // There is no such route, and that is told to operators alone.
    let Some(seen) = ask(operators, &["-cert", &alice, "-key", &key]) else { return };
    assert_eq!(seen.get("error")["code"], "NOT_FOUND", "{}", seen.text);
    let seen = ask(operators, &[]).unwrap();
    assert!(seen.json.is_none() && seen.text.contains("SSL alert number 116"), "{}", seen.text);
    assert!(ask(address(&process), &[]).unwrap().json.is_some());
}
