//! What the operator is told, and what is measured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::error::AcmeError;

/// What has happened. Told on the keeper's thread, which may block.
#[derive(Debug)]
#[non_exhaustive]
pub enum News<'a> {
    /// There is no certificate yet for these names, or it is time for the next one.
    Ordering(&'a [String]),
    /// There is another certificate in the storage folder: whoever serves it has to read it again. It ends so far from now.
    Changed(Duration),
    /// An order came to nothing; the next one is made so far from now.
    Failed(&'a AcmeError, Duration),
    /// The last order came to nothing, maybe that of another process: the next one is made so far from now.
    Waiting(Duration),
}

impl fmt::Display for News<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordering(names) => write!(f, "ordering a certificate for {}", names.join(", ")),
            Self::Changed(left) => write!(f, "a certificate for {} is there", For(*left)),
            Self::Failed(error, next) => write!(f, "{error}; tried again in {}", For(*next)),
            Self::Waiting(next) => {
                write!(f, "the last order came to nothing; tried again in {}", For(*next))
            }
        }
    }
}

/// A time for people.
struct For(Duration);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 172_800.. => write!(f, "{} days", seconds / 86_400),
            seconds @ 7_200.. => write!(f, "{} hours", seconds / 3_600),
            seconds @ 120.. => write!(f, "{} minutes", seconds / 60),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

/// How it stands with the certificate, from any thread; as metrics `trilane_acme_certificate_expiry_seconds`, `trilane_acme_orders_total`
/// and `trilane_acme_failures_total`. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    not_after: AtomicI64,
    orders: AtomicU64,
    failed: AtomicU64,
}

impl Gauge {
    /// When the certificate ends, in seconds since 1970; 0 if there is none.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.0.not_after.load(Relaxed)
    }

    /// Certificates that were ordered and came.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.0.orders.load(Relaxed)
    }

    /// Orders that came to nothing.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Relaxed)
    }

    pub(crate) fn found(&self, not_after: SystemTime) {
        let since = not_after.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.0.not_after.store(since.cast_signed(), Relaxed);
    }

    pub(crate) fn ordered(&self, is_there: bool) {
        let count = if is_there { &self.0.orders } else { &self.0.failed };
        count.fetch_add(1, Relaxed);
    }
}

impl Collector for Gauge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let expiry = ConstGauge::new(self.not_after());
        let name = "trilane_acme_certificate_expiry_seconds";
        let help = "When the certificate ends, in seconds since 1970; 0 if there is none";
        let gauge = encoder.encode_descriptor(name, help, None, expiry.metric_type())?;
        expiry.encode(gauge)?;
        for (name, help, count) in [
            ("trilane_acme_orders", "Certificates that were ordered and came", self.orders()),
            ("trilane_acme_failures", "Orders that came to nothing", self.failed()),
        ] {
            let count = ConstCounter::new(count);
            count.encode(encoder.encode_descriptor(name, help, None, count.metric_type())?)?;
        }
        Ok(())
    }
}
