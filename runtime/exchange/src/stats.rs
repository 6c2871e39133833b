//! Counters of a shard: written by it alone, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use trilane_semantics::{Cause, Protocol};

/// From when on a handler is said to block its shard: in all that time nobody else there is served.
pub const BLOCKED: Duration = Duration::from_millis(20);

/// A number that one thread writes: no locked instruction, never torn.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the owning shard may.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Is that number from now on; only the owning shard may.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// Subtracts; only the owning shard may.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many connections have closed for each cause.
#[derive(Debug)]
pub struct Causes([Counter; Cause::COUNT]);

impl Default for Causes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Causes {
    /// Counts a connection more; only the owning shard may.
    pub fn count(&self, cause: Cause) {
        if let Some(counter) = self.0.get(cause.number()) {
            counter.add(1);
        }
    }

    /// Every cause, and how many connections it has closed.
    pub fn all(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::all().zip(&self.0).map(|(cause, counter)| (cause, counter.get()))
    }
}

/// How many requests were begun in each protocol. Those in HTTP/1.0 are with those in HTTP/1.1.
#[derive(Debug, Default)]
pub struct Spoken {
    /// HTTP/1.1.
    pub http1: Counter,
    /// HTTP/2.
    pub http2: Counter,
    /// HTTP/3.
    pub http3: Counter,
}

impl Spoken {
    /// The counter of that protocol.
    #[must_use]
    pub const fn of(&self, protocol: Protocol) -> &Counter {
        match protocol {
            Protocol::Http10 | Protocol::Http11 => &self.http1,
            Protocol::Http2 => &self.http2,
            Protocol::Http3 => &self.http3,
        }
    }
}

/// What response caches did with requests, by the names that Cache-Status has for it (RFC 9211 §2).
#[derive(Debug, Default)]
pub struct CacheUse {
    /// Answered with what is stored.
    pub hit: Counter,
    /// Answered with what another request was answered with at that time.
    pub collapsed: Counter,
    /// Passed on: caches do not deal with such requests.
    pub bypass: Counter,
    /// Passed on: the method needs it.
    pub method: Counter,
    /// Passed on: nothing was stored for the target.
    pub uri_miss: Counter,
    /// Passed on: what was stored was for other requests.
    pub vary_miss: Counter,
    /// Passed on: what was stored might not be used for such a request.
    pub miss: Counter,
    /// Passed on: the client wanted it.
    pub request: Counter,
    /// Passed on: what was stored was stale. Also what is fetched anew beside a hit.
    pub stale: Counter,
}

impl CacheUse {
    /// Each of them, with its name.
    #[must_use]
    pub fn all(&self) -> [(&'static str, u64); 9] {
        [
            ("hit", self.hit.get()),
            ("collapsed", self.collapsed.get()),
            ("bypass", self.bypass.get()),
            ("method", self.method.get()),
            ("uri-miss", self.uri_miss.get()),
            ("vary-miss", self.vary_miss.get()),
            ("miss", self.miss.get()),
            ("request", self.request.get()),
            ("stale", self.stale.get()),
        ]
    }
}

/// What a shard counts. On a cache line of its own, so that readers do not slow writers of another shard.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Stats {
    /// When the loop's last turn began, in nanoseconds since the server started.
    pub turned: Counter,
    /// Connections open now.
    pub open: Counter,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that were closed or refused at once, because their client had as many as it may.
    pub crowded: Counter,
    /// Fresh connections given to a shard with fewer.
    pub handed_over: Counter,
    /// Why those that are closed were.
    pub closed: Causes,
    /// Requests begun.
    pub requests: Counter,
    /// The same, by what they came in.
    pub spoken: Spoken,
    /// Requests that are over; the others of those begun are under way.
    pub finished: Counter,
    /// Requests of ours that servers were asked.
    pub asked: Counter,
    /// Connections to servers that were begun.
    pub dialed: Counter,
    /// Bytes received from sockets.
    pub received: Counter,
    /// Bytes sent to sockets.
    pub sent: Counter,
    /// Bytes of files that went into sockets by sendfile(2), counted in `sent` as well.
    pub file_sent: Counter,
    /// Bytes of content that went from socket to socket by splice(2), counted in `received` and `sent` as well.
    pub piped: Counter,
    /// Bytes of files that the ring has read, because they were not in memory or because a task asked for them.
    pub file_read: Counter,
    /// Bytes of files, and of what is known of them, that are kept in memory now.
    pub file_cache: Counter,
    /// What response caches did with requests.
    pub cache: CacheUse,
    /// Sends whose memory the kernel read where it was, and did not copy when it took them.
    pub uncopied: Counter,
    /// Handlers that panicked.
    pub panics: Counter,
    /// Times that a handler, or a task, has kept its shard from everything else for more than [`BLOCKED`].
    pub blocked: Counter,
    /// Messages refused for a breach of protocol or a limit.
    pub faults: Counter,
    /// Times that accepting had to pause, for want of descriptors or memory, or at the limit of connections.
    pub accept_pauses: Counter,
    /// Connections whose peer has another address than before (RFC 9000 §9).
    pub migrations: Counter,
    /// Handshakes over QUIC that were completed.
    pub quic_handshakes: Counter,
    /// Of those, the ones that resumed a session.
    pub quic_resumed: Counter,
    /// Of those, the ones whose early data was taken.
    pub quic_early: Counter,
    /// Clients that were asked to show that their address is theirs (RFC 9000 §8.1.2).
    pub quic_retries: Counter,
    /// Clients that were told that their connection is not known (RFC 9000 §10.3).
    pub quic_resets: Counter,
    /// Times that the receive buffers ran out.
    pub starved: Counter,
    /// Datagrams received.
    pub datagrams_received: Counter,
    /// Receives that brought them: several at once of one path, where the kernel has put them together.
    pub trains_received: Counter,
    /// Datagrams sent.
    pub datagrams_sent: Counter,
    /// Sends that took them whole, several at once.
    pub trains_sent: Counter,
    /// Datagrams that the kernel threw away, because a socket's queue was full.
    pub datagrams_lost: Counter,
    /// Receives that were cut short, and thrown away.
    pub datagrams_cut: Counter,
    /// Sends of datagrams that the kernel refused.
    pub trains_failed: Counter,
    /// Datagrams passed on to the shard whose connection they are of.
    pub forwarded: Counter,
    /// Datagrams that were lost on that way.
    pub forward_dropped: Counter,
}
