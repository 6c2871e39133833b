//! What is stored, and who is answered with it.

use super::*;

#[test]
fn the_second_is_a_hit_and_grows_old() {
    let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=10")], "one");
    let first = rig.get(&[]);
    assert_eq!((&*first.told, first.age()), ("fwd=uri-miss; ttl=10; stored", None));
    rig.pass(4);
    // Once by the store, then by the shard's own way.
    for _ in 0..2 {
        let hit = rig.get(&[]);
        assert_eq!((&*hit.told, hit.age(), &*hit.body), ("hit; ttl=6", Some("4"), "one"));
        assert_eq!(hit.fields.get_str(Known::Date), Some("Mon, 12 Jan 1970 13:46:40 GMT"));
    }
    assert_eq!(rig.send("HEAD", "/a", &[]).told, "hit; ttl=6");
    // Another target, and another host, are others.
    assert_eq!(rig.send("GET", "/a?", &[]).told, "fwd=uri-miss; ttl=10; stored");
    rig.pass(6);
    assert_eq!((&*rig.get(&[]).told, rig.calls()), ("fwd=stale; ttl=10; stored", 3));
}

#[test]
fn what_is_not_stored() {
    let rig = Rig::new(CacheConfig::new().largest(600));
    let scripts: Vec<Act> = vec![
        Box::new(|_| reply(&[], "says nothing")),
        Box::new(|_| reply(&[("cache-control", "no-store, max-age=9")], "")),
        Box::new(|_| reply(&[("cache-control", "private, max-age=9")], "")),
        Box::new(|_| reply(&[("cache-control", "max-age=9"), ("vary", "*")], "")),
        Box::new(|_| reply(&[("cache-control", "max-age=9"), ("set-cookie", "a=b")], "")),
        // An error, whose content another layer makes.
        Box::new(|_| {
            let error = Error::new(StatusCode::NOT_FOUND);
            Response::from(error).field("cache-control", "max-age=9")
        }),
        Box::new(|_| {
            let large = Response::new(StatusCode::OK).field("cache-control", "max-age=9");
            large.body(vec![b'x'; 601])
        }),
        Box::new(|_| {
            let body = Outgoing::write(|writer| async move {
                writer.send("ab").await;
                Err("broken".into())
            });
            Response::new(StatusCode::OK).field("cache-control", "max-age=9").body(body)
        }),
    ];
    for (at, script) in scripts.into_iter().enumerate() {
        rig.script(script);
        let target = format!("/{at}");
        for _ in 0..2 {
            let told = rig.send("GET", &target, &[]).told;
            assert_eq!(told, "fwd=uri-miss", "{at}");
        }
    }
    // A request says so.
    rig.script(|_| reply(&[("cache-control", "max-age=9")], ""));
    assert_eq!(rig.get(&[("cache-control", "no-store")]).told, "fwd=request");
    assert!(rig.get(&[]).told.starts_with("fwd=uri-miss"));
}

#[test]
fn streams_are_stored_when_they_have_ended() {
    let rig = Rig::new(CacheConfig::new());
    let streamed = |length: Option<u64>, trailers: bool| {
        move |_: &Request| {
            let body = Outgoing::write(move |writer| async move {
                writer.send("ab").await;
                writer.send("cd").await;
                if trailers {
                    writer.trailers(Fields::new()).await;
                }
                Ok(())
            });
            let body = match length {
                Some(length) => body.with_length(length),
                None => body,
            };
            Response::new(StatusCode::OK).field("cache-control", "max-age=9").body(body)
        }
    };
    for (target, length, trailers, is_stored) in [
        ("/unknown", None, false, true),
        ("/known", Some(4), false, true),
        ("/short", Some(5), false, false),
        ("/trailers", None, true, false),
        ("/large", Some(5 << 20), false, false),
    ] {
        rig.script(streamed(length, trailers));
        assert_eq!(rig.send("GET", target, &[]).body, "abcd");
        let second = rig.send("GET", target, &[]);
        assert_eq!(second.told.starts_with("hit"), is_stored, "{target} {}", second.told);
        assert_eq!(second.body, "abcd");
    }
    // Not so much at a time as would not fit.
    let small = Rig::new(CacheConfig::new().bytes(3));
    small.script(streamed(None, false));
    assert_eq!(small.send("GET", "/small", &[]).body, "abcd");
    assert_eq!(small.send("GET", "/small", &[]).told, "fwd=uri-miss");
    // One whose client leaves is nobody's.
    rig.script(streamed(None, false));
    let Reply::Ready(left) = rig.begin("GET", "/left", &[]) else { panic!("not ready") };
    drop(left);
    assert_eq!(rig.send("GET", "/left", &[]).told, "fwd=uri-miss");
}

