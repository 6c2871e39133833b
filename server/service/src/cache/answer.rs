//! An answer from the store (RFC 9111 §4): with its Age, to the conditions and the range of its request.

use std::time::SystemTime;

use trilane_exchange::{Outgoing, Response, Shard};
use trilane_semantics::{Known, RequestHead, StatusCode};

use super::stored::Stored;
use crate::conditional::{Validators, Verdict, evaluate, is_in_range, parse_date};
use crate::layers::make_not_modified;
use crate::partial;

/// The answer that a stored response makes to a request that it was chosen for. No If-Match and no If-Unmodified-Since: those
/// are the handler's to judge (RFC 9111 §4.3.2, MUST NOT).
pub(super) fn answer(
    stored: &Stored,
    request: &RequestHead,
    now: SystemTime,
    shard: &Shard,
) -> Response {
    let mut response = Response::new(stored.head.status);
    response.head.fields.clone_from(&stored.head.fields);
    let mut digits = itoa::Buffer::new();
    // RFC 9111 §5.1 (MUST). Digits may stand in a field.
    let age = digits.format(stored.standing(now).age);
    let _ = response.head.fields.append(Known::Age, age);
    if stored.head.status == StatusCode::OK && is_unchanged(stored, request) {
        make_not_modified(&mut response);
        return response;
    }
    if !stored.body.is_empty() {
        response.body = Outgoing::Full(stored.body.clone().into());
    }
    let (method, fields) = (&request.method, &request.fields);
    let date = || stored.head.fields.get(Known::Date).and_then(parse_date).unwrap_or(now);
    if stored.head.status == StatusCode::OK
        && is_in_range(method, fields, stored.validators(), date)
    {
        return partial::of(response, fields, || shard.random());
    }
    response
}

/// Whether the client has this response already (RFC 9111 §4.3.2). Where nobody knows when it was changed, its Date is meant.
fn is_unchanged(stored: &Stored, request: &RequestHead) -> bool {
    if !request.fields.has_any(&[Known::IfNoneMatch, Known::IfModifiedSince]) {
        return false;
    }
    let Validators { etag, modified } = stored.validators();
    let date = || stored.head.fields.get(Known::Date).and_then(parse_date);
    let current = Validators { etag, modified: modified.or_else(date) };
    evaluate(&request.method, &request.fields, Some(current)) == Verdict::NotModified
}
