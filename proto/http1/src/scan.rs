//! Finds the end of a head or trailer section (RFC 9112 §2.1) without looking at a byte twice.
//!
//! Enforces the limits and the form of a section line by line, so that the verdict does not depend
//! on how the bytes were cut (but with a limit of less than 65 bytes a head), and comes with the first wrong line. Never keeps what stands in one.

use memchr::memchr_iter;
use trilane_semantics::field::is_token;
use trilane_semantics::section::{LINE_COST, LONGEST_METHOD};
use trilane_semantics::{Limits, Reason};

use crate::lines;

/// Which kind of section is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// A request line and fields.
    Request,
    /// A status line and fields.
    Response,
    /// Fields only; may be empty.
    Trailers,
}

/// Where the search for the end of a section stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Bytes looked at.
    at: u32,
    /// Where the line under way begins.
    line: u32,
    /// Complete lines, the empty one not counted.
    lines: u32,
}

impl Scan {
    /// Before the first byte.
    pub(crate) const fn new() -> Self {
        Self { at: 0, line: 0, lines: 0 }
    }

    /// Whether nothing was looked at yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Complete lines seen, the start line included.
    pub(crate) const fn lines(&self) -> usize {
        self.lines as usize
    }

    /// The length of the section with its empty line, if `bytes` hold all of it. `bytes` must begin
    /// where they began the last time.
    pub(crate) fn find_end(
        &mut self,
        bytes: &[u8],
        section: Section,
        limits: &Limits,
    ) -> Result<Option<usize>, Reason> {
        let from = self.at as usize;
        for feed in memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
            let end = from + feed + 1;
            let start = self.line as usize;
            let is_start = self.lines == 0 && section != Section::Trailers;
            if section == Section::Request && is_start {
                check_method(&bytes[..end])?;
                check_target(&bytes[..end], limits)?;
            }
            self.check_returns(&bytes[..end], section, limits)?;
            let is_last = end - start == 2 && bytes[start] == b'\r';
            self.lines += u32::from(!is_last);
            self.check(end, section, limits)?;
            // RFC 9112 §2.2: a recipient MAY accept a bare LF; we do not, peers before us may not
            // either.
            if end < start + 2 || bytes[end - 2] != b'\r' {
                return Err(Reason::BareLineFeed);
            }
            // `check` bounded `end` by u32::MAX.
            (self.line, self.at) = (end as u32, end as u32);
            if is_last {
                return match (section, self.lines) {
                    (Section::Request, 0) => Err(Reason::RequestLine),
                    (Section::Response, 0) => Err(Reason::StatusLine),
                    _ => Ok(Some(end)),
                };
            }
            lines::check(&bytes[start..end - 2], section, is_start)?;
        }
        if section == Section::Request && self.lines == 0 {
            check_method(bytes)?;
            check_target(bytes, limits)?;
        }
        self.check_returns(bytes, section, limits)?;
        self.check(bytes.len(), section, limits)?;
        self.at = bytes.len() as u32;
        Ok(None)
    }

    /// Complete field lines seen.
    fn fields(&self, section: Section) -> usize {
        self.lines().saturating_sub(usize::from(section != Section::Trailers))
    }

    /// RFC 9112 §2.2: a CR that no LF follows MUST be refused or replaced. `bytes` is the section up to somewhere in
    /// the line under way, or up to its end. What lies beyond the limit of a section is not looked at.
    fn check_returns(&self, bytes: &[u8], section: Section, limits: &Limits) -> Result<(), Reason> {
        let from = (self.at as usize).saturating_sub(1).max(self.line as usize);
        let most = limits.head.saturating_sub(LINE_COST * self.fields(section));
        let looked_at = bytes.get(from..bytes.len().min(most)).unwrap_or_default();
        let is_bare = |at: usize| looked_at.get(at + 1).is_some_and(|&next| next != b'\n');
        let mut returns = memchr_iter(b'\r', looked_at);
        if returns.any(is_bare) { Err(Reason::BareCarriageReturn) } else { Ok(()) }
    }

    /// RFC 9110 §5.4: a server that will not process so large a section answers with 4xx.
    fn check(&self, end: usize, section: Section, limits: &Limits) -> Result<(), Reason> {
        let fields = self.fields(section);
        let most = limits.head.min(u32::MAX as usize);
        if fields > limits.field_lines || end + LINE_COST * fields > most {
            return Err(Reason::FieldsTooLarge);
        }
        Ok(())
    }
}

