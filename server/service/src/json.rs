//! JSON in and out (RFC 8259), typed by serde.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Fields, Known, StatusCode};

use crate::extract::FromRequest;
use crate::respond::{IntoResponse, content};
use trilane_exchange::rendered::rendered;

const JSON: &str = "application/json";

/// JSON content. As an extractor: 415 without a JSON content type, 400 when it is not JSON, 422
/// (`VALIDATION_ERROR`) when it is but does not fit. As a response: `application/json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Error> {
        if !is_json(&request.head().fields) {
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .message("the content type must be application/json"));
        }
        let content = request.body.collect_payload().await?;
        serde_json::from_slice(content.as_ref()).map(Self).map_err(misfit)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match rendered(|out| serde_json::to_writer(out, &self.0)) {
            Ok(text) => content(JSON, text),
            Err(error) => {
                Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(error.to_string()).into()
            }
        }
    }
}

/// `application/json`, or another type of the `+json` suffix (RFC 6839 §3.1), parameters aside.
fn is_json(fields: &Fields) -> bool {
    let Some(value) = fields.get_str(Known::ContentType) else { return false };
    if value == JSON {
        return true;
    }
    let essence = value.split(';').next().unwrap_or_default().trim().as_bytes();
    let Some(subtype) = after_prefix(essence, b"application/") else { return false };
    let suffix = subtype.len().checked_sub(5).filter(|&at| at > 0).map(|at| &subtype[at..]);
    subtype.eq_ignore_ascii_case(b"json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

fn after_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = text.split_at_checked(prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn misfit(error: serde_json::Error) -> Error {
    let text = error.to_string();
    if error.classify() != Category::Data {
        return Error::new(StatusCode::BAD_REQUEST)
            .message("the content is not JSON")
            .detail("reason", vec![text]);
    }
    does_not_fit(text)
}

/// The 422 of content that is well-formed and does not fit, for serde's reason: a field that is missing is
/// named in `details.required_fields`.
pub(crate) fn does_not_fit(text: String) -> Error {
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let required = missing.map(|name| vec![name.to_owned()]);
    let error = Error::new(StatusCode::UNPROCESSABLE_ENTITY)
        .message("the content is not what is expected")
        .detail("reason", vec![text]);
    match required {
        Some(names) => error.detail("required_fields", names),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_types_are_json() {
        for (value, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/+json", false),
            ("application/jsonx", false),
            ("text/json", false),
            ("application/", false),
            ("", false),
        ] {
            let mut fields = Fields::new();
            fields.append(Known::ContentType, value).unwrap();
            assert_eq!(is_json(&fields), is, "{value}");
        }
        assert!(!is_json(&Fields::new()));
    }
}
