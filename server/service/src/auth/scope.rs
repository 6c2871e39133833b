//! What somebody who is known may do (RFC 6750 §3.1): 403 without it.

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::StatusCode;

use super::{Challenge, Denied};
use crate::layer::{Hook, Phases};

/// What is permitted to who asks, as the scheme has found.
#[derive(Clone, Debug)]
pub(super) struct Scopes(pub(super) Vec<Box<str>>);

/// Asks for a scope on routes within an [`Auth`](super::Auth) layer: 403 with `insufficient_scope` to who has it not, 401 to who is not
/// known.
///
/// ```
/// use trilane_service::{Auth, Denied, Grant, RequireScope, Router, delete};
/// let auth = Auth::bearer(|_| Ok(Grant::new("ann", ()).scopes("read write")));
/// let router: Router = Router::new()
///     .route("/users", delete(|| async {}).layer(RequireScope::new("admin")))
///     .layer(auth);
/// # router.build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct RequireScope(&'static str);

impl RequireScope {
    /// That scope: printable ASCII without spaces, quotes and backslashes (RFC 6749 §3.3).
    #[must_use]
    pub const fn new(scope: &'static str) -> Self {
        Self(scope)
    }
}

impl Hook for RequireScope {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let Some(challenge) = request.extension::<Challenge>() else {
            let error = Error::new(StatusCode::INTERNAL_SERVER_ERROR);
            return Some(error.internal("RequireScope without an Auth layer around it").into());
        };
        match request.extension::<Scopes>() {
            Some(Scopes(list)) if list.iter().any(|scope| **scope == *self.0) => None,
            Some(_) => Some(challenge.refuse(&Denied::Scope(self.0.into()))),
            None => Some(challenge.refuse(&Denied::Missing)),
        }
    }
}