#[test]
fn conditions_and_ranges_are_answered_from_the_store() {
    const LINES: &[(&str, &str)] = &[
        ("cache-control", "max-age=60"),
        ("content-type", "text/plain"),
        ("etag", "W/\"v1\""),
        ("last-modified", "Mon, 12 Jan 1970 13:00:00 GMT"),
    ];
    let rig = Rig::answering(CacheConfig::new(), LINES, "0123456789");
    rig.get(&[]);
    for (lines, status) in [
        ([("if-none-match", "\"v1\"")], 304),
        ([("if-none-match", "\"x\", W/\"v1\"")], 304),
        ([("if-none-match", "*")], 304),
        ([("if-none-match", "\"v2\"")], 200),
        ([("if-modified-since", "Mon, 12 Jan 1970 13:00:00 GMT")], 304),
        ([("if-modified-since", "Mon, 12 Jan 1970 12:59:59 GMT")], 200),
        ([("range", "bytes=2-3")], 206),
        ([("range", "bytes=10-")], 416),
    ] {
        let got = rig.get(&lines);
        assert_eq!((got.status, &*got.told), (status, "hit; ttl=60"), "{lines:?}");
        let is_304 = status == 304;
        assert_eq!(got.fields.contains(Known::ETag), status != 416, "{lines:?}");
        assert_eq!(got.fields.contains(Known::ContentType), status == 200 || status == 206);
        assert_eq!(got.body.is_empty(), is_304 || status == 416);
    }
    let part = rig.get(&[("range", "bytes=-3")]);
    assert_eq!(
        (&*part.body, part.fields.get_str(Known::ContentRange)),
        ("789", Some("bytes 7-9/10"))
    );
    assert_eq!(rig.calls(), 1);
    // RFC 9111 §4.3.2: these are the handler's.
    for name in ["if-match", "if-unmodified-since"] {
        assert_eq!(rig.get(&[(name, "\"v1\"")]).told, "fwd=bypass");
        assert_eq!(rig.saw(name).as_deref(), Some("\"v1\""));
    }
    // Where nobody knows when it was changed, its Date is meant.
    rig.script(|_| reply(&[("cache-control", "max-age=60")], "b"));
    rig.send("GET", "/b", &[]);
    let same = [("if-modified-since", "Mon, 12 Jan 1970 13:46:40 GMT")];
    assert_eq!(rig.send("GET", "/b", &same).status, 304);
    // A client's own conditions go through when nothing is stored, and count for what comes back.
    rig.script(|_| reply(LINES, "c"));
    let got = rig.send("GET", "/c", &[("if-none-match", "\"v1\"")]);
    assert_eq!((got.status, rig.saw("if-none-match").as_deref()), (304, Some("\"v1\"")));
    // RFC 9211 §2.3: the handler's own status, where it is not the client's.
    assert!(got.told.starts_with("fwd=uri-miss; fwd-status=200;"), "{}", got.told);
    assert_eq!(rig.send("GET", "/c", &[]).body, "c");
}

#[test]
fn clients_may_want_more() {
    let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=10")], "one");
    assert_eq!(rig.get(&[("cache-control", "only-if-cached")]).status, 504);
    rig.get(&[]);
    rig.pass(5);
    for (value, expected) in [
        ("max-age=5", "hit; ttl=5"),
        ("min-fresh=5", "hit; ttl=5"),
        ("only-if-cached", "hit; ttl=5"),
        ("max-age=4", "fwd=request; ttl=10; stored"),
    ] {
        assert_eq!(rig.get(&[("cache-control", value)]).told, expected, "{value}");
    }
    for line in
        [("cache-control", "no-cache"), ("cache-control", "min-fresh=11"), ("pragma", "no-cache")]
    {
        assert_eq!(rig.get(&[line]).told, "fwd=request; ttl=10; stored", "{line:?}");
    }
    rig.pass(15);
    assert_eq!(rig.get(&[("cache-control", "max-stale=5")]).told, "hit; ttl=-5");
    assert_eq!(rig.get(&[("cache-control", "max-stale=4, only-if-cached")]).status, 504);
    // Nor does the handler hear of it where the cache would have passed it on unseen.
    let calls = rig.calls();
    assert_eq!(rig.get(&[("cache-control", "no-store, only-if-cached")]).status, 504);
    let only = ("cache-control", "only-if-cached");
    assert_eq!((rig.get(&[only, ("if-match", "*")]).status, rig.calls()), (504, calls));
}

