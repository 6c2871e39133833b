//! One field of the request as a value of its own type.

use trilane_exchange::{Error, Request};
use trilane_semantics::{Fields, StatusCode};

use crate::extract::FromRequestParts;

/// A field that is a value of a type.
pub trait Header: Sized {
    /// Its name, as it is shown when it is missing.
    const NAME: &'static str;

    /// The value; `None` when the field is missing or malformed. All lines are there to be looked
    /// at: whether a second one is a mistake depends on the field (RFC 9110 §5.3).
    fn parse(fields: &Fields) -> Option<Self>;
}

/// That field of the request. 400 with `details.header` when it is missing or malformed; an
/// `Option` of it is `None` then.
///
/// ```
/// use trilane_service::{Fields, Header, Router, TypedHeader, get};
///
/// struct Tenant(u32);
///
/// impl Header for Tenant {
///     const NAME: &'static str = "X-Tenant";
///
///     fn parse(fields: &Fields) -> Option<Self> {
///         fields.get_str(Self::NAME)?.parse().ok().map(Self)
///     }
/// }
///
/// let router: Router = Router::new().route(
///     "/",
///     get(|TypedHeader(Tenant(id)): TypedHeader<Tenant>| async move { id.to_string() }),
/// );
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TypedHeader<T>(pub T);

impl<S, T: Header> FromRequestParts<S> for TypedHeader<T> {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        T::parse(&request.head().fields).map(Self).ok_or_else(|| {
            Error::new(StatusCode::BAD_REQUEST)
                .message("a header field is missing or malformed")
                .detail("header", vec![T::NAME.to_owned()])
        })
    }
}
