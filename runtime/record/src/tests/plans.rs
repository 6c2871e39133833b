//! Which connections are recorded, and which recordings are kept.

use trilane_http1::Http1;
use trilane_semantics::Cause;

use super::*;

/// A connection that asks nothing and closes; whether it was recorded.
fn visit(recorder: &Recorder, chance: u64, port: u16, address: u8) -> bool {
    let limits = Limits::default();
    let peer = Some(([10, 0, 0, address], port).into());
    let begun = recorder.begin(&Beginning { chance, peer, ..beginning(Protocol::Http11, &limits) });
    let is_recorded = begun.is_some();
    if let Some(begun) = begun {
        let mut side = Side::new(begun.around(Http1::server(Rc::new(limits), NOW)));
        assert_eq!(side.come(b"", true).unwrap().cause, Cause::Peer);
    }
    is_recorded
}

#[test]
fn one_of_so_many_is_kept() {
    let (recorder, kept) = recorder(Plan::new().sample(NonZero::new(3).unwrap()));
    assert!(recorder.draws());
    let recorded = (0..9).filter(|&chance| visit(&recorder, chance, 1, 1)).count();
    assert_eq!((recorded, kept.take().len()), (3, 3));
}

#[test]
fn a_cause_that_is_named_is_kept() {
    for (cause, expected) in [(Cause::Peer, 1), (Cause::WriteTimeout, 0)] {
        let (recorder, kept) = recorder(Plan::new().cause(cause));
        assert!(visit(&recorder, 1, 1, 1) && !recorder.draws());
        assert_eq!(kept.take().len(), expected);
    }
    let (recorder, _) = recorder(Plan::new());
    assert!(!visit(&recorder, 0, 1, 1), "nothing is wanted");
}

#[test]
fn an_address_is_waited_for_as_often_as_it_was_said() {
    let plan = Arc::new(Plan::new());
    let kept = Kept::default();
    let place = Rc::clone(&kept);
    let recorder = Recorder::new(Arc::clone(&plan), move |it| place.borrow_mut().push(it));
    assert!(!visit(&recorder, 0, 1, 7));
    assert!(plan.arm([10, 0, 0, 7].into(), 2));
    let recorded = [(7, true), (8, false), (7, true), (7, false)];
    for (address, expected) in recorded {
        assert_eq!(visit(&recorder, 0, 1, address), expected, "{address}");
    }
    let peers: Vec<_> = kept.take().iter().map(|it| it.header().peer.clone()).collect();
    assert_eq!(peers, ["10.0.0.7:1"; 2]);
    // One that is waited for no more, and too many.
    assert!(plan.arm([10, 0, 0, 7].into(), 2) && plan.arm([10, 0, 0, 7].into(), 0));
    assert!(!visit(&recorder, 0, 1, 7));
    let armed = (0..100).filter(|&last| plan.arm([10, 0, 1, last].into(), 1)).count();
    assert_eq!(armed, 64);
}

/// What all of a shard take together is bounded.
#[test]
fn recordings_under_way_have_a_budget() {
    let (recorder, kept) = recorder(all().budget(5_000));
    let limits = Limits::default();
    let begin = || recorder.begin(&beginning(Protocol::Http11, &limits));
    let side = |begun: crate::Begun| {
        Side::new(begun.around(Http1::server(Rc::new(Limits::default()), NOW)))
    };
    let content = [b'x'; 1_500];
    let mut first = side(begin().unwrap());
    first.come(b"POST / HTTP/1.1\r\nHost: a\r\nx-long: ", false);
    for _ in 0..3 {
        first.come(&content, false);
    }
    let mut second = side(begin().unwrap());
    second.come(&[b"GET / HTTP/1.1\r\nHost: a\r\nx-long: ", &content[..]].concat(), false);
    assert!(second.come(b"\r\n\r\n", true).is_some());
    drop(second);
    assert_eq!(only(&kept).header().exchanges, 1, "there was no room for the request");
    drop(first);
    let mut third = side(begin().unwrap());
    third.come(&[b"GET / HTTP/1.1\r\nHost: a\r\nx-long: ", &content[..]].concat(), false);
    third.come(b"\r\n\r\n", true);
    drop(third);
    assert_eq!(only(&kept).header().exchanges, 0, "what is over takes nothing");
}
