//! Requests for the same at the same time (FEATURES R5).

use super::*;

const FRESH: (&str, &str) = ("cache-control", "max-age=9");

impl Rig {
    /// That many requests that do not get an answer yet.
    fn many(&self, count: usize, lines: &[(&str, &str)]) -> Vec<Running> {
        let begin = |_| match self.begin("GET", "/a", lines) {
            Reply::Pending(running) => running,
            Reply::Ready(response) => panic!("ready: {response:?}"),
        };
        (0..count).map(begin).collect()
    }

    fn open(&self) {
        self.gate.set(true);
    }

    fn shut(&self) {
        self.gate.set(false);
    }
}

/// All answers; polled as often as one wakes the next.
fn all(mut running: Vec<Running>) -> Vec<Got> {
    let mut got: Vec<Option<Got>> = running.iter().map(|_| None).collect();
    for _ in 0..4 {
        for (running, got) in running.iter_mut().zip(&mut got) {
            if got.is_none() {
                *got = poll(running);
            }
        }
    }
    got.into_iter().map(|got| got.expect("an answer")).collect()
}

#[test]
fn one_asks_and_all_are_answered() {
    let rig = Rig::answering(CacheConfig::new(), &[FRESH], "one");
    rig.shut();
    let waiting = rig.many(100, &[]);
    assert_eq!(rig.calls(), 1);
    rig.open();
    let got = all(waiting);
    assert!(got.iter().all(|got| got.body == "one") && rig.calls() == 1);
    assert_eq!(got[0].told, "fwd=uri-miss; ttl=9; stored");
    assert!(got[1..].iter().all(|got| got.told == "fwd=uri-miss; ttl=9; collapsed"));
    assert_eq!(got[1].age(), Some("0"));
    assert!(rig.fake.timers.borrow().is_empty(), "nobody waits any more");
}

#[test]
fn who_is_not_like_the_others_asks() {
    let rig = Rig::answering(CacheConfig::new(), &[FRESH, ("vary", "x")], "one");
    rig.shut();
    let lines: [&[(&str, &str)]; 6] = [
        &[],
        &[("authorization", "Basic eDp5")],
        &[("cache-control", "no-cache")],
        &[("if-none-match", "\"a\"")],
        &[("range", "bytes=0-0")],
        &[("cache-control", "no-store")],
    ];
    let mut waiting: Vec<_> = lines.iter().flat_map(|lines| rig.many(1, lines)).collect();
    assert_eq!(rig.calls(), 6);
    // Those wait, for nobody knows of Vary yet: then the first of them asks, and the other gets that.
    waiting.extend(rig.many(2, &[("x", "1")]));
    assert_eq!(rig.calls(), 6);
    rig.open();
    let got = all(waiting);
    assert_eq!(rig.calls(), 7);
    let told = |at: usize| (got[at].told.contains("collapsed"), got[at].told.split(';').next());
    assert_eq!(told(6), (false, Some("fwd=vary-miss")));
    assert_eq!(told(7), (false, Some("hit")), "it is there by now");
}

#[test]
fn a_failure_is_not_shared() {
    let rig = Rig::new(CacheConfig::new());
    let fails = Rc::new(Cell::new(1));
    let left = Rc::clone(&fails);
    rig.script(move |_| match left.get() {
        0 => reply(&[FRESH], "one"),
        fails => {
            left.set(fails - 1);
            if fails % 2 == 0 {
                panic!("on purpose");
            }
            Response::new(StatusCode::BAD_GATEWAY)
        }
    });
    rig.shut();
    let waiting = rig.many(5, &[]);
    rig.open();
    let statuses = |got: &[Got]| got.iter().map(|got| got.status).collect::<Vec<_>>();
    let got = all(waiting);
    // The next one asks, and the others get its answer.
    assert_eq!((statuses(&got), rig.calls()), (vec![502, 200, 200, 200, 200], 2));
    assert_eq!(got[4].told, "hit; ttl=9");
    // Who has waited twice asks itself, and is first to have luck here.
    fails.set(2);
    rig.pass(9);
    rig.shut();
    let waiting = rig.many(5, &[]);
    rig.open();
    let got = all(waiting);
    assert_eq!((statuses(&got), rig.calls()), (vec![500, 502, 200, 200, 200], 2 + 3));
}

#[test]
fn who_leads_may_leave() {
    let rig = Rig::answering(CacheConfig::new(), &[FRESH], "one");
    rig.shut();
    let mut waiting = rig.many(4, &[]);
    drop(waiting.remove(0));
    rig.open();
    let got = all(waiting);
    assert_eq!((rig.calls(), got.iter().filter(|got| got.body == "one").count()), (2, 3));
    // And so may one that waits.
    rig.pass(9);
    rig.shut();
    let mut waiting = rig.many(4, &[]);
    drop(waiting.remove(1));
    rig.open();
    assert_eq!((all(waiting).len(), rig.calls()), (3, 3));
}

