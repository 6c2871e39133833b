//! What the TLS handshake has found out.

use std::rc::Rc;

use trilane_exchange::{Error, Request, TlsInfo};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;

/// What the TLS handshake of the connection has found out: version, names, the client's certificate. A request in clear
/// is rejected with 403; `Option<Tls>` takes both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls(pub Rc<TlsInfo>);

impl<S> FromRequestParts<S> for Tls {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        match &request.exchange().connection().tls {
            Some(info) => Ok(Self(Rc::clone(info))),
            None => Err(Error::new(StatusCode::FORBIDDEN).message("only over TLS")),
        }
    }
}
