//! Who a request has shown itself to come from.

use std::fmt;

/// The name of who asks, as an authentication layer has found it: it leaves one on the exchange
/// ([`Exchange::note`](trilane_exchange::Exchange::note)) for limits, logs and handlers. Nothing else makes one, so a
/// name here is a name that was verified.
///
/// ```
/// use trilane_service::Principal;
/// assert_eq!(Principal::from("ann").name(), "ann");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(pub Box<str>);

/// Left in its place where somebody was let in who has no name: what is answered is for nobody else all the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nameless;

impl Principal {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Principal {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
