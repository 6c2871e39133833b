//! The answer to a GET or HEAD of a file that is there: 200, 206, 304, 412 or 416.

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Known, Payload, StatusCode};

use super::entry::Description;
use crate::conditional::{Verdict, evaluate, is_in_range};
use crate::partial;

/// Answers with `content`, in memory or in an open file; `cache_control` goes with all but errors.
pub(super) fn answer(
    request: &Request,
    file: &Description,
    content: &Payload,
    cache_control: Option<&str>,
) -> Response {
    let (method, fields) = (request.method(), &request.head().fields);
    let validators = file.validators();
    match evaluate(method, fields, Some(validators)) {
        Verdict::PreconditionFailed => return Error::new(StatusCode::PRECONDITION_FAILED).into(),
        Verdict::NotModified => {
            return described(StatusCode::NOT_MODIFIED, file, cache_control);
        }
        Verdict::Proceed => (),
    }
    let mut response = described(StatusCode::OK, file, cache_control);
    if let Some(last_modified) = &file.last_modified {
        response = response.field(Known::LastModified, last_modified.as_bytes());
    }
    let head = &mut response.head.fields;
    head.append_static(Known::ContentType, file.content_type);
    head.append_static(Known::AcceptRanges, "bytes");
    let whole = response.body(content.clone());
    if is_in_range(method, fields, validators, || request.shard().wall()) {
        return partial::of(whole, fields, || request.shard().random());
    }
    whole
}

/// The fields that 200, 206 and 304 have in common. A 304 has no others (RFC 9110 §15.4.5, SHOULD NOT): who asked has them.
fn described(status: StatusCode, file: &Description, cache_control: Option<&str>) -> Response {
    let mut response = Response::new(status).field(Known::ETag, &*file.etag);
    if let Some(cache_control) = cache_control {
        response = response.field(Known::CacheControl, cache_control);
    }
    response
}
