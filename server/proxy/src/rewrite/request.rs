//! The head of a client's request becomes one for a server behind us (RFC 9110 §7.6).

use std::fmt::{self, Write};

use smallvec::SmallVec;
use trilane_exchange::trace::trace_state;
use trilane_exchange::{Error, TraceContext};
use trilane_semantics::field::{is_value, trim_ows};
use trilane_semantics::octets::has_byte;
use trilane_semantics::{
    Fields, InvalidField, Known, Method, NameRef, Protocol, RequestHead, StatusCode,
};

use crate::rewrite::facts::{Facts, Upstream};
use crate::rewrite::hops::{Named, Set};
use crate::rewrite::policy::{Host, Policy};
use crate::rewrite::websocket::{self, Bridge, Opening};
use crate::rewrite::{target, told};

/// What a request becomes.
#[derive(Debug)]
pub struct Rewritten {
    /// The head for the server. It says nothing of the content's length: the machine that sends it does.
    pub head: RequestHead,
    /// How a WebSocket, which the two protocols open differently, is answered; for [`response`](crate::rewrite::response()).
    pub bridge: Bridge,
}

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has come through us before: 508.
    Loop,
    /// It is an OPTIONS for the last on its way, which are we (RFC 9110 §7.6.2): 204.
    LastHop,
    /// A method that is not passed on: CONNECT to anywhere would make an open proxy, TRACE would show what only servers may see: 405.
    Method,
    /// An upgrade, or an extended CONNECT, to something that is not passed on: 501.
    Protocol,
    /// It can be read in more than one way: 400.
    Ambiguous,
    /// It has too many fields: 431.
    TooLarge,
}

impl Refusal {
    /// What it is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::LastHop => StatusCode::NO_CONTENT,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loop => "the request has come through this proxy before",
            Self::LastHop => "the request goes no further",
            Self::Method => "the method is not passed on",
            Self::Protocol => "the protocol is not passed on",
            Self::Ambiguous => "the request can be read in more than one way",
            Self::TooLarge => "the request has too many fields",
        })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status()).internal(refusal.to_string())
    }
}

impl From<InvalidField> for Refusal {
    /// All that is added was checked before, so that it can only be too much.
    fn from(_: InvalidField) -> Self {
        Self::TooLarge
    }
}

/// What never goes further as it came. Expect is ours to answer (RFC 9110 §3.7, §10.1.1: a gateway is an origin server to its
/// clients): 100 is sent when content is asked for, which is when a server is there to take it. Proxy-Authorization is for
/// a proxy that the client has chosen (RFC 9110 §11.7.2). The length is said by the machine that sends the content.
const NEVER: Set = Set::CONNECTION.and_all(Set::of(&[
    Known::ContentLength,
    Known::Expect,
    Known::ProxyAuthorization,
    Known::Via,
]));

/// What is said anew even if Connection names it: without it the request has no host, or no end of its hops.
const KEPT: Set = Set::of(&[Known::Host, Known::MaxForwards]);

