//! Points in time as seconds since 1970, and as the text that objects carry.

const DAY_SECONDS: i64 = 86_400;

/// `2006-01-02T15:04:05Z`. Years outside of 0 to 9999 are clamped.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let (days, rest) = (
        seconds.div_euclid(DAY_SECONDS),
        seconds.rem_euclid(DAY_SECONDS),
    );
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a time as objects carry it: in UTC, fractions of a second dropped.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let mut parts = text.split(separator).map(|part| {
            let digits =
                !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
            if digits {
                part.parse::<i64>().ok()
            } else {
                None
            }
        });
        let three = [parts.next()??, parts.next()??, parts.next()??];
        if parts.next().is_none() {
            Some(three)
        } else {
            None
        }
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    Some(days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a date of the Gregorian calendar, counting years from
/// March so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse, rfc3339};

    #[test]
    fn a_time_is_written_and_read_the_same() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(parse(text), Some(seconds));
        }
        assert_eq!(parse("2023-11-14T22:13:20.5Z"), Some(1_700_000_000));
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
        for odd in [
            "",
            "Z",
            "2023-11-14",
            "2023-13-14T00:00:00Z",
            "2023-11-14T22:13:20+01:00",
            "99999-11-14T22:13:20Z",
            "2023-11-14T22:13Z",
            "+023-11-14T22:13:20Z",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
