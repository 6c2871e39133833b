//! Field sections that come as names and values, pseudo-fields first: what HTTP/2 and HTTP/3 ask of them alike (RFC 9113 §8.2,
//! §8.3; RFC 9114 §4.2, §4.3).
//!
//! Here and not in a crate of its own, because it is made of `Fields`, `Target` and `Limits` and says `Reason`s: a crate would
//! have them all as its interface. Never decompresses anything.

use http::{Method, StatusCode};

use crate::event::Content;
use crate::fault::Reason;
use crate::field::{Known, NameRef, is_lower_token, is_token, is_value, trim_ows};
use crate::fields::Fields;
use crate::head::{Protocol, RequestHead};
use crate::limits::Limits;
use crate::target::{Form, Target, is_authority};

/// What a field line costs besides its bytes (RFC 9113 §6.5.2, RFC 9114 §4.2.2); HTTP/1.1's are counted alike.
pub const LINE_COST: usize = 32;
/// The longest method that a handler may know, in bytes; the longest registered one has 17.
pub const LONGEST_METHOD: usize = 64;

/// The longest name of a field, in bytes: what [`Fields`] can hold.
const LONGEST_NAME: usize = u16::MAX as usize;
mod response;

pub use response::{Kind, ResponseSection, response_content};

const METHOD: u8 = 1;
const SCHEME: u8 = 2;
const AUTHORITY: u8 = 4;
const PATH: u8 = 8;
const PROTOCOL: u8 = 16;

/// What all sections have in common: what they cost, and what a field may be.
#[derive(Debug)]
struct Section<'l> {
    limits: &'l Limits,
    size: usize,
    lines: usize,
}

/// The header section of a request on its way in, field by field.
///
/// ```
/// use trilane_semantics::{Limits, NameRef, Protocol, RequestSection};
/// let (limits, mut joined) = (Limits::default(), Vec::new());
/// let mut section = RequestSection::new(Protocol::Http2, &limits, &mut joined);
/// for (name, value) in [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")] {
///     section.field(NameRef::Other(name.as_bytes()), value.as_bytes()).unwrap();
/// }
/// let head = section.finish().unwrap();
/// assert_eq!((head.path(), head.authority()), ("/x", Some("a")));
/// ```
#[derive(Debug)]
pub struct RequestSection<'l> {
    section: Section<'l>,
    head: RequestHead,
    /// Pseudo-fields that were there, a bit each.
    seen: u8,
    /// All crumbs of the cookie, once there are two.
    crumbs: &'l mut Vec<u8>,
}

/// A trailer section on its way in, field by field.
#[derive(Debug)]
pub struct TrailerSection<'l> {
    section: Section<'l>,
    fields: Fields,
}

impl<'l> RequestSection<'l> {
    /// An empty one. `crumbs` is memory for cookies that come in pieces; what is in it is forgotten.
    #[must_use]
    pub fn new(protocol: Protocol, limits: &'l Limits, crumbs: &'l mut Vec<u8>) -> Self {
        crumbs.clear();
        let head = RequestHead::blank(Method::GET, protocol);
        Self { section: Section::new(limits), head, seen: 0, crumbs }
    }

    /// Takes the next field line in.
    ///
    /// # Errors
    /// It makes the message malformed, or is one too many. The section is of no use then, but for
    /// [`RequestSection::method`].
    pub fn field(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), Reason> {
        if let NameRef::Other([b':', pseudo @ ..]) = name {
            return self.pseudo(pseudo, value);
        }
        let name = self.section.check(name, value)?;
        self.add(name, value)
    }

    /// Takes in a line that [`RequestSection::field`] of an earlier section took in, byte for byte, and whose name is
    /// [`NameRef::Known`] if it is well known: what is judged by the line alone was judged then. Its cost, its place
    /// and what it must agree with are looked at as ever.
    ///
    /// # Errors
    /// As [`RequestSection::field`].
    #[inline]
    pub fn field_again(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), Reason> {
        match name {
            NameRef::Other([b':', b'a', b'u', ..]) => {
                self.begin_pseudo(AUTHORITY, b"authority".len(), value)?;
                self.add_authority(value)
            }
            NameRef::Other([b':', pseudo @ ..]) => self.pseudo(pseudo, value),
            name => {
                self.section.lines += 1;
                self.section.spend(name.as_bytes().len(), value.len())?;
                self.add(name, value)
            }
        }
    }

