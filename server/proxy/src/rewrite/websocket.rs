//! WebSockets through us: the one upgrade that is passed on, and how it becomes an extended CONNECT or is made of one (RFC 6455 §4,
//! RFC 8441 §5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use trilane_semantics::{Fields, InvalidField, Known, Method, Protocol, RequestHead, StatusCode};

use crate::rewrite::facts::Facts;
use crate::rewrite::policy::Policy;
use crate::rewrite::request::Refusal;

const KEY: &str = "sec-websocket-key";
pub(crate) const ACCEPT: &str = "sec-websocket-accept";
/// What a server appends to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a WebSocket is asked for in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// By Upgrade.
    Upgrade,
    /// By extended CONNECT.
    Connect,
}

/// How a WebSocket is opened on both sides of us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Bridge {
    /// There is none to be opened.
    #[default]
    None,
    /// By Upgrade in front and behind: the answer goes through as it is.
    Upgrade,
    /// By extended CONNECT in front and behind.
    Connect,
    /// By extended CONNECT in front and Upgrade behind; with the `Sec-WebSocket-Accept` that the server must answer with.
    ToUpgrade(Box<str>),
    /// By Upgrade in front and extended CONNECT behind; with the `Sec-WebSocket-Accept` that the client waits for.
    ToConnect(Box<str>),
}

impl Opening {
    /// What a request asks for. An Upgrade to something else is left out, which RFC 9110 §7.8 allows; so is one that comes with content
    /// or in HTTP/1.0, as the machine that reads it sees it.
    #[inline]
    pub(crate) fn of(front: &RequestHead, policy: &Policy) -> Result<Option<Self>, Refusal> {
        if let Some(protocol) = front.connect_protocol() {
            // RFC 9220 §3: 501 for a protocol that is not known.
            let is_passed = policy.websocket && protocol == "websocket";
            return if is_passed { Ok(Some(Self::Connect)) } else { Err(Refusal::Protocol) };
        }
        if !front.fields.contains(Known::Upgrade) {
            return Ok(None);
        }
        let fields = &front.fields;
        let has_content = fields.get(Known::ContentLength).is_some_and(|length| length != b"0")
            || fields.contains(Known::TransferEncoding);
        let is_one = policy.websocket
            && front.method == Method::GET
            && front.protocol == Protocol::Http11
            && fields.list_has(Known::Upgrade, "websocket")
            && fields.list_has(Known::Connection, "upgrade")
            && !has_content;
        Ok(is_one.then_some(Self::Upgrade))
    }
}

impl Bridge {
    /// Whether an answer with that status, as the server has sent it, opens the WebSocket (RFC 6455 §4.1, RFC 8441 §5).
    #[must_use]
    pub fn opens(&self, status: StatusCode) -> bool {
        match self {
            Self::None => false,
            Self::Upgrade | Self::ToUpgrade(_) => status == StatusCode::SWITCHING_PROTOCOLS,
            Self::Connect | Self::ToConnect(_) => status.is_success(),
        }
    }
}

/// Makes of `head`, which has all fields of the request but those about connections, one that opens a WebSocket.
pub(crate) fn open(
    head: &mut RequestHead,
    front: &RequestHead,
    opening: Opening,
    facts: &Facts<'_>,
) -> Result<Bridge, Refusal> {
    let is_upgrade = head.protocol < Protocol::Http2;
    if is_upgrade {
        head.method = Method::GET;
        head.fields.append_static(Known::Upgrade, "websocket");
        head.fields.append_static(Known::Connection, "upgrade");
    } else {
        head.method = Method::CONNECT;
        head.set_connect_protocol("websocket");
    }
    Ok(match (opening, is_upgrade) {
        (Opening::Upgrade, true) => Bridge::Upgrade,
        (Opening::Connect, false) => Bridge::Connect,
        (Opening::Connect, true) => {
            let key = STANDARD.encode(facts.nonce.to_be_bytes());
            head.fields.set(KEY, &key)?;
            Bridge::ToUpgrade(accept(key.as_bytes()))
        }
        (Opening::Upgrade, false) => {
            // RFC 6455 §4.2.1: one key, of 16 bytes.
            let key = only(&front.fields, KEY)
                .filter(|key| STANDARD.decode(key).is_ok_and(|it| it.len() == 16));
            let accept = accept(key.ok_or(Refusal::Ambiguous)?);
            head.fields.remove(KEY);
            Bridge::ToConnect(accept)
        }
    })
}

/// The one line of that name.
pub(crate) fn only<'a>(fields: &'a Fields, name: &'static str) -> Option<&'a [u8]> {
    let mut lines = fields.all(name);
    let first = lines.next()?;
    if lines.next().is_none() { Some(first) } else { None }
}

/// What a 101 says (RFC 6455 §4.2.2); `Sec-WebSocket-Accept` is there unless it is given.
pub(crate) fn say_switch(fields: &mut Fields, accept: Option<&str>) -> Result<(), InvalidField> {
    fields.append_static(Known::Upgrade, "websocket");
    fields.append_static(Known::Connection, "upgrade");
    accept.map_or(Ok(()), |accept| fields.set(ACCEPT, accept))
}

/// RFC 6455 §4.2.2 step 5.
fn accept(key: &[u8]) -> Box<str> {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()).into()
}
