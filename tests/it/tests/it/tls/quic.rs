//! Who we are over QUIC: the same certificates, by the same names.

use std::path::Path;

use serde_json::json;

use super::place::Place;
use crate::h3::aioquic;

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let place = Place::new("quic");
    place.certificate("one", "one.example", 1);
    place.certificate("two", "two.example", 2);
    let server = place.serve(&[place.entry("one"), place.entry("two")].concat());
    let trusted = place.path("ca.pem");
    for (name, subject) in [("one.example", "CN=one"), ("two.example", "CN=two")] {
        // RFC 9001 §4.4: as over TCP.
        let got = aioquic::run_by(&server, Path::new(&trusted), "certificate", &[name]);
        let Some(got) = got else { return };
        assert_eq!(got, json!({"status": 200, "subject": subject}));
    }
}
