//! Instants as Kubernetes writes them.
//!
//! Pure but for [`now`]. Invariant: what is written can be read back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: later ones have no RFC 3339.
pub(crate) const SECONDS_MAX: u64 = 253_402_300_799;

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// `2006-01-02T15:04:05Z` (`metav1.Time`).
pub(crate) fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs().min(SECONDS_MAX);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2006-01-02T15:04:05.000000Z` (`metav1.MicroTime`).
pub(crate) fn rfc3339_micro(since_1970: Duration) -> String {
    let whole = rfc3339(since_1970);
    let micros = since_1970.subsec_micros();
    format!("{}.{micros:06}Z", &whole[..whole.len() - 1])
}

/// Seconds since 1970 of a time in RFC 3339; fractions are cut off.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let bytes = text.as_bytes();
    let punctuated = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if punctuated
        .iter()
        .any(|(at, byte)| bytes.get(*at) != Some(byte))
    {
        return None;
    }
    if !matches!(bytes.get(10), Some(b'T' | b't')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let hours: i64 = zone.get(1..3)?.parse().ok()?;
            let minutes: i64 = zone.get(4..6)?.parse().ok()?;
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Year, month and day of a number of days since 1970 (proleptic Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_back() {
        for seconds in [0, 951_782_400, 1_709_164_800, 1_795_374_674, 4_102_444_799] {
            let text = rfc3339(Duration::from_secs(seconds));
            assert_eq!(parse(&text), Some(seconds as i64), "{text}");
        }
        assert_eq!(
            rfc3339(Duration::from_secs(1_709_164_800)),
            "2024-02-29T00:00:00Z"
        );
        let micro = Duration::from_micros(1_000_042);
        assert_eq!(rfc3339_micro(micro), "1970-01-01T00:00:01.000042Z");
    }

    #[test]
    fn zones_and_fractions_are_understood_and_nonsense_is_not() {
        assert_eq!(parse("1970-01-01T01:00:00.25+01:00"), Some(0));
        for bad in [
            "",
            "1970",
            "1970-01-01",
            "1970-13-01T00:00:00Z",
            "1970-01-01T00:00:00",
            "x970-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
