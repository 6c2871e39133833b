//! HTTP/3 on one connection, recorded or not: which of them is asked once a call, and by nothing within it.

use trilane_http3::Http3;
use trilane_record::Recorded;

use crate::connection::Connection;

/// One of the two.
pub(super) enum Spoken {
    Plain(Box<Connection<Http3>>),
    Recorded(Box<Connection<Recorded<Http3>>>),
}

/// Does the same with either.
macro_rules! with {
    ($spoken:expr, $connection:ident => $what:expr) => {
        match $spoken {
            Spoken::Plain($connection) => $what,
            Spoken::Recorded($connection) => $what,
        }
    };
}
pub(super) use with;
