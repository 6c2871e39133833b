//! What warm keep-alive requests allocate, through the demo's own router, default layers and connection; and through
//! an extractor and a response of JSON. A binary of its own, because the allocator belongs to the whole program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use trilane::{Json, Router, Shard, get, post};
use trilane_benches::counting::allocations;
use trilane_benches::{Counting, Scenario, Wire};
use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::{Known, NameRef};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the second hundred turns.
fn warm_allocations(mut wire: Wire, scenario: &Scenario) -> usize {
    for _ in 0..100 {
        assert!(wire.turn(scenario), "{scenario:?} is answered wrongly");
    }
    let before = allocations();
    for _ in 0..100 {
        assert!(wire.turn(scenario));
    }
    allocations() - before
}

#[test]
fn warm_requests_of_the_demo() {
    for (scenario, most) in [
        (Scenario::plaintext(), 0),
        (Scenario::browser(), 0),
        (Scenario::pipelined(), 0),
        (Scenario::json(), 0),
        // The string that its handler asks for.
        (Scenario::parameter(), 1),
        // The exchange that waits for its content, and the content.
        (Scenario::echo(), 2),
        (Scenario::h2_one(), 0),
        (Scenario::h2_many(), 0),
        (Scenario::h2_browser(), 0),
    ] {
        let wire = Wire::new(&scenario).unwrap();
        let count = warm_allocations(wire, &scenario);
        assert!(count <= 100 * most, "{scenario:?}: {count} in 100 turns");
    }
}

#[test]
fn json_in_and_out() {
    let routes = |_: &Shard| {
        Router::new()
            .route("/boxed", get(|| async { Json(Box::new(7)) }))
            .route("/json", post(async |Json(user): Json<(String, u64)>| Json(user)))
    };
    let json = br#"["Ann Example",1234567]"#;
    let post = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n";
    let scenario = Scenario {
        name: "JSON in and out",
        bytes: [post.as_bytes(), json].concat(),
        frames: None,
        requests: 1,
        body: json.to_vec(),
    };
    let boxed = Scenario {
        name: "a box",
        bytes: b"GET /boxed HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        frames: None,
        requests: 1,
        body: b"7".to_vec(),
    };
    let wire = || Wire::serving(routes).unwrap();
    // The exchange, its content, the string that the extractor makes.
    let count = warm_allocations(wire(), &scenario);
    assert!(count <= 300, "{count} in 100 turns");
    assert_eq!(warm_allocations(wire(), &boxed), 100, "the allocator counts");
}

#[test]
fn blocks_of_hpack() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(Encoder::TABLE_SIZE));
    let mut block = Vec::with_capacity(1024);
    let mut turn = |round: usize| {
        block.clear();
        encoder.begin(&mut block);
        // Known, changing with each block, and once in a while.
        let (path, date) = (["/a path", "/another"][round % 2], format_date(round / 10));
        encoder.field(&mut block, Field::new(NameRef::Other(b":path"), path.as_bytes()));
        encoder.field(&mut block, Field::new("x-own", b"a value to be coded"));
        encoder.field(&mut block, Field::new(Known::Date, &date));
        let mut count = 0;
        let decoded = decoder.decode(&block, |_| {
            count += 1;
            Ok::<_, ()>(())
        });
        assert_eq!((decoded, count), (Ok(()), 3));
    };
    // Until both tables are full and have gone round.
    (0..5000).for_each(&mut turn);
    let before = allocations();
    (5000..10_000).for_each(&mut turn);
    assert_eq!(allocations() - before, 0);
}

/// As long as a date.
fn format_date(second: usize) -> [u8; 29] {
    let mut date = *b"Sat, 21 Nov 2026 12:00:00 GMT";
    date[20..22].copy_from_slice(&[b'0' + (second / 10 % 10) as u8, b'0' + (second % 10) as u8]);
    date
}
