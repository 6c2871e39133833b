//! Sessions that resume: on the other shard, in another process, after a rotation of keys.

use super::openssl::ask;
use super::place::{Connection, Place, address};
use super::reload::reload;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n";

/// Random keys are shared by the shards of a process.
#[test]
fn openssl_resumes_on_every_shard() {
    let place = Place::new("shards");
    place.certificate("localhost", "localhost", 1);
    let process = place.serve(&place.entry("localhost"));
    let file = place.path("session");
    for version in ["-tls1_3", "-tls1_2"] {
        let Some(first) = ask(address(&process), &[version, "-sess_out", &file]) else { return };
        assert_eq!(*first.get("resumed"), false, "{}", first.text);
        // All on one connection, so that each reading adds the same to the counters.
        let mut stats = Connection::new(&process, &place.client());
        let mut requests = || {
            let counters = stats.get("/stats");
            [0, 1].map(|shard| counters["shards"][shard]["requests"].as_u64().unwrap())
        };
        let (first, mut before) = (requests(), requests());
        let (own, mut used) = ([0, 1].map(|shard| before[shard] - first[shard]), [false; 2]);
        // The kernel spreads connections by their ports: of 64 none goes to one of two shards once in 10^19 runs.
        for _ in 0..64 {
            let seen = ask(address(&process), &[version, "-sess_in", &file]).unwrap();
            assert_eq!(*seen.get("resumed"), true, "{}", seen.text);
            assert!(seen.text.contains("Reused, "), "{}", seen.text);
            let now = requests();
            for shard in [0, 1] {
                used[shard] |= now[shard] - before[shard] > own[shard];
            }
            before = now;
            if used == [true; 2] {
                break;
            }
        }
        assert_eq!(used, [true; 2], "{version}");
    }
}

#[test]
fn openssl_resumes_in_a_second_process_and_after_a_rotation() {
    let place = Place::new("rotation");
    place.certificate("localhost", "localhost", 1);
    let serve = |keys: &str, content: &str| {
        place.write(keys, content);
        let path = place.path(keys);
        place.serve(&(format!("ticket_keys = '{path}'\n") + &place.entry("localhost")))
    };
    let one = serve("one", A);
    let two = serve("two", A);
    let stranger = serve("stranger", B);
    let file = place.path("session");
    // What the last one leaves in the file is used below.
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(first) = ask(address(&one), &[version, "-sess_out", &file]) else { return };
        assert_eq!(*first.get("resumed"), false);
        let resumes = |process| {
            let seen = ask(address(process), &[version, "-sess_in", &file]).unwrap();
            seen.get("resumed").as_bool()
        };
        assert_eq!((resumes(&one), resumes(&two)), (Some(true), Some(true)));
        assert_eq!(resumes(&stranger), Some(false));
    }
    // A new key is added last, then promoted, and tickets of both are good everywhere.
    for content in [A.to_owned() + B, B.to_owned() + A] {
        place.write("two", &content);
        reload(&place, &two, &(place_section(&place, "two")));
        let new = place.path("new");
        ask(address(&two), &["-sess_out", &new]).unwrap();
        for session in [&file, &new] {
            let seen = ask(address(&two), &["-sess_in", session]).unwrap();
            assert_eq!(*seen.get("resumed"), true, "{}", seen.text);
        }
        // What the second has sealed since: under the key that all have, then under the new one.
        let seen = ask(address(&one), &["-sess_in", &new]).unwrap();
        assert_eq!(*seen.get("resumed"), content.starts_with(A));
    }
}

fn place_section(place: &Place, keys: &str) -> String {
    format!("ticket_keys = '{}'\n", place.path(keys)) + &place.entry("localhost")
}
