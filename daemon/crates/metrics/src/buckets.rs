//! A histogram with bounds that are known beforehand.
//!
//! Invariant: the count of a bucket is of its values alone; sums over buckets are made for readers.

/// Counts of values up to each of `COUNT` bounds, and beyond.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets<const COUNT: usize> {
    counts: [u64; COUNT],
    beyond: u64,
    sum: f64,
}

impl<const COUNT: usize> Default for Buckets<COUNT> {
    fn default() -> Self {
        Buckets {
            counts: [0; COUNT],
            beyond: 0,
            sum: 0.0,
        }
    }
}

impl<const COUNT: usize> Buckets<COUNT> {
    /// Counts one value.
    pub fn observe(&mut self, bounds: &[f64; COUNT], value: f64) {
        self.sum += value;
        match bounds.iter().position(|bound| value <= *bound) {
            Some(bucket) => self.counts[bucket] += 1,
            None => self.beyond += 1,
        }
    }

    /// How many values were at most as large as each bound, in order.
    pub fn up_to(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_bucket_that_it_fits() {
        let bounds = [1.0, 5.0, 10.0];
        let mut buckets = Buckets::default();
        for value in [0.5, 1.0, 1.1, 10.0, 11.0] {
            buckets.observe(&bounds, value);
        }
        assert_eq!(buckets.up_to().collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(buckets.count(), 5);
        assert!((buckets.sum() - 23.6).abs() < 1e-9);
    }
}