    /// Adds a line that was checked by itself.
    #[inline]
    fn add(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), Reason> {
        let fields = &mut self.head.fields;
        match name {
            NameRef::Known(Known::Host) if fields.contains(Known::Host) => {
                // RFC 9113 §8.3.1: a Host that names another than :authority makes the request malformed.
                let same = fields.get(Known::Host).is_some_and(|it| it.eq_ignore_ascii_case(value));
                let is_first = self.seen & AUTHORITY != 0;
                return if same && is_first { Ok(()) } else { Err(Reason::Host) };
            }
            NameRef::Known(Known::Host) if !is_authority(value) => return Err(Reason::Host),
            // RFC 9113 §8.2.3: crumbs MUST be joined before anything else sees them.
            NameRef::Known(Known::Cookie) if fields.contains(Known::Cookie) => {
                if self.crumbs.is_empty() {
                    self.crumbs.extend_from_slice(fields.get(Known::Cookie).unwrap_or_default());
                }
                self.crumbs.extend_from_slice(b"; ");
                self.crumbs.extend_from_slice(value);
                return Ok(());
            }
            _ => (),
        }
        fields.append_checked(name, value).map_err(|_| Reason::FieldLine)
    }

    fn add_authority(&mut self, value: &[u8]) -> Result<(), Reason> {
        // Host is where handlers look for it, as RFC 9113 §8.3.1 has it for HTTP/1.1.
        let host = self.head.fields.append_checked(NameRef::Known(Known::Host), value);
        host.map_err(|_| Reason::Host)
    }

    /// The head, all of it having come.
    ///
    /// # Errors
    /// Something is missing, or does not go together.
    pub fn finish(mut self) -> Result<RequestHead, Reason> {
        if !self.crumbs.is_empty()
            && !self.head.fields.replace_checked(Known::Cookie, trim_ows(self.crumbs))
        {
            return Err(Reason::FieldsTooLarge);
        }
        let is_plain_connect = self.head.method == Method::CONNECT && self.seen & PROTOCOL == 0;
        if is_plain_connect {
            // RFC 9113 §8.5: :scheme and :path MUST be omitted, and :authority is the target.
            if self.seen != METHOD | AUTHORITY {
                return Err(Reason::PseudoField);
            }
            return self.connect();
        }
        // RFC 9113 §8.3.1: exactly one :method, :scheme and :path. RFC 8441 §4: with :protocol, :authority too.
        let needed = METHOD | SCHEME | PATH;
        if self.seen & needed != needed {
            return Err(Reason::PseudoField);
        }
        if self.seen & PROTOCOL != 0
            && (self.head.method != Method::CONNECT || self.seen & AUTHORITY == 0)
        {
            return Err(Reason::PseudoField);
        }
        match self.head.form() {
            Form::Origin => (),
            Form::Asterisk if self.head.method == Method::OPTIONS => (),
            _ => return Err(Reason::Target),
        }
        // RFC 9114 §4.3.1, and what RFC 9110 §7.2 asks of HTTP/1.1: http and https name whom they are for.
        if !self.head.fields.contains(Known::Host) {
            return Err(Reason::Host);
        }
        Ok(self.head)
    }

