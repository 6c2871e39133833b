//! Names and passwords (RFC 7617). They go in clear: over TLS only.

use subtle::Choice;
use trilane_exchange::Request;

use super::bearer::credentials;
use super::{Auth, Denied, Grant, Verify};
use crate::extract::{BasicCredentials, Header as _};
use crate::principal::Principal;
use crate::secret::is_same;

/// The scheme `Basic`, by a function of name and password.
#[derive(Debug)]
pub struct Basic<F>(F);

impl<F, U> Auth<Basic<F>>
where
    F: Fn(&str, &str) -> Option<U> + 'static,
    U: Clone + 'static,
{
    /// Asks for a name and a password; `verify` gives the user, or nobody. Whatever it looks up should take as long for names that
    /// there are not; what it must wait for belongs in a [`from_fn`](crate::from_fn).
    #[must_use]
    pub fn basic(verify: F) -> Self {
        Self::with(Basic(verify))
    }
}

impl<F, U> Verify for Basic<F>
where
    F: Fn(&str, &str) -> Option<U> + 'static,
    U: Clone + 'static,
{
    type User = U;
    const SCHEME: &'static str = "Basic";
    // RFC 7617 §2.1.
    const PARAMETERS: &'static str = ", charset=\"UTF-8\"";
    const IS_HIDDEN: bool = false;

    fn verify(&self, request: &Request) -> Result<Grant<U>, Denied> {
        let BasicCredentials { name, password } = given(request)?;
        match (self.0)(&name, &password) {
            Some(user) => Ok(Grant::new(&name, user)),
            None => Err(Denied::Invalid("unknown name or password")),
        }
    }
}

/// The scheme `Basic`, by a list.
#[derive(Debug)]
pub struct Users(Vec<(Box<str>, Box<str>)>);

impl Auth<Users> {
    /// Asks for a name and a password of this list; the user is a [`Principal`]. How long it takes does not tell whether there is
    /// somebody of that name.
    #[must_use]
    pub fn users<N: AsRef<str>, P: AsRef<str>>(users: impl IntoIterator<Item = (N, P)>) -> Self {
        let pair = |(name, password): (N, P)| (name.as_ref().into(), password.as_ref().into());
        Self::with(Users(users.into_iter().map(pair).collect()))
    }
}

impl Verify for Users {
    type User = Principal;
    const SCHEME: &'static str = "Basic";
    const PARAMETERS: &'static str = ", charset=\"UTF-8\"";
    const IS_HIDDEN: bool = false;

    fn verify(&self, request: &Request) -> Result<Grant<Principal>, Denied> {
        let BasicCredentials { name, password } = given(request)?;
        // All are looked at, and both of each.
        let is_one = self.0.iter().fold(Choice::from(0), |found, (known, secret)| {
            let is_name = is_same(known.as_bytes(), name.as_bytes());
            found | is_name & is_same(secret.as_bytes(), password.as_bytes())
        });
        if bool::from(is_one) {
            return Ok(Grant::new(&name, Principal(name.as_str().into())));
        }
        Err(Denied::Invalid("unknown name or password"))
    }
}

/// Name and password; a name has no colon, a password may (RFC 7617 §2).
fn given(request: &Request) -> Result<BasicCredentials, Denied> {
    let fields = &request.head().fields;
    credentials(fields, "basic")?;
    BasicCredentials::parse(fields).ok_or(Denied::Malformed)
}
