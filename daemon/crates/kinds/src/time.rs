//! Points in time as objects write them, and how long ago they are as tables show it.

use serde_json::Value;

use crate::value::text;

const SECOND_MS: i64 = 1000;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Milliseconds since 1970 of an RFC 3339 time; `None` where it is none.
pub fn parse_ms(time: &str) -> Option<i64> {
    let (date, rest) = time.split_once(['T', 't'])?;
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = digits(parts.next()?, 2)?;
    let fits = parts.next().is_none()
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && fraction.bytes().all(|b| b.is_ascii_digit());
    if !fits {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    let ms = digits(padded.get(..3)?, 3)?;
    let seconds =
        days_since_1970(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    Some((seconds - zone_seconds(zone)?) * SECOND_MS + ms)
}

fn digits(text: &str, width: usize) -> Option<i64> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hour, minute) = zone.get(1..)?.split_once(':')?;
    Some(sign * (digits(hour, 2)? * 3600 + digits(minute, 2)? * 60))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A duration in two or three significant figures, as `kubectl get` shows ages.
pub fn human_duration(ms: i64) -> String {
    let seconds = ms / SECOND_MS;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let pair = |big: i64, big_unit: char, small: i64, small_unit: char| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 24 * 8 => pair(days, 'd', hours % 24, 'h'),
        () if hours < 24 * 365 * 2 => format!("{days}d"),
        () if hours < 24 * 365 * 8 => pair(days / 365, 'y', days % 365, 'd'),
        () => format!("{}y", days / 365),
    }
}

/// How long ago a time is; `<unknown>` where there is none.
pub fn since(time: &Value, now_ms: i64) -> String {
    match parse_ms(text(time)) {
        Some(then) => human_duration(now_ms.saturating_sub(then)),
        None => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_fractions_and_zones_are_read() {
        assert_eq!(parse_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            parse_ms("2024-02-29T12:00:00.123456Z"),
            Some(1_709_208_000_123)
        );
        assert_eq!(
            parse_ms("2026-01-01T01:00:00+01:00"),
            Some(1_767_225_600_000)
        );
        assert_eq!(parse_ms("1969-12-31T23:59:59Z"), Some(-1000));
        for bad in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00Z",
            "xT0:0:0Z",
            "2026-01-01T00:00:00",
        ] {
            assert_eq!(parse_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_read_as_kubectl_shows_them() {
        let minute = 60_000;
        let hour = 60 * minute;
        let day = 24 * hour;
        for (ms, shown) in [
            (-2000, "<invalid>"),
            (-1000, "0s"),
            (0, "0s"),
            (119_999, "119s"),
            (2 * minute, "2m"),
            (2 * minute + 5000, "2m5s"),
            (10 * minute + 5000, "10m"),
            (3 * hour, "3h"),
            (3 * hour + 2 * minute, "3h2m"),
            (8 * hour + 2 * minute, "8h"),
            (47 * hour, "47h"),
            (2 * day, "2d"),
            (2 * day + 3 * hour, "2d3h"),
            (8 * day + 3 * hour, "8d"),
            (729 * day, "729d"),
            (730 * day, "2y"),
            (731 * day, "2y1d"),
            (8 * 365 * day + day, "8y"),
        ] {
            assert_eq!(human_duration(ms), shown, "{ms}");
        }
    }
}
