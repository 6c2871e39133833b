//! Which traces that begin here are sampled: a part of them, by their ids, so that everybody who is asked with the same part agrees.

use trilane_exchange::TraceContext;

/// A part of all traces.
///
/// ```
/// use trilane_service::SampleRatio;
/// assert!(SampleRatio::new(0.1).is_some() && SampleRatio::new(1.1).is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleRatio(u64);

/// Of an id the last 63 bits count, as for OpenTelemetry's `TraceIdRatioBased`.
const BITS: u64 = 1 << 63;

impl SampleRatio {
    /// All traces.
    pub const ALL: Self = Self(BITS);
    /// None.
    pub const NONE: Self = Self(0);

    /// From 0 to 1; nothing if it is no such number.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self((ratio * BITS as f64) as u64))
    }

    /// Whether a trace with that id is sampled.
    pub(crate) const fn takes(self, trace: &TraceContext) -> bool {
        trace.trace_id().get() % (BITS as u128) < self.0 as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_id_decides() {
        let trace = |end: u64| {
            let text = format!("00-4bf92f3577b34da6{end:016x}-00f067aa0ba902b7-00");
            TraceContext::parse(text.as_bytes()).unwrap()
        };
        let quarter = SampleRatio::new(0.25).unwrap();
        for (end, expected) in
            [(0, true), (BITS / 4 - 1, true), (BITS / 4, false), (BITS - 1, false)]
        {
            assert_eq!(quarter.takes(&trace(end)), expected, "{end:x}");
            // The first of the 64 bits does not count.
            assert_eq!(quarter.takes(&trace(end | BITS)), expected, "{end:x}");
            assert!(SampleRatio::ALL.takes(&trace(end)) && !SampleRatio::NONE.takes(&trace(end)));
        }
        for bad in [-0.1, 1.1, f64::NAN] {
            assert_eq!(SampleRatio::new(bad), None);
        }
    }
}
