//! The alerts that we send ourselves (RFC 8446 §6), by number.

/// An alert, which is fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alert(pub(crate) u8);

impl Alert {
    /// Nothing follows: no error, and not fatal.
    pub(crate) const CLOSE_NOTIFY: Self = Self(0);
    pub(crate) const UNEXPECTED_MESSAGE: Self = Self(10);
    pub(crate) const BAD_RECORD_MAC: Self = Self(20);
    pub(crate) const RECORD_OVERFLOW: Self = Self(22);
    pub(crate) const ILLEGAL_PARAMETER: Self = Self(47);
    pub(crate) const DECODE_ERROR: Self = Self(50);
    pub(crate) const INTERNAL_ERROR: Self = Self(80);
    /// The user has given up; close_notify follows.
    pub(crate) const USER_CANCELED: Self = Self(90);
}
