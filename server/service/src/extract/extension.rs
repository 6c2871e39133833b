//! What a layer has left on the request.

use trilane_exchange::{Error, Request};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;
use crate::layer::{Hook, Phases};

/// A value of that type that a layer has left with [`Request::extend`]; a copy of it. 500 when there is none; `Option<Extension<_>>` is
/// `None` then. As a layer, it leaves that value on each request.
///
/// ```
/// use trilane_service::{Extension, Router, get};
/// #[derive(Clone)]
/// struct Region(&'static str);
/// let router: Router = Router::new()
///     .route("/", get(|Extension(Region(name)): Extension<Region>| async move { name }))
///     .layer(Extension(Region("north")));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<S, T: Clone + 'static> FromRequestParts<S> for Extension<T> {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        request.extension().cloned().map(Self).ok_or_else(|| {
            Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .internal(format!("no layer has left a {}", std::any::type_name::<T>()))
        })
    }
}

impl<T: Clone + 'static> Hook for Extension<T> {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<trilane_exchange::Response> {
        request.extend(self.0.clone());
        None
    }
}
