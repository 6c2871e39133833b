//! The layers that come with the router, and their default order.

mod access_log;
mod compress;
mod cors;
mod csp;
mod csrf;
mod decompress;
mod envelope;
mod etag;
mod ip_list;
mod metrics;
mod recovery;
mod request_id;
mod sample;
mod security_headers;
mod trace;
mod trusted_proxies;

pub use access_log::{AccessLog, Format, LogSink};
pub use compress::{Compress, is_text};
pub use cors::{Cors, CorsError};
pub use csp::{Csp, Nonce};
pub use csrf::Csrf;
pub use decompress::Decompress;
pub use envelope::Envelope;
pub use etag::ETags;
pub(crate) use etag::make_not_modified;
pub use ip_list::IpList;
pub use metrics::{Latency, Metrics};
pub use recovery::Recovery;
pub use request_id::RequestId;
pub use sample::SampleRatio;
pub use security_headers::SecurityHeaders;
pub use trace::Trace;
pub use trusted_proxies::{ClientField, ForwardedHost, TrustedProxies};

use crate::chain::Chain;
use crate::layer::Layer;

/// The layers every application wants, outermost first: recovery, request id, log, error envelope.
/// Add it last, so that the errors of every other layer get their id and their form.
pub fn default_layers(log: Option<AccessLog>) -> impl Layer {
    Defaults { log }
}

struct Defaults {
    log: Option<AccessLog>,
}

impl Layer for Defaults {
    fn add_to(self, chain: &mut Chain) {
        chain.add(Envelope);
        if let Some(log) = self.log {
            chain.add(log);
        }
        chain.add(RequestId::default());
        chain.add(Recovery);
    }
}
