//! The head of a server's answer becomes ours (RFC 9110 §7.6).

use std::fmt;

use trilane_exchange::Error;
use trilane_semantics::{
    InvalidField, Known, NameRef, RequestHead, ResponseHead, StatusCode, section,
};

use crate::rewrite::facts::Upstream;
use crate::rewrite::hops::{Named, Set};
use crate::rewrite::policy::Policy;
use crate::rewrite::request::authority;
use crate::rewrite::websocket::{self, ACCEPT, Bridge, only};
use crate::rewrite::{location, told};

/// An answer that cannot be passed on: 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// It switches to a protocol, or opens a tunnel, that was not asked for, or badly (RFC 6455 §4.1).
    Switch,
    /// It names more in Connection than anybody needs, or has too many fields.
    Fields,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switch => "the server switches to a protocol that was not asked for",
            Self::Fields => "the server's answer has too many fields",
        })
    }
}

impl From<BadAnswer> for Error {
    fn from(bad: BadAnswer) -> Self {
        Self::new(StatusCode::BAD_GATEWAY).internal(bad.to_string())
    }
}

impl From<InvalidField> for BadAnswer {
    fn from(_: InvalidField) -> Self {
        Self::Fields
    }
}

/// What never goes further as it came. Alt-Svc names other ways to the server behind us, not to us (RFC 7838 §3); the
/// length is said by the machine that sends the content; Proxy-Authenticate is for a proxy's client (RFC 9110 §11.7.1).
const NEVER: Set =
    Set::CONNECTION.and_all(Set::of(&[Known::Alt, Known::ContentLength, Known::ProxyAuthenticate]));

/// Makes of a server's final answer to the request `front` ours. The length that it has said, which is no longer in it: of
/// use where there is no content to be counted (RFC 9110 §9.3.2, §15.4.5).
///
/// # Errors
/// It cannot be passed on.
pub fn response(
    head: &mut ResponseHead,
    front: &RequestHead,
    (bridge, upstream): (&Bridge, Upstream<'_>),
    policy: &Policy,
) -> Result<Option<u64>, BadAnswer> {
    let length = section::content_length(&head.fields).map_err(|_| BadAnswer::Fields)?;
    let switched = switch(head, bridge)?;
    let mut gone = NEVER.and_all(policy.response_removed.known);
    if !policy.keeps_server {
        gone = gone.and(Known::Server);
    }
    strip(head, gone, policy)?;
    if let Some((own, theirs)) = &policy.prefix {
        let origin =
            (upstream.is_secure, &*String::from_utf8_lossy(authority(front, upstream, policy)));
        location::rewrite(&mut head.fields, (own, theirs), origin)?;
    }
    if policy.response_via {
        told::via(&mut head.fields, None, policy.via(upstream.protocol))?;
    }
    for (_, name, value) in policy.response_set.lines() {
        head.fields.append_checked(NameRef::new(name), value)?;
    }
    if let Some(accept) = switched {
        websocket::say_switch(&mut head.fields, accept)?;
    }
    Ok(length)
}

/// Makes of a server's interim answer ours; whether it is to be passed on. RFC 9110 §15.2: a proxy MUST do so, unless it
/// has asked for it itself; and the client's 100 comes from us.
pub fn interim(head: &mut ResponseHead, policy: &Policy) -> bool {
    let is_ours = matches!(head.status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS);
    !is_ours && strip(head, NEVER, policy).is_ok()
}

/// Removes what is about the connection to the server, and what must not be told.
fn strip(head: &mut ResponseHead, gone: Set, policy: &Policy) -> Result<(), BadAnswer> {
    let named = Named::of(&head.fields).ok_or(BadAnswer::Fields)?;
    let (gone, names_others) = (gone.and_all(named.known), named.has_others());
    drop(named);
    if names_others {
        // Their names lie among the fields themselves.
        let before = head.fields.clone();
        let named = Named::of(&before).ok_or(BadAnswer::Fields)?;
        head.fields.retain(|name| !matches!(name, NameRef::Other(name) if named.has_other(name)));
    }
    head.fields.retain(|name| match name {
        NameRef::Known(known) => !gone.has(known),
        NameRef::Other(name) => !policy.response_removed.has_other(name),
    });
    Ok(())
}

/// Whether the answer opens the WebSocket that was asked for: then its status is what that means in front, and a
/// 101 says `Sec-WebSocket-Accept` as given, or as the server has.
fn switch<'a>(
    head: &mut ResponseHead,
    bridge: &'a Bridge,
) -> Result<Option<Option<&'a str>>, BadAnswer> {
    let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
    match bridge {
        // RFC 9110 §7.8, §9.3.6: nothing was asked for.
        Bridge::None if is_switch => Err(BadAnswer::Switch),
        Bridge::None | Bridge::Connect => Ok(None),
        Bridge::Upgrade if is_switch => {
            let is_one = head.fields.list_has(Known::Upgrade, "websocket");
            if is_one { Ok(Some(None)) } else { Err(BadAnswer::Switch) }
        }
        Bridge::Upgrade => Ok(None),
        Bridge::ToUpgrade(accept) if is_switch => {
            // RFC 6455 §4.1: we are the client, and MUST look at both.
            let is_right = only(&head.fields, ACCEPT) == Some(accept.as_bytes())
                && head.fields.list_has(Known::Upgrade, "websocket");
            if !is_right {
                return Err(BadAnswer::Switch);
            }
            head.status = StatusCode::OK;
            head.fields.remove(ACCEPT);
            Ok(None)
        }
        // A 2xx would be the client's tunnel (RFC 8441 §5), and the server has opened none.
        Bridge::ToUpgrade(_) if head.status.is_success() => Err(BadAnswer::Switch),
        Bridge::ToUpgrade(_) => Ok(None),
        Bridge::ToConnect(accept) if head.status.is_success() => {
            head.status = StatusCode::SWITCHING_PROTOCOLS;
            Ok(Some(Some(accept)))
        }
        Bridge::ToConnect(_) => Ok(None),
    }
}