#[test]
fn what_is_for_nobody_else_keeps_nobody() {
    for lines in [[("cache-control", "private")], [("cache-control", "no-store")], [("x", "y")]] {
        let rig = Rig::new(CacheConfig::new());
        rig.script(move |_| reply(&lines, "mine"));
        rig.shut();
        let waiting = rig.many(5, &[]);
        assert_eq!(rig.calls(), 1);
        rig.open();
        let got = all(waiting);
        assert!(got.iter().all(|got| got.told == "fwd=uri-miss"), "{lines:?}");
        assert_eq!(rig.calls(), 5, "{lines:?}");
        // From now on nobody waits in vain.
        rig.shut();
        let _waiting = rig.many(3, &[]);
        assert_eq!(rig.calls(), 8, "{lines:?}");
    }
}

#[test]
fn what_must_be_asked_about_each_time_is_not_waited_for() {
    let lines = [("cache-control", "no-cache"), ("etag", "\"a\"")];
    let rig = Rig::new(CacheConfig::new());
    rig.script(move |_| reply(&lines, "one"));
    rig.get(&[]);
    rig.shut();
    let _waiting = rig.many(3, &[]);
    assert_eq!(rig.calls(), 4);
}

#[test]
fn nobody_waits_for_ever() {
    let config = CacheConfig::new().patience(Duration::from_secs(3));
    let rig = Rig::answering(config, &[FRESH], "one");
    rig.shut();
    let mut waiting = rig.many(2, &[]);
    rig.pass(2);
    assert!(poll(&mut waiting[1]).is_none() && rig.calls() == 1);
    rig.pass(1);
    assert!(poll(&mut waiting[1]).is_none() && rig.calls() == 2);
    let alone = Rig::answering(CacheConfig::new().without_coalescing(), &[FRESH], "one");
    alone.shut();
    let _waiting = alone.many(3, &[]);
    assert_eq!(alone.calls(), 3);
}

/// Who asks after a change must not get what was made before it.
#[test]
fn nobody_joins_who_began_before_a_change() {
    let rig = Rig::answering(CacheConfig::new(), &[FRESH], "old");
    rig.shut();
    let before = rig.many(2, &[]);
    rig.open();
    rig.send("POST", "/a", &[]);
    rig.shut();
    let after = rig.many(2, &[]);
    assert_eq!(rig.calls(), 1 + 1 + 1);
    rig.open();
    let got = all(before);
    assert!(got[0].told == "fwd=uri-miss" && got[1].told.ends_with("collapsed"));
    rig.script(|_| reply(&[FRESH], "new"));
    let got = all(after);
    assert!(got.iter().all(|got| got.body == "new"));
    assert_eq!(rig.get(&[]).body, "new");
}

/// The content of a stream goes to its client first: those who wait get it when all of it has gone by.
#[test]
fn a_stream_is_shared_when_it_has_ended() {
    let rig = Rig::new(CacheConfig::new());
    rig.script(|_| {
        let body = Outgoing::write(|writer| async move {
            writer.send("one").await;
            Ok(())
        });
        Response::new(StatusCode::OK).field(FRESH.0, FRESH.1).body(body)
    });
    rig.shut();
    let mut waiting = rig.many(3, &[]);
    rig.open();
    let Poll::Ready(first) = waiting[0].poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("not ready")
    };
    assert!(poll(&mut waiting[1]).is_none());
    assert_eq!(got(first).body, "one");
    drop(waiting.remove(0));
    assert!(all(waiting).iter().all(|got| got.body == "one") && rig.calls() == 1);
}

/// Between its look and its boarding another flight may land, on another shard.
#[test]
fn who_is_about_to_lead_looks_once_more() {
    let there = Rc::new(Rig::answering(CacheConfig::new(), &[FRESH], "one"));
    there.get(&[]);
    there.pass(9);
    // A shard that has served nothing yet, and looks at the time once before it boards: to see that the answer is stale.
    let here = Rig::of(there.cache.clone());
    here.pass(9);
    let other = Rc::clone(&there);
    *here.fake.meanwhile.borrow_mut() = Some(Box::new(move || {
        assert_eq!(other.get(&[]).told, "fwd=stale; ttl=9; stored");
    }));
    assert_eq!(here.get(&[]).told, "hit; ttl=9");
    assert!(here.fake.meanwhile.borrow().is_none());
    assert_eq!((there.calls(), here.calls()), (2, 0));
}

/// RFC 5861 §4: one failure is enough to know.
#[test]
fn what_stands_in_for_an_error_does_for_all_who_waited() {
    const LINES: &[(&str, &str)] = &[("cache-control", "max-age=5, stale-if-error=60")];
    let rig = Rig::answering(CacheConfig::new(), LINES, "one");
    rig.get(&[]);
    rig.pass(5);
    rig.script(|_| Response::new(StatusCode::BAD_GATEWAY));
    rig.shut();
    // With no validator the stale one cannot be asked about, but it may be shared.
    let waiting = rig.many(20, &[]);
    rig.open();
    let got = all(waiting);
    assert!(got.iter().all(|got| got.status == 200 && got.body == "one"));
    assert_eq!(got[0].told, "fwd=stale; fwd-status=502; ttl=0");
    assert!(got[1..].iter().all(|got| got.told == "fwd=stale; ttl=0; collapsed"));
    assert_eq!(rig.calls(), 2);
}
