//! `respond`: the same answer each time.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use trilane::{Bytes, Error, Known, Response, StatusCode};

/// What text is, if nothing is said.
const TEXT: &str = "text/plain; charset=utf-8";

/// `respond`, which is text, a status, or a table of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RespondAction {
    status: StatusCode,
    kind: String,
    body: Bytes,
}

/// `respond = {..}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Default 200.
    status: Option<u16>,
    /// The media type. Default: text.
    r#type: Option<String>,
    /// The content. An error without any has that of all errors.
    body: Option<String>,
}

impl RespondAction {
    fn new(table: Table) -> Result<Self, String> {
        let status = table.status.unwrap_or(200);
        // Those below 200 are no answers (RFC 9110 §15.2).
        let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
        let status = status.ok_or("respond: a status is 200 to 599")?;
        let body = Bytes::from(table.body.unwrap_or_default());
        if !body.is_empty() && matches!(status.as_u16(), 204 | 205 | 304) {
            return Err(format!("respond: {status} has no content"));
        }
        let kind = table.r#type.unwrap_or_else(|| TEXT.to_owned());
        if trilane::Fields::new().append(Known::ContentType, &kind).is_err() {
            return Err(format!("respond: type '{kind}' cannot be a field's value"));
        }
        Ok(Self { status, kind, body })
    }

    /// The answer.
    pub(crate) fn answer(&self) -> Response {
        if self.body.is_empty() && self.status.as_u16() >= 400 {
            return Error::new(self.status).into();
        }
        let response = Response::new(self.status);
        if self.body.is_empty() {
            return response;
        }
        response.field(Known::ContentType, &self.kind).body(self.body.clone())
    }
}

impl<'de> Deserialize<'de> for RespondAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = RespondAction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a status, or { status = 200, type = TYPE, body = TEXT }")
    }

    fn visit_str<E: serde::de::Error>(self, body: &str) -> Result<RespondAction, E> {
        let table = Table { status: None, r#type: None, body: Some(body.to_owned()) };
        RespondAction::new(table).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, status: i64) -> Result<RespondAction, E> {
        let status = Some(u16::try_from(status).unwrap_or(0));
        RespondAction::new(Table { status, r#type: None, body: None }).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RespondAction, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        RespondAction::new(table).map_err(A::Error::custom)
    }
}
