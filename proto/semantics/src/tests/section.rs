//! Sections, good and bad; each limit at n-1, n and n+1.

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn take(fields: Pairs<'_>, limits: &Limits) -> Result<RequestHead, Reason> {
    let mut crumbs = Vec::new();
    let mut section = RequestSection::new(Protocol::Http2, limits, &mut crumbs);
    for (name, value) in fields {
        let name = match name.as_bytes() {
            pseudo @ [b':', ..] => NameRef::Other(pseudo),
            other if other.iter().any(u8::is_ascii_uppercase) => NameRef::Other(other),
            other => NameRef::new(other),
        };
        section.field(name, value.as_bytes())?;
    }
    section.finish()
}

fn read(fields: Pairs<'_>) -> Result<RequestHead, Reason> {
    take(fields, &Limits::default())
}

const M: (&str, &str) = (":method", "GET");
const S: (&str, &str) = (":scheme", "https");
const P: (&str, &str) = (":path", "/x?y");
const A: (&str, &str) = (":authority", "a.example");

/// A good head, and these.
fn with(more: Pairs<'_>) -> Result<RequestHead, Reason> {
    read(&[&[M, S, P, A], more].concat())
}

#[test]
fn a_head_is_made_of_its_fields() {
    let head = with(&[("accept", "*/*"), ("x-own", "1")]).unwrap();
    assert_eq!((&head.method, head.protocol), (&Method::GET, Protocol::Http2));
    assert_eq!((head.path(), head.query(), head.authority()), ("/x", Some("y"), Some("a.example")));
    let names: Vec<_> = head.fields.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"host"[..], b"accept", b"x-own"]);
    // In any order, and with Host instead.
    let head = read(&[A, P, S, ("host", "b")].map(|it| if it == A { M } else { it })).unwrap();
    assert_eq!(head.authority(), Some("b"));
}