#[test]
fn variants_are_kept_apart() {
    let rig = Rig::new(CacheConfig::new());
    rig.script(|request| {
        let is_german = request.head().fields.get(Known::AcceptLanguage) == Some(b"de");
        let lines = [("cache-control", "max-age=9"), ("vary", "Accept-Language")];
        reply(&lines, if is_german { "ja" } else { "yes" })
    });
    let ask = |language: &'static str| rig.get(&[("accept-language", language)]);
    assert!(ask("de").told.starts_with("fwd=uri-miss"));
    assert_eq!((&*ask("en").told, rig.calls()), ("fwd=vary-miss; ttl=9; stored", 2));
    for (language, body) in [("de", "ja"), ("en", "yes"), ("DE", "ja")] {
        let got = ask(language);
        assert_eq!((&*got.told, &*got.body), ("hit; ttl=9", body), "{language}");
    }
    assert!(rig.get(&[]).told.starts_with("fwd=vary-miss"));
}

#[test]
fn credentials_are_not_shared() {
    let rig = Rig::answering(CacheConfig::new(), &[("cache-control", "max-age=9")], "x");
    let secret = [("authorization", "Basic eDp5")];
    for _ in 0..2 {
        assert_eq!(rig.get(&secret).told, "fwd=uri-miss");
    }
    rig.get(&[]);
    assert_eq!((&*rig.get(&secret).told, &*rig.get(&[]).told), ("fwd=miss", "hit; ttl=9"));
    rig.script(|_| reply(&[("cache-control", "public, max-age=9")], "y"));
    assert_eq!(rig.send("GET", "/b", &secret).told, "fwd=uri-miss; ttl=9; stored");
    assert_eq!(rig.send("GET", "/b", &[]).told, "hit; ttl=9");
    assert_eq!(rig.send("GET", "/b", &secret).told, "hit; ttl=9");
}

#[test]
fn fields_of_the_connection_and_withheld_ones_are_not_stored() {
    const LINES: &[(&str, &str)] = &[
        ("cache-control", "max-age=9, no-cache=\"a\", private=\"B\""),
        ("connection", "c"),
        ("keep-alive", "d"),
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("e", "4"),
        ("age", "2"),
    ];
    let rig = Rig::answering(CacheConfig::new(), LINES, "one");
    rig.get(&[]);
    let hit = rig.get(&[]);
    assert_eq!((&*hit.told, hit.age()), ("hit; ttl=7", Some("2")));
    let left: Vec<_> = hit.fields.iter().map(|(name, _)| name).collect();
    assert_eq!(left, [&b"cache-control"[..], b"e", b"date", b"age", b"cache-status"]);
}

#[test]
fn lifetimes_are_guessed_when_told_to() {
    const LINES: &[(&str, &str)] = &[("last-modified", "Mon, 12 Jan 1970 13:45:00 GMT")];
    for (config, expected) in [
        (CacheConfig::new(), "fwd=stale; ttl=0; stored"),
        (CacheConfig::new().heuristic(10, Duration::from_secs(60)), "hit; ttl=10"),
    ] {
        let rig = Rig::answering(config, LINES, "one");
        rig.get(&[]);
        assert_eq!(rig.get(&[]).told, expected);
    }
}

/// RFC 9110 §14.1.2: of nothing no byte can be had.
#[test]
fn nothing_has_no_range() {
    let rig = Rig::new(CacheConfig::new());
    rig.script(|_| Response::new(StatusCode::OK).field("cache-control", "max-age=9"));
    for _ in 0..2 {
        let got = rig.get(&[("range", "bytes=0-")]);
        assert_eq!((got.status, got.fields.get_str("content-range")), (416, Some("bytes */0")));
        rig.get(&[]);
    }
}

/// RFC 9213 §2.2: the field for caches like this one may withhold others.
#[test]
fn a_targeted_field_withholds_too() {
    const LINES: &[(&str, &str)] = &[
        ("cdn-cache-control", "max-age=9, private=\"a, set-cookie\""),
        ("cache-control", "no-store"),
        ("a", "1"),
        ("set-cookie", "a=b"),
    ];
    let rig = Rig::answering(CacheConfig::new().targeted("cdn-cache-control"), LINES, "one");
    assert!(rig.get(&[]).fields.contains("a"));
    let hit = rig.get(&[]);
    assert_eq!(hit.told, "hit; ttl=9");
    assert!(!hit.fields.contains("a") && !hit.fields.contains(Known::SetCookie));
}
