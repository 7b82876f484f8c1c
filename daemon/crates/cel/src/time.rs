//! Points in time and spans of time: read, written, added and taken apart as Go's `time` does.
//!
//! Knows nothing about clocks and nothing about zones but UTC and fixed offsets (`-02:30`): names
//! of zones (`America/New_York`) are `unknown time zone`, as on a host without zone files.
//! Invariant: every timestamp lies between the years 1 and 9999.

use crate::error::Error;
use crate::value::{Duration, Timestamp};
use std::fmt::Write;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z in seconds since 1970.
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;
const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

pub(crate) const TIMESTAMP_OVERFLOW: Error = Error::text("timestamp overflow");
const DURATION_OVERFLOW: Error = Error::text("duration overflow");
const INTEGER_OVERFLOW: Error = Error::text("integer overflow");

/// A moment as a calendar shows it.
#[derive(Clone, Copy)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) day_of_year: i64,
    pub(crate) weekday: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Civil {
    /// The calendar at so many seconds since 1970.
    pub(crate) fn at(seconds: i64) -> Self {
        let day_number = seconds.div_euclid(DAY);
        let rest = seconds.rem_euclid(DAY);
        let shifted = day_number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            day_of_year: day_number - days(year, 1, 1),
            weekday: (day_number + 4).rem_euclid(7),
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

impl Timestamp {
    /// The point in time, if it is between the years 1 and 9999.
    ///
    /// # Errors
    /// `timestamp overflow`.
    pub fn new(seconds: i64, nanos: u32) -> Result<Self, Error> {
        if (SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
            Ok(Self { seconds, nanos })
        } else {
            Err(TIMESTAMP_OVERFLOW)
        }
    }

    /// Reads RFC 3339 (`2023-01-02T03:04:05.678Z`); `None` for other texts. Years that overflow
    /// are found by [`Timestamp::new`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let midnight = parse_date(date)?;
        let rest = rest.strip_prefix('T')?;
        let (clock, mut rest) = rest.split_at_checked(8)?;
        let bytes = clock.as_bytes();
        if bytes[2] != b':' || bytes[5] != b':' {
            return None;
        }
        let (hour, minute, second) = (
            digits(&clock[..2])?,
            digits(&clock[3..5])?,
            digits(&clock[6..])?,
        );
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut nanos = 0u32;
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                return None;
            }
            for index in 0..9 {
                let digit = if index < length {
                    fraction.as_bytes()[index] - b'0'
                } else {
                    0
                };
                nanos = nanos * 10 + u32::from(digit);
            }
            rest = &fraction[length..];
        }
        let offset = match rest {
            "Z" => 0,
            _ => {
                let sign = match rest.as_bytes().first()? {
                    b'+' => 1,
                    b'-' => -1,
                    _ => return None,
                };
                if rest.len() != 6 || !rest.is_ascii() || rest.as_bytes()[3] != b':' {
                    return None;
                }
                let (hours, minutes) = (digits(&rest[1..3])?, digits(&rest[4..])?);
                if hours > 24 || minutes >= 60 {
                    return None;
                }
                sign * (hours * 3600 + minutes * 60)
            }
        };
        let seconds = midnight + hour * 3600 + minute * 60 + second - offset;
        Some(Self { seconds, nanos })
    }

    /// Reads a date (`2023-01-02`) as its midnight in UTC.
    #[must_use]
    pub fn parse_date(text: &str) -> Option<Self> {
        Some(Self {
            seconds: parse_date(text)?,
            nanos: 0,
        })
    }

    pub(crate) fn add(self, span: Duration) -> Result<Self, Error> {
        let nanos = i64::from(self.nanos) + span.nanos % NANOS;
        let seconds = self.seconds + span.nanos / NANOS + nanos.div_euclid(NANOS);
        let nanos = u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default();
        Self::new(seconds, nanos)
    }

    pub(crate) fn since(self, other: Self) -> Result<Duration, Error> {
        let nanos = (self.seconds - other.seconds)
            .checked_mul(NANOS)
            .and_then(|nanos| nanos.checked_add(i64::from(self.nanos) - i64::from(other.nanos)));
        nanos
            .map(|nanos| Duration { nanos })
            .ok_or(INTEGER_OVERFLOW)
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || !text.is_ascii() || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        digits(&text[..4])?,
        digits(&text[5..7])?,
        digits(&text[8..])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    Some(days(year, month, day) * DAY)
}

/// As Go's `RFC3339Nano` in UTC: no trailing zeros in the fraction.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = Civil::at(self.seconds);
        write!(f, "{:04}-{:02}-{:02}T", at.year, at.month, at.day)?;
        write!(f, "{:02}:{:02}:{:02}", at.hour, at.minute, at.second)?;
        if self.nanos > 0 {
            let fraction = format!("{:09}", self.nanos);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_char('Z')
    }
}

