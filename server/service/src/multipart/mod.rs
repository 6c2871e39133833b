//! Forms with files: `multipart/form-data` (RFC 7578), field by field, as it comes. Nothing is kept but what a handler keeps.

mod disposition;
mod parser;

use bytes::{Bytes, BytesMut};
use trilane_exchange::{Error, Frame, Incoming, Request, Response};
use trilane_semantics::{Fields, Known, StatusCode};

use crate::extract::FromRequest;
use crate::layer::{Hook, Phases};
use disposition::{PartHead, parameters};
use parser::{Event, Malformed, Parser};

/// The fields of a form, in the order they come. 415 without that content type, 400 when the content is malformed, 413 past a
/// limit ([`MultipartLimits`]); how much there may be in all is the limit of the connection, or of a
/// [`BodyLimit`](crate::BodyLimit).
///
/// ```
/// use trilane_service::{BodyLimit, Error, Multipart, Router, post};
///
/// async fn upload(mut form: Multipart) -> Result<String, Error> {
///     let mut report = String::new();
///     while let Some(mut field) = form.next_field().await? {
///         let name = field.name().to_owned();
///         let mut bytes = 0;
///         while let Some(chunk) = field.chunk().await? {
///             bytes += chunk.len();
///         }
///         report += &format!("{name}: {bytes}\n");
///     }
///     Ok(report)
/// }
///
/// let router: Router = Router::new().route("/", post(upload).layer(BodyLimit::new(1 << 30)));
/// ```
pub struct Multipart {
    content: Incoming,
    parser: Parser,
    limits: MultipartLimits,
    /// How many parts have begun.
    fields: usize,
    is_in_field: bool,
}

/// What a form may be made of. As a layer it is for the routes within.
///
/// ```
/// use trilane_service::{Multipart, MultipartLimits, Router, post};
/// let limits = MultipartLimits { fields: 10, text: 1_000, ..MultipartLimits::default() };
/// let router: Router = Router::new().route("/", post(|form: Multipart| async {}).layer(limits));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Fields: 256.
    pub fields: usize,
    /// Bytes of one field, in chunks: as many as the content may have.
    pub field: u64,
    /// Bytes of one field that is asked for in one piece ([`Field::bytes`], [`Field::text`]): 1 MiB.
    pub text: u64,
    /// Bytes of the header of one field: 8 KiB.
    pub header: usize,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self { fields: 256, field: u64::MAX, text: 1 << 20, header: 8 << 10 }
    }
}

impl Hook for MultipartLimits {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        request.extend(*self);
        None
    }
}

impl<S> FromRequest<S> for Multipart {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let boundary = boundary(&request.head().fields)?;
        let limits = request.extension().copied().unwrap_or_default();
        let MultipartLimits { header, .. } = limits;
        let parser = Parser::new(&boundary, header);
        Ok(Self { content: request.body, parser, limits, fields: 0, is_in_field: false })
    }
}

/// The boundary that the content type names: 1 to 70 bytes (RFC 2046 §5.1.1).
fn boundary(fields: &Fields) -> Result<Vec<u8>, Error> {
    let value = fields.get(Known::ContentType).unwrap_or_default();
    let essence = value.split(|&b| b == b';').next().unwrap_or_default();
    if !essence.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .message("the content type must be multipart/form-data"));
    }
    let all = parameters(value, b"multipart/form-data").unwrap_or_default();
    let boundary = all.into_iter().find(|(name, _)| name == b"boundary").map(|(_, value)| value);
    boundary
        .filter(|boundary| (1..=70).contains(&boundary.len()))
        .ok_or_else(|| malformed("the content type names no boundary"))
}

fn malformed(reason: impl ToString) -> Error {
    Error::new(StatusCode::BAD_REQUEST)
        .message("the content is not a form")
        .detail("reason", vec![reason.to_string()])
}

fn too_large(what: &str) -> Error {
    Error::new(StatusCode::PAYLOAD_TOO_LARGE)
        .message("a part of the form is too large")
        .detail("limit", vec![what.to_owned()])
}

impl Multipart {
    /// The next field; what is left of the one before is dropped.
    ///
    /// # Errors
    /// 400 or 413, to be answered with `?`.
    pub async fn next_field(&mut self) -> Result<Option<Field<'_>>, Error> {
        loop {
            match self.event().await? {
                Event::Part(lines) => {
                    self.fields += 1;
                    if self.fields > self.limits.fields {
                        return Err(too_large("fields"));
                    }
                    let head = PartHead::read(&lines)
                        .ok_or_else(|| malformed("the header of a part has no name"))?;
                    self.is_in_field = true;
                    return Ok(Some(Field { form: self, head, taken: 0 }));
                }
                Event::Done => return Ok(None),
                Event::Data(_) | Event::End | Event::NeedInput => (),
            }
        }
    }

    /// What comes next, when it has come.
    async fn event(&mut self) -> Result<Event, Error> {
        loop {
            match self.parser.next() {
                Ok(Event::NeedInput) => match self.content.frame().await? {
                    Some(Frame::Data(data)) => self.parser.feed(data.into_bytes()),
                    Some(Frame::Trailers(_)) => (),
                    None => self.parser.finish(),
                },
                Ok(event) => return Ok(event),
                Err(Malformed::Headers) => return Err(too_large("header")),
                Err(error) => return Err(malformed(error)),
            }
        }
    }
}

impl std::fmt::Debug for Multipart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Multipart({} fields so far)", self.fields)
    }
}

/// A field of a form, as it comes.
#[derive(Debug)]
pub struct Field<'a> {
    form: &'a mut Multipart,
    head: PartHead,
    taken: u64,
}

impl Field<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The name of its file, if it is one, as the client gives it: not to be trusted, and never a path to write to.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// Its content type, if it names one; text if it does not (RFC 7578 §4.4).
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// Some more of its content, at least a byte; `None` after the last.
    ///
    /// # Errors
    /// 400 or 413, to be answered with `?`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.form.is_in_field {
            return Ok(None);
        }
        match self.form.event().await? {
            Event::Data(data) => {
                self.taken += data.len() as u64;
                if self.taken > self.form.limits.field {
                    Err(too_large("field"))
                } else {
                    Ok(Some(data))
                }
            }
            _ => {
                self.form.is_in_field = false;
                Ok(None)
            }
        }
    }

    /// All of its content, in one piece.
    ///
    /// # Errors
    /// 400 or 413, to be answered with `?`.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
        while let Some(chunk) = self.chunk().await? {
            if self.taken > self.form.limits.text {
                return Err(too_large("text"));
            }
            if first.is_empty() {
                first = chunk;
                continue;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&chunk);
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    /// All of its content, as text.
    ///
    /// # Errors
    /// 400, also when it is not UTF-8, or 413, to be answered with `?`.
    pub async fn text(self) -> Result<String, Error> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| malformed("a field is not UTF-8"))
    }
}
