//! Reads request heads, response heads and trailer sections (RFC 9112 §3, §4, §5).
//!
//! One memcpy of the section into the arena of its `Fields`; the fields are ranges of it. httparse
//! finds the ranges; what it accepts beyond the RFC is refused here. Never looks at what the fields
//! mean, but for Host and the target.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{Header, ParserConfig, Status};
use trilane_semantics::target::is_authority;
use trilane_semantics::{
    Fields, Form, Known, Limits, Method, Protocol, Reason, RequestHead, ResponseHead, StatusCode,
};

use crate::scan::{LINE_COST, LONGEST_METHOD, Scan, Section};

/// Field lines that need no allocation to be parsed.
const INLINE: usize = 128;

/// A head and its length on the wire; `None` when it is not complete.
type Found<T> = Option<(T, usize)>;

/// The request head at the front of `bytes`, checked.
pub(crate) fn request(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<RequestHead>, Reason> {
    find(bytes, scan, Section::Request, limits, parse_request)
}

/// The response head at the front of `bytes`, and its version.
pub(crate) fn response(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<(Protocol, ResponseHead)>, Reason> {
    find(bytes, scan, Section::Response, limits, parse_response)
}

/// The trailer section at the front of `bytes`; no fields when it is empty (RFC 9112 §7.1.2).
pub(crate) fn trailers(
    bytes: &[u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Found<Fields>, Reason> {
    find(bytes, scan, Section::Trailers, limits, parse_trailers)
}

type Slot<'b> = MaybeUninit<Header<'b>>;

/// Tries the whole section at once if nothing of it was seen before: one pass. Only when that does
/// not succeed, looks for its end, and for what is wrong with it.
#[inline]
fn find<T>(
    bytes: &[u8],
    scan: &mut Scan,
    section: Section,
    limits: &Limits,
    parse: impl for<'b> Fn(&'b [u8], &mut [Slot<'b>], &Limits) -> Result<Found<T>, Reason>,
) -> Result<Found<T>, Reason> {
    let mut inline = [const { MaybeUninit::uninit() }; INLINE];
    if scan.is_fresh() {
        let most = limits.field_lines.min(INLINE);
        if let Some(found) = parse(bytes, &mut inline[..most], limits)? {
            return Ok(Some(found));
        }
    }
    let Some(end) = scan.find_end(bytes, section, limits)? else { return Ok(None) };
    let lines = scan.lines();
    *scan = Scan::new();
    let section_bytes = &bytes[..end];
    let found = if lines <= INLINE {
        parse(section_bytes, &mut inline[..lines], limits)?
    } else {
        parse(section_bytes, &mut vec![MaybeUninit::uninit(); lines], limits)?
    };
    // Every line has its form: what httparse alone dislikes is in a field line.
    found.map(Some).ok_or(Reason::FieldLine)
}

/// `None` when the head is incomplete, malformed, or past a limit.
#[inline]
fn parse_request<'b>(
    bytes: &'b [u8],
    slots: &mut [Slot<'b>],
    limits: &Limits,
) -> Result<Found<RequestHead>, Reason> {
    let mut parsed = httparse::Request::new(&mut []);
    let status =
        ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, bytes, slots);
    let Ok(Status::Complete(end)) = status else { return Ok(None) };
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Ok(None);
    };
    // httparse skips any number of empty lines; RFC 9112 §2.2 asks for one, which was skipped
    // before.
    let starts_here = offset(bytes, method.as_bytes()) == 0;
    if !starts_here
        || method.len() > LONGEST_METHOD
        || target.len() > limits.target
        || !is_strict(bytes, end, parsed.headers, limits)
    {
        return Ok(None);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Reason::RequestLine)?;
    let fields = load(&bytes[..end], parsed.headers)?;
    let head = RequestHead::with_fields(method, protocol(version), fields, target)
        .ok_or(Reason::Target)?;
    check_target(&head)?;
    check_host(&head)?;
    Ok(Some((head, end)))
}

/// `None` when the head is incomplete, malformed, or past a limit.
fn parse_response<'b>(
    bytes: &'b [u8],
    slots: &mut [Slot<'b>],
    limits: &Limits,
) -> Result<Found<(Protocol, ResponseHead)>, Reason> {
    let mut parsed = httparse::Response::new(&mut []);
    let status =
        ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, slots);
    let Ok(Status::Complete(end)) = status else { return Ok(None) };
    let (Some(code), Some(version)) = (parsed.code, parsed.version) else { return Ok(None) };
    if !bytes.starts_with(b"HTTP/") || !is_strict(bytes, end, parsed.headers, limits) {
        return Ok(None);
    }
    let mut head = ResponseHead::new(StatusCode::from_u16(code).map_err(|_| Reason::StatusLine)?);
    head.fields = load(&bytes[..end], parsed.headers)?;
    Ok(Some(((protocol(version), head), end)))
}

/// `None` when the section is incomplete, malformed, or past a limit.
fn parse_trailers<'b>(
    bytes: &'b [u8],
    slots: &mut [Slot<'b>],
    limits: &Limits,
) -> Result<Found<Fields>, Reason> {
    if bytes.starts_with(b"\r\n") {
        return Ok(Some((Fields::new(), 2)));
    }
    // httparse wants initialised headers here; trailers are rare enough.
    let mut headers = vec![httparse::EMPTY_HEADER; slots.len()];
    let Ok(Status::Complete((end, headers))) = httparse::parse_headers(bytes, &mut headers) else {
        return Ok(None);
    };
    let first_is_at_start = headers.first().is_some_and(|h| offset(bytes, h.name.as_bytes()) == 0);
    let rest = headers.get(1..).unwrap_or_default();
    let fits = end + LINE_COST * headers.len() <= limits.head;
    if !first_is_at_start || !fits || !is_strict(bytes, end, rest, limits) {
        return Ok(None);
    }
    let fields = load(&bytes[..end], headers)?;
    Ok(Some((fields, end)))
}

/// RFC 9112 §2.2: every line ends in CRLF, which httparse does not insist on; and the limits hold.
#[inline]
fn is_strict(bytes: &[u8], end: usize, headers: &[Header<'_>], limits: &Limits) -> bool {
    bytes[..end].ends_with(b"\r\n\r\n")
        && end + LINE_COST * headers.len() <= limits.head
        && headers.iter().all(|header| {
            let name = offset(bytes, header.name.as_bytes());
            name >= 2 && bytes[name - 2..name] == *b"\r\n"
        })
}

/// Copies the section and names the ranges of its fields.
#[inline]
fn load(section: &[u8], headers: &[Header<'_>]) -> Result<Fields, Reason> {
    let mut fields = Fields::new();
    let base = fields.load(section);
    for header in headers {
        let name = range(base, section, header.name.as_bytes());
        let value = match header.value {
            [] => name.end..name.end,
            value => range(base, section, value),
        };
        fields.push_range(name, value).map_err(|_| Reason::FieldsTooLarge)?;
    }
    Ok(fields)
}

/// How far into `whole` its sub-slice `part` begins.
#[inline]
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())
}

#[inline]
fn range(base: usize, whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = base + offset(whole, part);
    start..start + part.len()
}

const fn protocol(minor: u8) -> Protocol {
    if minor == 0 { Protocol::Http10 } else { Protocol::Http11 }
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
