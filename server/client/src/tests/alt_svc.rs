//! Where else an origin is.

use super::*;

fn origin(host: &str) -> Origin {
    Origin { is_secure: true, host: host.into(), port: 443 }
}

fn head(value: &str) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields.append(Known::Alt, value).unwrap();
    head
}

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

#[test]
fn what_is_said_is_read() {
    let seconds = Duration::from_secs;
    for (value, read_as) in [
        ("h3=\":443\"", Some((443, FRESH))),
        ("h3=\":8443\"; ma=60; persist=1", Some((8443, seconds(60)))),
        ("h2=\":1\", h3-29=\":2\", h3=\":3\";ma=\"5\"", Some((3, seconds(5)))),
        ("x=\"a,b;h3=c\", h3=\":4\"", Some((4, FRESH))),
        // On another host, on no port, or no HTTP/3.
        ("h3=\"other.example:443\"", None),
        ("h3=\":0\"", None),
        ("h3=\":70000\"", None),
        ("h3=", None),
        ("h2=\":443\"", None),
        ("clear", None),
        ("", None),
    ] {
        assert_eq!(read(value), read_as, "{value}");
        // Cut anywhere, it says something of the same, or nothing.
        (0..value.len()).for_each(|cut| _ = read(&value[..cut]));
    }
}

#[test]
fn it_is_good_for_a_while() {
    let (known, a) = (Alternatives::new(2), origin("a"));
    assert!(known.hear(&a, &head("h3=\":1\"; ma=60"), at(0)));
    assert_eq!((known.port(&a, at(59)), known.port(&a, at(60))), (Some(1), None));
    // The same again is no news; another port is, and so is `clear`.
    assert!(!known.hear(&a, &head("h3=\":1\"; ma=60"), at(50)));
    assert_eq!(known.port(&a, at(109)), Some(1));
    assert!(known.hear(&a, &head("h3=\":2\""), at(100)));
    assert!(known.hear(&a, &head("clear"), at(101)));
    assert_eq!(known.port(&a, at(101)), None);
    // RFC 7838 §3.1: from when it was made.
    let mut old = head("h3=\":1\"; ma=60");
    old.fields.append(Known::Age, "50").unwrap();
    assert!(known.hear(&a, &old, at(0)));
    assert_eq!((known.port(&a, at(9)), known.port(&a, at(10))), (Some(1), None));
}

#[test]
fn who_was_not_there_is_left_alone() {
    let (known, a) = (Alternatives::new(2), origin("a"));
    known.hear(&a, &head("h3=\":1\""), at(0));
    known.failed(&a, at(0));
    assert_eq!(known.port(&a, at(299)), None);
    // What is said over TCP again does not change that.
    assert!(!known.hear(&a, &head("h3=\":1\""), at(1)));
    assert_eq!((known.port(&a, at(299)), known.port(&a, at(300))), (None, Some(1)));
}

#[test]
fn not_everything_is_heeded() {
    let (known, value) = (Alternatives::new(2), head("h3=\":1\""));
    let clear = Origin { is_secure: false, ..origin("a") };
    assert!(!known.hear(&clear, &value, at(0)));
    // RFC 7838 §6.
    let misdirected = ResponseHead { status: StatusCode::MISDIRECTED_REQUEST, ..head("h3=\":1\"") };
    assert!(!known.hear(&origin("a"), &misdirected, at(0)));
    assert!(!Alternatives::new(0).hear(&origin("a"), &value, at(0)));
}

#[test]
fn there_is_a_bound() {
    let known = Alternatives::new(2);
    for (name, ma) in [("a", 60), ("b", 30), ("c", 90)] {
        known.hear(&origin(name), &head(&format!("h3=\":1\"; ma={ma}")), at(0));
    }
    let ports = ["a", "b", "c"].map(|name| known.port(&origin(name), at(0)));
    assert_eq!(ports, [Some(1), None, Some(1)]);
}
