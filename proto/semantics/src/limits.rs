//! Every limit a connection lives under, by name, with its unit and its default.

use core::time::Duration;

/// Limits of one connection, or of what it says there. Sizes are bytes. Queues, and the events of a turn, are 1 at
/// least: 0 counts as 1, or nothing would ever move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A request target; longer is 414. Default 8 KiB.
    pub target: usize,
    /// A head or trailer section on the wire, and 32 bytes a field line counted on top; more is 431.
    /// Default 64 KiB.
    pub head: usize,
    /// Field lines in a section; more is 431. Default 128.
    pub field_lines: usize,
    /// Content of a request, unless its route says otherwise; more is 413. Default 10 MiB.
    pub body: u64,
    /// A chunk-size line with its extensions (RFC 9112 §7.1.1). Default 1 KiB. The extensions of a message together may
    /// be as long as a `head`.
    pub chunk_line: usize,
    /// Content that no handler wants, read and discarded to keep a connection, or, where it multiplexes, an exchange whose
    /// answer is complete. Default 256 KiB.
    pub discard: u64,
    /// Received content that waits for its handler, an exchange; then reading stops. Default 64 KiB.
    pub receive_queue: usize,
    /// Received content that waits for its handlers, all connections of a shard; then an exchange may have no more
    /// than one piece waiting. Default 16 MiB.
    pub receive_budget: usize,
    /// Bytes that wait to be sent, a connection; then handlers wait. Default 256 KiB.
    pub send_queue: usize,
    /// Bytes of open files that wait to be sent, a connection; they take no memory. Where files are sent as they are,
    /// this is also what one turn sends of them at most. Default 1 MiB.
    pub file_queue: usize,
    /// Events a connection may have in one turn before others have theirs. Default 256.
    pub events_a_turn: usize,
    /// Exchanges at once on a connection that multiplexes (RFC 9113 §5.1.2); more are refused. At most 16,384. Default 128.
    pub streams: usize,
    /// Promised responses at once on a connection, to send or to take (RFC 9113 §8.4); 0 is none. At most 8,192. Default 0.
    pub pushes: usize,
    /// Content that a peer may send ahead of its reader, an exchange of a connection that multiplexes (RFC 9113 §5.2).
    /// At most 2 GiB - 1. Default 256 KiB.
    pub stream_window: usize,
    /// The same, all exchanges of a connection together; 65,535 at least (RFC 9113 §6.9.2). Default 1 MiB.
    pub connection_window: usize,
    /// Header sections of all exchanges under way on a connection that multiplexes, as they are kept, and 32 bytes a line: a
    /// few bytes can stand for a large one (RFC 7541 §7.3). A request that is too much is refused, and may be sent again
    /// (RFC 9113 §8.7). Never less than `head`, and at most 4 GiB - 1. Default 1 MiB.
    pub heads: usize,
    /// Whether requests in early data, which may be replays, may have methods that are not safe (RFC 9110 §9.2.1), for handlers
    /// that say that they do no harm twice. If not, or for other handlers, they are refused with 425 (RFC 8470 §5.2). Default no.
    pub early_any: bool,
    /// The table that a peer's encoder may fill (RFC 9204 §3.2), a connection over HTTP/3; 0 is none. Over HTTP/2 it is 4,096
    /// bytes. Default 4 KiB.
    pub table: usize,
    /// Exchanges at once whose header sections may wait for that table (RFC 9204 §2.1.2); 0 is none. What is waited for
    /// is not read. Default 16.
    pub blocked: usize,
    /// Frames that continue one header section (RFC 9113 §6.10). Default 16.
    pub continuations: usize,
    /// PING frames that wait for their answer (RFC 9113 §6.7). Default 32.
    pub pings: usize,
    /// Points that a connection may spend at once on what costs us more than the peer, such as resets and empty frames;
    /// [`budget`](crate::budget) says what costs how many. Default 2,000.
    pub abuse: u32,
    /// Points that come back in a second. Default 50.
    pub abuse_rate: u32,
    /// From accept to the end of the TLS handshake; in the client role, from when the connection is begun. Default 10 s.
    pub handshake_timeout: Duration,
    /// From the first byte of a head, or from accept, to its end. Default 15 s.
    pub head_timeout: Duration,
    /// Between two pieces of content. Default 30 s.
    pub body_timeout: Duration,
    /// Content must come at this rate at least, in bytes a second, averaged over `body_grace`; 0 is no such rate. The
    /// time that a handler lets content wait does not count. Default 240.
    pub body_rate: u64,
    /// For how long content may come slower than `body_rate`. Default 30 s.
    pub body_grace: Duration,
    /// Between an answer and the next request. Default 75 s.
    pub idle_timeout: Duration,
    /// From the request's head to the response's head. Default 30 s.
    pub handler_timeout: Duration,
    /// Content of all answers of a connection together, in bytes a second; 0 is any. Default 0.
    pub bandwidth: u64,
    /// For the peer to take something of what we sent. Default 30 s.
    pub write_timeout: Duration,
    /// For a tunnel in which nothing goes either way. Default 5 min.
    pub tunnel_timeout: Duration,
    /// Reading and discarding after the last answer. Default 2 s.
    pub linger_timeout: Duration,
    /// Between the two steps of a drain, if the peer does not answer the first (RFC 9113 §6.8). Default 1 s.
    pub goaway_timeout: Duration,
}

