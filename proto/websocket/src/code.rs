//! Why a connection is closed, as a number (RFC 6455 §7.4).

use std::fmt;

/// A status code of a Close frame.
///
/// ```
/// use trilane_websocket::CloseCode;
/// assert!(CloseCode::NORMAL.may_be_sent() && CloseCode(4321).may_be_sent());
/// assert!(!CloseCode(1005).may_be_sent());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// A mistake in the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A type of data that is not taken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Data that is not what its type says, such as text that is not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// A message against the receiver's rules.
    pub const POLICY: Self = Self(1008);
    /// A message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// A client misses an extension.
    pub const EXTENSION: Self = Self(1010);
    /// The server cannot go on.
    pub const INTERNAL: Self = Self(1011);

    /// Whether it may stand in a Close frame: those of RFC 6455 §7.4.1 but the three that stand for what was not sent, those that were
    /// registered since (1012 to 1014), and those for libraries and applications (§7.4.2).
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
