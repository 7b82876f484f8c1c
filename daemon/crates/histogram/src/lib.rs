//! A stand-in for the crate `base2histogram`, with the interface that openraft uses.
//!
//! openraft records batch sizes in histograms. The original builds lookup tables for all its
//! scales as soon as the first histogram is made: 26 MB of resident memory for a handful of
//! counters that nobody reads here. This one has a bucket for each power of two and no tables.
//! Percentiles are therefore lower bounds that may be too small by a factor of two.

use std::fmt;
use std::marker::PhantomData;

/// One bucket for zero and one for each bit length.
const BUCKETS: usize = u64::BITS as usize + 1;

/// Counts of `u64` values by their bit length.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: Box<[u64; BUCKETS]>,
    unused: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            unused: PhantomData,
        }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` `count` times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The smallest value of the bucket in which the fraction `p` (0 to 1) of all values is
    /// reached; 0 while the histogram is empty.
    #[must_use]
    pub fn percentile(&self, p: f64) -> u64 {
        let wanted = ((self.total() as f64 * p).ceil() as u64).max(1);
        let mut seen = 0u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= wanted {
                return if bucket == 0 { 0 } else { 1 << (bucket - 1) };
            }
        }
        0
    }

    /// The usual percentiles.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.percentile(0.001),
            p1: self.percentile(0.01),
            p5: self.percentile(0.05),
            p10: self.percentile(0.10),
            p50: self.percentile(0.50),
            p90: self.percentile(0.90),
            p99: self.percentile(0.99),
            p99_9: self.percentile(0.999),
        }
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Histogram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.percentile_stats().fmt(f)
    }
}

/// Percentiles of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            samples,
            p50,
            p90,
            p99,
            p99_9,
            ..
        } = self;
        write!(
            f,
            "[samples: {samples}, P50: {p50}, P90: {p90}, P99: {p99}, P99.9: {p99_9}]"
        )
    }
}

/// Several histograms under their names, shown as one line each.
pub struct AsciiChart<T = ()> {
    series: Vec<(String, Histogram<T>)>,
}

impl<T> AsciiChart<T> {
    /// A chart of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { series: Vec::new() }
    }

    /// Adds a line.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.series.push((name.to_owned(), histogram));
        self
    }

    /// What to print.
    #[must_use]
    pub fn detailed(&self) -> &Self {
        self
    }

    /// What to print.
    #[must_use]
    pub fn compact(&self) -> &Self {
        self
    }
}

impl<T> Default for AsciiChart<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Display for AsciiChart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, histogram) in &self.series {
            writeln!(f, "{name}: {}", histogram.percentile_stats())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_within_a_factor_of_two_below_the_value() {
        let mut histogram = Histogram::<()>::new();
        histogram.record(0);
        histogram.record_n(5, 8);
        histogram.record(u64::MAX);
        assert_eq!(histogram.total(), 10);
        assert_eq!(histogram.percentile(0.05), 0);
        assert_eq!(histogram.percentile(0.5), 4);
        assert_eq!(histogram.percentile(1.0), 1 << 63);
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        assert_eq!(Histogram::<()>::new().percentile_stats().p99, 0);
    }
}
