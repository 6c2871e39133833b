//! What a user may set of metrics, with its defaults.

/// Upper bounds of the buckets of durations by default, in seconds.
pub(super) const DURATIONS: [f64; 8] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Upper bounds of the buckets of sizes by default, in bytes.
pub(super) const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Series of method, route and status by default, a shard.
const SERIES: usize = 2_000;
/// Buckets at most: each series has all of them.
const MOST_BUCKETS: usize = 64;

/// What is recorded, and how finely.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// In seconds.
    pub(super) durations: Vec<f64>,
    /// In bytes.
    pub(super) sizes: Vec<u64>,
    pub(super) excluded: Vec<String>,
    pub(super) series: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let (durations, sizes) = (DURATIONS.to_vec(), SIZES.to_vec());
        Self { durations, sizes, excluded: Vec::new(), series: SERIES }
    }
}

impl Settings {
    /// What is wrong with them, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let are_rising =
            |ordered: bool, count: usize| ordered && (1..=MOST_BUCKETS).contains(&count);
        let durations = self.durations.is_sorted_by(|a, b| a < b)
            && self.durations.iter().all(|bound| bound.is_finite() && *bound > 0.0);
        let sizes = self.sizes.is_sorted_by(|a, b| a < b);
        (!are_rising(durations, self.durations.len()) || !are_rising(sizes, self.sizes.len()))
            .then_some(
                "bounds of buckets are 1 to 64 positive numbers, each larger than the one before",
            )
    }

    /// The bounds of durations, in nanoseconds.
    pub(super) fn nanos(&self) -> Vec<u64> {
        // They are positive, and what is too large becomes the largest.
        self.durations.iter().map(|seconds| (seconds * 1e9) as u64).collect()
    }
}
