//! Keys that programs send in a field of their own, or in the query.

use std::borrow::Cow;

use subtle::ConditionallySelectable as _;
use trilane_exchange::Request;

use super::{Denied, Grant, Verify};
use crate::path::decode;
use crate::principal::Principal;
use crate::secret::is_same;

/// Keys, each with the name of who has it; the user is a [`Principal`]. They are compared one and all, in a time that does not
/// depend on which fits. An answer to a key is `Cache-Control: private` unless its handler says something else.
///
/// ```
/// use trilane_service::{ApiKeys, Auth, Principal, Router, User, get};
/// let keys = ApiKeys::header("x-api-key").key("k-4fd2", "billing").key("k-93aa", "reports");
/// let router: Router = Router::new()
///     .route("/", get(|User(name): User<Principal>| async move { name.to_string() }))
///     .layer(Auth::new(keys).public("/health"));
/// # router.build().unwrap();
/// ```
#[derive(Clone)]
pub struct ApiKeys {
    place: Place,
    keys: Vec<(Box<str>, Box<str>)>,
}

#[derive(Clone, Debug)]
enum Place {
    Header(Box<str>),
    Query(Box<str>),
}

impl ApiKeys {
    /// In that field of the request.
    #[must_use]
    pub fn header(name: &str) -> Self {
        Self { place: Place::Header(name.into()), keys: Vec::new() }
    }

    /// In that parameter of the query. Logs and histories have it then; for clients that can do nothing else.
    #[must_use]
    pub fn query(name: &str) -> Self {
        Self { place: Place::Query(name.into()), keys: Vec::new() }
    }

    /// That key, which is of somebody with that name. An empty one fits nothing.
    #[must_use]
    pub fn key(mut self, key: &str, name: &str) -> Self {
        if !key.is_empty() {
            self.keys.push((key.into(), name.into()));
        }
        self
    }

    fn given<'a>(&'a self, request: &'a Request) -> Result<Cow<'a, [u8]>, Denied> {
        let head = request.head();
        match &self.place {
            Place::Header(name) => {
                let mut values = head.fields.all(&**name);
                let first = values.next().ok_or(Denied::Missing)?;
                if values.next().is_some() { Err(Denied::Malformed) } else { Ok(first.into()) }
            }
            Place::Query(name) => {
                let pairs = head.query().unwrap_or_default().split('&');
                let mut values =
                    pairs.filter_map(|pair| pair.strip_prefix(&**name)?.strip_prefix('='));
                let first = values.next().ok_or(Denied::Missing)?;
                if values.next().is_some() {
                    return Err(Denied::Malformed);
                }
                match decode(first).ok_or(Denied::Malformed)? {
                    Cow::Borrowed(text) => Ok(text.as_bytes().into()),
                    Cow::Owned(text) => Ok(text.into_bytes().into()),
                }
            }
        }
    }
}

impl Verify for ApiKeys {
    type User = Principal;
    const SCHEME: &'static str = "ApiKey";

    fn verify(&self, request: &Request) -> Result<Grant<Principal>, Denied> {
        let given = self.given(request)?;
        // The place of the one that fits, plus one.
        let found = (1..).zip(&self.keys).fold(0_u32, |found, (place, (key, _))| {
            u32::conditional_select(&found, &place, is_same(key.as_bytes(), &given))
        });
        let name = (found as usize).checked_sub(1).and_then(|at| self.keys.get(at));
        let (_, name) = name.ok_or(Denied::Invalid("unknown key"))?;
        Ok(Grant::new(name, Principal(name.clone())))
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({:?}, {} keys)", self.place, self.keys.len())
    }
}
