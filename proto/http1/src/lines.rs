//! The form of single lines (RFC 9112 §2.2, §3, §4, §5): what is wrong with one, off the fast path.
//!
//! Says why a section is refused that could not be read in one go. Never keeps anything, and never
//! looks at more than one line.

use trilane_semantics::field::{is_token, is_value, trim_ows};
use trilane_semantics::{Reason, StatusCode};

use crate::scan::Section;

/// Whether a complete line, without its CRLF, may stand in that section. `is_start` is its first
/// line.
#[cold]
pub(crate) fn check(line: &[u8], section: Section, is_start: bool) -> Result<(), Reason> {
    let wrong = match section {
        Section::Request if is_start => wrong_request_line(line),
        Section::Response if is_start => wrong_status_line(line),
        _ => wrong_field_line(line),
    };
    wrong.map_or(Ok(()), Err)
}

fn wrong_request_line(line: &[u8]) -> Option<Reason> {
    let mut parts = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(Reason::RequestLine);
    };
    if !is_token(method) || target.is_empty() {
        return Some(Reason::RequestLine);
    }
    wrong_version(version, Reason::RequestLine).or_else(|| {
        let valid = target.iter().all(|b| (0x21..0x7f).contains(b));
        (!valid).then_some(Reason::Target)
    })
}

fn wrong_status_line(line: &[u8]) -> Option<Reason> {
    let version = line.split(|&b| b == b' ').next().unwrap_or_default();
    wrong_version(version, Reason::StatusLine).or_else(|| {
        let rest = line.get(8..).unwrap_or_default();
        let valid = match rest {
            [b' ', a, b, c, reason @ ..] => {
                // RFC 9110 §15: three digits, from 100 on.
                StatusCode::from_bytes(&[*a, *b, *c]).is_ok()
                    && matches!(reason, [] | [b' ', ..])
                    && is_value(reason)
            }
            _ => false,
        };
        (!valid).then_some(Reason::StatusLine)
    })
}

/// RFC 9112 §2.3: `HTTP/` DIGIT `.` DIGIT, case-sensitive; a version of another shape is
/// `malformed`.
fn wrong_version(version: &[u8], malformed: Reason) -> Option<Reason> {
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(Reason::Version)
        }
        _ => Some(malformed),
    }
}

fn wrong_field_line(line: &[u8]) -> Option<Reason> {
    // RFC 9112 §5.2: a server MUST refuse or unfold; §2.2: nor may white space follow the start
    // line.
    if matches!(line, [b' ' | b'\t', ..]) {
        return Some(Reason::FoldedField);
    }
    let colon = memchr::memchr(b':', line);
    // RFC 9112 §5.1: no white space between the name and the colon.
    let valid =
        colon.is_some_and(|at| is_token(&line[..at]) && is_value(trim_ows(&line[at + 1..])));
    (!valid).then_some(Reason::FieldLine)
}
