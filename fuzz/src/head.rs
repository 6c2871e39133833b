//! Request and response heads (RFC 9112 §3 to §5): cut = whole, nothing ambiguous is accepted, and what is
//! accepted says the same when it is written and read again.

use trilane_semantics::{
    Content, Fields, Input, Known, Limits, Machine, Method, Next, Outbox, Protocol, RequestHead,
    ResponseHead, StatusCode,
};

use crate::drive::{Answer, NOW, Said, client, converse, however_cut, sent, server, stamp};

/// `data` as requests to a server, and as the responses to a client's GET.
pub fn head(data: &[u8]) {
    let limits = small();
    let requests =
        however_cut(data, |ends| converse(server(&limits), data, ends, Answer::WhenPaused));
    for said in &requests {
        if let Said::Request(head, content, wire) = said {
            unambiguous(wire, head.protocol);
            within(&limits, wire, head);
            as_httparse_reads_it(wire, head);
            same_request(head, *content);
        }
    }
    let responses =
        however_cut(data, |ends| converse(asking(&limits), data, ends, Answer::WhenPaused));
    for said in &responses {
        match said {
            Said::Response(head, content) => same_response(head, *content),
            Said::Interim(head) => same_interim(head),
            _ => (),
        }
    }
}

/// Limits that short inputs reach.
fn small() -> Limits {
    let mut limits = Limits::default();
    (limits.target, limits.head, limits.field_lines) = (64, 1024, 12);
    limits
}

/// A client that has asked for something.
fn asking(limits: &Limits) -> trilane_http1::Http1 {
    let mut machine = client(limits);
    let asked = machine.request(&get(), Content::None, &mut Outbox::new());
    assert!(asked.is_ok());
    machine
}

fn get() -> RequestHead {
    let head = RequestHead::new(Method::GET, "/");
    head.unwrap_or_else(|| unreachable!("`/` is a target"))
}

/// What no accepted request has, looked for with no parser of ours: a bare LF or CR (RFC 9112 §2.2), both
/// Content-Length and Transfer-Encoding (§6.1), two Hosts or none (§3.2), folding (§5.2).
fn unambiguous(wire: &[u8], protocol: Protocol) {
    assert!(wire.ends_with(b"\r\n\r\n"));
    for (at, byte) in wire.iter().enumerate() {
        match byte {
            b'\n' => assert!(at > 0 && wire[at - 1] == b'\r', "a bare LF was accepted"),
            b'\r' => assert_eq!(wire.get(at + 1), Some(&b'\n'), "a bare CR was accepted"),
            0 => panic!("a NUL was accepted"),
            _ => (),
        }
    }
    let lines: Vec<&[u8]> = wire.split(|&byte| byte == b'\n').skip(1).collect();
    let count = |name: &str| {
        let is_it = |line: &&&[u8]| {
            line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        };
        lines.iter().filter(is_it).count()
    };
    assert!(!lines.iter().any(|line| matches!(line, [b' ' | b'\t', ..])), "a fold was accepted");
    let (hosts, lengths) = (count("host:"), count("content-length:"));
    assert!(hosts <= 1, "two Hosts were accepted");
    assert!(hosts == 1 || protocol == Protocol::Http10, "no Host was accepted");
    assert!(lengths <= 1, "two lengths were accepted");
    assert!(lengths + count("transfer-encoding:") <= 1, "a length and a coding were accepted");
}

fn within(limits: &Limits, wire: &[u8], head: &RequestHead) {
    assert!(head.target().len() <= limits.target);
    assert!(head.fields.len() <= limits.field_lines);
    assert!(wire.len() + 32 * head.fields.len() <= limits.head);
}

