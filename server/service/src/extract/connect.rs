//! Who is at the other end of the connection.

use std::convert::Infallible;
use std::net::SocketAddr;

use trilane_exchange::{Address, Error, Request};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;

/// The peer's address: `ConnectInfo<Address>` always; `ConnectInfo<SocketAddr>` over IP, and 500
/// over a unix socket, whose peers have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectInfo<T>(pub T);

impl<S> FromRequestParts<S> for ConnectInfo<Address> {
    type Rejection = Infallible;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request.exchange().connection().peer))
    }
}

impl<S> FromRequestParts<S> for ConnectInfo<SocketAddr> {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        match request.exchange().connection().peer {
            Address::Ip(address) => Ok(Self(address)),
            Address::Unix => Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .internal("ConnectInfo<SocketAddr> over a unix socket")),
        }
    }
}
