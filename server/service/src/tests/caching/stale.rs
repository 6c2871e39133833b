//! What is no longer fresh: asked about, brought up to date, used all the same, or made invalid.

use super::*;

#[test]
fn a_stale_response_is_asked_about() {
    let rig = Rig::new(CacheConfig::new());
    let handler = |request: &Request| {
        let fields = &request.head().fields;
        let lines = [("cache-control", "max-age=5"), ("etag", "\"v1\""), ("x-count", "2")];
        if fields.get(Known::IfNoneMatch) == Some(b"\"v1\"") {
            let mut response = reply(&lines, "");
            response.head.status = StatusCode::NOT_MODIFIED;
            return response;
        }
        reply(&[lines[0], lines[1], ("x-count", "1"), ("x-old", "o")], "one")
    };
    rig.script(handler);
    rig.get(&[]);
    rig.pass(5);
    let got = rig.get(&[("if-none-match", "\"client\""), ("range", "bytes=0-0")]);
    // What the client asked about is not what the cache asks about; its range counts.
    assert_eq!(rig.saw("if-none-match").as_deref(), Some("\"v1\""));
    assert_eq!((rig.saw("range"), got.status, &*got.body), (None, 206, "o"));
    assert_eq!(got.told, "fwd=stale; fwd-status=304; ttl=5; stored");
    // RFC 9111 §3.2: the fields of the 304 take the place of the stored ones.
    let hit = rig.get(&[]);
    assert_eq!((&*hit.told, &*hit.body), ("hit; ttl=5", "one"));
    assert_eq!(hit.fields.get_str("x-count"), Some("2"));
    assert_eq!(hit.fields.get_str("x-old"), Some("o"));
    assert_eq!((hit.age(), rig.calls()), (Some("0"), 2));
    // A new response takes its place.
    rig.script(|_| reply(&[("cache-control", "max-age=5"), ("etag", "\"v2\"")], "two"));
    rig.pass(9);
    assert_eq!(rig.get(&[]).body, "two");
    assert_eq!(rig.get(&[]).told, "hit; ttl=5");
    // RFC 9111 §4.3.4: another strong tag is about something else, and changes nothing.
    rig.script(|_| {
        let mut response = reply(&[("cache-control", "max-age=99"), ("etag", "\"v3\"")], "");
        response.head.status = StatusCode::NOT_MODIFIED;
        response
    });
    rig.pass(9);
    assert_eq!(rig.get(&[]).told, "fwd=stale; fwd-status=304");
    assert_eq!(rig.get(&[]).told, "fwd=stale; fwd-status=304");
}

#[test]
fn what_changes_something_makes_stored_responses_invalid() {
    for (method, status, lines, target, is_gone) in [
        ("POST", 200, [("x", "y")], "/a", true),
        ("PUT", 303, [("x", "y")], "/a", true),
        ("M-SEARCH", 204, [("x", "y")], "/a", true),
        ("DELETE", 404, [("x", "y")], "/a", false),
        ("POST", 500, [("x", "y")], "/a", false),
        ("OPTIONS", 200, [("x", "y")], "/a", false),
        ("POST", 201, [("location", "/a")], "/b", true),
        ("POST", 201, [("location", "http://h/a")], "/b", true),
        ("POST", 200, [("content-location", "a")], "/b", true),
        ("POST", 201, [("location", "http://other/a")], "/b", false),
    ] {
        let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=9")], "x");
        rig.get(&[]);
        rig.script(move |_| {
            let mut response = reply(&lines, "");
            response.head.status = StatusCode::from_u16(status).unwrap();
            response
        });
        assert_eq!(rig.send(method, target, &[]).told, "fwd=method");
        rig.script(|_| reply(&[], ""));
        let told = rig.get(&[]).told;
        assert_eq!(told.starts_with("fwd"), is_gone, "{method} {status} {lines:?} {told}");
    }
}

