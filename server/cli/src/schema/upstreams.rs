//! Keys of what there may be several of: upstreams, hosts and routes. The environment has no names for them.

use trilane::client::PoolConfig;
use trilane::proxy::{CheckPolicy, HealthPolicy, Limits, RetryPolicy, Terms};

use super::{Key, Nothing, key};

pub(super) fn keys() -> Vec<Key> {
    vec![
        key! { "upstreams.*.servers", Table, Now, Nothing,
        "The servers." },
        key! { "upstreams.*.protocol", Text, Now, "auto",
        "What is spoken to them: auto, h1, h2 or h3." },
        key! { "upstreams.*.policy", Text, Now, "round-robin",
        "Who is chosen: round-robin, least-connections, random or hash." },
        key! { "upstreams.*.key", Text, Now, Nothing,
        "What a hash is made of: ip, path, header:NAME or cookie:NAME." },
        key! { "upstreams.*.tls", Table, Now, Nothing,
        "How TLS is done, to servers of https://." },
        key! { "upstreams.*.proxy_protocol", Number, Now, Nothing,
        "The version of the PROXY protocol that begins each connection: 1 or 2." },
        key! { "upstreams.*.max_fails", Number, Now, HealthPolicy::default().max_fails,
        "A server that has failed so often within fail_timeout gets nothing for as long; 0 is never." },
        key! { "upstreams.*.fail_timeout", Number, Now, HealthPolicy::default().fail_timeout,
        "In seconds." },
        key! { "upstreams.*.slow_start", Number, Now, HealthPolicy::default().slow_start,
        "The time in which a server that is back comes to its whole weight, in seconds." },
        key! { "upstreams.*.try_unfit", Switch, Now, false,
        "Whether one is tried all the same where none is fit." },
        key! { "upstreams.*.health.path", Text, Now, Nothing,
        "Servers are asked for that, to see how they are." }
        .optional(),
        key! { "upstreams.*.health.host", Text, Now, Nothing,
        "In Host. Without it, the server's own." }
        .optional(),
        key! { "upstreams.*.health.interval", Number, Now, CheckPolicy::default().interval,
        "How often, in seconds." }
        .optional(),
        key! { "upstreams.*.health.timeout", Number, Now, CheckPolicy::default().timeout,
        "How long the answer may take, in seconds." }
        .optional(),
        key! { "upstreams.*.health.fall", Number, Now, HealthPolicy::default().fall,
        "So many failures in a row take a server out." }
        .optional(),
        key! { "upstreams.*.health.rise", Number, Now, HealthPolicy::default().rise,
        "So many good answers in a row bring it back." }
        .optional(),
        key! { "upstreams.*.retries.attempts", Number, Now, RetryPolicy::default().attempts,
        "How often a request is made at most; 1 is never again." },
        key! { "upstreams.*.retries.timeout", Number, Now, Nothing,
        "Seconds that one attempt may take. Without it, as long as all of them." },
        key! { "upstreams.*.retries.on_unavailable", Switch, Now, false,
        "Whether answers of 502, 503 and 504 are a failure too." },
        key! { "upstreams.*.retries.budget", Number, Now, RetryPolicy::default().budget,
        "How many of all requests may be made again, in percent." },
        key! { "upstreams.*.timeouts.connect", Number, Now, PoolConfig::default().connect_timeout,
        "Until there is a connection, TLS included, in seconds." },
        key! { "upstreams.*.timeouts.response", Number, Now, Terms::default().timeout,
        "Until an answer begins, in seconds." },
        key! { "upstreams.*.timeouts.idle", Number, Now, Terms::default().idle,
        "Between two pieces of an answer, in seconds." },
        key! { "upstreams.*.pool.connections", Number, Now, Terms::default().connections,
        "Connections to one server at once, of the process." },
        key! { "upstreams.*.pool.idle", Number, Now, PoolConfig::default().most_idle,
        "Idle ones that are kept, a shard." },
        key! { "upstreams.*.pool.idle_timeout", Number, Now, PoolConfig::default().idle_timeout,
        "For how long, in seconds." },
        key! { "upstreams.*.limits.requests", Number, Now, Limits::default().under_way,
        "Requests under way; more are 503." },
        key! { "upstreams.*.limits.server", Number, Now, Limits::default().a_server,
        "Those of one server." },
        key! { "upstreams.*.limits.waiting", Number, Now, Limits::default().waiting,
        "Requests that wait for a connection." },
        key! { "upstreams.*.limits.retries", Number, Now, Limits::default().retries,
        "Repeated requests under way." },
        key! { "hosts", Table, Now, Nothing,
        "Hosts with routes of their own." },
        key! { "routes", Table, Now, Nothing,
        "What is served on hosts that are not named." },
    ]
}
