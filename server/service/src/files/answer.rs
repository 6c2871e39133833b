//! The answer to a GET or HEAD of a file that is there: 200, 206, 304, 412 or 416.

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Fields, Known, StatusCode};

use super::entry::Entry;
use crate::conditional::{Verdict, evaluate, is_in_range};
use crate::partial;

/// Answers with what is wanted of a file.
pub(super) fn answer(request: &Request, entry: &Entry) -> Response {
    let (method, fields) = (request.method(), &request.head().fields);
    let Some(variant) = entry.choose(fields) else { return missing() };
    let validators = variant.validators();
    match evaluate(method, fields, Some(validators)) {
        Verdict::PreconditionFailed => return Error::new(StatusCode::PRECONDITION_FAILED).into(),
        Verdict::NotModified => return with(StatusCode::NOT_MODIFIED, &variant.same),
        Verdict::Proceed => (),
    }
    let whole = with(StatusCode::OK, &variant.whole).body(variant.content.clone());
    if is_in_range(method, fields, validators, || request.shard().wall()) {
        return partial::of(whole, fields, || request.shard().random());
    }
    whole
}

/// A 404 with a file as its content. Conditions and ranges are for what was asked for, and that is not there.
pub(super) fn not_found_with(request: &Request, entry: &Entry) -> Response {
    let Some(variant) = entry.choose(&request.head().fields) else { return missing() };
    let mut response = with(StatusCode::NOT_FOUND, &variant.whole);
    for name in [Known::ETag, Known::LastModified, Known::AcceptRanges] {
        response.head.fields.remove(name);
    }
    response.body(variant.content.clone())
}

/// A 404 in the form that all errors have.
pub(super) fn missing() -> Response {
    Error::new(StatusCode::NOT_FOUND).message("no such file").into()
}

fn with(status: StatusCode, fields: &Fields) -> Response {
    let mut response = Response::new(status);
    response.head.fields.clone_from(fields);
    response
}