/// The other opinion: httparse reads the same head, to the byte.
fn as_httparse_reads_it(wire: &[u8], head: &RequestHead) {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut headers);
    assert_eq!(parsed.parse(wire), Ok(httparse::Status::Complete(wire.len())));
    let minor = if head.protocol == Protocol::Http10 { 0 } else { 1 };
    let start = (parsed.method, parsed.path, parsed.version);
    assert_eq!(start, (Some(head.method.as_str()), Some(head.target()), Some(minor)));
    let lines = parsed.headers.iter().map(|line| (line.name.to_ascii_lowercase(), line.value));
    let ours = head.fields.iter().map(|(name, value)| (String::from_utf8_lossy(name), value));
    assert!(lines.eq(ours.map(|(name, value)| (name.into_owned(), value))));
}

fn same_request(head: &RequestHead, content: Content) {
    let is_old = head.protocol == Protocol::Http10;
    // What HTTP/1.0 ignores, HTTP/1.1 does not.
    if is_old && (head.fields.contains(Known::Upgrade) || head.fields.contains(Known::Expect)) {
        return;
    }
    let mut out = Outbox::new();
    let asked = client(&Limits::default()).request(head, content, &mut out);
    assert!(asked.is_ok(), "{asked:?}");
    let wire = sent(&mut out);
    let mut input = Input::new((), &wire, false);
    let mut machine = server(&Limits::default());
    let next = machine.poll_event(NOW, &mut input);
    let Ok(Next::Event(trilane_semantics::Event::Request { head: again, content: then, .. })) =
        next
    else {
        panic!("{next:?} of {:?}", String::from_utf8_lossy(&wire));
    };
    assert!(input.is_empty());
    assert_eq!((&head.method, head.target(), content), (&again.method, again.target(), then));
    let mut ours = vec![Known::ContentLength, Known::TransferEncoding];
    if !head.fields.contains(Known::Host) {
        ours.push(Known::Host);
    }
    same_fields(&head.fields, &again.fields, &ours);
}

fn same_response(head: &ResponseHead, content: Content) {
    // RFC 9110 §15.3.6: a 205 is written without its content.
    if head.status == StatusCode::RESET_CONTENT {
        return;
    }
    let (mut machine, mut out) = (server(&Limits::default()), Outbox::new());
    let id = asked(&mut machine);
    let answered = machine.respond(id, head, content, &stamp(), &mut out);
    assert_eq!(answered, Ok(()));
    let wire = sent(&mut out);
    let said = converse(asking(&Limits::default()), &wire, &[], Answer::WhenPaused);
    let Some(Said::Response(again, then)) = said.first() else {
        panic!("{said:?} of {:?}", String::from_utf8_lossy(&wire));
    };
    assert_eq!((head.status, content), (again.status, *then));
    let mut ours = vec![Known::ContentLength, Known::TransferEncoding, Known::Connection];
    if !head.fields.contains(Known::Date) {
        ours.push(Known::Date);
    }
    same_fields(&head.fields, &again.fields, &ours);
}

fn same_interim(head: &ResponseHead) {
    let (mut machine, mut out) = (server(&Limits::default()), Outbox::new());
    let id = asked(&mut machine);
    assert_eq!(machine.interim(id, head, &mut out), Ok(()));
    let wire = sent(&mut out);
    let said = converse(asking(&Limits::default()), &wire, &[], Answer::WhenPaused);
    let Some(Said::Interim(again)) = said.first() else { panic!("{said:?}") };
    assert_eq!(head.status, again.status);
    let ours = [Known::ContentLength, Known::TransferEncoding, Known::Connection];
    same_fields(&head.fields, &again.fields, &ours);
}

/// A server's exchange for a GET.
fn asked(machine: &mut trilane_http1::Http1) -> trilane_semantics::ExchangeId {
    let mut input = Input::new((), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", false);
    match machine.poll_event(NOW, &mut input) {
        Ok(Next::Event(trilane_semantics::Event::Request { id, .. })) => id,
        other => panic!("{other:?}"),
    }
}

/// Equal lines in equal order, but for those that the writer decides.
fn same_fields(a: &Fields, b: &Fields, ours: &[Known]) {
    let theirs = |fields: &Fields| {
        let lines = fields.lines().filter(|(known, ..)| !known.is_some_and(|k| ours.contains(&k)));
        lines.map(|(_, name, value)| (name.to_vec(), value.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(theirs(a), theirs(b));
}