    /// The method as far as it is known: a refusal of HEAD has no content either.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        let bit = match name {
            b"method" => METHOD,
            b"scheme" => SCHEME,
            b"authority" => AUTHORITY,
            b"path" => PATH,
            b"protocol" => PROTOCOL,
            _ => return Err(Reason::PseudoField),
        };
        self.begin_pseudo(bit, name.len(), value)?;
        match bit {
            METHOD => self.head.method = method(value)?,
            SCHEME => {
                let known = |scheme: &[u8]| value.eq_ignore_ascii_case(scheme);
                if !known(b"https") && !known(b"http") {
                    return Err(Reason::Target);
                }
            }
            AUTHORITY => {
                // RFC 9113 §8.3.1: no userinfo; and not empty where the scheme is http or https.
                if !is_authority(value) {
                    return Err(Reason::Host);
                }
                self.add_authority(value)?;
            }
            PATH => {
                let text = std::str::from_utf8(value).map_err(|_| Reason::Target)?;
                let target = Target::parse(value).ok_or(Reason::Target)?;
                self.head.set_target(target, text);
            }
            _ => {
                let text = std::str::from_utf8(value).ok().filter(|text| is_token(text.as_bytes()));
                self.head.set_connect_protocol(text.ok_or(Reason::PseudoField)?);
            }
        }
        Ok(())
    }

    /// A pseudo-field's place and cost; its name is that long without its colon.
    #[inline]
    fn begin_pseudo(&mut self, bit: u8, name: usize, value: &[u8]) -> Result<(), Reason> {
        // RFC 9113 §8.3: before all other fields, and none of them twice.
        if self.section.lines > 0 || self.seen & bit != 0 {
            return Err(Reason::PseudoField);
        }
        if bit == PATH && value.len() > self.section.limits.target {
            return Err(Reason::TargetTooLong);
        }
        self.section.spend(name + 1, value.len())?;
        self.seen |= bit;
        Ok(())
    }

    /// CONNECT: the target is the authority, and names a port (RFC 9110 §9.3.6).
    fn connect(mut self) -> Result<RequestHead, Reason> {
        let text = self.head.fields.get_str(Known::Host).unwrap_or_default().to_owned();
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        let target = Target::parse(text.as_bytes()).filter(|it| it.form() == Form::Authority);
        let (Some(target), Some(Ok(1..))) = (target, port) else { return Err(Reason::Target) };
        self.head.set_target(target, &text);
        Ok(self.head)
    }
}

impl<'l> TrailerSection<'l> {
    /// An empty one.
    #[must_use]
    pub const fn new(limits: &'l Limits) -> Self {
        Self { section: Section::new(limits), fields: Fields::new() }
    }

    /// Takes the next field line in.
    ///
    /// # Errors
    /// It makes the message malformed, or is one too many.
    pub fn field(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), Reason> {
        // RFC 9113 §8.1: no pseudo-fields in trailers.
        if let NameRef::Other([b':', ..]) = name {
            return Err(Reason::PseudoField);
        }
        let name = self.section.check(name, value)?;
        self.fields.append_checked(name, value).map_err(|_| Reason::FieldLine)
    }

    /// The fields, all of them having come.
    #[must_use]
    pub fn finish(self) -> Fields {
        self.fields
    }
}

impl<'l> Section<'l> {
    const fn new(limits: &'l Limits) -> Self {
        Self { limits, size: 0, lines: 0 }
    }

    /// Counts a line of such a name and value against the limits.
    fn spend(&mut self, name: usize, value: usize) -> Result<(), Reason> {
        self.size = self.size.saturating_add(name).saturating_add(value).saturating_add(LINE_COST);
        let fits = self.size <= self.limits.head && self.lines <= self.limits.field_lines;
        if fits { Ok(()) } else { Err(Reason::FieldsTooLarge) }
    }

    /// Counts and checks a line that is no pseudo-field; its name, recognised.
    fn check<'n>(&mut self, name: NameRef<'n>, value: &[u8]) -> Result<NameRef<'n>, Reason> {
        self.lines += 1;
        self.spend(name.as_bytes().len(), value.len())?;
        let name = match name {
            NameRef::Known(_) => name,
            // RFC 9113 §8.2.1: no upper case, and nothing that is no name.
            NameRef::Other(other) if other.len() > LONGEST_NAME || !is_lower_token(other) => {
                return Err(Reason::FieldLine);
            }
            NameRef::Other(other) => NameRef::new(other),
        };
        // RFC 9113 §8.2.1: a value MUST NOT begin or end with white space, nor hold what no value may.
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
            return Err(Reason::FieldLine);
        }
        if !is_value(value) {
            return Err(Reason::FieldLine);
        }
        // RFC 9113 §8.2.2: what is specific to connections makes a message malformed, but for `te: trailers`.
        match name {
            NameRef::Known(
                Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::TransferEncoding
                | Known::Upgrade,
            ) => Err(Reason::ConnectionField),
            NameRef::Known(Known::Te) if !value.eq_ignore_ascii_case(b"trailers") => {
                Err(Reason::ConnectionField)
            }
            name => Ok(name),
        }
    }
}

