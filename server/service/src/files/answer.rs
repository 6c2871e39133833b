//! The answer to a GET or HEAD of a file that is there: 200, 206, 304, 412 or 416.

use trilane_exchange::{Error, Outgoing, Request, Response};
use trilane_semantics::{Known, Method, Payload, StatusCode};

use super::condition::{Verdict, verdict};
use super::entry::Description;
use super::range::{Asked, asked};

/// Answers with `content`, in memory or in an open file; `cache_control` goes with all but errors.
pub(super) fn answer(
    request: &Request,
    file: &Description,
    content: &Payload,
    cache_control: Option<&str>,
) -> Response {
    let fields = &request.head().fields;
    let part = match verdict(fields, file.validators(), || request.shard().wall()) {
        Verdict::Failed => {
            return Error::new(StatusCode::PRECONDITION_FAILED).into();
        }
        Verdict::NotModified => {
            return described(StatusCode::NOT_MODIFIED, file, cache_control);
        }
        // RFC 9110 §14.2: MUST be ignored but with GET.
        Verdict::Go if *request.method() == Method::GET => asked(fields, file.length),
        Verdict::Go | Verdict::Whole => Asked::Whole,
    };
    let (status, range) = match part {
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => {
            let error =
                Error::new(StatusCode::RANGE_NOT_SATISFIABLE).message("there are no such bytes");
            // RFC 9110 §15.5.17: with the length that there is.
            let unsatisfied = format!("bytes */{}", file.length);
            return Response::from(error).field(Known::ContentRange, unsatisfied);
        }
        Asked::Whole => (StatusCode::OK, 0..file.length),
    };
    let mut response = described(status, file, cache_control);
    response.head.fields.append_static(Known::ContentType, file.content_type);
    if status == StatusCode::PARTIAL_CONTENT {
        // RFC 9110 §15.3.7.1: a single part MUST have Content-Range.
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, file.length);
        response = response.field(Known::ContentRange, part);
    }
    // Both lie within the content, whose length is a `usize`.
    let mut part = content.clone().split_to(range.end as usize);
    let _ = part.split_to(range.start as usize);
    response.body(Outgoing::Full(part))
}

/// The fields that 200, 206 and 304 have in common (RFC 9110 §15.3.7, §15.4.5).
fn described(status: StatusCode, file: &Description, cache_control: Option<&str>) -> Response {
    let mut response = Response::new(status).field(Known::ETag, file.validators().etag);
    if let Some(last_modified) = &file.last_modified {
        response = response.field(Known::LastModified, last_modified.as_bytes());
    }
    if let Some(cache_control) = cache_control {
        response = response.field(Known::CacheControl, cache_control);
    }
    response.head.fields.append_static(Known::AcceptRanges, "bytes");
    response
}
