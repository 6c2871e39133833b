//! Redirects (RFC 9110 §15.4): where they lead to, and what becomes of the request on the way.

use trilane_exchange::Incoming;
use trilane_semantics::{Known, Method, NameRef, ResponseHead, StatusCode};

use crate::error::{ClientError, Failure};
use crate::send::{Content, Sending};
use crate::url::Url;

/// So much of what nobody reads is waited for, in bytes, so that the connection can be used again.
const WORTH_READING: u64 = 64 << 10;

/// Where a response leads to, if it is followed.
///
/// # Errors
/// It may not be followed: once too often, to another scheme, out of TLS.
pub(crate) fn next(
    sending: &Sending,
    head: &ResponseHead,
    followed: usize,
) -> Result<Option<Url>, ClientError> {
    let config = sending.client.config();
    let is_redirect = matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = head.fields.get(Known::Location).filter(|_| is_redirect && config.redirects > 0);
    let Some(location) = location else { return Ok(None) };
    if !becomes_get(head.status, &sending.method) && !sending.content.is_there() {
        return Ok(None);
    }
    let refused = |why| ClientError::new(Failure::Redirect(why));
    if followed >= config.redirects {
        return Err(refused("there were too many"));
    }
    let location = std::str::from_utf8(location).map_err(|_| refused("it is not UTF-8"))?;
    let next = sending.url.join(location);
    let next = next.map_err(|_| refused("it does not lead to http or https"))?;
    if sending.url.origin().is_secure && !next.origin().is_secure && !config.downgrades {
        return Err(refused("it leads from https to http"));
    }
    Ok(Some(next))
}

/// Makes it the request for `next`.
pub(crate) fn go(sending: &mut Sending, mut next: Url, status: StatusCode) {
    // Who we are is not for a redirect to say.
    next.take_user();
    let fields = &mut sending.fields;
    fields.remove(Known::Host);
    if becomes_get(status, &sending.method) {
        sending.method = Method::GET;
        sending.content = Content::None;
        fields.retain(|name| !is_of_content(name));
    }
    if next.origin() != sending.url.origin() {
        fields.retain(|name| !is_secret(name));
    }
    sending.url = next;
}

/// Reads what is short, so that the connection is free. What is longer gives it up.
pub(crate) async fn drain(mut body: Incoming) {
    if body.promised().is_some_and(|length| length <= WORTH_READING) {
        // Nobody wants it, whole or not.
        let _ = body.collect_payload().await;
    }
}

/// Whether the request is a GET from here on: 303 says so (RFC 9110 §15.4.4), and after 301 and 302 everybody does so (§15.4.2).
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    matches!(status.as_u16(), 301..=303) && !matches!(*method, Method::GET | Method::HEAD)
}

/// What says something about content (RFC 9110 §8), which there is none of.
const fn is_of_content(name: NameRef<'_>) -> bool {
    use Known::{ContentEncoding, ContentLanguage, ContentLocation, ContentType};
    matches!(
        name,
        NameRef::Known(ContentType | ContentEncoding | ContentLanguage | ContentLocation)
    )
}

/// What is meant for one origin alone (RFC 9110 §15.4): who we are, and what we are a part of.
fn is_secret(name: NameRef<'_>) -> bool {
    use Known::{Authorization, Cookie, ProxyAuthorization, Traceparent, XRequestId};
    match name {
        NameRef::Known(known) => {
            matches!(known, Authorization | Cookie | ProxyAuthorization | Traceparent | XRequestId)
        }
        NameRef::Other(name) => name.eq_ignore_ascii_case(b"tracestate"),
    }
}
