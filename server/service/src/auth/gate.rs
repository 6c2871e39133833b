//! What all schemes have in common: who is asked at all, and what is answered to whom.

use std::rc::Rc;

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::field::is_value;
use trilane_semantics::{Known, StatusCode};

use super::scope::Scopes;
use super::{Denied, Grant, User, Verify};
use crate::paths::Paths;
use crate::principal::{Nameless, Principal};

/// How a layer is set.
pub(super) struct Gate {
    pub(super) realm: String,
    pub(super) public: Paths,
    pub(super) is_optional: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { realm: "api".to_owned(), public: Paths::default(), is_optional: false }
    }
}

/// What `WWW-Authenticate` says (RFC 9110 §11.6.1); left on requests, for who asks for more than the layer did.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    text: Rc<str>,
    is_bearer: bool,
}

impl Gate {
    pub(super) fn prepared<V: Verify>(&self) -> Result<Challenge, String> {
        self.challenge(V::SCHEME, V::PARAMETERS)
    }

    pub(super) fn challenge(&self, scheme: &str, parameters: &str) -> Result<Challenge, String> {
        // RFC 9110 §5.6.4: what ends a quoted string is escaped in it.
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!("{scheme} realm=\"{realm}\"{parameters}");
        if is_value(text.as_bytes()) {
            return Ok(Challenge { text: text.into(), is_bearer: scheme == "Bearer" });
        }
        Err(format!("no realm can be '{}'", self.realm.escape_debug()))
    }

    /// Lets somebody in, or answers.
    pub(super) fn admit<U: Clone + 'static>(
        &self,
        challenge: &Challenge,
        request: &mut Request,
        verdict: Result<Grant<U>, Denied>,
    ) -> Option<Response> {
        let grant = match verdict {
            Ok(grant) => grant,
            Err(Denied::Missing) if self.is_optional => {
                request.extend(challenge.clone());
                return None;
            }
            Err(denied) => return Some(challenge.refuse(&denied)),
        };
        if grant.principal.is_empty() {
            request.exchange().note(Nameless);
        } else {
            request.exchange().note(Principal(grant.principal));
        }
        request.extend(challenge.clone());
        request.extend(Scopes(grant.scopes));
        request.extend(User(grant.user));
        None
    }
}

impl Challenge {
    /// The answer to who is not let in.
    pub(crate) fn refuse(&self, denied: &Denied) -> Response {
        let (status, message, more) = match denied {
            Denied::Failed(error) => return error.clone().into(),
            // RFC 6750 §3.1: no error code for who has sent no token.
            Denied::Missing => (StatusCode::UNAUTHORIZED, "credentials are missing", String::new()),
            Denied::Malformed if self.is_bearer => (
                StatusCode::BAD_REQUEST,
                "the credentials cannot be read",
                ", error=\"invalid_request\"".to_owned(),
            ),
            Denied::Malformed => {
                (StatusCode::UNAUTHORIZED, "the credentials cannot be read", String::new())
            }
            Denied::Invalid(why) if self.is_bearer => {
                let more = format!(", error=\"invalid_token\", error_description=\"{why}\"");
                (StatusCode::UNAUTHORIZED, "the credentials are not good", more)
            }
            Denied::Invalid(_) => {
                (StatusCode::UNAUTHORIZED, "the credentials are not good", String::new())
            }
            Denied::Scope(scope) => {
                let more = format!(", error=\"insufficient_scope\", scope=\"{scope}\"");
                (StatusCode::FORBIDDEN, "more is needed than these credentials permit", more)
            }
        };
        let error = match denied {
            Denied::Scope(scope) => {
                Error::new(status).detail("required_scopes", vec![scope.to_string()])
            }
            _ => Error::new(status),
        };
        Response::from(error.message(message))
            .field(Known::WwwAuthenticate, format!("{}{more}", self.text))
    }
}