/// What was good once is taken in alike when it comes again, and what lines have to do with each other is judged anew.
#[test]
fn lines_come_again() {
    let again = |fields: Pairs<'_>, limits: &Limits| {
        let mut crumbs = Vec::new();
        let mut section = RequestSection::new(Protocol::Http2, limits, &mut crumbs);
        for (name, value) in fields {
            let name = match name.as_bytes() {
                pseudo @ [b':', ..] => NameRef::Other(pseudo),
                other => NameRef::new(other),
            };
            section.field_again(name, value.as_bytes())?;
        }
        section.finish()
    };
    let limits = Limits::default();
    let good = [M, S, P, A, ("host", "A.example"), ("x-own", ""), ("te", "trailers")];
    let good = [&good[..], &[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")]].concat();
    assert!(take(&good, &limits).is_ok());
    assert_eq!(again(&good, &limits), take(&good, &limits));
    for bad in [
        &[M, S, P, A, A][..],
        &[M, S, P, ("accept", "*/*"), A],
        &[M, S, P, A, ("host", "b")],
        &[M, S, P, ("host", "a.example"), ("host", "a.example")],
        &[M, S, P],
        &[M, S, A],
    ] {
        assert!(take(bad, &limits).is_err());
        assert_eq!(again(bad, &limits), take(bad, &limits), "{bad:?}");
    }
    let cost = good.iter().map(|(name, value)| name.len() + value.len() + LINE_COST).sum();
    for (head, field_lines, is_good) in
        [(cost, 6, true), (cost + 1, 7, true), (cost - 1, 6, false), (cost, 5, false)]
    {
        let limits = Limits { head, field_lines, ..Limits::default() };
        assert_eq!(take(&good, &limits).is_ok(), is_good);
        assert_eq!(again(&good, &limits), take(&good, &limits), "{head} {field_lines}");
    }
    let limits = Limits { target: 3, ..Limits::default() };
    assert_eq!(again(&good, &limits), Err(Reason::TargetTooLong));
}

/// RFC 9113 §8.3, §8.3.1.
#[test]
fn pseudo_fields_are_those_of_a_request() {
    let all = [M, S, P];
    for missing in 0..3 {
        let rest: Vec<_> =
            all.iter().copied().filter(|it| *it != all[missing]).chain([A]).collect();
        assert_eq!(read(&rest), Err(Reason::PseudoField), "{missing}");
    }
    for twice in [M, S, P, A] {
        assert_eq!(with(&[twice]), Err(Reason::PseudoField), "{twice:?}");
    }
    for wrong in [(":status", "200"), (":x", ""), (":", ""), (":protocol", "websocket")] {
        assert_eq!(with(&[wrong]), Err(Reason::PseudoField), "{wrong:?}");
    }
    assert_eq!(read(&[M, S, P, ("x", "1"), A]), Err(Reason::PseudoField), "after a field");
    assert_eq!(read(&[M, S, P]), Err(Reason::Host));
    for (authority, path, scheme, reason) in [
        ("", "/", "https", Reason::Host),
        ("u@a", "/", "https", Reason::Host),
        ("a", "", "https", Reason::Target),
        ("a", "x", "https", Reason::Target),
        ("a", "*", "https", Reason::Target),
        ("a", "http://a/", "https", Reason::Target),
        ("a", "/ ", "https", Reason::Target),
        ("a", "/#f", "https", Reason::Target),
        ("a", "/", "ftp", Reason::Target),
    ] {
        let fields = [M, (":scheme", scheme), (":path", path), (":authority", authority)];
        assert_eq!(read(&fields), Err(reason), "{fields:?}");
    }
    let options = [(":method", "OPTIONS"), S, (":path", "*"), A];
    assert_eq!(read(&options).map(|head| head.form()), Ok(Form::Asterisk));
    for (method, reason) in [("", Reason::RequestLine), ("G T", Reason::RequestLine)] {
        assert_eq!(read(&[(":method", method), S, P, A]), Err(reason));
    }
    for (length, expected) in [(64, Ok(())), (65, Err(Reason::Method))] {
        let method = "M".repeat(length);
        assert_eq!(read(&[(":method", &method), S, P, A]).map(|_| ()), expected);
    }
}

/// RFC 9113 §8.3.1.
#[test]
fn host_says_what_authority_says() {
    assert!(with(&[("host", "A.example")]).is_ok());
    for wrong in ["b.example", "", "a.example:1"] {
        assert_eq!(with(&[("host", wrong)]), Err(Reason::Host), "{wrong}");
    }
    assert_eq!(read(&[M, S, P, ("host", "a"), ("host", "a")]), Err(Reason::Host));
    assert_eq!(read(&[M, S, P, ("host", "a b")]), Err(Reason::Host));
}

/// RFC 9113 §8.2.1, §8.2.2.
#[test]
fn fields_have_their_form_and_none_is_of_the_connection() {
    for (name, value, reason) in [
        ("X-Own", "1", Reason::FieldLine),
        ("x own", "1", Reason::FieldLine),
        ("x:own", "1", Reason::FieldLine),
        ("", "1", Reason::FieldLine),
        ("x", " 1", Reason::FieldLine),
        ("x", "1\t", Reason::FieldLine),
        ("x", "1\r\nb: 2", Reason::FieldLine),
        ("x", "\0", Reason::FieldLine),
        ("connection", "close", Reason::ConnectionField),
        ("keep-alive", "1", Reason::ConnectionField),
        ("proxy-connection", "x", Reason::ConnectionField),
        ("transfer-encoding", "chunked", Reason::ConnectionField),
        ("upgrade", "h2c", Reason::ConnectionField),
        ("te", "gzip", Reason::ConnectionField),
        ("te", "trailers, gzip", Reason::ConnectionField),
    ] {
        assert_eq!(with(&[(name, value)]), Err(reason), "{name}: {value}");
        let limits = Limits::default();
        let refused =
            TrailerSection::new(&limits).field(NameRef::Other(name.as_bytes()), value.as_bytes());
        assert_eq!(refused, Err(reason), "{name}: {value}");
    }
    assert!(with(&[("te", "trailers"), ("x", ""), ("y", "a b\t\u{e9}")]).is_ok());
    // Also when the name was not recognised before.
    let (limits, mut crumbs) = (Limits::default(), Vec::new());
    let mut section = RequestSection::new(Protocol::Http2, &limits, &mut crumbs);
    let refused = section.field(NameRef::Other(b"connection"), b"close");
    assert_eq!(refused, Err(Reason::ConnectionField));
}

/// RFC 9113 §8.2.3.
#[test]
fn crumbs_make_one_cookie() {
    let head =
        with(&[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("cookie", "c=3")]).unwrap();
    assert_eq!(head.fields.get(Known::Cookie), Some(&b"a=1; b=2; c=3"[..]));
    assert!(!head.fields.is_repeated(Known::Cookie));
    let head = with(&[("x", "1"), ("cookie", "a=1"), ("cookie", ""), ("y", "2")]).unwrap();
    let lines: Vec<_> = head.fields.iter().skip(1).collect();
    assert_eq!(lines, [(&b"x"[..], &b"1"[..]), (b"cookie", b"a=1;"), (b"y", b"2")]);
    let head = with(&[("cookie", "a=1")]).unwrap();
    assert_eq!(head.fields.get(Known::Cookie), Some(&b"a=1"[..]));
    assert_eq!(with(&[("cookie", "a"), ("cookie", "b\n")]), Err(Reason::FieldLine));
}

/// RFC 9113 §8.5, RFC 8441 §4.
#[test]
fn connect_plain_and_extended() {
    const C: (&str, &str) = (":method", "CONNECT");
    let head = read(&[C, (":authority", "h:443")]).unwrap();
    assert_eq!(
        (head.form(), head.target(), head.connect_protocol()),
        (Form::Authority, "h:443", None)
    );
    for wrong in ["h", "h:0", "h:x", "/h:1"] {
        assert!(read(&[C, (":authority", wrong)]).is_err(), "{wrong}");
    }
    assert_eq!(read(&[C]), Err(Reason::PseudoField));
    for more in [S, P] {
        assert_eq!(read(&[C, (":authority", "h:443"), more]), Err(Reason::PseudoField));
    }
    let protocol = (":protocol", "websocket");
    let head = read(&[C, protocol, S, P, A]).unwrap();
    assert_eq!((head.path(), head.connect_protocol()), ("/x", Some("websocket")));
    assert_eq!(read(&[C, protocol, P, A]), Err(Reason::PseudoField));
    assert_eq!(read(&[C, protocol, S, P, ("host", "a")]), Err(Reason::PseudoField));
    assert_eq!(read(&[C, (":protocol", "a b"), S, P, A]), Err(Reason::PseudoField));
}

/// Every limit at n-1, n, n+1.
#[test]
fn sections_have_limits() {
    // What the four cost, and 32 bytes a line (RFC 9113 §6.5.2).
    let base: usize = [M, S, P, A].iter().map(|(n, v)| n.len() + v.len() + 32).sum();
    let refused = |change: &dyn Fn(&mut Limits), fields: Pairs<'_>| {
        let mut limits = Limits::default();
        change(&mut limits);
        take(&[&[M, S, P, A], fields].concat(), &limits).err()
    };
    for (head, expected) in
        [(base + 36, Some(Reason::FieldsTooLarge)), (base + 37, None), (base + 38, None)]
    {
        assert_eq!(refused(&|it| it.head = head, &[("abc", "de")]), expected);
        // A crumb is a line.
        let cookies = [("cookie", "a"), ("cookie", "b")];
        assert_eq!(refused(&|it| it.head = head + 41, &cookies), expected);
    }
    for (lines, expected) in [(1, Some(Reason::FieldsTooLarge)), (2, None), (3, None)] {
        assert_eq!(refused(&|it| it.field_lines = lines, &[("a", ""), ("a", "")]), expected);
    }
    for (target, expected) in [(3, Some(Reason::TargetTooLong)), (4, None), (5, None)] {
        assert_eq!(refused(&|it| it.target = target, &[]), expected);
    }
}