/// RFC 9112 §3.1: a method is a token; a peer that speaks another protocol shows it in its first bytes.
/// RFC 9112 §3: a longer one than any known SHOULD be answered with 501. `line` is the request line, or
/// what came of it.
fn check_method(line: &[u8]) -> Result<(), Reason> {
    let front = &line[..line.len().min(LONGEST_METHOD + 1)];
    let Some(at) = front.iter().position(|b| !is_token(std::slice::from_ref(b))) else {
        return if front.len() > LONGEST_METHOD { Err(Reason::Method) } else { Ok(()) };
    };
    if matches!(front[at], b' ' | b'\r' | b'\n') { Ok(()) } else { Err(Reason::RequestLine) }
}

/// RFC 9112 §3: a target longer than the server will parse MUST be answered with 414. `line` is the
/// request line, or what came of it.
fn check_target(line: &[u8], limits: &Limits) -> Result<(), Reason> {
    if line.len() <= limits.target {
        return Ok(());
    }
    // A line whose method ends in a CR has no target: the CR is what is wrong with it, however it is cut.
    let space = line.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n'));
    let Some(space) = space.filter(|&at| line[at] == b' ') else { return Ok(()) };
    let rest = &line[space + 1..];
    let end = rest.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(rest.len());
    if end > limits.target { Err(Reason::TargetTooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(head: usize, field_lines: usize, target: usize) -> Limits {
        let mut limits = Limits::default();
        (limits.head, limits.field_lines, limits.target) = (head, field_lines, target);
        limits
    }

    /// Whole, and byte by byte: the verdict must be the same.
    fn scan(bytes: &[u8], section: Section, limits: &Limits) -> Result<Option<usize>, Reason> {
        let whole = Scan::new().find_end(bytes, section, limits);
        let mut scan = Scan::new();
        let mut last = Ok(None);
        for end in 0..=bytes.len() {
            last = scan.find_end(&bytes[..end], section, limits);
            if last != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, last);
        whole
    }

    #[test]
    fn the_end_is_found_however_the_bytes_are_cut() {
        let all = limits(1000, 10, 100);
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let both = [&head[..], b"rest"].concat();
        assert_eq!(scan(&both, Section::Request, &all), Ok(Some(head.len())));
        assert_eq!(scan(&head[..head.len() - 1], Section::Request, &all), Ok(None));
        assert_eq!(scan(b"\r\nx", Section::Trailers, &all), Ok(Some(2)));
        assert_eq!(scan(b"a: b\r\n\r\n", Section::Trailers, &all), Ok(Some(8)));
    }

    /// RFC 9112 §2.2: lines end in CRLF.
    #[test]
    fn bare_line_feeds_are_refused() {
        let all = limits(1000, 10, 100);
        for bad in
            ["\n", "GET / HTTP/1.1\n\r\n", "GET / HTTP/1.1\r\n\n", "GET / HTTP/1.1\r\na: b\n"]
        {
            let found = scan(bad.as_bytes(), Section::Request, &all);
            assert_eq!(found, Err(Reason::BareLineFeed), "{bad:?}");
        }
        assert_eq!(scan(b"\r\n", Section::Request, &all), Err(Reason::RequestLine));
        assert_eq!(scan(b"\r\n", Section::Response, &all), Err(Reason::StatusLine));
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let head = b"GET /abcd HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
        let cost = head.len() + 2 * LINE_COST;
        for (most, ok) in [(cost - 1, false), (cost, true), (cost + 1, true)] {
            let expected = if ok { Ok(Some(head.len())) } else { Err(Reason::FieldsTooLarge) };
            assert_eq!(scan(head, Section::Request, &limits(most, 10, 100)), expected);
        }
        for (most, ok) in [(1, false), (2, true), (3, true)] {
            let expected = if ok { Ok(Some(head.len())) } else { Err(Reason::FieldsTooLarge) };
            assert_eq!(scan(head, Section::Request, &limits(1000, most, 100)), expected);
        }
        for (most, ok) in [(4, false), (5, true), (6, true)] {
            let expected = if ok { Ok(Some(head.len())) } else { Err(Reason::TargetTooLong) };
            assert_eq!(scan(head, Section::Request, &limits(1000, 10, most)), expected);
        }
        // Also while the line is incomplete.
        assert_eq!(scan(b"GET /abcd", Section::Request, &limits(1000, 10, 5)), Ok(None));
        let long = scan(b"GET /abcde", Section::Request, &limits(1000, 10, 5));
        assert_eq!(long, Err(Reason::TargetTooLong));
        for (len, expected) in [(49, Ok(None)), (50, Ok(None)), (51, Err(Reason::FieldsTooLarge))] {
            assert_eq!(scan(&vec![b'A'; len], Section::Request, &limits(50, 10, 10)), expected);
        }
    }
}
