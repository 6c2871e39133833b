//! The header section of a response, and what follows it (RFC 9113 §8.3.2, RFC 9114 §4.3.2).

use http::{Method, StatusCode};

use super::{End, Section, content_length, is_bare};
use crate::event::Content;
use crate::fault::Reason;
use crate::field::{Known, NameRef};
use crate::head::ResponseHead;
use crate::limits::Limits;

/// What a request means for its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 2xx makes a tunnel (RFC 9110 §9.3.6, RFC 8441 §5).
    Connect,
    /// The response has no content (RFC 9110 §9.3.2).
    Head,
    /// None of these.
    Plain,
}

impl Kind {
    /// What a method means for its response.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::CONNECT => Self::Connect,
            Method::HEAD => Self::Head,
            _ => Self::Plain,
        }
    }
}

/// The header section of a response on its way in, field by field; interim or final.
///
/// ```
/// use trilane_semantics::{Limits, NameRef, ResponseSection};
/// let limits = Limits::default();
/// let mut section = ResponseSection::new(&limits);
/// section.field(NameRef::Other(b":status"), b"204").unwrap();
/// assert_eq!(section.finish().unwrap().status, 204);
/// ```
#[derive(Debug)]
pub struct ResponseSection<'l> {
    section: Section<'l>,
    head: ResponseHead,
    has_status: bool,
}

impl<'l> ResponseSection<'l> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: &'l Limits) -> Self {
        Self { section: Section::new(limits), head: ResponseHead::default(), has_status: false }
    }

    /// Takes the next field line in.
    ///
    /// # Errors
    /// It makes the message malformed, or is one too many.
    pub fn field(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), Reason> {
        if let NameRef::Other([b':', pseudo @ ..]) = name {
            // RFC 9113 §8.3.2: :status alone; §8.3: before all other fields, and not twice.
            if pseudo != b"status" || self.has_status || self.section.lines > 0 {
                return Err(Reason::PseudoField);
            }
            self.section.spend(name.as_bytes().len(), value.len())?;
            self.head.status = status(value)?;
            self.has_status = true;
            return Ok(());
        }
        match self.section.check(name, value)? {
            // RFC 9113 §8.2.2: `te: trailers` is for requests.
            NameRef::Known(Known::Te) => Err(Reason::ConnectionField),
            name => self.head.fields.append_checked(name, value).map_err(|_| Reason::FieldLine),
        }
    }

    /// The head, all of it having come.
    ///
    /// # Errors
    /// There was no `:status`.
    pub fn finish(self) -> Result<ResponseHead, Reason> {
        if self.has_status { Ok(self.head) } else { Err(Reason::PseudoField) }
    }
}

/// RFC 9110 §15: three digits, the first of which names a class. RFC 9113 §8.6, RFC 9114 §4.5: there is no 101.
fn status(value: &[u8]) -> Result<StatusCode, Reason> {
    let status = match value {
        [b'1'..=b'5', _, _] => StatusCode::from_bytes(value).map_err(|_| Reason::StatusLine)?,
        _ => return Err(Reason::StatusLine),
    };
    if status == StatusCode::SWITCHING_PROTOCOLS { Err(Reason::StatusLine) } else { Ok(status) }
}

