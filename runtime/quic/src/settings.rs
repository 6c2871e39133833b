//! What is wanted of QUIC, as plain data. Nothing is checked here: that is [`Endpoint::new`](crate::Endpoint::new)'s.

use std::time::Duration;

/// Early data (0-RTT, RFC 9001 §4.6), which whoever has recorded it can send again. It is answered once: see
/// [`Secrets`](crate::Secrets).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyData {
    /// It is refused: clients repeat it after the handshake.
    #[default]
    Off,
    /// It is accepted; whoever reads it sees to it that nothing but requests that may be repeated are answered (RFC 8470).
    Idempotent,
    /// It is accepted, and every request answered.
    On,
}

/// When a client must show that it receives what is sent to its address, before anything is kept of it (RFC 9000 §8.1.2). It
/// costs a round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// While there are more handshakes under way than [`Settings::busy`].
    #[default]
    UnderLoad,
    /// Always.
    Always,
}

/// How fast is sent (RFC 9002 §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9002 §7.
    Reno,
    /// RFC 9438.
    #[default]
    Cubic,
    /// BBR, version 2.
    Bbr,
}

impl Congestion {
    /// By the name that people write: `reno`, `cubic`, `bbr`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "reno" => Some(Self::Reno),
            "cubic" => Some(Self::Cubic),
            "bbr" => Some(Self::Bbr),
            _ => None,
        }
    }
}

/// What is wanted of QUIC. Windows are bytes.
///
/// ```
/// use trilane_quic::{Retry, Settings};
/// let settings = Settings { retry: Retry::Always, ..Settings::default() };
/// assert!(settings.connection_window >= settings.stream_window);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much a client may send on one request stream before some of it was read. Default: 256 KiB. It grows, while a client
    /// uses all of it within a round trip or two, to `stream_window_max`.
    pub stream_window: u64,
    /// What a stream's window may grow to. Default: 1 MiB.
    pub stream_window_max: u64,
    /// How much a client may send on one unidirectional stream before some of it was read. Default: 16 KiB.
    pub uni_window: u64,
    /// How much a client may send on all streams together before some of it was read. Default: 1 MiB.
    pub connection_window: u64,
    /// What a connection's window may grow to. Default: 4 MiB.
    pub connection_window_max: u64,
    /// How many request streams a client may have at a time. Default: 100.
    pub bidi_streams: u64,
    /// How many unidirectional streams a client may have at a time; HTTP/3 needs three, and one to spare for greasing
    /// (RFC 9114 §6.2). Default: 8.
    pub uni_streams: u64,
    /// Without a packet for so long a connection ends silently (RFC 9000 §10.1). Default: 30 s.
    pub idle_timeout: Duration,
    /// Who has not completed its handshake by then is forgotten. Default: 10 s.
    pub handshake_timeout: Duration,
    /// After so long without a packet from the client, one is asked for (RFC 9000 §10.1.2). None: never. Default: none.
    pub keep_alive: Option<Duration>,
    /// How fast is sent. Default: CUBIC.
    pub congestion: Congestion,
    /// How many packets are sent before the first acknowledgement (RFC 9002 §7.2). Default: 10.
    pub initial_window: usize,
    /// Whether packets are spread over time (RFC 9002 §7.7); [`Transmit::at`](crate::Transmit::at) says when. Default: yes.
    pub pacing: bool,
    /// Early data. Default: off.
    pub early_data: EarlyData,
    /// Whether addresses are validated before a handshake. Default: under load.
    pub retry: Retry,
    /// How many handshakes a shard has under way before it is under load. Default: 256.
    pub busy: usize,
    /// How many handshakes a shard has under way at most; who comes then is dropped. Default: 4,096.
    pub handshakes: usize,
    /// Whether clients may change their address on purpose (RFC 9000 §9). Who is given another one by its network is not asked.
    /// Default: yes.
    pub migration: bool,
    /// Queues of unreliable datagrams (RFC 9221), how many may wait to be read and to be sent. None: there are no
    /// datagrams. Default: none.
    pub datagrams: Option<(usize, usize)>,
    /// Whether larger packets are tried out (RFC 9000 §14.3), up to `send_payload`. Default: yes.
    pub pmtud: bool,
    /// The largest UDP payload that is sent, 1,200 at least. Default: 1,452, which fits Ethernet and IPv6.
    pub send_payload: usize,
    /// The largest UDP payload that is taken, 1,200 at least. Default: 1,500.
    pub receive_payload: usize,
    /// How many ids of ours a client keeps (RFC 9000 §5.1.1), and how many paths a connection may have. Default: 8: with 2, the
    /// least, a client whose network changes its address in the middle of a transfer is lost.
    pub connection_ids: u64,
    /// How many stateless resets, version negotiations and retries a shard sends in a second. Default: 1,000.
    pub replies: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_window: 256 << 10,
            stream_window_max: 1 << 20,
            uni_window: 16 << 10,
            connection_window: 1 << 20,
            connection_window_max: 4 << 20,
            bidi_streams: 100,
            uni_streams: 8,
            idle_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            keep_alive: None,
            congestion: Congestion::Cubic,
            initial_window: 10,
            pacing: true,
            early_data: EarlyData::Off,
            retry: Retry::UnderLoad,
            busy: 256,
            handshakes: 4_096,
            migration: true,
            datagrams: None,
            pmtud: true,
            send_payload: 1_452,
            receive_payload: 1_500,
            connection_ids: 8,
            replies: 1_000,
        }
    }
}
