//! The token of operators, which can be replaced while it is asked for.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use subtle::ConstantTimeEq;

/// What operators must have. Clones are the same one, on any thread.
///
/// ```
/// # use trilane_admin::Token;
/// let token = Token::from("a secret of many characters");
/// token.clone().replace("another one, from now on");
/// assert!(token.is("another one, from now on") && !token.is("a secret of many characters"));
/// ```
#[derive(Clone)]
pub struct Token(Arc<RwLock<Box<str>>>);

impl Token {
    /// Another one, from the next request on.
    pub fn replace(&self, token: &str) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = token.into();
    }

    /// Whether that is it. How long this takes does not say where they differ.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner);
        token.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self(Arc::new(RwLock::new(token.into())))
    }
}

/// Without what it is.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}
