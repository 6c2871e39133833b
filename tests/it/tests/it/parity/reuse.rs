//! Connections that are used again: keep-alive and pipelining (FEATURES P4), and `/stats`, which counts both.

use super::{Ability, Ask, House, LANES, Length};

#[test]
fn a_hundred_requests_on_one_connection() {
    for lane in LANES {
        let house = House::new(|_| {});
        let mut client = lane.open(&house);
        for number in 0..99 {
            let answer = client.ask(&Ask::get(format!("/users/{number}"))).status(200);
            assert_eq!(answer.text(), number.to_string(), "{}", lane.name());
        }
        let stats = client.ask(&Ask::get("/stats")).status(200).json();
        assert_eq!((&stats["accepted"], &stats["requests"]), (&1.into(), &100.into()));
        assert_eq!((&stats["open"], &stats["faults"]), (&1.into(), &0.into()), "{stats}");
        assert_eq!(stats["shards"].as_array().unwrap().len(), 2);
        assert!(stats["received"].as_u64() > Some(0) && stats["sent"].as_u64() > Some(0));
        assert!(client.is_open(), "{}", lane.name());
    }
}

#[test]
fn sixteen_requests_at_once_are_answered_each() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Many)) {
        let mut client = lane.open(House::shared());
        // Of any length: the slow ones hold nobody's answer back for good.
        let targets: Vec<_> = (0..16)
            .map(|number| match number % 4 {
                0 => ("/slow/5".to_owned(), "slept 5 ms\n".to_owned()),
                1 => (format!("/users/{number}"), number.to_string()),
                2 => ("/bytes/30000".to_owned(), "x".repeat(30_000)),
                _ => ("/plaintext".to_owned(), "Hello, World!".to_owned()),
            })
            .collect();
        let ids: Vec<_> =
            targets.iter().map(|(target, _)| client.begin(&Ask::get(target))).collect();
        for (id, (target, text)) in ids.into_iter().zip(&targets) {
            let answer = client.answer(id).whole().status(200);
            assert!(answer.text() == *text, "{} {target}", lane.name());
        }
        assert!(client.is_open(), "{}", lane.name());
    }
}

#[test]
fn sixteen_uploads_at_once_are_answered_each() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Many)) {
        let mut client = lane.open(House::shared());
        let contents: Vec<_> =
            (0..16u8).map(|number| vec![number; 1 + 1000 * number as usize]).collect();
        let mut ids = Vec::new();
        for content in &contents {
            let id = client.begin(&Ask::post("/echo", Length::Exact(content.len() as u64)));
            client.send(id, content).unwrap();
            ids.push(id);
        }
        for (id, content) in ids.into_iter().zip(contents) {
            assert_eq!(client.answer(id).whole().status(200).body, content, "{}", lane.name());
        }
    }
}
