//! HTTP/3's client role against arbitrary streams of a server and arbitrary commands: the steps, and what must hold, are
//! those of `h3_side`.

use trilane_http3::Http3;

use crate::h3_side::Side;

/// `data` as a script.
pub fn h3_client(data: &[u8]) {
    Side::new(Http3::client, true).run(data);
}
