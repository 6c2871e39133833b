//! Whether a request opens a WebSocket, and the answer to it (RFC 6455 §4.2, RFC 8441 §5, RFC 9220 §3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use trilane_exchange::{Error, Response};
use trilane_semantics::{Fields, Known, Method, Protocol, RequestHead, StatusCode};

pub(crate) const KEY: &str = "sec-websocket-key";
pub(crate) const ACCEPT: &str = "sec-websocket-accept";
pub(crate) const VERSION: &str = "sec-websocket-version";
pub(crate) const PROTOCOL: &str = "sec-websocket-protocol";
pub(crate) const EXTENSIONS: &str = "sec-websocket-extensions";
/// The one version there is (RFC 6455 §4.1).
const THIRTEEN: &str = "13";
/// What a server appends to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a WebSocket is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// By Upgrade; with the value of `Sec-WebSocket-Accept`.
    Upgrade(String),
    /// By extended CONNECT, which needs none.
    Connect,
}

impl Opening {
    /// What the head asks for; else the answer to it.
    pub(crate) fn of(head: &RequestHead) -> Result<Self, Response> {
        let opening = if head.method == Method::CONNECT {
            // The router lets no other protocol through.
            Self::Connect
        } else {
            Self::by_upgrade(head)?
        };
        if once(&head.fields, VERSION)? != Some(THIRTEEN.as_bytes()) {
            return Err(refusal(head, "WebSocket version 13 is spoken here"));
        }
        Ok(opening)
    }

    /// RFC 6455 §4.2.1.
    fn by_upgrade(head: &RequestHead) -> Result<Self, Response> {
        let fields = &head.fields;
        // RFC 9110 §7.8: Upgrade means nothing without the connection option, nor in HTTP/1.0.
        let asks = head.protocol == Protocol::Http11
            && fields.list_has(Known::Upgrade, "websocket")
            && fields.list_has(Known::Connection, "upgrade");
        if !asks {
            return Err(refusal(head, "a WebSocket is served here"));
        }
        if head.method != Method::GET {
            return Err(bad("a WebSocket is asked for with GET"));
        }
        // RFC 9110 §7.8: no switch to a protocol that cannot honor the request; a WebSocket has no place for content.
        if fields.get(Known::ContentLength).is_some_and(|length| length != b"0")
            || fields.contains(Known::TransferEncoding)
        {
            return Err(bad("a WebSocket is asked for without content"));
        }
        let is_key = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16);
        let key = once(fields, KEY)?.filter(is_key);
        let key = key.ok_or_else(|| bad("Sec-WebSocket-Key is not 16 bytes"))?;
        Ok(Self::Upgrade(accept(key)))
    }

    /// The answer that opens it, but for what was agreed on.
    pub(crate) fn response(&self) -> Response {
        match self {
            // RFC 6455 §4.2.2.
            Self::Upgrade(accept) => Response::new(StatusCode::SWITCHING_PROTOCOLS)
                .field(Known::Upgrade, "websocket")
                .field(Known::Connection, "upgrade")
                .field(ACCEPT, accept),
            // RFC 8441 §5: a 2xx, and neither key nor accept.
            Self::Connect => Response::new(StatusCode::OK),
        }
    }
}

/// RFC 6455 §4.2.2 step 5.
fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// 426 where an Upgrade can help (RFC 9110 §15.5.22), else 400; with the version that is spoken here (RFC 6455 §4.4).
fn refusal(head: &RequestHead, message: &'static str) -> Response {
    if head.protocol != Protocol::Http11 {
        return bad(message).field(VERSION, THIRTEEN);
    }
    let error = Error::new(StatusCode::UPGRADE_REQUIRED).with_code("UPGRADE_REQUIRED");
    let refused = Response::from(error.message(message)).field(Known::Upgrade, "websocket");
    refused.field(VERSION, THIRTEEN)
}

/// The value of a field that a request MUST NOT have twice (RFC 6455 §11.3.1, §11.3.5).
fn once<'a>(fields: &'a Fields, name: &'static str) -> Result<Option<&'a [u8]>, Response> {
    let mut lines = fields.all(name);
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(bad("a field of the WebSocket handshake is repeated")),
        (line, None) => Ok(line),
    }
}

pub(crate) fn bad(message: &'static str) -> Response {
    Error::new(StatusCode::BAD_REQUEST).message(message).into()
}

/// All lines of the list of extensions as one.
pub(crate) fn extensions(fields: &Fields) -> String {
    let lines = fields.all(EXTENSIONS).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455 §1.3.
        let accept = super::accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
