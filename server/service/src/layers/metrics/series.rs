//! What one shard has counted: written by it alone with plain stores, read by whoever collects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trilane_exchange::stats::Counter;

use super::latency::Latencies;

/// What stands for methods that are not known, and for routes beyond the bound.
pub(super) const OTHER: &str = "other";

/// Values sorted into buckets, and their sum.
#[derive(Debug)]
pub(super) struct Histogram {
    /// The largest value of each bucket but the last, which has no end.
    bounds: Arc<[u64]>,
    buckets: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    pub(super) fn new(bounds: &Arc<[u64]>) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds: Arc::clone(bounds), buckets, sum: Counter::default() }
    }

    pub(super) fn observe(&self, value: u64) {
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum.add(value);
    }

    /// Adds what it has to a total.
    pub(super) fn add_to(&self, total: &mut Total) {
        total.buckets.resize(self.buckets.len(), 0);
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.get();
        }
        total.sum += self.sum.get();
    }
}

/// What several histograms of the same bounds have together.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) buckets: Vec<u64>,
    pub(super) sum: u64,
}

/// The requests of one method to one route.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) method: &'static str,
    pub(super) path: Box<str>,
    /// In nanoseconds.
    pub(super) durations: Histogram,
    /// By status; 0 stands for requests that ended without an answer.
    statuses: Mutex<Vec<(u16, Arc<Counter>)>>,
}

impl Series {
    /// The counter of a status. Takes a lock and may allocate: its caller keeps what it gets.
    pub(super) fn status(&self, status: u16) -> Arc<Counter> {
        let mut statuses = locked(&self.statuses);
        if let Some((_, counter)) = statuses.iter().find(|(known, _)| *known == status) {
            return Arc::clone(counter);
        }
        let counter = Arc::default();
        statuses.push((status, Arc::clone(&counter)));
        counter
    }

    /// Every status, and how many requests had it.
    pub(super) fn statuses(&self) -> Vec<(u16, u64)> {
        locked(&self.statuses).iter().map(|(status, counter)| (*status, counter.get())).collect()
    }
}

/// Everything that one shard has counted of requests.
#[derive(Debug)]
pub(super) struct Table {
    bounds: Arc<[u64]>,
    series: Mutex<Vec<Arc<Series>>>,
    pub(super) request_sizes: Histogram,
    pub(super) response_sizes: Histogram,
    pub(super) latencies: Latencies,
}

impl Table {
    /// Durations are sorted by `bounds`, in nanoseconds, sizes by `sizes`, in bytes.
    pub(super) fn new(bounds: &Arc<[u64]>, sizes: &Arc<[u64]>) -> Self {
        let (request_sizes, response_sizes) = (Histogram::new(sizes), Histogram::new(sizes));
        let series = Mutex::default();
        let latencies = Latencies::default();
        Self { bounds: Arc::clone(bounds), series, request_sizes, response_sizes, latencies }
    }

    /// Whether it sorts into these buckets.
    pub(super) fn has_bounds(&self, bounds: &[u64], sizes: &[u64]) -> bool {
        *self.bounds == *bounds && *self.request_sizes.bounds == *sizes
    }

    /// The series of a method and a route, or, if `most` are there, of all other routes. Takes a lock and may allocate: its caller keeps what it gets.
    pub(super) fn series(&self, method: &'static str, path: &str, most: usize) -> Arc<Series> {
        let mut all = locked(&self.series);
        let find = |path: &str| all.iter().find(|it| it.method == method && *it.path == *path);
        if let Some(known) = find(path) {
            return Arc::clone(known);
        }
        let path = if all.len() < most { path } else { OTHER };
        if let Some(known) = find(path) {
            return Arc::clone(known);
        }
        let durations = Histogram::new(&self.bounds);
        let series = Series { method, path: path.into(), durations, statuses: Mutex::default() };
        let series = Arc::new(series);
        all.push(Arc::clone(&series));
        series
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        locked(&self.series).clone()
    }
}

/// A panic while it was held leaves a list whole: adding to it is all that is done.
pub(super) fn locked<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::new(&[10, 20].into());
        for value in [0, 10, 11, 20, 21, u64::from(u32::MAX)] {
            histogram.observe(value);
        }
        let mut total = Total::default();
        histogram.add_to(&mut total);
        histogram.add_to(&mut total);
        assert_eq!(total.buckets, [4, 4, 4]);
        assert_eq!(total.sum, 2 * (10 + 11 + 20 + 21 + u64::from(u32::MAX)));
    }

    #[test]
    fn a_series_is_made_once() {
        let bounds = [1].into();
        let table = Table::new(&bounds, &bounds);
        let first = table.series("GET", "/a", 3);
        first.status(200).add(2);
        assert!(Arc::ptr_eq(&first, &table.series("GET", "/a", 3)));
        assert!(!Arc::ptr_eq(&first, &table.series("PUT", "/a", 3)));
        assert_eq!(table.series("GET", "/a", 3).statuses(), [(200, 2)]);
        // Applications that follow each other have other routes, and the table stays.
        let other = table.series("GET", "/b", 2);
        assert_eq!((&*other.path, &*table.series("GET", "/c", 2).path), (OTHER, OTHER));
        assert!(Arc::ptr_eq(&first, &table.series("GET", "/a", 2)));
    }
}