/// What follows the head of a request, where the end of the section is, or is not, the end of the message.
///
/// # Errors
/// Content-Length is malformed, or says something else (RFC 9113 §8.1.1, RFC 9114 §4.1.2).
pub fn content(head: &RequestHead, ends: End) -> Result<Content, Reason> {
    let length = content_length(&head.fields)?;
    match (ends, length) {
        // RFC 9113 §8.5: CONNECT has no content, and no length of it.
        (_, Some(_)) if head.method == Method::CONNECT => Err(Reason::ContentLength),
        (_, None) if head.method == Method::CONNECT => Ok(Content::Tunnel),
        (End::Message, None | Some(0)) => Ok(Content::None),
        (End::Message, Some(_)) => Err(Reason::ContentLength),
        (End::Section, None) => Ok(Content::Unknown),
        (End::Section, Some(length)) => Ok(Content::Exact(length)),
    }
}

/// What follows the head of a request, and whether the client waits for 100 (Continue) before it sends that.
///
/// # Errors
/// As [`content`] and [`waits_for_continue`].
#[inline]
pub fn judge(head: &RequestHead, ends: End) -> Result<(Content, bool), Reason> {
    let content = content(head, ends)?;
    Ok((content, waits_for_continue(&head.fields, content)?))
}

/// What ends with a field section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of the message.
    Message,
    /// The section alone.
    Section,
}

/// What Content-Length says: one line of digits. Lists, even of equal values, are refused, as in HTTP/1.1.
///
/// # Errors
/// It is repeated, or no number, or too large a one (RFC 9110 §8.6).
#[inline]
pub fn content_length(fields: &Fields) -> Result<Option<u64>, Reason> {
    if !fields.contains(Known::ContentLength) {
        return Ok(None);
    }
    let digits = fields.get(Known::ContentLength).unwrap_or_default();
    let sum = digits.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    });
    match sum {
        Some(sum) if !digits.is_empty() && !fields.is_repeated(Known::ContentLength) => {
            Ok(Some(sum))
        }
        _ => Err(Reason::ContentLength),
    }
}

/// Whether a response with that status never has content, nor fields about it (RFC 9110 §8.6).
#[must_use]
pub fn is_bare(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Whether the client waits for 100 (Continue) before it sends content (RFC 9110 §10.1.1).
///
/// # Errors
/// It expects something else.
#[inline]
pub fn waits_for_continue(fields: &Fields, content: Content) -> Result<bool, Reason> {
    if !fields.contains(Known::Expect) {
        return Ok(false);
    }
    if !fields.list(Known::Expect).all(|member| member.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Reason::Expectation);
    }
    // RFC 9110 §5.6.1: a list may be empty, and then nothing is expected.
    let is_said = fields.list(Known::Expect).next().is_some();
    Ok(is_said && matches!(content, Content::Exact(1..) | Content::Unknown))
}

fn method(value: &[u8]) -> Result<Method, Reason> {
    match value {
        b"GET" => Ok(Method::GET),
        b"POST" => Ok(Method::POST),
        _ if value.len() > LONGEST_METHOD => Err(Reason::Method),
        // RFC 9110 §9.1: a method is a token.
        _ if is_token(value) => Method::from_bytes(value).map_err(|_| Reason::RequestLine),
        _ => Err(Reason::RequestLine),
    }
}

#[cfg(test)]
#[path = "tests/section.rs"]
mod tests;
