//! What went wrong: scope, blame, wire code and status hint of every reason, in one table.

use std::fmt;

use http::StatusCode;

use crate::event::ExchangeId;

/// How much a fault takes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing on this connection can be trusted any more.
    Connection,
    /// This exchange only.
    Exchange(ExchangeId),
}

/// A breach of the protocol, or of a limit, by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it takes down.
    pub scope: Scope,
    /// What it was.
    pub reason: Reason,
}

impl Fault {
    /// A fault of the whole connection.
    #[must_use]
    pub const fn connection(reason: Reason) -> Self {
        Self { scope: Scope::Connection, reason }
    }

    /// A fault of one exchange.
    #[must_use]
    pub const fn exchange(id: ExchangeId, reason: Reason) -> Self {
        Self { scope: Scope::Exchange(id), reason }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())
    }
}

impl std::error::Error for Fault {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $id:ident = $status:ident, $label:literal, $text:literal;)*) => {
        /// Every reason for a fault. The one place that maps it to a status and to words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $id,)* }

        impl Reason {
            /// Every reason, for tables and metrics.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];

            /// The status that answers it, where an answer is still possible.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$id => StatusCode::$status,)* }
            }

            /// A short name for logs and metric labels.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$id => $label,)* }
            }

            /// What to tell the peer: no internals, no echo of its bytes.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$id => $text,)* }
            }
        }
    };
}

reasons! {
    /// RFC 9112 §2.2: a line must end in CRLF.
    BareLineFeed = BAD_REQUEST, "bare_lf", "a line ends in a bare LF";
    /// RFC 9112 §2.2: a CR that no LF follows.
    BareCarriageReturn = BAD_REQUEST, "bare_cr", "a line has a bare CR";
    /// RFC 9112 §3: the request line has not its form.
    RequestLine = BAD_REQUEST, "request_line", "the request line is malformed";
    /// RFC 9112 §3: a method longer than any that is known.
    Method = NOT_IMPLEMENTED, "method", "the method is not known";
    /// RFC 9112 §4: the status line has not its form.
    StatusLine = BAD_GATEWAY, "status_line", "the status line is malformed";
    /// RFC 9112 §5: a field line has not its form.
    FieldLine = BAD_REQUEST, "field_line", "a field line is malformed";
    /// RFC 9112 §5.2: obsolete line folding.
    FoldedField = BAD_REQUEST, "folded_field", "a field line is folded";
    /// RFC 9112 §3.2: the target has none of the forms, or not the one of its method.
    Target = BAD_REQUEST, "target", "the request target is malformed";
    /// RFC 9112 §3.2: Host is missing, repeated or malformed.
    Host = BAD_REQUEST, "host", "the Host field is missing, repeated or malformed";
    /// RFC 9112 §6.1, §6.3: the length of the content cannot be told with certainty.
    Framing = BAD_REQUEST, "framing", "the length of the content is ambiguous";
    /// RFC 9112 §7.1: a chunk has not its form.
    Chunk = BAD_REQUEST, "chunk", "a chunk is malformed";
    /// RFC 9112 §8: the message ended before its content was complete.
    Incomplete = BAD_REQUEST, "incomplete", "the message is incomplete";
    /// RFC 9112 §6.1: a transfer coding that we do not know.
    TransferCoding = NOT_IMPLEMENTED, "transfer_coding", "the transfer coding is not known";
    /// RFC 9110 §10.1.1: an expectation that we cannot meet.
    Expectation = EXPECTATION_FAILED, "expectation", "the expectation cannot be met";
    /// RFC 9112 §2.3: a version that is not HTTP/1.x.
    Version = HTTP_VERSION_NOT_SUPPORTED, "version", "the HTTP version is not supported";
    /// Limits: the target is too long.
    TargetTooLong = URI_TOO_LONG, "target_too_long", "the request target is too long";
    /// Limits: the field section is too large, or has too many lines.
    FieldsTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "fields_too_large",
        "the header section is too large";
    /// Limits: the content is too large.
    ContentTooLarge = PAYLOAD_TOO_LARGE, "content_too_large", "the content is too large";
    /// Limits: the head took too long to come (RFC 9110 §15.5.9).
    HeadTimeout = REQUEST_TIMEOUT, "head_timeout", "the request head took too long";
    /// RFC 9110 §8.4: the content does not decode.
    ContentCoding = BAD_REQUEST, "content_coding",
        "the content is not coded as its Content-Encoding says";
    /// Limits: the content stopped coming.
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "the content took too long";
    /// Limits: the handler took too long.
    HandlerTimeout = GATEWAY_TIMEOUT, "handler_timeout", "the handler took too long";
    /// RFC 8470 §5.2: a request in early data that may be a replay, and that is not harmless then.
    EarlyData = TOO_EARLY, "early_data", "the request is to be sent after the handshake";
    /// A frame that its protocol forbids there.
    Frame = BAD_REQUEST, "frame", "a frame is malformed or out of place";
    /// RFC 9113 §4.2: a frame that is larger than we allow, or not as long as its type says.
    FrameSize = BAD_REQUEST, "frame_size", "a frame has not the size of its type";
    /// RFC 9113 §5.2: more came than we gave credit for, or more credit than a window can hold.
    FlowControl = BAD_REQUEST, "flow_control", "a flow-control window is exceeded";
    /// RFC 9113 §5.1: a frame on a stream that has ended.
    StreamClosed = BAD_REQUEST, "stream_closed", "a frame came on a closed stream";
    /// RFC 9113 §4.3: a field block that cannot be decompressed.
    Compression = BAD_REQUEST, "compression", "a field block cannot be decompressed";
    /// RFC 9113 §3.4: the connection does not begin with the preface.
    Preface = BAD_REQUEST, "preface", "the connection preface is malformed";
    /// RFC 9113 §6.5.2: a setting has a value that it cannot have.
    Setting = BAD_REQUEST, "setting", "a setting has an invalid value";
    /// RFC 9113 §8.3: a pseudo-field is missing, repeated, unknown or out of place.
    PseudoField = BAD_REQUEST, "pseudo_field", "the pseudo-fields are not those of a message";
    /// RFC 9113 §8.2.2: a field about the connection, which has no meaning here.
    ConnectionField = BAD_REQUEST, "connection_field", "a field is specific to connections";
    /// RFC 9113 §8.1.1: the content is not as long as its head says.
    ContentLength = BAD_REQUEST, "content_length", "the content is not as long as its head says";
    /// Limits: the peer did not take content of a response, by holding its window closed.
    WindowTimeout = REQUEST_TIMEOUT, "window_timeout", "the window stayed closed for too long";
    /// Limits: a header section in too many frames (RFC 9113 §10.5.1).
    Continuations = TOO_MANY_REQUESTS, "continuations", "the header section has too many frames";
    /// Limits: too many frames that carry nothing (RFC 9113 §10.5).
    Flood = TOO_MANY_REQUESTS, "flood", "too many frames that carry nothing";
    /// Limits: too many exchanges were begun and given up, by either side (RFC 9113 §10.5).
    Resets = TOO_MANY_REQUESTS, "resets", "too many exchanges were given up";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_an_error_with_its_own_label() {
        let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.status().is_client_error() || reason.status().is_server_error());
            assert!(!Fault::connection(*reason).to_string().is_empty());
        }
    }
}
