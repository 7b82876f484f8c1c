//! Instants in events and in names of files. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// `2006-01-02T15:04:05.000000Z` (`metav1.MicroTime`).
pub(crate) fn micro(since_1970: Duration) -> String {
    let (date, [hour, minute, second]) = parts(since_1970);
    let micros = since_1970.subsec_micros();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// `2006-01-02T15-04-05.000`, as the names of rotated files have it.
pub(crate) fn for_name(since_1970: Duration) -> String {
    let (date, [hour, minute, second]) = parts(since_1970);
    let millis = since_1970.subsec_millis();
    format!("{date}T{hour:02}-{minute:02}-{second:02}.{millis:03}")
}

/// The instant of [`for_name`].
pub(crate) fn of_name(text: &str) -> Option<Duration> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00-00-00.000";
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let total = days(year, month, day) * 86_400 + seconds;
    Some(Duration::from_secs(total) + Duration::from_millis(number(20, 23)?))
}

fn parts(since_1970: Duration) -> (String, [u64; 3]) {
    // The last second of the year 9999: later ones have no such form.
    let seconds = since_1970.as_secs().min(253_402_300_799);
    let (year, month, day) = civil(seconds / 86_400);
    let clock = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    (format!("{year:04}-{month:02}-{day:02}"), clock)
}

/// Year, month and day of a number of days since 1970 (proleptic Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = match shifted_month {
        0..10 => shifted_month + 3,
        _ => shifted_month - 9,
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Days since 1970 of a date from then on.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = (month + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_with_micros_and_a_files_name_is_read_back() {
        let instant = Duration::new(1_709_164_801, 20_003_000);
        assert_eq!(micro(instant), "2024-02-29T00:00:01.020003Z");
        assert_eq!(for_name(instant), "2024-02-29T00-00-01.020");
        let read = of_name("2024-02-29T00-00-01.020").unwrap();
        assert_eq!(read, Duration::from_millis(1_709_164_801_020));
        for day in 0..40_000_u64 {
            let instant = Duration::from_secs(day * 86_400 + 86_399);
            assert_eq!(of_name(&for_name(instant)), Some(instant));
        }
        assert_eq!(of_name("2024-02-29T00-00-01.02"), None);
        assert_eq!(of_name("2024-13-29T00-00-01.020"), None);
        assert_eq!(of_name("2024-02-29T00-00-01é020"), None);
    }
}