#[test]
fn head_brings_up_to_date_or_shows_what_is_not() {
    const TAG: (&str, &str) = ("etag", "\"v1\"");
    const FRESH: (&str, &str) = ("cache-control", "max-age=9");
    for (lines, expected) in [
        (vec![FRESH, TAG, ("content-length", "3")], "hit; ttl=9"),
        (vec![FRESH, ("etag", "\"v2\"")], "fwd=uri-miss"),
        (vec![FRESH, TAG, ("content-length", "4")], "fwd=uri-miss"),
    ] {
        let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=9"), TAG], "one");
        rig.get(&[]);
        rig.pass(9);
        let answer = lines.clone();
        rig.script(move |_| reply(&answer, ""));
        assert_eq!(rig.send("HEAD", "/a", &[]).told, "fwd=stale");
        rig.script(|_| reply(&[], ""));
        assert_eq!(rig.get(&[]).told, expected, "{lines:?}");
    }
}

#[test]
fn stale_while_it_is_fetched_anew() {
    const LINES: &[(&str, &str)] =
        &[("cache-control", "s-maxage=5, stale-while-revalidate=10"), ("vary", "x")];
    let rig = Rig::answering(CacheConfig::new(), LINES, "one");
    rig.get(&[]);
    rig.script(|_| reply(LINES, "two"));
    rig.pass(15);
    // One fetches, and nobody waits.
    for _ in 0..3 {
        let got = rig.get(&[]);
        assert_eq!((&*got.told, &*got.body), ("hit; ttl=-10", "one"));
    }
    assert_eq!(rig.calls(), 1);
    rig.run();
    assert_eq!((rig.calls(), &*rig.get(&[]).told, &*rig.get(&[]).body), (2, "hit; ttl=5", "two"));
    rig.pass(16);
    assert_eq!(rig.get(&[]).told, "fwd=stale; ttl=5; stored");
    // One that fails leaves what there is, and another tries.
    rig.script(|_| panic!("on purpose"));
    rig.pass(6);
    for calls in [4, 5] {
        assert_eq!(rig.get(&[]).told, "hit; ttl=-1");
        rig.run();
        assert_eq!(rig.calls(), calls);
    }
}

#[test]
fn stale_if_the_handler_fails() {
    for (value, age, status) in [
        ("max-age=5, stale-if-error=10", 15, 200),
        ("max-age=5, stale-if-error=10", 16, 503),
        ("max-age=5", 6, 503),
        ("max-age=5, must-revalidate, stale-if-error=10", 6, 503),
    ] {
        let rig = Rig::new(CacheConfig::new());
        rig.script(move |_| reply(&[("cache-control", value)], "one"));
        rig.get(&[]);
        rig.pass(age);
        rig.script(|_| Response::new(StatusCode::SERVICE_UNAVAILABLE));
        let got = rig.get(&[]);
        assert_eq!(got.status, status, "{value} {age}");
        if status == 200 {
            assert_eq!((&*got.told, &*got.body), ("fwd=stale; fwd-status=503; ttl=-10", "one"));
        }
    }
}

#[test]
fn handlers_may_have_targets_forgotten() {
    let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=9")], "x");
    let cache = rig.cache.clone();
    rig.get(&[]);
    rig.script(move |request| {
        assert!(cache.forget(request.exchange(), "/a"));
        assert!(!cache.forget(request.exchange(), "http://other/a"));
        reply(&[], "")
    });
    assert!(rig.get(&[]).told.starts_with("hit"));
    rig.send("GET", "/b", &[]);
    assert_eq!(rig.get(&[]).told, "fwd=uri-miss");
    assert_eq!(rig.cache.size(), (0, 0));
}

/// RFC 9111 §3.2: a 304 may take back what the response before it allowed.
#[test]
fn what_may_be_stored_no_more_is_forgotten() {
    const TAG: (&str, &str) = ("etag", "\"v\"");
    for (value, is_kept) in [("max-age=5", true), ("private", false), ("no-store", false)] {
        let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=5"), TAG], "x");
        rig.get(&[]);
        rig.pass(5);
        rig.script(move |_| {
            let mut response = reply(&[("cache-control", value), TAG, ("set-cookie", "a=b")], "");
            response.head.status = StatusCode::NOT_MODIFIED;
            response
        });
        let got = rig.get(&[]);
        // The cookie is for who has asked.
        let cookie = got.fields.get_str(Known::SetCookie);
        assert_eq!((got.status, &*got.body, cookie), (200, "x", Some("a=b")), "{value}");
        assert_eq!((got.told.ends_with("stored"), rig.cache.size().1 == 1), (is_kept, is_kept));
        if is_kept {
            let hit = rig.get(&[]);
            assert_eq!((&*hit.told, hit.fields.contains(Known::SetCookie)), ("hit; ttl=5", false));
        }
    }
}

