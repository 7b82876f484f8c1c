//! A bucket of permits that refills with time.
//!
//! Knows nothing about what the permits are for; reads no clock itself.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Bucket {
    permits: u32,
    most: u32,
    every: Duration,
    /// Up to when refills are counted.
    since: Instant,
}

impl Bucket {
    pub(crate) fn full(most: u32, every: Duration, now: Instant) -> Bucket {
        Bucket {
            permits: most,
            most,
            every,
            since: now,
        }
    }

    /// Whether a permit is there.
    pub(crate) fn has_permit(&mut self, now: Instant) -> bool {
        while self.permits < self.most && now.saturating_duration_since(self.since) >= self.every {
            self.permits += 1;
            self.since += self.every;
        }
        if self.permits == self.most {
            self.since = now;
        }
        self.permits > 0
    }

    /// Uses one up.
    pub(crate) fn take(&mut self, now: Instant) {
        if self.has_permit(now) {
            self.permits -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let (every, start) = (Duration::from_secs(2), Instant::now());
        let mut bucket = Bucket::full(3, every, start);
        for _ in 0..3 {
            assert!(bucket.has_permit(start));
            bucket.take(start);
        }
        assert!(!bucket.has_permit(start));
        assert!(!bucket.has_permit(start + every - Duration::from_millis(1)));
        assert!(bucket.has_permit(start + every));
        bucket.take(start + every);
        assert!(!bucket.has_permit(start + every));
    }

    #[test]
    fn a_long_pause_fills_the_bucket_and_no_more() {
        let (every, start) = (Duration::from_secs(2), Instant::now());
        let mut bucket = Bucket::full(3, every, start);
        let later = start + Duration::from_secs(3600);
        for _ in 0..3 {
            assert!(bucket.has_permit(later));
            bucket.take(later);
        }
        assert!(!bucket.has_permit(later));
    }
}
