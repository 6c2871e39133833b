//! Versions, groups, names, protocols, staples.

use super::openssl::{ask, run};
use super::place::{Connection, Place, address};

/// RFC 8996 has put an end to 1.1; RFC 8446 §4.2.1 says what becomes of who offers nothing else.
#[test]
fn openssl_gets_the_versions_that_the_configuration_allows() {
    let place = Place::new("versions");
    place.certificate("localhost", "localhost", 1);
    let ca = place.path("ca.pem");
    for (section, oldest) in [("", 12), ("min = '1.3'\n", 13)] {
        let process = place.serve(&(section.to_owned() + &place.entry("localhost")));
        for (flag, version, name) in
            [("-tls1_3", 13, "TLS 1.3"), ("-tls1_2", 12, "TLS 1.2"), ("-tls1_1", 11, "")]
        {
            // Debian's openssl would not even offer 1.1.
            let arguments =
                [flag, "-cipher", "ALL:@SECLEVEL=0", "-CAfile", &ca, "-verify_return_error"];
            let Some(seen) = ask(address(&process), &arguments) else { return };
            if version >= oldest {
                assert_eq!(seen.get("version"), name, "{}", seen.text);
                assert!(seen.text.contains("Verify return code: 0 (ok)"), "{}", seen.text);
            } else {
                // A client of 1.1 does not say which signatures it can verify, which rustls misses first.
                let alert = if version == 11 { 40 } else { 70 };
                let text = format!("SSL alert number {alert}\n");
                assert!(seen.json.is_none() && seen.text.contains(&text), "{}", seen.text);
            }
        }
    }
}

/// RFC 7301 §3.2.
#[test]
fn openssl_is_refused_without_a_common_protocol() {
    let place = Place::new("alpn");
    place.certificate("localhost", "localhost", 1);
    let process = place.serve(&place.entry("localhost"));
    for (offered, expected) in
        [("http/1.1", "ALPN protocol: http/1.1"), ("spdy/1", "SSL alert number 120")]
    {
        let Some(seen) = ask(address(&process), &["-alpn", offered]) else { return };
        assert!(seen.text.contains(expected), "{}", seen.text);
    }
    let alone = place.serve(&("alpn = ['h2']\n".to_owned() + &place.entry("localhost")));
    let Some(seen) = ask(address(&alone), &["-alpn", "http/1.1"]) else { return };
    assert!(seen.text.contains("SSL alert number 120"), "{}", seen.text);
}

/// openssl 3.0 cannot.
#[test]
fn the_hybrid_group_is_agreed_on() {
    let place = Place::new("group");
    place.certificate("localhost", "localhost", 1);
    let process = place.serve(&place.entry("localhost"));
    let seen = Connection::new(&process, &place.client()).get("/tls");
    assert_eq!(seen["group"], "X25519MLKEM768");
    assert_eq!(seen["server_name"], "localhost");
    assert_eq!(seen["cipher_suite"], "TLS_AES_256_GCM_SHA384");
}

#[test]
fn openssl_is_shown_the_certificate_of_the_name_it_asks_for() {
    let place = Place::new("names");
    for (file, name) in [("first", "localhost"), ("second", "www.example"), ("wild", "*.example")] {
        place.certificate(file, name, 1);
    }
    let entries = ["first", "second", "wild"].map(|file| place.entry(file)).concat();
    for (section, other) in [("", Some("first")), ("strict_sni = true\n", None)] {
        let process = place.serve(&(section.to_owned() + &entries));
        for (asked, expected) in [
            (&["-servername", "www.example"][..], Some("second")),
            (&["-servername", "api.example"], Some("wild")),
            (&["-servername", "a.b.example"], other),
            (&["-noservername"], other),
        ] {
            let Some(seen) = ask(address(&process), asked) else { return };
            match expected {
                Some(name) => {
                    let subject = format!("subject=CN = {name}\n");
                    assert!(seen.text.contains(&subject), "{asked:?} {}", seen.text);
                    let name = asked.get(1).map(|name| (*name).to_owned());
                    assert_eq!(*seen.get("server_name"), serde_json::json!(name));
                }
                // access_denied
                None => assert!(seen.text.contains("SSL alert number 49"), "{}", seen.text),
            }
        }
    }
}

/// RFC 6066 §8.
#[test]
fn openssl_is_given_the_response_of_a_file() {
    let place = Place::new("staple");
    place.certificate("localhost", "localhost", 0x1234);
    place.write("index.txt", "V\t491231235959Z\t\t1234\tunknown\t/CN=localhost\n");
    let path = |name| place.path(name);
    let [ca, key, leaf] = ["ca.pem", "ca.key", "localhost.pem"].map(path);
    let [index, request, response] = ["index.txt", "request", "response"].map(path);
    let asks = ["ocsp", "-issuer", &ca, "-cert", &leaf, "-reqout", &request];
    let answers = [
        &["ocsp", "-index", &index, "-CA", &ca, "-rsigner", &ca, "-rkey", &key][..],
        &["-reqin", &request, "-respout", &response, "-ndays", "3"],
    ]
    .concat();
    for arguments in [&asks[..], &answers] {
        let Some((is_fine, text)) = run(arguments, b"") else { return };
        assert!(is_fine, "{text}");
    }
    let entry = place.entry("localhost") + &format!("ocsp = '{response}'\n");
    let process = place.serve(&entry);
    for version in ["-tls1_3", "-tls1_2"] {
        let arguments = [version, "-status", "-CAfile", &ca];
        let Some(seen) = ask(address(&process), &arguments) else { return };
        for expected in ["OCSP Response Status: successful", "Cert Status: good"] {
            assert!(seen.text.contains(expected), "{}", seen.text);
        }
    }
    // Who does not ask is not given it.
    let Some(seen) = ask(address(&process), &[]) else { return };
    assert!(!seen.text.contains("OCSP Response Status"), "{}", seen.text);
}
