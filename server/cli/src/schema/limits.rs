//! Keys of limits: the same words for three protocols, which do not mean quite the same on each.

use trilane::Limits;

use super::{Key, Shown, key};

fn usual() -> Limits {
    Limits::default()
}

pub(super) fn keys() -> Vec<Key> {
    let mut keys = vec![
        key! { limits.target, Number, Connections, usual().target,
        "A request target, in bytes; a longer one is 414." },
        key! { limits.head, Number, Connections, usual().head,
        "A header section, in bytes, and 32 a line; a larger one is 431." }
        .on(
            "as it is on the wire",
            "as it is unpacked; announced in SETTINGS",
            "as it is unpacked; announced in SETTINGS",
        ),
        key! { limits.field_lines, Number, Connections, usual().field_lines,
        "Field lines in a section; more is 431." },
        key! { limits.body, Number, Now, usual().body,
        "Content of a request, in bytes, where its route says nothing else; more is 413." },
        key! { limits.handshake_timeout, Number, Connections, usual().handshake_timeout,
        "For the TLS handshake, in seconds." }
        .on("over TLS", "over TLS", "over QUIC; quic.handshake_timeout may come first"),
        key! { limits.head_timeout, Number, Connections, usual().head_timeout,
        "For a header section to come, in seconds." }
        .on(
            "from accept, or from its first byte: 408",
            "of each section that has begun",
            "of each stream that has begun",
        ),
        key! { limits.body_timeout, Number, Connections, usual().body_timeout,
        "Between two pieces of content, in seconds." }
        .on(
            "408, and the connection ends",
            "of each stream: others go on",
            "of each stream: others go on",
        ),
        key! { limits.idle_timeout, Number, Connections, usual().idle_timeout,
        "Between an answer and the next request, in seconds." }
        .on(
            "keep-alive",
            "while there are no streams",
            "while there are no streams; quic.idle_timeout may come first",
        ),
        key! { limits.handler_timeout, Number, Now, usual().handler_timeout,
        "For a handler to answer, in seconds; then it is 504. At least as long as the slowest upstream may take." },
        key! { limits.write_timeout, Number, Now, usual().write_timeout,
        "For the peer to take something of what was sent, in seconds." }
        .on(
            "of the connection",
            "of the connection, and of each window that stays closed",
            "of each window that stays closed",
        ),
        key! { limits.body_rate, Number, Connections, usual().body_rate,
        "Bytes a second that content must come at, on average, after body_grace; 0 for any." },
        key! { limits.body_grace, Number, Connections, usual().body_grace,
        "For content to come at any rate, in seconds." },
        key! { limits.tunnel_timeout, Number, Connections, usual().tunnel_timeout,
        "For a tunnel through which nothing goes, in seconds." }
        .on("of an upgraded connection", "of a stream", "of a stream"),
        key! { limits.receive_budget, Number, Now, usual().receive_budget,
        "Content that may wait for handlers on one shard, in bytes." },
        key! { limits.file_queue, Number, Now, usual().file_queue,
        "Bytes of open files that wait to be sent, a connection." }
        .on("sent as they are in clear", "read piece by piece", "read piece by piece"),
        key! { limits.connections, Number, Start, 1_u64 << 20,
        "Connections at once, a shard; who comes then waits to be accepted." },
        key! { limits.connections_per_ip, Number, Start, 0_u64,
        "Connections at once of one client; 0 for any number." }
        .on("closed by a reset", "closed by a reset", "refused"),
        key! { limits.bandwidth, Number, Now, usual().bandwidth,
        "Content of all answers of a connection, in bytes a second; 0 for any." },
        key! { http2.streams, Number, Connections, usual().streams,
        "Exchanges at once on a connection." }
        .on(
            "one after the other",
            "SETTINGS_MAX_CONCURRENT_STREAMS; more are refused",
            "the lesser of it and quic.bidi_streams",
        ),
        key! { http2.stream_window, Number, Connections, usual().stream_window,
        "Content that may come ahead of its reader, an exchange, in bytes." }
        .on(
            "-",
            "SETTINGS_INITIAL_WINDOW_SIZE",
            "what is taken out of the window of quic.stream_window",
        ),
        key! { http2.connection_window, Number, Connections, usual().connection_window,
        "The same, a connection, in bytes." }
        .on(
            "-",
            "WINDOW_UPDATE of stream 0",
            "what is taken out of the window of quic.connection_window",
        ),
        key! { http2.continuations, Number, Connections, usual().continuations,
        "Frames that continue one header section." }
        .on("-", "CONTINUATION (RFC 9113 §6.10)", "-"),
        key! { http2.pings, Number, Connections, usual().pings,
        "PING frames that wait for their answer." }
        .on("-", "PING (RFC 9113 §6.7)", "-"),
        key! { http2.abuse, Number, Connections, usual().abuse,
        "Points to be spent on what costs us more than the peer." }
        .on("-", "then GOAWAY with ENHANCE_YOUR_CALM", "then H3_EXCESSIVE_LOAD"),
        key! { http2.abuse_rate, Number, Connections, usual().abuse_rate,
        "Points that come back in a second." }
        .on("-", "counts", "counts"),
        key! { http2.pushes, Number, Connections, usual().pushes,
        "Promises under way at once, to clients that take them; 0 for none." }
        .on("-", "PUSH_PROMISE", "-"),
    ];
    // A server behind us has as much time as its section says.
    let of_handlers = keys.iter_mut().filter(|key| key.path == "limits.handler_timeout");
    of_handlers.for_each(|key| key.default = |config| config.limits().handler_timeout.shown());
    keys
}
