//! The routes without sockets: time passes at once here, but what runs is sampled all the same.

use std::io::Read;

use flate2::read::GzDecoder;
use trilane_service::default_layers;
use trilane_service::testing::TestClient;

use super::*;

fn client() -> TestClient {
    let about = About::from([("version".to_owned(), "1.2.3".to_owned())]);
    TestClient::new(of_process(about).layer(default_layers(None))).unwrap()
}

/// What is in a profile: the strings are as they are.
fn inflated(bytes: &[u8]) -> String {
    let mut content = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut content).unwrap();
    String::from_utf8_lossy(&content).into_owned()
}

#[test]
fn cpu_profiles_come_one_at_a_time() {
    let client = client();
    for (query, says) in [
        ("seconds=0", "seconds is 1 to 300"),
        ("seconds=301", "seconds is 1 to 300"),
        ("hz=0", "it is 1 to 1000"),
        ("hz=1001", "it is 1 to 1000"),
        ("seconds=x", "the query is not what is expected"),
    ] {
        let mut answer = client.get(&format!("/debug/pprof/profile?{query}")).send();
        assert_eq!(answer.status(), 400, "{query}");
        assert!(answer.text().contains(says), "{query}");
    }
    // It is being taken from its head on, and until nobody waits for it.
    let other = client.get("/debug/pprof/profile?seconds=300").send();
    assert_eq!(other.status(), 200);
    for path in ["/debug/pprof/profile", "/debug/flamegraph"] {
        let mut answer = client.get(path).send();
        assert_eq!(answer.status(), 409, "{path}");
        assert!(answer.text().contains("another CPU profile is being taken"));
    }
    drop(other);
    let mut answer = client.get("/debug/pprof/profile?seconds=2&hz=1000").send();
    assert_eq!((answer.status(), answer.field("content-encoding")), (200, None));
    let content = inflated(answer.bytes());
    assert!(content.contains("nanoseconds") && content.contains("samples"), "{content}");
    let mut answer = client.get("/debug/flamegraph?seconds=1").send();
    assert_eq!(answer.field("content-type"), Some("image/svg+xml"));
    assert!(answer.text().ends_with("</svg>\n"));
}

#[test]
fn heap_profiles_are_begun() {
    let client = client();
    let mut answer = client.get("/debug/pprof/heap").send();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().contains("heap_profile"));
    for every in ["1", "1023", "1073741825"] {
        let answer = client.post(&format!("/debug/pprof/heap?every={every}")).send();
        assert_eq!(answer.status(), 400, "{every}");
    }
    let mut answer = client.post("/debug/pprof/heap?every=65536").send();
    assert_eq!(answer.text(), "a sample of the heap is taken once in 65536 bytes\n");
    for path in ["/debug/pprof/heap", "/debug/pprof/allocs"] {
        let mut answer = client.get(path).send();
        assert_eq!(answer.status(), 200);
        assert!(inflated(answer.bytes()).contains("inuse_space"), "{path}");
    }
    let mut answer = client.post("/debug/pprof/heap?every=0").send();
    assert_eq!(answer.text(), "no samples of the heap are taken\n");
    assert_eq!(client.get("/debug/pprof/allocs").send().status(), 503);
}

#[test]
fn addresses_have_names() {
    let client = client();
    assert_eq!(client.get("/debug/pprof/symbol").send().text(), "num_symbols: 1\n");
    let here = addresses_have_names as fn() as usize;
    let ask = |content: String| client.post("/debug/pprof/symbol").body(content).send();
    let text = ask(format!("{here:#x}+0x1")).text();
    let expected =
        format!("num_symbols: 1\n{here:#x} trilane_pprof::tests::addresses_have_names\n0x1 0x1\n");
    assert_eq!(text, expected);
    for wrong in ["", "0x", "g", "0x1+", "0x1 0x2", &"1+".repeat(1024), "0x1ffffffffffffffff"] {
        assert_eq!(ask(wrong.to_owned()).status(), 400, "{wrong}");
    }
}

#[test]
fn the_process_is_told_of() {
    let client = client();
    let info: serde_json::Value = client.get("/debug/info").send().json().unwrap();
    assert_eq!(info["version"], "1.2.3");
    assert_eq!(info["pid"], std::process::id());
    assert!(info["limits"]["Max open files"][0].is_string(), "{info}");
    let line = client.get("/debug/pprof/cmdline").send().text();
    assert!(line.contains("trilane_pprof"), "{line}");
}

#[test]
fn everything_is_in_the_index() {
    let client = client();
    let text = client.get("/debug/pprof/").send().text();
    for (path, _) in index::ALL {
        assert!(text.contains(path), "{path}");
        // Those about shards are not here.
        let is_here = client.get(&format!("{path}?seconds=0")).send().status() != 404;
        let of_shards = ["/goroutine", "/block", "/mutex", "/trace"];
        assert_eq!(is_here, !of_shards.iter().any(|end| path.ends_with(end)), "{path}");
    }
    let page = client.get("/debug/pprof/").field("accept", "text/html,*/*;q=0.8").send().text();
    assert!(page.contains("<a href=\"/debug/pprof/heap\">"), "{page}");
}
