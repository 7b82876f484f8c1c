//! Times and durations: numbers on the wire, text in JSON.
//!
//! Pure. Invariant: what is written is read back as the same, within the years 0 to 9999.

const DAY: i64 = 86_400;

/// Of the year 0, in seconds since 1970.
const FIRST: i64 = -62_167_219_200;
/// Of the year 9999.
const LAST: i64 = 253_402_300_799;

/// RFC 3339 in UTC; none where the year has not four digits.
pub(crate) fn rfc3339(seconds: i64, nanos: Option<i32>) -> Option<String> {
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = match nanos {
        Some(nanos) => format!(".{:06}", nanos.clamp(0, 999_999_999) / 1000),
        None => String::new(),
    };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// Seconds since 1970, and nanoseconds.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    let number = |start: usize, length: usize| -> Option<i64> {
        let digits = bytes.get(start..start + length)?;
        digits.iter().try_fold(0, |all, digit| {
            let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
            Some(all * 10 + digit)
        })
    };
    let sign = |place: usize, any: &[u8]| bytes.get(place).is_some_and(|byte| any.contains(byte));
    let punctuated = sign(4, b"-") && sign(7, b"-") && sign(10, b"Tt") && sign(13, b":");
    if !punctuated || !sign(16, b":") {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let possible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !possible {
        return None;
    }
    let mut rest = bytes.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        for place in 0..9 {
            let digit = fraction[..digits].get(place).map_or(0, |byte| byte - b'0');
            nanos = nanos * 10 + i32::from(digit);
        }
        rest = &fraction[digits..];
    }
    let offset = match rest {
        b"Z" | b"z" => 0,
        [plus_or_minus @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) =>
        {
            let two = |high: &u8, low: &u8| i64::from((high - b'0') * 10 + (low - b'0'));
            let offset = two(h1, h2) * 3600 + two(m1, m2) * 60;
            if *plus_or_minus == b'+' {
                offset
            } else {
                -offset
            }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    Some((seconds, nanos))
}

/// Days since 1970 of a date (the calendar's era is 400 years, and its year starts in March).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Nanoseconds as Go prints them: `1h2m3.5s`.
pub(crate) fn duration(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let small = |unit: u64, name: &str| format!("{sign}{}{name}", fraction(nanos, unit));
    match nanos {
        0 => "0s".into(),
        1..1_000 => small(1, "ns"),
        1_000..1_000_000 => small(1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            const MINUTE: u64 = 60_000_000_000;
            let seconds = fraction(nanos % MINUTE, 1_000_000_000);
            match nanos / MINUTE {
                0 => format!("{sign}{seconds}s"),
                minutes if minutes < 60 => format!("{sign}{minutes}m{seconds}s"),
                minutes => format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60),
            }
        }
    }
}

fn fraction(nanos: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Nanoseconds of what Go reads as a duration.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        nanos += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    if nanos >= 9.2e18 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let nanos = nanos as i64;
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back_the_same() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (FIRST, "0000-01-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
            (-62_135_596_800, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds, None).as_deref(), Some(text));
            assert_eq!(parse(text), Some((seconds, 0)));
        }
        let micro = rfc3339(1, Some(123_456_789)).unwrap();
        assert_eq!(micro, "1970-01-01T00:00:01.123456Z");
        assert_eq!(parse(&micro), Some((1, 123_456_000)));
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), Some((0, 0)));
        assert_eq!(rfc3339(LAST + 1, None), None);
        for bad in [
            "",
            "1970-01-01",
            "1970-13-01T00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00.Z",
            "\u{e9}970-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for (nanos, text) in [
            (0, "0s"),
            (1_500_000, "1.5ms"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-2_500_000_000, "-2.5s"),
        ] {
            assert_eq!(duration(nanos), text);
            assert_eq!(parse_duration(text), Some(nanos));
        }
        for bad in ["", "1", "s", "1x", "-"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