/// RFC 9113 §8.1.1, RFC 9110 §8.6, §10.1.1.
#[test]
fn what_follows_a_head() {
    let judge = |fields: Pairs<'_>, ends| content(&with(fields).unwrap(), ends);
    assert_eq!(judge(&[], End::Message), Ok(Content::None));
    assert_eq!(judge(&[], End::Section), Ok(Content::Unknown));
    let length = |value: &str, ends| judge(&[("content-length", value)], ends);
    assert_eq!(length("0", End::Message), Ok(Content::None));
    assert_eq!(length("1", End::Message), Err(Reason::ContentLength));
    assert_eq!(length("0", End::Section), Ok(Content::Exact(0)));
    let most = u64::MAX.to_string();
    assert_eq!(length(&most, End::Section), Ok(Content::Exact(u64::MAX)));
    for wrong in ["", "-1", "+1", "1,1", "0x1", "18446744073709551616"] {
        assert_eq!(length(wrong, End::Section), Err(Reason::ContentLength), "{wrong}");
    }
    let twice = [("content-length", "1"), ("content-length", "1")];
    assert_eq!(judge(&twice, End::Section), Err(Reason::ContentLength));
    let mut connect = read(&[(":method", "CONNECT"), (":authority", "h:1")]).unwrap();
    assert_eq!(content(&connect, End::Section), Ok(Content::Tunnel));
    connect.fields.append(Known::ContentLength, "0").unwrap();
    assert_eq!(content(&connect, End::Section), Err(Reason::ContentLength));
    let expects = |value: &str, content| {
        waits_for_continue(&with(&[("expect", value)]).unwrap().fields, content)
    };
    assert_eq!(expects("100-Continue", Content::Unknown), Ok(true));
    assert_eq!(expects("100-continue", Content::None), Ok(false));
    assert_eq!(expects("", Content::Unknown), Ok(false));
    assert_eq!(expects("200-ok", Content::Unknown), Err(Reason::Expectation));
}
