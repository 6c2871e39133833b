//! Error codes (RFC 9114 §8.1, RFC 9204 §6, RFC 9297 §5.2), and the tables between them and reasons.

use trilane_semantics::Reason;

/// H3_NO_ERROR: what a connection is closed with that ends well.
pub const NO_ERROR: u64 = Code::NoError as u64;

/// Why a stream or a connection ends, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Code {
    Datagram = 0x33,
    NoError = 0x100,
    Internal = 0x102,
    StreamCreation = 0x103,
    ClosedCriticalStream = 0x104,
    FrameUnexpected = 0x105,
    Frame = 0x106,
    ExcessiveLoad = 0x107,
    Id = 0x108,
    Settings = 0x109,
    MissingSettings = 0x10a,
    RequestRejected = 0x10b,
    RequestCancelled = 0x10c,
    RequestIncomplete = 0x10d,
    Message = 0x10e,
    Decompression = 0x200,
    EncoderStream = 0x201,
    DecoderStream = 0x202,
}

impl Code {
    /// The code of a stream that ends for that reason. `NoError` is for what its answer says already: nothing was wrong with
    /// the stream.
    pub(crate) const fn of_stream(reason: Reason) -> Self {
        match reason {
            Reason::WindowTimeout => Self::RequestCancelled,
            Reason::BodyTimeout
            | Reason::ContentTooLarge
            | Reason::Expectation
            | Reason::FieldsTooLarge
            | Reason::HandlerTimeout
            | Reason::HeadTimeout
            | Reason::Method
            | Reason::TargetTooLong => Self::NoError,
            // RFC 9114 §4.1.2: malformed messages are stream errors of this type.
            _ => Self::Message,
        }
    }

    /// What to call an error of the connection with that code.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Frame => Reason::FrameSize,
            Self::ClosedCriticalStream => Reason::StreamClosed,
            Self::ExcessiveLoad => Reason::Flood,
            Self::Settings => Reason::Setting,
            Self::MissingSettings => Reason::Preface,
            Self::Decompression | Self::EncoderStream | Self::DecoderStream => Reason::Compression,
            _ => Reason::Frame,
        }
    }
}
