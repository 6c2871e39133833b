//! Error codes (RFC 9113 §7), and the one table that gives each reason its code.

use trilane_semantics::Reason;

/// Why a stream or a connection ends, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Code {
    NoError = 0,
    Protocol = 1,
    Internal = 2,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    RefusedStream = 7,
    Cancel = 8,
    Compression = 9,
    EnhanceYourCalm = 11,
}

impl Code {
    /// The code of a stream that ends for that reason. `NoError` is for what its answer says already: nothing was wrong with
    /// the stream.
    pub(crate) const fn of_stream(reason: Reason) -> Self {
        match reason {
            Reason::FlowControl => Self::FlowControl,
            Reason::FrameSize => Self::FrameSize,
            Reason::StreamClosed => Self::StreamClosed,
            Reason::WindowTimeout => Self::Cancel,
            Reason::BodyTimeout
            | Reason::ContentTooLarge
            | Reason::Expectation
            | Reason::FieldsTooLarge
            | Reason::HandlerTimeout
            | Reason::Method
            | Reason::TargetTooLong => Self::NoError,
            // RFC 9113 §8.1.1: malformed messages are stream errors of this type; so is all the rest.
            _ => Self::Protocol,
        }
    }

    /// The code of a connection that ends for that reason.
    pub(crate) const fn of_connection(reason: Reason) -> Self {
        match reason {
            Reason::Compression => Self::Compression,
            Reason::Continuations | Reason::FieldsTooLarge | Reason::Flood | Reason::Resets => {
                Self::EnhanceYourCalm
            }
            Reason::HeadTimeout => Self::NoError,
            other => Self::of_stream(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9113 §7.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (reason, stream, connection) in [
            (Reason::Frame, 1, 1),
            (Reason::PseudoField, 1, 1),
            (Reason::FlowControl, 3, 3),
            (Reason::StreamClosed, 5, 5),
            (Reason::FrameSize, 6, 6),
            (Reason::WindowTimeout, 8, 8),
            (Reason::Compression, 1, 9),
            (Reason::FieldsTooLarge, 0, 11),
            (Reason::Flood, 1, 11),
            (Reason::Resets, 1, 11),
            (Reason::Continuations, 1, 11),
        ] {
            let codes = (Code::of_stream(reason) as u32, Code::of_connection(reason) as u32);
            assert_eq!(codes, (stream, connection), "{reason:?}");
        }
        let [internal, refused] = [Code::Internal, Code::RefusedStream].map(|code| code as u32);
        assert_eq!((internal, refused), (2, 7));
    }
}
