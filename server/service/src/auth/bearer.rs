//! Bearer tokens (RFC 6750) that a function of yours knows, at once or after a look elsewhere.

use std::future::Future;
use std::rc::Rc;

use trilane_exchange::Request;
use trilane_semantics::{Fields, Known};

use super::gate::{Challenge, Gate};
use super::{Auth, Denied, Grant, Verify};
use crate::chain::Chain;
use crate::layer::{Layer, Next, from_fn};

/// The scheme `Bearer`, by a function of the token.
#[derive(Debug)]
pub struct Bearer<F>(F);

/// The same, by an async function.
#[derive(Debug)]
pub struct BearerLater<F>(F);

impl<F, U> Auth<Bearer<F>>
where
    F: Fn(&str) -> Result<Grant<U>, Denied> + 'static,
    U: Clone + 'static,
{
    /// Asks for a token.
    ///
    /// ```
    /// use trilane_service::{Auth, Denied, Grant};
    /// let auth = Auth::bearer(|token| match token {
    ///     "open-sesame" => Ok(Grant::new("ali", 40_u8).scopes("cave:enter cave:leave")),
    ///     _ => Err(Denied::Invalid("unknown token")),
    /// });
    /// # let _: trilane_service::Router = trilane_service::Router::new().layer(auth);
    /// ```
    #[must_use]
    pub fn bearer(verify: F) -> Self {
        Self::with(Bearer(verify))
    }
}

impl<F, Fut, U> Auth<BearerLater<F>>
where
    F: Fn(String) -> Fut + 'static,
    Fut: Future<Output = Result<Grant<U>, Denied>> + 'static,
    U: Clone + 'static,
{
    /// Asks for a token, and waits for who knows it. The future is dropped when the client leaves.
    ///
    /// ```
    /// use trilane_service::{Auth, Denied, Error, Grant, StatusCode};
    /// # async fn look_up(_: &str) -> Option<Option<u64>> { None }
    /// let auth = Auth::bearer_async(|token: String| async move {
    ///     match look_up(&token).await {
    ///         Some(Some(id)) => Ok(Grant::new(&id.to_string(), id)),
    ///         Some(None) => Err(Denied::Invalid("unknown token")),
    ///         None => Err(Denied::Failed(Error::new(StatusCode::SERVICE_UNAVAILABLE))),
    ///     }
    /// });
    /// # let _: trilane_service::Router = trilane_service::Router::new().layer(auth);
    /// ```
    #[must_use]
    pub fn bearer_async(verify: F) -> Self {
        Self::with(BearerLater(verify))
    }
}

impl<F, U> Verify for Bearer<F>
where
    F: Fn(&str) -> Result<Grant<U>, Denied> + 'static,
    U: Clone + 'static,
{
    type User = U;
    const SCHEME: &'static str = "Bearer";
    const IS_HIDDEN: bool = false;

    fn verify(&self, request: &Request) -> Result<Grant<U>, Denied> {
        (self.0)(credentials(&request.head().fields, "bearer")?)
    }
}

impl<F, Fut, U> Layer for Auth<BearerLater<F>>
where
    F: Fn(String) -> Fut + 'static,
    Fut: Future<Output = Result<Grant<U>, Denied>> + 'static,
    U: Clone + 'static,
{
    fn add_to(self, chain: &mut Chain) {
        let challenge = match self.gate.challenge("Bearer", "") {
            Ok(challenge) => challenge,
            Err(reason) => return chain.refuse("Auth", reason),
        };
        let shared: Rc<(F, Gate, Challenge)> = Rc::new((self.verify.0, self.gate, challenge));
        chain.add(from_fn(move |mut request: Request, next: Next| {
            let shared = Rc::clone(&shared);
            async move {
                let (verify, gate, challenge) = &*shared;
                if gate.public.has(request.path()) {
                    request.extend(challenge.clone());
                    return next.run(request).await;
                }
                let token = credentials(&request.head().fields, "bearer").map(ToOwned::to_owned);
                let verdict = match token {
                    Ok(token) => verify(token).await,
                    Err(denied) => Err(denied),
                };
                match gate.admit(challenge, &mut request, verdict) {
                    Some(response) => response,
                    None => next.run(request).await,
                }
            }
        }));
    }
}

/// What stands after that scheme in `Authorization` (RFC 9110 §11.6.2). The scheme is in lower case here, in any case there.
pub(crate) fn credentials<'a>(fields: &'a Fields, scheme: &str) -> Result<&'a str, Denied> {
    let Some(value) = fields.get(Known::Authorization) else { return Err(Denied::Missing) };
    if fields.is_repeated(Known::Authorization) {
        return Err(Denied::Malformed);
    }
    let value = std::str::from_utf8(value).map_err(|_| Denied::Malformed)?;
    let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !name.eq_ignore_ascii_case(scheme) {
        return Err(Denied::Missing);
    }
    let token = rest.trim_start_matches(' ');
    if is_token68(token) { Ok(token) } else { Err(Denied::Malformed) }
}

/// `token68` (RFC 9110 §11.2).
fn is_token68(text: &str) -> bool {
    let is_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(is_byte)
}
