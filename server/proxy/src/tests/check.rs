//! What `check` does, on a shard that only notes what is dialed.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use trilane_exchange::fake::Fake;

use super::*;
use crate::one::upstream;
use crate::proxy_protocol::Version;
use crate::upstream::Terms;

/// A server that wants to be told whose a connection is takes none that does not begin so, also if it is nobody's.
#[test]
fn a_check_begins_as_all_connections_do() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (proxy_protocol, first) in
        [(None, &b""[..]), (Some(Version::V1), b"PROXY UNKNOWN\r\n"), (Some(Version::V2), local)]
    {
        let (fake, shard) = Fake::new();
        let upstream = upstream(Terms { proxy_protocol, ..Terms::default() });
        let policy = CheckPolicy::default();
        let good = pin!(is_good(&upstream, &upstream.targets[0], &policy, &shard));
        assert!(good.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(fake.dialed.borrow()[0].dial.preface, first);
    }
}
