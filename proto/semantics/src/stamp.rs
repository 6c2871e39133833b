//! What an origin server adds to every final response: Date and Server (RFC 9110 §6.6.1, §10.2.4).

/// Rendered once a second by whoever has a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// An IMF-fixdate (RFC 9110 §5.6.7).
    pub date: [u8; 29],
    /// The Server field's value; empty for none.
    pub server: &'static str,
}

impl Stamp {
    /// A stamp with that date.
    #[must_use]
    pub const fn new(date: [u8; 29], server: &'static str) -> Self {
        Self { date, server }
    }
}
