//! Extractors of what is known of a request without work: method, protocol, fields,
//! connection, shard, exchange.

use std::convert::Infallible;
use std::rc::Rc;

use trilane_exchange::{ConnectionInfo, Exchange, Request, Shard};
use trilane_semantics::{Fields, Method, Protocol};

use crate::extract::FromRequestParts;

macro_rules! part {
    ($($type:ty: |$request:ident| $value:expr;)*) => {$(
        impl<S> FromRequestParts<S> for $type {
            type Rejection = Infallible;

            fn from_request_parts($request: &mut Request, _: &S) -> Result<Self, Infallible> {
                Ok($value)
            }
        }
    )*};
}

part! {
    ConnectionInfo: |request| request.exchange().connection().clone();
    Fields: |request| request.head().fields.clone();
    Method: |request| request.method().clone();
    Protocol: |request| request.protocol();
    Rc<Exchange>: |request| Rc::clone(request.exchange());
    Shard: |request| request.shard().clone();
}