/// What follows the head of a final response to a request of that kind, where the end of the section is, or is not, the end
/// of the message. What cannot have content, and goes on all the same, has none of it until its end.
///
/// # Errors
/// Content-Length is malformed, or says something else (RFC 9113 §8.1.1, RFC 9114 §4.1.2).
pub fn response_content(head: &ResponseHead, kind: Kind, ends: End) -> Result<Content, Reason> {
    // RFC 9110 §8.6: a client MUST ignore the length that a 2xx to CONNECT says.
    if kind == Kind::Connect && head.status.is_success() {
        return Ok(Content::Tunnel);
    }
    let length = content_length(&head.fields)?;
    // RFC 9113 §8.1.1: where there is no content by definition, its length may be another.
    if kind == Kind::Head || is_bare(head.status) {
        return Ok(if ends == End::Message { Content::None } else { Content::Exact(0) });
    }
    match (ends, length) {
        (End::Message, None | Some(0)) => Ok(Content::None),
        (End::Message, Some(_)) => Err(Reason::ContentLength),
        (End::Section, None) => Ok(Content::Unknown),
        (End::Section, Some(length)) => Ok(Content::Exact(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(fields: &[(&str, &str)], limits: &Limits) -> Result<ResponseHead, Reason> {
        let mut section = ResponseSection::new(limits);
        for (name, value) in fields {
            let is_other = name.starts_with(':') || name.bytes().any(|it| it.is_ascii_uppercase());
            let name = name.as_bytes();
            let name = if is_other { NameRef::Other(name) } else { NameRef::new(name) };
            section.field(name, value.as_bytes())?;
        }
        section.finish()
    }

    fn read(fields: &[(&str, &str)]) -> Result<ResponseHead, Reason> {
        take(fields, &Limits::default())
    }

    /// RFC 9113 §8.2, §8.3, §8.3.2, §8.6.
    #[test]
    fn a_head_has_one_status_and_fields() {
        let head = read(&[(":status", "404"), ("etag", "x"), ("x-own", "1")]).unwrap();
        assert_eq!((head.status, head.fields.len()), (StatusCode::NOT_FOUND, 2));
        for (value, expected) in [
            ("099", Err(Reason::StatusLine)),
            ("100", Ok(100)),
            ("101", Err(Reason::StatusLine)),
            ("102", Ok(102)),
            ("599", Ok(599)),
            ("600", Err(Reason::StatusLine)),
            ("20", Err(Reason::StatusLine)),
            ("2000", Err(Reason::StatusLine)),
            ("+20", Err(Reason::StatusLine)),
            ("2 0", Err(Reason::StatusLine)),
            ("", Err(Reason::StatusLine)),
        ] {
            let status = read(&[(":status", value)]).map(|head| head.status.as_u16());
            assert_eq!(status, expected, "{value}");
        }
        let ok = (":status", "200");
        for (fields, reason) in [
            (&[][..], Reason::PseudoField),
            (&[("a", "b")], Reason::PseudoField),
            (&[ok, ok], Reason::PseudoField),
            (&[("a", "b"), ok], Reason::PseudoField),
            (&[ok, (":path", "/")], Reason::PseudoField),
            (&[ok, (":", "")], Reason::PseudoField),
            (&[ok, ("connection", "close")], Reason::ConnectionField),
            (&[ok, ("keep-alive", "1")], Reason::ConnectionField),
            (&[ok, ("proxy-connection", "1")], Reason::ConnectionField),
            (&[ok, ("transfer-encoding", "chunked")], Reason::ConnectionField),
            (&[ok, ("upgrade", "x")], Reason::ConnectionField),
            (&[ok, ("te", "trailers")], Reason::ConnectionField),
            (&[ok, ("Etag", "x")], Reason::FieldLine),
            (&[ok, ("a b", "x")], Reason::FieldLine),
            (&[ok, ("", "x")], Reason::FieldLine),
            (&[ok, ("a", " x")], Reason::FieldLine),
            (&[ok, ("a", "x\t")], Reason::FieldLine),
            (&[ok, ("a", "x\ny")], Reason::FieldLine),
        ] {
            assert_eq!(read(fields).map(|_| ()), Err(reason), "{fields:?}");
        }
    }

    #[test]
    fn a_section_has_its_limits() {
        // `:status` and 200 with the cost of a line, and one more line: 42 and 34 bytes.
        for (head, expected) in [(75, Err(Reason::FieldsTooLarge)), (76, Ok(())), (77, Ok(()))] {
            let limits = Limits { head, ..Limits::default() };
            let result = take(&[(":status", "200"), ("a", "b")], &limits);
            assert_eq!(result.map(|_| ()), expected, "{head}");
        }
        for (lines, expected) in [(1, Ok(())), (2, Ok(())), (3, Err(Reason::FieldsTooLarge))] {
            let limits = Limits { field_lines: 2, ..Limits::default() };
            let fields = [&[(":status", "200")][..], &[("a", "b")].repeat(lines)].concat();
            assert_eq!(take(&fields, &limits).map(|_| ()), expected, "{lines}");
        }
    }

    /// RFC 9113 §8.1.1, §8.5; RFC 9110 §8.6.
    #[test]
    fn what_follows_a_head() {
        let (bad, message, section) = (Err(Reason::ContentLength), End::Message, End::Section);
        for (status, kind, length, ends, expected) in [
            ("200", Kind::Plain, None, message, Ok(Content::None)),
            ("200", Kind::Plain, None, section, Ok(Content::Unknown)),
            ("200", Kind::Plain, Some("0"), message, Ok(Content::None)),
            ("200", Kind::Plain, Some("0"), section, Ok(Content::Exact(0))),
            ("200", Kind::Plain, Some("7"), section, Ok(Content::Exact(7))),
            ("200", Kind::Plain, Some("7"), message, bad),
            ("200", Kind::Plain, Some("x"), section, bad),
            ("200", Kind::Plain, Some("7, 7"), section, bad),
            ("200", Kind::Head, Some("7"), message, Ok(Content::None)),
            ("200", Kind::Head, Some("7"), section, Ok(Content::Exact(0))),
            ("200", Kind::Head, Some("x"), message, bad),
            ("204", Kind::Plain, None, message, Ok(Content::None)),
            ("204", Kind::Plain, None, section, Ok(Content::Exact(0))),
            ("304", Kind::Plain, Some("7"), message, Ok(Content::None)),
            ("304", Kind::Plain, Some("7"), section, Ok(Content::Exact(0))),
            ("200", Kind::Connect, Some("7"), section, Ok(Content::Tunnel)),
            ("299", Kind::Connect, None, message, Ok(Content::Tunnel)),
            ("302", Kind::Connect, None, section, Ok(Content::Unknown)),
            ("400", Kind::Connect, Some("7"), section, Ok(Content::Exact(7))),
        ] {
            let mut fields = vec![(":status", status)];
            fields.extend(length.map(|length| ("content-length", length)));
            let content = response_content(&read(&fields).unwrap(), kind, ends);
            assert_eq!(content, expected, "{fields:?} {kind:?} {ends:?}");
        }
    }
}