impl Limits {
    /// The same, with 1 where 0 would stop everything.
    #[must_use]
    pub fn usable(mut self) -> Self {
        let queues = [&mut self.receive_queue, &mut self.receive_budget, &mut self.send_queue];
        for least_one in queues.into_iter().chain([&mut self.file_queue, &mut self.events_a_turn]) {
            *least_one = (*least_one).max(1);
        }
        self.heads = self.heads.max(self.head).min(u32::MAX as usize);
        self.streams = self.streams.clamp(1, 1 << 14);
        self.pushes = self.pushes.min(1 << 13);
        self.stream_window = self.stream_window.clamp(1, i32::MAX as usize);
        self.connection_window = self.connection_window.clamp(65_535, i32::MAX as usize);
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target: 8 << 10,
            head: 64 << 10,
            field_lines: 128,
            body: 10 << 20,
            chunk_line: 1 << 10,
            discard: 256 << 10,
            receive_queue: 64 << 10,
            receive_budget: 16 << 20,
            send_queue: 256 << 10,
            file_queue: 1 << 20,
            events_a_turn: 256,
            streams: 128,
            pushes: 0,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            heads: 1 << 20,
            early_any: false,
            table: 4 << 10,
            blocked: 16,
            continuations: 16,
            pings: 32,
            abuse: 2000,
            abuse_rate: 50,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            body_rate: 240,
            body_grace: Duration::from_secs(30),
            bandwidth: 0,
            idle_timeout: Duration::from_secs(75),
            handler_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            tunnel_timeout: Duration::from_secs(300),
            linger_timeout: Duration::from_secs(2),
            goaway_timeout: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_others_is_zero() {
        assert_eq!(Limits::default().usable(), Limits::default());
        for (given, used) in [(0, 1), (1, 1), (2, 2)] {
            let mut limits = Limits::default();
            (limits.file_queue, limits.send_queue, limits.events_a_turn) = (given, given, given);
            (limits.receive_queue, limits.receive_budget) = (given, given);
            (limits.head, limits.heads) = (1, given);
            let limits = limits.usable();
            assert_eq!(limits.heads, used);
            assert_eq!([limits.file_queue, limits.send_queue, limits.events_a_turn], [used; 3]);
            assert_eq!([limits.receive_queue, limits.receive_budget], [used; 2]);
        }
    }

    /// RFC 9113 §6.9.1, §6.9.2: a window is 31 bits, and that of the connection never begins below 65,535.
    #[test]
    fn windows_are_what_the_protocol_can_say() {
        let most = i32::MAX as usize;
        for (given, stream, connection) in [
            (0, 1, 65_535),
            (65_534, 65_534, 65_535),
            (65_536, 65_536, 65_536),
            (most, most, most),
            (most + 1, most, most),
        ] {
            let mut limits = Limits::default();
            (limits.stream_window, limits.connection_window) = (given, given);
            let limits = limits.usable();
            assert_eq!((limits.stream_window, limits.connection_window), (stream, connection));
        }
        for (given, used) in [(0, 1), (1, 1), (16_384, 16_384), (16_385, 16_384)] {
            let limits = Limits { streams: given, ..Limits::default() };
            assert_eq!(limits.usable().streams, used);
        }
        for (given, used) in [(0, 0), (8191, 8191), (8192, 8192), (8193, 8192)] {
            let limits = Limits { pushes: given, ..Limits::default() };
            assert_eq!(limits.usable().pushes, used);
        }
    }
}