impl Duration {
    /// Reads Go's notation (`1h15m30.918s`, `-2.5ms`); `None` for other texts and for what does
    /// not fit into 64 bits of nanoseconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Some(Self { nanos: 0 });
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let whole_length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let whole = &rest[..whole_length];
            rest = &rest[whole_length..];
            let mut fraction = "";
            if let Some(after) = rest.strip_prefix('.') {
                let length = after.bytes().take_while(u8::is_ascii_digit).count();
                fraction = &after[..length];
                rest = &after[length..];
            }
            if whole.is_empty() && fraction.is_empty() {
                return None;
            }
            let unit_length = rest
                .bytes()
                .take_while(|byte| *byte != b'.' && !byte.is_ascii_digit())
                .count();
            let unit: u64 = match &rest[..unit_length] {
                "ns" => 1,
                "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return None,
            };
            rest = &rest[unit_length..];
            let whole: u64 = if whole.is_empty() {
                0
            } else {
                whole.parse().ok()?
            };
            let mut part = whole.checked_mul(unit).filter(|part| *part <= 1 << 63)?;
            let mut below: u64 = 0;
            for digit in fraction.bytes().take(13) {
                // Digits below a nanosecond fall away as in Go.
                below = below * 10 + u64::from(digit - b'0');
            }
            if below > 0 {
                let places = fraction.len().min(13);
                let power = 10u64.pow(u32::try_from(places).unwrap_or_default());
                let extra = u128::from(below) * u128::from(unit) / u128::from(power);
                part = part.checked_add(u64::try_from(extra).ok()?)?;
            }
            total = total.checked_add(part).filter(|total| *total <= 1 << 63)?;
        }
        if negative {
            return Some(Self {
                nanos: 0i64.wrapping_sub_unsigned(total),
            });
        }
        i64::try_from(total).ok().map(|nanos| Self { nanos })
    }

    pub(crate) fn add(self, other: Self) -> Result<Self, Error> {
        let nanos = self
            .nanos
            .checked_add(other.nanos)
            .ok_or(DURATION_OVERFLOW)?;
        Ok(Self { nanos })
    }

    pub(crate) fn subtract(self, other: Self) -> Result<Self, Error> {
        let nanos = self
            .nanos
            .checked_sub(other.nanos)
            .ok_or(DURATION_OVERFLOW)?;
        Ok(Self { nanos })
    }

    pub(crate) fn negate(self) -> Result<Self, Error> {
        let nanos = self.nanos.checked_neg().ok_or(DURATION_OVERFLOW)?;
        Ok(Self { nanos })
    }
}

/// Seconds as the shortest decimal, with `s`: `1.5s`.
impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As Go's Duration.Seconds: whole seconds and the rest are added as doubles.
        #[allow(clippy::cast_precision_loss)]
        let seconds = (self.nanos / NANOS) as f64 + (self.nanos % NANOS) as f64 / 1e9;
        write!(f, "{seconds}s")
    }
}

/// Seconds east of UTC of a zone: `UTC`, the empty name, or `[+-]hh:mm`.
pub(crate) fn zone_offset(zone: &str) -> Result<i64, Error> {
    let Some((hours, minutes)) = zone.split_once(':') else {
        return match zone {
            "" | "UTC" => Ok(0),
            _ => Err(Error::new(format!("unknown time zone {zone}"))),
        };
    };
    let number = |text: &str| {
        text.parse::<i32>()
            .map(i64::from)
            .map_err(|_| Error::new(format!("strconv.Atoi: parsing \"{text}\": invalid syntax")))
    };
    let (hour, minute) = (number(hours)?, number(minutes)?);
    if !(0..=59).contains(&minute) {
        return Err(Error::new(format!(
            "timezone offset minutes out of range [0, 59]: {zone}"
        )));
    }
    let offset = if zone.starts_with('-') {
        hour * 60 - minute
    } else {
        hour * 60 + minute
    };
    Ok(offset * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_and_print_as_go_does() {
        for (text, printed) in [
            ("2009-02-13T23:31:30Z", "2009-02-13T23:31:30Z"),
            (
                "2009-02-13T23:31:20.123400000-02:30",
                "2009-02-14T02:01:20.1234Z",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
            ("2024-02-29T12:00:00+01:00", "2024-02-29T11:00:00Z"),
        ] {
            let read = Timestamp::parse(text).expect(text);
            assert_eq!(read.to_string(), printed);
        }
        for text in [
            "",
            "2023-02-29T00:00:00Z",
            "2023-01-01",
            "2023-01-01T24:00:00Z",
            "é",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_and_print_as_go_does() {
        for (text, printed) in [
            ("1h15m30.918273645s", "4530.918273645s"),
            ("-1.5ms", "-0.0015s"),
            ("0", "0s"),
            ("100s", "100s"),
            (".5s", "0.5s"),
        ] {
            assert_eq!(Duration::parse(text).expect(text).to_string(), printed);
        }
        for text in ["", "s", "1", "1x", "-", ".s", "9999999999h", "1 h"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
        assert_eq!(
            Duration::parse("-9223372036854775808ns")
                .expect("fits")
                .nanos,
            i64::MIN
        );
    }

    #[test]
    fn zones_are_utc_and_fixed_offsets() {
        assert_eq!(zone_offset("UTC"), Ok(0));
        assert_eq!(zone_offset("-02:30"), Ok(-9000));
        assert_eq!(zone_offset("+11:00"), Ok(39_600));
        assert!(zone_offset("America/New_York").is_err());
        assert!(zone_offset("02:61").is_err());
    }
}
