//! Reads request heads, response heads and trailer sections (RFC 9112 §3, §4, §5), in one pass.
//!
//! One memcpy of the section into the arena of its `Fields`; the fields are ranges of it. What is not perfect is not
//! read: `scan` then says what is wrong with it, or that it is not complete. Never looks at what the fields mean, but
//! for Host and the target.

use trilane_semantics::field::is_token;
use trilane_semantics::octets::{find, find_control};
use trilane_semantics::section::{LINE_COST, LONGEST_METHOD};
use trilane_semantics::target::is_authority;
use trilane_semantics::{
    Fields, Form, Known, Limits, Lines, Method, Protocol, Reason, RequestHead, ResponseHead,
    StatusCode, Target,
};

use crate::scan::{Scan, Section};

/// A head and its length on the wire; `None` when it is not complete.
type Found<T> = Option<(T, usize)>;

/// The request head at the front of `bytes`, checked.
pub(crate) fn request(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<RequestHead>, Reason> {
    find_section(bytes, scan, Section::Request, limits, parse_request)
}

/// The response head at the front of `bytes`, and its version.
pub(crate) fn response(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<(Protocol, ResponseHead)>, Reason> {
    find_section(bytes, scan, Section::Response, limits, parse_response)
}

/// The trailer section at the front of `bytes`; no fields when it is empty (RFC 9112 §7.1.2).
pub(crate) fn trailers(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<Fields>, Reason> {
    find_section(bytes, scan, Section::Trailers, limits, parse_trailers)
}

/// Tries the whole section at once if nothing of it was seen before: one pass. Only when that does
/// not succeed, looks for its end, and for what is wrong with it.
#[inline]
fn find_section<T>(
    bytes: &[u8],
    scan: &mut Scan,
    section: Section,
    limits: &Limits,
    parse: impl Fn(&[u8], &Limits) -> Result<Found<T>, Reason>,
) -> Result<Found<T>, Reason> {
    if scan.is_fresh()
        && let Some(found) = parse(bytes, limits)?
    {
        return Ok(Some(found));
    }
    let Some(end) = scan.find_end(bytes, section, limits)? else { return Ok(None) };
    *scan = Scan::new();
    // The scan has looked at the form of every line; what a target means, it has not.
    let refused = if section == Section::Request { Reason::Target } else { Reason::FieldLine };
    parse(&bytes[..end], limits)?.map(Some).ok_or(refused)
}

/// `None` when the head is incomplete, malformed, or past a limit.
#[inline]
fn parse_request(bytes: &[u8], limits: &Limits) -> Result<Found<RequestHead>, Reason> {
    let Some((method, start)) = method(bytes) else { return Ok(None) };
    // RFC 9112 §3: single spaces, and a target without white space.
    let Some((target, length)) = Target::read(&bytes[start..]) else { return Ok(None) };
    let text = &bytes[start..start + length];
    let Some((protocol, line_end)) = version(bytes, start + length) else { return Ok(None) };
    if text.len() > limits.target {
        return Ok(None);
    }
    let mut head = RequestHead::blank(method, protocol);
    let Some(end) = parse_fields(&mut head.fields, bytes, line_end, limits) else {
        return Ok(None);
    };
    head.set_target(target, std::str::from_utf8(text).map_err(|_| Reason::Target)?);
    check_target(&head)?;
    check_host(&head)?;
    Ok(Some((head, end)))
}

/// The method, and where the target begins.
#[inline]
fn method(bytes: &[u8]) -> Option<(Method, usize)> {
    if bytes.starts_with(b"GET ") {
        return Some((Method::GET, 4));
    }
    let space = bytes.iter().take(LONGEST_METHOD + 1).position(|&b| b == b' ')?;
    let name = &bytes[..space];
    // RFC 9110 §9.1: a method is a token.
    let method = if is_token(name) { Method::from_bytes(name).ok() } else { None };
    method.map(|method| (method, space + 1))
}

/// What comes after the target: a space, a version that we speak, and the end of the line.
#[inline]
fn version(bytes: &[u8], at: usize) -> Option<(Protocol, usize)> {
    let end = at + 11;
    match bytes.get(at..end)? {
        b" HTTP/1.1\r\n" => Some((Protocol::Http11, end)),
        b" HTTP/1.0\r\n" => Some((Protocol::Http10, end)),
        _ => None,
    }
}

/// `None` when the head is incomplete, malformed, or past a limit.
fn parse_response(
    bytes: &[u8],
    limits: &Limits,
) -> Result<Found<(Protocol, ResponseHead)>, Reason> {
    let Some((protocol, status, line_end)) = status_line(bytes) else { return Ok(None) };
    let mut head = ResponseHead::new(status);
    let end = parse_fields(&mut head.fields, bytes, line_end, limits);
    Ok(end.map(|end| ((protocol, head), end)))
}

/// RFC 9112 §4: the reason phrase, and the space before it, may be missing.
fn status_line(bytes: &[u8]) -> Option<(Protocol, StatusCode, usize)> {
    let protocol = match bytes.get(..9)? {
        b"HTTP/1.1 " => Protocol::Http11,
        b"HTTP/1.0 " => Protocol::Http10,
        _ => return None,
    };
    let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
    let end = find_control(bytes, 12)?;
    let has_form = end == 12 || bytes[12] == b' ';
    let ends = bytes[end..].starts_with(b"\r\n");
    (has_form && ends).then_some((protocol, status, end + 2))
}

/// `None` when the section is incomplete, malformed, or past a limit.
fn parse_trailers(bytes: &[u8], limits: &Limits) -> Result<Found<Fields>, Reason> {
    let mut fields = Fields::new();
    let end = parse_fields(&mut fields, bytes, 0, limits);
    Ok(end.map(|end| (fields, end)))
}

/// Reads the field lines from `start` on, up to the empty line; where what comes after it begins.
#[inline]
fn parse_fields(fields: &mut Fields, bytes: &[u8], start: usize, limits: &Limits) -> Option<usize> {
    let rest = bytes.get(start..bytes.len().min(limits.head))?;
    let length = fields.read(rest, |lines| {
        let mut at = 0;
        while !rest[at..].starts_with(b"\r\n") {
            at = parse_line(rest, at, lines)?;
        }
        Some(at + 2)
    })?;
    let (end, count) = (start + length, fields.len());
    (count <= limits.field_lines && end + LINE_COST * count <= limits.head).then_some(end)
}

/// One field line (RFC 9112 §5): where the next begins.
#[inline]
fn parse_line(bytes: &[u8], start: usize, lines: &mut Lines<'_>) -> Option<usize> {
    let colon = find(bytes, start, b':')?;
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let mut value = colon + 1;
    while is_space(bytes.get(value)) {
        value += 1;
    }
    // RFC 9112 §2.2: a bare CR or LF is no end, and RFC 9110 §5.5: no control is part of a value.
    let end = find_control(bytes, value)?;
    if !bytes[end..].starts_with(b"\r\n") {
        return None;
    }
    let mut value_end = end;
    while value_end > value && is_space(bytes.get(value_end - 1)) {
        value_end -= 1;
    }
    lines.line(start..colon, value..value_end)?;
    Some(end + 2)
}

/// RFC 9112 §3.2: each form has its methods, and each method its forms.
#[inline]
fn check_target(head: &RequestHead) -> Result<(), Reason> {
    let fits = match head.form() {
        Form::Origin => head.method != Method::CONNECT,
        Form::Absolute => {
            let known = |s: &str| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https");
            head.method != Method::CONNECT
                && head.scheme().is_some_and(known)
                && head.authority().is_some_and(|authority| is_authority(authority.as_bytes()))
        }
        // RFC 9110 §9.3.6: a server MUST reject a CONNECT with an empty or invalid port.
        Form::Authority => {
            let port = head.target().rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            head.method == Method::CONNECT && matches!(port, Some(Ok(1..)))
        }
        Form::Asterisk => head.method == Method::OPTIONS,
    };
    if fits { Ok(()) } else { Err(Reason::Target) }
}

/// RFC 9112 §3.2: a 1.1 request without Host, with more than one, or with an invalid one MUST be
/// refused. It is empty where the target has no authority.
#[inline]
fn check_host(head: &RequestHead) -> Result<(), Reason> {
    let valid = match head.fields.get(Known::Host) {
        None => head.protocol == Protocol::Http10,
        Some([]) => matches!(head.form(), Form::Origin | Form::Asterisk),
        Some(host) => is_authority(host),
    };
    if valid && !head.fields.is_repeated(Known::Host) { Ok(()) } else { Err(Reason::Host) }
}
