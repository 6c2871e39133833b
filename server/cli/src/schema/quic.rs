//! Keys of QUIC. What is not HTTP/3 knows none of them.

use super::{Key, Nothing, key};

/// Of a binary without HTTP/3, which listens nowhere for it: nothing.
#[cfg(not(feature = "http3"))]
macro_rules! usual {
    ($key:ident) => {
        Nothing
    };
}

#[cfg(feature = "http3")]
macro_rules! usual {
    ($key:ident) => {
        crate::quic::QuicSection::default().settings().$key
    };
}

pub(super) fn keys() -> Vec<Key> {
    let advertised = key! { quic.advertised_port, Number, Start, Nothing,
    "The port of HTTP/3 as clients see it, if it is not the one that is listened on: behind a load balancer." }
        .on("answers over TLS name it (Alt-Svc)", "the same", "answers there name none");
    let mut keys = vec![advertised];
    keys.extend(of_http3());
    keys
}

/// What counts there alone.
fn of_http3() -> impl Iterator<Item = Key> {
    [
        key! { quic.stream_window, Number, Start, usual!(stream_window),
        "What may come on a request stream before some of it was read, in bytes." },
        key! { quic.stream_window_max, Number, Start, usual!(stream_window_max),
        "What that may grow to; never less than it begins with." },
        key! { quic.connection_window, Number, Start, usual!(connection_window),
        "What may come on all streams together before some of it was read, in bytes." },
        key! { quic.connection_window_max, Number, Start, usual!(connection_window_max),
        "What that may grow to; never less than it begins with." },
        key! { quic.bidi_streams, Number, Start, usual!(bidi_streams),
        "Request streams at once." },
        key! { quic.uni_streams, Number, Start, usual!(uni_streams),
        "Unidirectional streams at once." },
        key! { quic.idle_timeout, Number, Start, usual!(idle_timeout),
        "Without a packet for so long, in seconds, a connection is over." },
        key! { quic.handshake_timeout, Number, Start, usual!(handshake_timeout),
        "For the handshake, in seconds." },
        key! { quic.keep_alive, Number, Start, 0_u64,
        "After so long without a packet, in seconds, one is asked for; 0 for never." },
        key! { quic.congestion, Text, Start, "cubic",
        "How fast is sent: reno, cubic or bbr2." },
        key! { quic.pacing, Switch, Start, usual!(pacing),
        "Whether packets are spread over time." },
        key! { quic.early_data, Text, Start, "idempotent",
        "Requests in early data, which may be replays: off, idempotent or on." },
        key! { quic.retry, Text, Start, "under-load",
        "Whether clients must show that their address is theirs: never, under-load or always." },
        key! { quic.migration, Switch, Start, usual!(migration),
        "Whether clients may change their address on purpose." },
        key! { quic.datagrams, Switch, Start, true,
        "Whether there are unreliable datagrams." },
        key! { quic.pmtud, Switch, Start, usual!(pmtud),
        "Whether larger packets are tried out." },
        key! { quic.send_payload, Number, Start, usual!(send_payload),
        "The largest datagram that is sent, in bytes." },
        key! { quic.qlog, Text, Start, Nothing,
        "Where connections are logged as qlog, as long as there is such a folder." },
    ]
    .into_iter()
    .map(|key| key.on("-", "-", "counts"))
}