/// RFC 9111 §3.2, §4.1: after a 304 that says so the response is for fewer than before, or has fewer fields.
#[test]
fn what_is_brought_up_to_date_is_as_the_304_says() {
    const TAG: (&str, &str) = ("etag", "\"v\"");
    const STORED: &[(&str, &str)] = &[("cache-control", "max-age=5"), TAG, ("b", "1")];
    for (lines, like_it, other) in [
        (&[("vary", "x"), TAG][..], "hit; ttl=5", "fwd=vary-miss"),
        (&[("vary", "*"), TAG], "fwd=uri-miss", "fwd=uri-miss"),
        (&[("cache-control", "max-age=5, private=\"b\""), TAG], "hit; ttl=5", "hit; ttl=5"),
    ] {
        let rig = Rig::answering(CacheConfig::new(), STORED, "one");
        rig.get(&[("x", "1")]);
        rig.pass(5);
        rig.script(move |_| {
            let mut response = reply(lines, "");
            response.head.status = StatusCode::NOT_MODIFIED;
            response
        });
        assert_eq!(rig.get(&[("x", "1")]).body, "one");
        rig.script(|_| reply(&[], "two"));
        let got = rig.get(&[("x", "1")]);
        assert_eq!(got.told, like_it, "{lines:?}");
        let is_withheld = lines[0].0 == "cache-control";
        assert_eq!(got.fields.contains("b"), like_it.starts_with("hit") && !is_withheld);
        assert_eq!(rig.get(&[("x", "2")]).told, other, "{lines:?}");
    }
}

/// Each request once, as Cache-Status tells; but for what is fetched anew.
#[test]
fn what_was_done_is_counted() {
    const LINES: &[(&str, &str)] =
        &[("cache-control", "max-age=5, stale-while-revalidate=5"), ("vary", "x")];
    let rig = Rig::answering(CacheConfig::new(), LINES, "one");
    let no_cache = ("cache-control", "no-cache");
    for lines in [&[][..], &[], &[("x", "1")], &[no_cache], &[("if-match", "*")]] {
        rig.get(lines);
    }
    rig.send("GET", "/b", &[("authorization", "Basic eDp5")]);
    rig.send("POST", "/c", &[]);
    rig.pass(5);
    rig.get(&[]);
    rig.run();
    assert!(rig.get(&[]).told.starts_with("hit"));
    let counts = rig.fake.stats.cache.all();
    let counted: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    let expected = [
        ("hit", 3),
        ("bypass", 1),
        ("method", 1),
        ("uri-miss", 2),
        ("vary-miss", 1),
        ("request", 1),
        ("stale", 1),
    ];
    assert_eq!(counted, expected);
}

/// A refresh that comes to no end within what may be stored is given up.
#[test]
fn what_is_fetched_anew_has_a_bound() {
    const LINES: &[(&str, &str)] = &[("cache-control", "max-age=5, stale-while-revalidate=50")];
    let rig = Rig::answering(CacheConfig::new().largest(2000), LINES, "one");
    rig.get(&[]);
    rig.pass(5);
    let sent = Rc::new(Cell::new(0));
    let count = Rc::clone(&sent);
    rig.script(move |_| {
        let count = Rc::clone(&count);
        let endless = Outgoing::write(|writer| async move {
            for _ in 0..1000 {
                count.set(count.get() + 1);
                writer.send("x".repeat(100)).await;
            }
            Ok(())
        });
        reply(LINES, "").body(endless)
    });
    assert_eq!(rig.get(&[]).body, "one");
    rig.run();
    assert!((20..40).contains(&sent.get()), "{}", sent.get());
    // Nobody is at it any more, so the next one begins again.
    assert_eq!(rig.get(&[]).body, "one");
    rig.run();
    assert_eq!(rig.calls(), 3);
}
