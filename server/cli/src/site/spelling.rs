//! Paths that are written otherwise than routes are: refused, for a route is found by the path as it was sent.

use trilane::proxy::rewrite::has_hidden_name;
use trilane::{Error, Hook, Phases, Request, Response, StatusCode};

/// Refuses what is encoded though it need not be (RFC 3986 §2.3): `/%61dmin` has the route of all other paths, without the layers of `/admin`,
/// and is the same for files, and for servers behind us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling;

impl Hook for Spelling {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let is_hidden = has_hidden_name(request.head().path());
        is_hidden.then(|| Error::new(StatusCode::BAD_REQUEST).into())
    }
}
