//! HTTP-01 (RFC 8555 §8.3): what the authority is answered on listeners in clear.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, PoisonError, RwLock};

use trilane_exchange::{Request, Response};
use trilane_semantics::{Known, StatusCode};
use trilane_service::{Hook, Phases};

/// What the paths of challenges begin with: whoever redirects to HTTPS excepts it.
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// The answers to challenges that are open at the moment. Clones are the same; as a layer it answers them before anything further in,
/// and while there are none it costs one look.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_any: AtomicBool,
    /// By token.
    answers: RwLock<HashMap<String, String>>,
}

impl Challenges {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, tokens with their key authorizations, and no others.
    pub(crate) fn set(&self, answers: HashMap<String, String>) {
        self.0.is_any.store(!answers.is_empty(), Release);
        *self.0.answers.write().unwrap_or_else(PoisonError::into_inner) = answers;
    }

    fn answer(&self, path: &str) -> Option<String> {
        if !self.0.is_any.load(Acquire) {
            return None;
        }
        let token = path.strip_prefix(WELL_KNOWN)?;
        self.0.answers.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

impl Hook for Challenges {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    /// A token that is not ours may be somebody else's: routes are asked then.
    fn before(&self, request: &mut Request) -> Option<Response> {
        let answer = self.answer(request.head().path())?;
        let response = Response::new(StatusCode::OK);
        Some(response.field(Known::ContentType, "application/octet-stream").body(answer))
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the answers: they prove who we are.
        f.debug_struct("Challenges").field("is_any", &self.0.is_any).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_is_answered() {
        let challenges = Challenges::new();
        assert_eq!(challenges.answer("/.well-known/acme-challenge/a"), None);
        challenges.set(HashMap::from([("a".to_owned(), "a.key".to_owned())]));
        assert_eq!(challenges.answer("/.well-known/acme-challenge/a").as_deref(), Some("a.key"));
        for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/b", "/a", ""] {
            assert_eq!(challenges.answer(path), None, "{path}");
        }
        challenges.set(HashMap::new());
        assert_eq!(challenges.answer("/.well-known/acme-challenge/a"), None);
    }
}
