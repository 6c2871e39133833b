//! The demo's `/cached/{key}`: conditions, ranges and invalidation as a client sees them, over every protocol and from both shards.

use super::super::parity::{Answer, Ask, House, LANES, Lane};

/// `key` behind the cache, as `wish` says.
fn target(lane: &dyn Lane, key: &str, wish: &str) -> String {
    format!("/cached/{}-{key}?{wish}", lane.name())
}

fn told(answer: &Answer) -> &str {
    answer.head.field("cache-status").unwrap()
}

#[test]
fn conditions_count_whoever_judges_them() {
    const BEFORE: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
    const AFTER: &str = "Thursday, 01-Jan-65 00:00:00 GMT";
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| demo(&shard));
    for lane in LANES {
        let mut client = lane.open(&house);
        // From the store, from the handler, and by the handler alone, where the cache must not judge (RFC 9111 §4.3.2).
        for (key, wish) in [("kept", "cc=max-age%3D99"), ("asked", "cc=no-store")] {
            let wish = format!("{wish}&etag=%22a%22&lm=-1000&size=100");
            let target = target(*lane, key, &wish);
            client.ask(&Ask::get(&*target)).status(200);
            for (name, value, status) in [
                ("if-none-match", "\"b\" ,W/\"a\"", 304),
                ("if-none-match", "\"b\"", 200),
                ("if-modified-since", AFTER, 304),
                ("if-modified-since", BEFORE, 200),
                ("if-modified-since", "soon", 200),
                ("if-match", "\"b\", \"a\"", 200),
                ("if-match", "W/\"a\"", 412),
                ("if-unmodified-since", BEFORE, 412),
                ("if-unmodified-since", AFTER, 200),
            ] {
                let ask = Ask::get(&*target).field(name, value);
                let answer = client.ask(&ask).status(status);
                assert!(status != 200 || answer.body.len() == 100, "{name}: {value}");
                if status == 304 {
                    assert_eq!(answer.head.field("etag"), Some("\"a\""), "{}", lane.name());
                    assert_eq!(answer.head.field("content-type"), None);
                }
            }
        }
        let target = target(*lane, "kept", "cc=max-age%3D99&etag=%22a%22&lm=-1000&size=100");
        for (range, condition, status, told) in [
            ("bytes=90-", "\"a\"", 206, Some("bytes 90-99/100")),
            ("bytes=90-", "W/\"a\"", 200, None),
            ("bytes=90-", "\"b\"", 200, None),
            ("bytes=100-", "\"a\"", 416, Some("bytes */100")),
        ] {
            let ask = Ask::get(&*target).field("range", range).field("if-range", condition);
            let answer = client.ask(&ask).status(status);
            assert_eq!(answer.head.field("content-range"), told, "{range} over {}", lane.name());
        }
    }
}

#[test]
fn only_what_succeeds_makes_others_forget() {
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| demo(&shard));
    for lane in LANES {
        let mut clients: Vec<_> = (0..4).map(|_| lane.open(&house)).collect();
        let other = target(*lane, "other", "cc=max-age%3D99");
        let elsewhere = other.replace('?', "%3F").replace('&', "%26").replace("%3D", "%253D");
        for (wish, forgets) in [
            ("unsafe=500".to_owned(), [false, false]),
            ("unsafe=404".to_owned(), [false, false]),
            ("unsafe=303".to_owned(), [true, false]),
            (String::new(), [true, false]),
            (format!("unsafe=201&location={elsewhere}"), [true, true]),
        ] {
            let one = target(*lane, "one", &format!("cc=max-age%3D99&{wish}"));
            for target in [&one, &other] {
                clients[0].ask(&Ask::get(&**target)).status(200);
            }
            clients[1].ask(&Ask::new("DELETE", &*one));
            for client in &mut clients {
                let mut is_gone = |target: &str| {
                    let only = Ask::get(target).field("cache-control", "only-if-cached");
                    client.ask(&only).head.status == 504
                };
                assert_eq!(
                    [is_gone(&one), is_gone(&other)],
                    forgets,
                    "{wish} over {}",
                    lane.name()
                );
            }
        }
    }
}

#[test]
fn a_field_for_such_caches_counts_before_others_and_all_is_counted() {
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| demo(&shard));
    for lane in LANES {
        let mut client = lane.open(&house);
        let wish = "cc=no-store&cdn=max-age%3D99;a,private%3D%22set-cookie%22&cookie=a%3Db";
        let ask = Ask::get(target(*lane, "cdn", wish));
        assert_eq!(client.ask(&ask).status(200).head.field("set-cookie"), Some("a=b"));
        let hit = client.ask(&ask).status(200);
        assert!(told(&hit).starts_with("trilane; hit"), "{} over {}", told(&hit), lane.name());
        assert_eq!(hit.head.field("set-cookie"), None);
        let metrics = client.ask(&Ask::get("/metrics")).text();
        assert!(metrics.contains("trilane_cache_requests_total{result=\"hit\"} "), "{metrics}");
    }
}

#[test]
fn stale_ones_are_asked_about_or_stand_in() {
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| demo(&shard));
    for lane in LANES {
        let mut client = lane.open(&house);
        // Each is 100 s old when it comes, and was fresh for 60.
        for (key, wish, first, second) in [
            ("error", "cc=max-age%3D60,stale-if-error%3D99&fail_from=2", "call 1\n", (200, "1")),
            ("firm", "cc=max-age%3D60,must-revalidate&fail_from=2", "call 1\n", (503, "")),
            ("anew", "cc=max-age%3D60,stale-while-revalidate%3D99", "call 1\n", (200, "1")),
            ("same", "cc=max-age%3D60&etag=%22a%22", "call 1\n", (200, "2")),
            ("other", "cc=max-age%3D60&etag=%22%7Bn%7D%22", "call 1\n", (200, "2")),
        ] {
            let ask = Ask::get(target(*lane, key, &format!("{wish}&age=100")));
            assert_eq!(client.ask(&ask).status(200).text(), first);
            let answer = client.ask(&ask).status(second.0);
            let calls = answer.head.field("x-calls").unwrap_or_default();
            assert_eq!(calls, second.1, "{key} over {}", lane.name());
            let is_first = answer.text() == first;
            assert_eq!(is_first, ["error", "anew", "same"].contains(&key), "{key}");
            let expected = match key {
                "anew" => "trilane; hit; ttl=-",
                "same" => "trilane; fwd=stale; fwd-status=304",
                "error" => "trilane; fwd=stale; fwd-status=503",
                _ => "trilane; fwd=stale",
            };
            assert!(told(&answer).starts_with(expected), "{key}: {}", told(&answer));
        }
    }
}
