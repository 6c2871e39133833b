//! Keys of what asks others by itself: the authority that gives certificates, and the collector of spans and metrics.

use super::{Key, Nothing, key};

pub(super) fn keys() -> Vec<Key> {
    vec![
        key! { acme?directory, Text, Start, Nothing,
        "The URL of the authority's directory." },
        key! { acme?agree_to_terms, Switch, Start, false,
        "Whether its terms of service were read, and are agreed to. Nothing is ordered without." },
        key! { acme?domains, List, Start, [],
        "The names, DNS or IP; all of them are in one certificate." },
        key! { acme?contacts, List, Start, [],
        "Where the authority may write to, such as mailto:admin@example.org." },
        key! { acme?challenge, Text, Start, "http-01",
        "How a name is shown to be ours: http-01 or tls-alpn-01." }
        .on("either", "http-01 on listeners in clear with h2c", "neither"),
        key! { acme?storage, Text, Start, Nothing,
        "Where account, certificate and key are kept: acme in $XDG_STATE_HOME/trilane, if nothing is said." },
        key! { acme?renew_before, Number, Start, Nothing,
        "So many days before its end a certificate is renewed: a third of its lifetime, if nothing is said." },
        key! { acme?directory_roots, Text, Start, Nothing,
        "Who vouches for the authority itself, in PEM: the system's roots, if nothing is said." },
        key! { "acme.external_account", Table, Start, Nothing,
        "To which account of the authority's own ours belongs: its id, and the file of its key." }
        .optional(),
        key! { otlp?endpoint, Text, Start, Nothing,
        "What the URLs of the collector begin with; without one nothing is exported." },
        key! { "otlp.headers", Table, Start, Nothing,
        "Fields of all requests to it." }
        .optional(),
        key! { otlp?sample_ratio, Fraction, Start, Nothing,
        "Which part of the traces that begin here is sampled, from 0 to 1." },
        key! { otlp?interval, Number, Start, 5_u64,
        "How often spans are sent, in seconds." },
        key! { otlp?metrics_interval, Number, Start, 60_u64,
        "How often metrics are sent, in seconds; 0 for never." },
        key! { otlp?service_name, Text, Start, "trilane",
        "What this service is called." },
        key! { "otlp.attributes", Table, Start, Nothing,
        "What else is known of it." }
        .optional(),
        key! { otlp?roots, Text, Start, Nothing,
        "Who vouches for the collector, in PEM: the system's roots, if nothing is said." },
    ]
}