/// The head of the request that a server is asked, for one that came. It can be made again for another server.
///
/// # Errors
/// It is not passed on.
pub fn request(
    front: &RequestHead,
    facts: &Facts<'_>,
    policy: &Policy,
) -> Result<Rewritten, Refusal> {
    let before = &front.fields;
    // What others say of the client is hidden as well.
    let facts = &Facts { is_trusted: facts.is_trusted && !policy.is_hidden, ..*facts };
    if before.contains(Known::Via) && is_ours(before, &policy.pseudonym) {
        return Err(Refusal::Loop);
    }
    let hops_left = max_forwards(front)?;
    if before.is_repeated(Known::Host) {
        return Err(Refusal::Ambiguous);
    }
    let opening = Opening::of(front, policy)?;
    if opening.is_none() && matches!(front.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let named = Named::of(before).ok_or(Refusal::Ambiguous)?;
    let authority = authority(front, facts.upstream, policy);
    let keeps_host = before.get(Known::Host) == Some(authority);

    let mut head = RequestHead::blank(front.method.clone(), facts.upstream.protocol);
    target::set(&mut head, front, (policy, facts.upstream), authority).ok_or(Refusal::Ambiguous)?;
    let gone = gone(facts, policy, &named, (keeps_host, hops_left));
    head.fields.copy_kept(before, |name| match name {
        NameRef::Known(known) => !gone.has(known),
        NameRef::Other(name) => is_passed(name, facts, policy, &named),
    });

    let fields = &mut head.fields;
    if !keeps_host {
        fields.append_checked(NameRef::Known(Known::Host), authority)?;
    }
    if let Some(left) = hops_left {
        fields.append(Known::MaxForwards, left.to_string())?;
    }
    told::via(fields, Some(before), policy.via(front.protocol))?;
    told::tell(fields, front, facts, policy)?;
    // An id of a layer that gave a bad one is left out.
    let id = facts.request_id;
    if !id.is_empty() && is_value(id) && trim_ows(id).len() == id.len() {
        fields.append_checked(NameRef::Known(Known::XRequestId), id)?;
    }
    if let Some(trace) = &facts.trace {
        say_trace(fields, before, trace)?;
    }
    // RFC 8470 §5.1: MUST be there if any of it came in early data; what others said stays.
    if facts.is_early && !fields.contains("early-data") {
        fields.append("early-data", "1")?;
    }
    for (_, name, value) in policy.set.lines() {
        fields.append_checked(NameRef::new(name), value)?;
    }
    let bridge = match opening {
        Some(opening) => websocket::open(&mut head, front, opening, facts)?,
        None => {
            say_te(&mut head, before)?;
            Bridge::None
        }
    };
    Ok(Rewritten { head, bridge })
}

/// Removes from trailers what does not go on: what a head would not pass either, and what has a meaning in a head alone (RFC 9110
/// §6.5.1: framing, routing, authentication, requests' modifiers; a server might merge them into the head).
pub fn trailers(fields: &mut Fields, is_trusted: bool, policy: &Policy) {
    let gone = NEVER.and_all(HEAD_ONLY).and_all(policy.removed.known).and_all(told::OURS);
    fields.retain(|name| match name {
        NameRef::Known(known) => !gone.has(known),
        NameRef::Other(name) => {
            let is_odd = !policy.has_underscores && has_byte(name, b'_');
            !is_odd && (is_trusted || !told::is_ours(name)) && !policy.removed.has_other(name)
        }
    });
}

/// What a trailer must not say (RFC 9110 §6.5.1).
const HEAD_ONLY: Set = Set::of(&[
    Known::Host,
    Known::Authorization,
    Known::Cookie,
    Known::SetCookie,
    Known::CacheControl,
    Known::ContentEncoding,
    Known::ContentType,
    Known::ContentRange,
    Known::MaxForwards,
    Known::Range,
    Known::Trailer,
    Known::Traceparent,
    Known::XRequestId,
]);

/// The well-known fields that do not go on as they came.
fn gone(
    facts: &Facts<'_>,
    policy: &Policy,
    named: &Named<'_>,
    (keeps_host, hops_left): (bool, Option<u64>),
) -> Set {
    let mut gone = NEVER.and_all(named.known.without(KEPT)).and_all(policy.removed.known);
    if !facts.is_trusted {
        gone = gone.and_all(told::OURS);
    }
    // Lists that get a member more are one line; see `told`.
    if policy.x_forwarded {
        gone = gone.and(Known::XForwardedFor);
    }
    if policy.forwarded {
        gone = gone.and(Known::Forwarded);
    }
    if !keeps_host {
        gone = gone.and(Known::Host);
    }
    if hops_left.is_some() {
        gone = gone.and(Known::MaxForwards);
    }
    if !facts.request_id.is_empty() {
        gone = gone.and(Known::XRequestId);
    }
    if facts.trace.is_some() {
        gone = gone.and(Known::Traceparent);
    }
    gone
}

/// Whether a field goes on whose name is not well known.
#[inline]
fn is_passed(name: &[u8], facts: &Facts<'_>, policy: &Policy, named: &Named<'_>) -> bool {
    !(!policy.has_underscores && has_byte(name, b'_')
        || !facts.is_trusted && told::is_ours(name)
        || facts.trace.is_some() && name == b"tracestate"
        || named.has_other(name)
        || policy.removed.has_other(name))
}

/// Whom the server is asked for. The authority of an absolute target counts, and not Host (RFC 9112 §3.2.2).
pub(crate) fn authority<'a>(
    front: &'a RequestHead,
    upstream: Upstream<'a>,
    policy: &'a Policy,
) -> &'a [u8] {
    match &policy.host {
        // HTTP/1.0 need not say.
        Host::Keep => told::host(front).unwrap_or(upstream.authority.as_bytes()),
        Host::Server => upstream.authority.as_bytes(),
        Host::Fixed(authority) => authority.as_bytes(),
    }
}

/// Whether a member of Via has our name (RFC 9110 §7.6.3): what stands behind the protocol.
fn is_ours(fields: &Fields, pseudonym: &str) -> bool {
    fields.list(Known::Via).any(|member| {
        let mut words =
            member.split(|byte| matches!(byte, b' ' | b'\t')).filter(|it| !it.is_empty());
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(pseudonym.as_bytes()))
    })
}

/// RFC 9110 §7.6.2: Max-Forwards of an OPTIONS MUST be looked at and, if there is more to come, be one less. It may be ignored
/// elsewhere, and TRACE goes nowhere.
fn max_forwards(front: &RequestHead) -> Result<Option<u64>, Refusal> {
    if front.method != Method::OPTIONS || !front.fields.contains(Known::MaxForwards) {
        return Ok(None);
    }
    let digits = front.fields.get_str(Known::MaxForwards).unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
    if !is_number || front.fields.is_repeated(Known::MaxForwards) {
        return Err(Refusal::Ambiguous);
    }
    // More than anybody has proxies is as many as can be.
    match digits.parse::<u64>().unwrap_or(u64::MAX) {
        0 => Err(Refusal::LastHop),
        count => Ok(Some(count - 1)),
    }
}

/// RFC 9110 §10.1.4: who takes trailers says so on each connection; over HTTP/1.1 with the option.
fn say_te(head: &mut RequestHead, before: &Fields) -> Result<(), InvalidField> {
    if !before.contains(Known::Te) || !before.list_has(Known::Te, "trailers") {
        return Ok(());
    }
    head.fields.append_static(Known::Te, "trailers");
    if head.protocol < Protocol::Http2 {
        head.fields.append_static(Known::Connection, "te");
    }
    Ok(())
}

/// W3C Trace Context: our span is the parent of the server's; what vendors have added goes along while the trace is the same.
fn say_trace(
    fields: &mut Fields,
    before: &Fields,
    trace: &TraceContext,
) -> Result<(), InvalidField> {
    let mut text = Text(SmallVec::new());
    // It always takes it.
    let _ = write!(text, "{trace}");
    fields.append(Known::Traceparent, &text.0)?;
    let came = TraceContext::of(before).filter(|came| came.trace_id() == trace.trace_id());
    match came.and_then(|_| trace_state(before)) {
        Some(state) => fields.append("tracestate", state),
        None => Ok(()),
    }
}

/// Memory to format into.
struct Text(SmallVec<[u8; 64]>);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
