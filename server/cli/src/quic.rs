//! From the `[quic]` section to what is wanted of QUIC. A binary without HTTP/3 knows the section too, so that a file that is
//! right stays right; it only cannot listen.

use std::num::NonZero;
use std::path::PathBuf;

use serde::Deserialize;

/// `[quic]`: windows and sizes in bytes, times in seconds. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuicSection {
    /// The port that answers over TLS name for HTTP/3, where clients see another one than is listened on.
    pub advertised_port: Option<NonZero<u16>>,
    /// What may come on a request stream before some of it was read.
    pub stream_window: Option<u64>,
    /// What that may grow to.
    pub stream_window_max: Option<u64>,
    /// What may come on all streams together before some of it was read.
    pub connection_window: Option<u64>,
    /// What that may grow to.
    pub connection_window_max: Option<u64>,
    /// Request streams at once.
    pub bidi_streams: Option<u64>,
    /// Unidirectional streams at once.
    pub uni_streams: Option<u64>,
    /// Without a packet for so long a connection is over.
    pub idle_timeout: Option<u64>,
    /// For the handshake.
    pub handshake_timeout: Option<u64>,
    /// After so long without a packet, one is asked for; 0 for never.
    pub keep_alive: Option<u64>,
    /// `reno`, `cubic`, `bbr2`, or `bbr`, which is the same.
    pub congestion: Option<CongestionChoice>,
    /// Whether packets are spread over time.
    pub pacing: Option<bool>,
    /// `off`, `idempotent` or `on`.
    pub early_data: Option<EarlyChoice>,
    /// Whether clients must show that their address is theirs: `never`, `under-load` or `always`.
    pub retry: Option<RetryChoice>,
    /// Whether clients may change their address on purpose.
    pub migration: Option<bool>,
    /// Whether there are unreliable datagrams.
    pub datagrams: Option<bool>,
    /// Whether larger packets are tried out.
    pub pmtud: Option<bool>,
    /// The largest datagram that is sent.
    pub send_payload: Option<usize>,
    /// Where connections are logged as qlog, as long as there is such a folder.
    pub qlog: Option<PathBuf>,
}

/// How fast is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CongestionChoice {
    /// RFC 9002 §7.
    Reno,
    /// RFC 9438.
    Cubic,
    /// BBR, version 2.
    #[serde(alias = "bbr")]
    Bbr2,
}

/// What becomes of requests in early data, which may be replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarlyChoice {
    /// There is no early data.
    Off,
    /// Safe methods are answered; to others it is 425.
    Idempotent,
    /// The same, and handlers that are marked for it take other methods too.
    On,
}

/// When clients must show that their address is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryChoice {
    /// Never.
    Never,
    /// While many handshakes are under way.
    UnderLoad,
    /// Always.
    Always,
}

/// Queues of unreliable datagrams, where there are any: to be read, and to be sent.
#[cfg(feature = "http3")]
const DATAGRAMS: (usize, usize) = (64, 64);

#[cfg(feature = "http3")]
impl QuicSection {
    /// The defaults, and what the section says instead.
    #[must_use]
    pub fn settings(&self) -> trilane::quic::Settings {
        use std::time::Duration;

        use trilane::quic::{Congestion, EarlyData, Retry, Settings};

        let mut it = Settings { early_data: EarlyData::Idempotent, ..Settings::default() };
        let seconds = |value: Option<u64>, default| value.map_or(default, Duration::from_secs);
        it.stream_window = self.stream_window.unwrap_or(it.stream_window);
        it.stream_window_max =
            self.stream_window_max.unwrap_or(it.stream_window_max).max(it.stream_window);
        it.connection_window = self.connection_window.unwrap_or(it.connection_window);
        it.connection_window_max = self
            .connection_window_max
            .unwrap_or(it.connection_window_max)
            .max(it.connection_window);
        it.bidi_streams = self.bidi_streams.unwrap_or(it.bidi_streams);
        it.uni_streams = self.uni_streams.unwrap_or(it.uni_streams);
        it.idle_timeout = seconds(self.idle_timeout, it.idle_timeout);
        it.handshake_timeout = seconds(self.handshake_timeout, it.handshake_timeout);
        it.keep_alive = self.keep_alive.filter(|after| *after > 0).map(Duration::from_secs);
        it.congestion = match self.congestion {
            None => it.congestion,
            Some(CongestionChoice::Reno) => Congestion::Reno,
            Some(CongestionChoice::Cubic) => Congestion::Cubic,
            Some(CongestionChoice::Bbr2) => Congestion::Bbr,
        };
        it.pacing = self.pacing.unwrap_or(it.pacing);
        it.early_data = match self.early_data {
            None => it.early_data,
            Some(EarlyChoice::Off) => EarlyData::Off,
            Some(EarlyChoice::Idempotent) => EarlyData::Idempotent,
            Some(EarlyChoice::On) => EarlyData::On,
        };
        it.retry = match self.retry {
            None => it.retry,
            Some(RetryChoice::Never) => Retry::Never,
            Some(RetryChoice::UnderLoad) => Retry::UnderLoad,
            Some(RetryChoice::Always) => Retry::Always,
        };
        it.migration = self.migration.unwrap_or(it.migration);
        it.datagrams = self.datagrams.unwrap_or(true).then_some(DATAGRAMS);
        it.pmtud = self.pmtud.unwrap_or(it.pmtud);
        it.send_payload = self.send_payload.unwrap_or(it.send_payload);
        it
    }
}

#[cfg(all(test, feature = "http3"))]
mod tests {
    use std::time::Duration;

    use trilane::quic::{Congestion, EarlyData, Retry, Settings};

    use super::*;

    fn settings(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str::<QuicSection>(text).map(|section| section.settings())
    }

    #[test]
    fn every_value_is_taken() {
        let all = settings(
            "stream_window = 1\nstream_window_max = 2\nconnection_window = 3\nconnection_window_max = 4\nbidi_streams = 5\n\
             uni_streams = 6\nidle_timeout = 7\nhandshake_timeout = 8\nkeep_alive = 9\ncongestion = 'reno'\npacing = false\n\
             early_data = 'off'\nretry = 'always'\nmigration = false\ndatagrams = false\npmtud = false\nsend_payload = 1300\n",
        )
        .unwrap();
        let expected = Settings {
            stream_window: 1,
            stream_window_max: 2,
            connection_window: 3,
            connection_window_max: 4,
            bidi_streams: 5,
            uni_streams: 6,
            idle_timeout: Duration::from_secs(7),
            handshake_timeout: Duration::from_secs(8),
            keep_alive: Some(Duration::from_secs(9)),
            congestion: Congestion::Reno,
            pacing: false,
            early_data: EarlyData::Off,
            retry: Retry::Always,
            migration: false,
            datagrams: None,
            pmtud: false,
            send_payload: 1300,
            ..Settings::default()
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn names_are_those_of_the_documentation() {
        for name in ["bbr", "bbr2"] {
            let congestion = settings(&format!("congestion = '{name}'")).unwrap().congestion;
            assert_eq!(congestion, Congestion::Bbr);
        }
        let wrong = settings("congestion = 'vegas'").unwrap_err().to_string();
        assert!(wrong.contains("vegas") && wrong.contains("cubic"), "{wrong}");
        assert!(settings("early_data = 'yes'").is_err() && settings("retry = 'maybe'").is_err());
        let usual = settings("").unwrap();
        assert_eq!((usual.early_data, usual.datagrams), (EarlyData::Idempotent, Some(DATAGRAMS)));
    }
}
