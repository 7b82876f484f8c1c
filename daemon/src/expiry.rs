//! How many days the certificates of this server have left: as a gauge.
//!
//! Knows nothing about how they are renewed.

use skerry_pki::Pki;

use crate::gauges::{self, Gauge};

const LEFT: Gauge = Gauge {
    name: "skerry_certificate_left_days",
    help: "Days until a certificate or authority of this server ends, by its file below tls/.",
};

/// The seconds of a day.
pub(crate) const DAY_SECONDS: f64 = 86_400.0;

/// Measures all certificates.
pub(crate) fn measure(pki: &Pki) {
    let now = pki.clock().now();
    for (file, end) in pki.ends() {
        gauges::set(&LEFT, &[("file", &file)], days_left(end, now));
    }
}

/// Days from `now` to `end`, both in Unix seconds; negative behind the end.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a date are far below 2^53"
)]
pub(crate) fn days_left(end: u64, now: u64) -> f64 {
    (end as f64 - now as f64) / DAY_SECONDS
}
