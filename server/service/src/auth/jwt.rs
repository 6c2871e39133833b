//! Signed tokens (RFC 7519, RFC 7515) as bearer tokens: whose signature counts, for whom they are, and until when.
//!
//! What is signed is checked by `jsonwebtoken`; what is claimed, by the shard's clock, here.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use trilane_exchange::{Request, Shard};

use super::bearer::credentials;
use super::jwt_keys::JwtKeys;
use super::{Denied, Grant, Verify};
use crate::text::since_epoch;

/// How far clocks may be apart, if nothing else is said.
const LEEWAY: Duration = Duration::from_secs(60);

/// Which signed tokens are good; `T` is what handlers are told of their claims, as [`User`](super::User). `sub` is the
/// [`Principal`](crate::Principal), `scope` what [`RequireScope`](super::scope::RequireScope) asks for (RFC 8693 §4.2).
///
/// ```
/// use serde::Deserialize;
/// use trilane_service::{Auth, Jwt, JwtAlgorithm, JwtKey, JwtKeys, Router, User, get};
///
/// #[derive(Clone, Deserialize)]
/// struct Claims { sub: String, admin: Option<bool> }
///
/// # fn main() -> Result<(), trilane_service::JwtKeyError> {
/// let secret = JwtKey::secret(JwtAlgorithm::HS256, &[7; 32])?;
/// let jwt = Jwt::<Claims>::new(JwtKeys::from([secret])).audience("api").issuer("https://login.example");
/// let router: Router = Router::new()
///     .route("/", get(|User(claims): User<Claims>| async move { claims.sub }))
///     .layer(Auth::new(jwt).public("/health"));
/// # router.build().unwrap();
/// # Ok(())
/// # }
/// ```
///
/// A token must have `exp`. `aud` must name an audience of ours: a token that has one is refused where none is set, as it is for
/// somebody else (RFC 7519 §4.1.3).
#[derive(Debug)]
pub struct Jwt<T> {
    keys: Arc<JwtKeys>,
    audiences: Vec<String>,
    issuers: Vec<String>,
    leeway: Duration,
    may_last: bool,
    claims: PhantomData<fn() -> T>,
}

impl<T> Jwt<T> {
    /// Tokens that one of these keys has signed.
    #[must_use]
    pub fn new(keys: impl Into<Arc<JwtKeys>>) -> Self {
        let (audiences, issuers) = (Vec::new(), Vec::new());
        Self {
            keys: keys.into(),
            audiences,
            issuers,
            leeway: LEEWAY,
            may_last: false,
            claims: PhantomData,
        }
    }

    /// They are for that audience, or another one that is named so.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        self.audiences.push(name.into());
        self
    }

    /// They are from that issuer, or another one that is named so. Without any it is not looked at.
    #[must_use]
    pub fn issuer(mut self, name: impl Into<String>) -> Self {
        self.issuers.push(name.into());
        self
    }

    /// How far clocks may be apart; a minute if nothing is said.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Tokens need not have an end.
    #[must_use]
    pub const fn without_expiry(mut self) -> Self {
        self.may_last = true;
        self
    }

    /// What is claimed by a token that is signed by a key of ours.
    fn signed(&self, token: &str) -> Result<Map<String, Value>, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Invalid("not a signed token"))?;
        // RFC 7515 §4.1.11: what must be understood, and is not, makes it invalid. Nothing is understood here.
        if header.crit.is_some() {
            return Err(Denied::Invalid("not understood"));
        }
        // A key is for one algorithm, whatever the token says (RFC 8725 §3.1).
        for key in self.keys.fitting(header.alg, header.kid.as_deref()) {
            let mut validation = Validation::new(header.alg);
            validation.required_spec_claims.clear();
            (validation.validate_exp, validation.validate_aud) = (false, false);
            if let Ok(token) = decode(token, key, &validation) {
                return Ok(token.claims);
            }
        }
        Err(Denied::Invalid("no signature of ours"))
    }

    fn check(&self, claims: &Map<String, Value>, shard: &Shard) -> Result<(), Denied> {
        let now = since_epoch(shard.wall()).as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        // RFC 7519 §2: a NumericDate may have a fraction.
        let date = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Denied::Invalid("a date is no number")),
        };
        match date("exp")? {
            // RFC 7519 §4.1.4: on or after, it MUST NOT be accepted.
            Some(end) if now >= end + leeway => return Err(Denied::Invalid("expired")),
            None if !self.may_last => return Err(Denied::Invalid("without an end")),
            _ => (),
        }
        // RFC 7519 §4.1.5: before, it MUST NOT be accepted.
        if date("nbf")?.is_some_and(|start| now + leeway < start) {
            return Err(Denied::Invalid("not good yet"));
        }
        let is_of = |list: &[String], value: &Value| {
            value.as_str().is_some_and(|text| list.iter().any(|one| one == text))
        };
        // RFC 7519 §4.1.3: one string, or an array of them; who is not named MUST refuse.
        let is_for_us = match claims.get("aud") {
            None => self.audiences.is_empty(),
            Some(Value::Array(all)) => all.iter().any(|one| is_of(&self.audiences, one)),
            Some(one) => is_of(&self.audiences, one),
        };
        if !is_for_us {
            return Err(Denied::Invalid("for somebody else"));
        }
        let is_theirs = |issuer| is_of(&self.issuers, issuer);
        if !self.issuers.is_empty() && !claims.get("iss").is_some_and(is_theirs) {
            return Err(Denied::Invalid("from somebody else"));
        }
        Ok(())
    }
}

impl<T: DeserializeOwned + Clone + 'static> Verify for Jwt<T> {
    type User = T;
    const SCHEME: &'static str = "Bearer";
    const IS_HIDDEN: bool = false;

    fn verify(&self, request: &Request) -> Result<Grant<T>, Denied> {
        let claims = self.signed(credentials(&request.head().fields, "bearer")?)?;
        self.check(&claims, request.shard())?;
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, scopes) = (text("sub"), text("scope"));
        let user = serde_json::from_value(Value::Object(claims))
            .map_err(|_| Denied::Invalid("claims are missing"))?;
        Ok(Grant::new(&name, user).scopes(&scopes))
    }
}
