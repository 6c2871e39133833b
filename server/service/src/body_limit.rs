//! How much content a route takes (RFC 9110 §15.5.14).

use trilane_exchange::{Request, Response};

use crate::layer::{Hook, Phases};

/// Bytes of content that may be read; more is 413, while streaming too. Replaces the limit of the
/// connection.
///
/// ```
/// use trilane_service::{BodyLimit, Router, post};
/// let upload = post(|text: String| async move { text }).layer(BodyLimit::new(32 << 20));
/// let router: Router = Router::new().route("/upload", upload);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit(u64);

impl BodyLimit {
    /// At most that many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Any number of bytes.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self(u64::MAX)
    }
}

impl Hook for BodyLimit {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        request.body.set_limit(self.0);
        None
    }
}
