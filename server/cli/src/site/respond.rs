//! `respond`: the same answer each time.

use serde::Deserialize;
use trilane::{Bytes, Error, Known, Response, StatusCode};

use crate::words::{Words, or_table};

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
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
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

impl Words for RespondAction {
    type Table = Table;
    const EXPECTED: &'static str = "text, a status, or { status = 200, type = TYPE, body = TEXT }";

    fn of_text(body: &str) -> Result<Self, String> {
        Self::new(Table { body: Some(body.to_owned()), ..Table::default() })
    }

    fn of_number(status: i64) -> Result<Self, String> {
        // What is no status at all is refused as any that is none.
        let status = Some(u16::try_from(status).unwrap_or_default());
        Self::new(Table { status, ..Table::default() })
    }

    fn of_table(table: Table) -> Result<Self, String> {
        Self::new(table)
    }
}

or_table!(RespondAction);
