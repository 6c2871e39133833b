//! HTTP/1.1: recordings begin anew between two messages, and hide who somebody is.

use std::rc::Rc;

use trilane_http1::Http1;
use trilane_semantics::{Cause, Limits, Protocol, Reason};

use super::*;

fn side(recorder: &Recorder) -> Side<Http1> {
    let limits = Limits::default();
    let begun = recorder.begin(&beginning(Protocol::Http11, &limits)).unwrap();
    Side::new(begun.around(Http1::server(Rc::new(limits), NOW)))
}

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a\r\nCookie: id=5ecret\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nuncovered";
const BAD: &[u8] = b"GET / HTTP/1.1\nHost: a\r\n\r\n";

#[test]
fn a_connection_is_replayed_from_a_file() {
    let (recorder, kept) = recorder(all());
    for cut in 0..=GET.len() + POST.len() + BAD.len() {
        let all = [GET, POST, BAD].concat();
        let mut side = side(&recorder);
        let closed = side.come(&all[..cut], false);
        side.now = side.now + std::time::Duration::from_millis(3);
        let closed = closed.or_else(|| side.come(&all[cut..], true)).unwrap();
        assert_eq!(closed.cause, Cause::Fault(Reason::BareLineFeed));
        drop(side);
        let recording = only(&kept);
        let header = recording.header();
        assert_eq!((&*header.cause, header.is_truncated), ("bare_lf", false));
        let said = replays(&recording).join("\n");
        assert!(said.contains("request 1 GET /a?b none"), "{said}");
        assert!(said.contains("body 2 ") && said.contains("fault bare_lf"), "{said}");
        let bytes = String::from_utf8_lossy(&recording.to_bytes()).into_owned();
        for secret in ["5ecret", "=secret", "uncovered"] {
            assert!(
                !bytes.contains(secret) || cut > GET.len() && secret == "uncovered",
                "{secret}"
            );
        }
    }
}

/// Whoever changes a step, an outcome or an answer, and the sum over all, is found out.
#[test]
fn a_recording_that_was_changed_is_found() {
    let (recorder, kept) = recorder(all());
    let mut side = side(&recorder);
    side.come(&[GET, BAD].concat(), true).unwrap();
    drop(side);
    let whole = only(&kept);
    let bytes = whole.to_bytes();
    for end in 0..bytes.len() {
        assert!(Recording::read(&bytes[..end]).is_err(), "cut at {end}");
    }
    let steps = bytes.len() - 4 - whole.bytes().len();
    let mut differ = 0;
    for at in 0..bytes.len() - 4 {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Recording::read(&changed).is_err(), "changed at {at}");
        // With a sum that fits, nothing panics, whatever it says.
        let end = changed.len() - 4;
        let sum = crate::wire::Crc::of(&changed[..end]);
        changed[end..].copy_from_slice(&sum.to_le_bytes());
        if let Ok(recording) = Recording::read(&changed) {
            let report = recording.replay(|_| ());
            differ += usize::from(at >= steps && report.difference.is_some());
        }
    }
    assert!(differ > 100, "{differ}");
}

/// A step that nothing led to, and an end that was another one, are found also where no step of the machine differs.
#[test]
fn all_of_a_recording_must_be_reached() {
    let (recorder, kept) = recorder(all());
    let mut idle = side(&recorder);
    assert_eq!(idle.come(&[GET, b"GET /half"].concat(), false), None);
    idle.machine.ended(Closed::now(Cause::IdleTimeout));
    drop(idle);
    let recording = only(&kept);
    assert!(recording.replay(|_| ()).is_same());
    let (bytes, last) = (recording.bytes().to_vec(), recording.steps().flatten().last().unwrap());
    assert!(matches!(last.step, crate::step::Step::Rest { .. }));
    let mut more = bytes.clone();
    crate::wire::put_bytes(&mut more, last.bytes);
    let fewer = bytes[..2 * bytes.len() - more.len()].to_vec();
    for steps in [more, fewer] {
        let report = Recording::new(recording.header().clone(), steps).replay(|_| ());
        assert!(report.difference.is_some(), "{report:?}");
    }
    let mut well = side(&recorder);
    well.come(GET, false);
    assert_eq!(well.come(b"", true).unwrap().cause, Cause::Peer);
    drop(well);
    let recording = only(&kept);
    assert!(recording.replay(|_| ()).is_same());
    let mut header = recording.header().clone();
    header.cause = "idle_timeout".to_owned();
    let report = Recording::new(header, recording.bytes().to_vec()).replay(|_| ());
    assert!(report.is_other && !report.is_same(), "{report:?}");
}

/// RFC 9112 §9.3: a message does not depend on those before it.
#[test]
fn a_long_connection_is_recorded_from_one_of_its_messages_on() {
    let (recorder, kept) = recorder(Plan::new().faults().depth(depth(4 << 10)));
    let mut healthy = side(&recorder);
    for _ in 0..200 {
        healthy.come(GET, false);
        healthy.come(POST, false);
    }
    assert_eq!(healthy.come(b"", true).unwrap().cause, Cause::Peer);
    drop(healthy);
    assert!(kept.borrow().is_empty(), "it ended well");
    let mut side = side(&recorder);
    for _ in 0..200 {
        side.come(GET, false);
        side.come(&[POST, GET].concat(), false);
    }
    side.come(BAD, false).unwrap();
    drop(side);
    let recording = only(&kept);
    assert!(recording.bytes().len() <= 4 << 10);
    let (first, header) = (recording.header().exchanges, recording.header());
    assert!(first > 500 && !header.is_truncated && header.cause == "bare_lf", "{header:?}");
    let said = replays(&recording).join("\n");
    assert!(said.contains("request 600 GET") && said.contains("fault bare_lf"), "{said}");
}

/// What has no end between two messages is recorded up to the limit.
#[test]
fn a_message_that_is_longer_than_a_recording_is_cut() {
    let plan = Plan::new().faults().depth(Depth { content: true, ..depth(2 << 10) });
    let (recorder, kept) = recorder(plan);
    let mut side = side(&recorder);
    side.come(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    for _ in 0..100 {
        side.come(b"14\r\n01234567890123456789\r\n", false);
    }
    side.come(b"no chunk\r\n", false);
    drop(side);
    let recording = only(&kept);
    assert!(recording.header().is_truncated && recording.bytes().len() <= 3 << 9);
    assert_eq!(recording.header().cause, "chunk");
    let report = recording.replay(|_| ());
    assert!(report.is_same() && !report.is_whole, "{report:?}");
    let said = replays(&recording);
    let cut = said.iter().position(|line| line.starts_with("... ")).unwrap();
    assert!(said[..cut].join("\n").contains("body 1 20"));
    // The end is there, though it cannot be run again.
    assert!(said[cut..].join("\n").contains("fault chunk"), "{said:#?}");
}
