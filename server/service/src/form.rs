//! Forms in and out: `application/x-www-form-urlencoded`, as browsers send them, typed by serde.

use serde::Serialize;
use serde::de::DeserializeOwned;
use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::extract::FromRequest;
use crate::json::does_not_fit;
use crate::respond::{IntoResponse, content};

const FORM: &str = "application/x-www-form-urlencoded";

/// The content of a form. As an extractor: 415 without that content type, 400 when it is not UTF-8,
/// 422 (`VALIDATION_ERROR`) when it does not fit. As a response: that content type. The form of a
/// GET is its query: [`Query`](crate::Query).
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Error> {
        let content_type = request.head().fields.get_str(Known::ContentType).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(FORM) {
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .message("the content type must be application/x-www-form-urlencoded"));
        }
        let content = request.body.collect_payload().await?;
        let text = std::str::from_utf8(content.as_ref())
            .map_err(|_| Error::new(StatusCode::BAD_REQUEST).message("the content is not UTF-8"))?;
        serde_urlencoded::from_str(text).map(Self).map_err(|error| does_not_fit(error.to_string()))
    }
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn into_response(self) -> Response {
        match serde_urlencoded::to_string(&self.0) {
            Ok(text) => content(FORM, text),
            Err(error) => {
                Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(error.to_string()).into()
            }
        }
    }
}
