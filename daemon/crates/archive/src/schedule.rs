//! When snapshots are due: five fields of cron, or `@every` and the names for them, as K3s has it.
//!
//! Pure: the time comes from outside, in Unix seconds, and is read as UTC. Invariant: a schedule
//! that was parsed comes again and again.
//!
//! ```text
//! minute  hour  day of month  month  day of week
//! 0       */12  *             *      *
//! ```
//! As in cron, a day counts when either of its two fields matches where both are restricted.

use std::fmt;
use std::str::FromStr;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
/// Days within which every date of the calendar comes, the 29th of February on a given day of the
/// week included.
const DAYS_MAX: u64 = 366 * 41;
/// The longest `@every`.
const EVERY_SECONDS_MAX: u64 = 366 * DAY;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Every(u64),
    Fields(Fields),
}

/// Bit n: the field matches n.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// One of the two fields of the day is `*`, so that the other one decides.
    is_day_free: bool,
}

/// A schedule that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a schedule of five fields such as '0 */12 * * *', or @every 6h; {what}")]
pub struct ScheduleError {
    what: String,
}

impl Schedule {
    /// The first moment after `now` at which it is due.
    pub fn next(&self, now: u64) -> u64 {
        match &self.kind {
            Kind::Every(seconds) => now.saturating_add(*seconds),
            Kind::Fields(fields) => fields.next(now).unwrap_or(u64::MAX),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        let text = text.trim();
        let kind = parse(text).map_err(|what| ScheduleError { what })?;
        Ok(Schedule {
            text: text.to_owned(),
            kind,
        })
    }
}

fn parse(text: &str) -> Result<Kind, String> {
    if let Some(duration) = text.strip_prefix("@every ") {
        return every(duration.trim());
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => text,
    };
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(format!("{text:?} has {} fields", fields.len()));
    };
    let is_free = |field: &str| field.starts_with(['*', '?']);
    let fields = Fields {
        minutes: bits(minute, 0, 59, &[])?,
        hours: bits(hour, 0, 23, &[])?,
        days: bits(day, 1, 31, &[])?,
        months: bits(month, 1, 12, &MONTHS)?,
        weekdays: bits(weekday, 0, 6, &WEEKDAYS)?,
        is_day_free: is_free(day) || is_free(weekday),
    };
    match fields.next(0) {
        Some(_) => Ok(Kind::Fields(fields)),
        None => Err(format!("{text:?} never comes")),
    }
}

/// `1h30m`, `90s`.
fn every(text: &str) -> Result<Kind, String> {
    let wrong = || format!("{text:?} is no duration");
    let (mut seconds, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = match behind.as_bytes().first() {
            Some(b'h') => 3600,
            Some(b'm') => MINUTE,
            Some(b's') => 1,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(unit).ok_or_else(wrong)?;
        seconds = seconds.checked_add(part).ok_or_else(wrong)?;
        rest = &behind[1..];
    }
    match seconds {
        1..=EVERY_SECONDS_MAX => Ok(Kind::Every(seconds)),
        _ => Err(format!("{text:?} is not between 1s and a year")),
    }
}

/// The values of a field: `*`, `5`, `1-5`, `*/15`, `10-40/10`, `mon`, and several with commas.
fn bits(field: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    let value = |text: &str| -> Result<u32, String> {
        let named = names.iter().zip(least..);
        let mut named = named.filter(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = match named.next() {
            Some((_, value)) => Some(value),
            None => text.parse().ok(),
        };
        value
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| format!("{text:?} is not between {least} and {most}"))
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => {
                let step: Option<usize> = step.parse().ok().filter(|step| *step > 0);
                let step = step.ok_or_else(|| format!("{part:?} has no step"))?;
                (range, Some(step))
            }
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((first, last))) => (value(first)?, value(last)?),
            // As in cron, a step goes on to the end.
            (_, None) if step.is_some() => (value(range)?, most),
            (_, None) => (value(range)?, value(range)?),
        };
        if first > last {
            return Err(format!("{part:?} ends before it begins"));
        }
        for value in (first..=last).step_by(step.unwrap_or(1)) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

impl Fields {
    fn next(&self, now: u64) -> Option<u64> {
        let from = now.checked_add(MINUTE)? / MINUTE * MINUTE;
        let first_day = from / DAY;
        for day in first_day..first_day.checked_add(DAYS_MAX)? {
            if !self.matches_day(day) {
                continue;
            }
            let start = if day == first_day { from % DAY } else { 0 };
            let minutes = (start / MINUTE)..(DAY / MINUTE);
            let is_due = |minute: &u64| {
                self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1
            };
            if let Some(minute) = minutes.into_iter().find(is_due) {
                return day.checked_mul(DAY)?.checked_add(minute * MINUTE);
            }
        }
        None
    }

    /// `day`: since the first of January 1970, a Thursday.
    fn matches_day(&self, day: u64) -> bool {
        let (month, of_month) = civil(day);
        let of_week = (day + 4) % 7;
        let by_month = self.days >> of_month & 1 == 1;
        let by_week = self.weekdays >> of_week & 1 == 1;
        let is_day = match self.is_day_free {
            true => by_month && by_week,
            false => by_month || by_week,
        };
        is_day && self.months >> month & 1 == 1
    }
}

/// Month and day of the month, both from 1, of a day since 1970. Years begin in March, so that the
/// day that is not always there is their last.
fn civil(day: u64) -> (u64, u64) {
    let day = day + 719_468;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 10:07:30, a Monday.
    const NOW: u64 = 1_795_428_450;

    fn next(text: &str) -> u64 {
        let schedule: Schedule = text.parse().unwrap();
        assert_eq!(schedule.to_string(), text);
        schedule.next(NOW)
    }

    fn at(days: u64, hour: u64, minute: u64) -> u64 {
        (NOW / DAY + days) * DAY + hour * 3600 + minute * 60
    }

    #[test]
    fn what_is_due_next_is_what_cron_says() {
        for (text, wanted) in [
            ("* * * * *", at(0, 10, 8)),
            ("0 */12 * * *", at(0, 12, 0)),
            ("7 10 * * *", at(1, 10, 7)),
            ("30 9-17/4 * * *", at(0, 13, 30)),
            ("5/20 * * * *", at(0, 10, 25)),
            ("0 0 * * tue", at(1, 0, 0)),
            ("0 0 * * 0", at(6, 0, 0)),
            ("0 0 1 * *", at(8, 0, 0)),
            ("15,45 23 24 Nov ?", at(1, 23, 15)),
            ("0 0 1 1 *", at(39, 0, 0)),
            ("@daily", at(1, 0, 0)),
            ("@weekly", at(6, 0, 0)),
            ("@monthly", at(8, 0, 0)),
            ("@hourly", at(0, 11, 0)),
            ("@yearly", at(39, 0, 0)),
            ("@every 1h30m", NOW + 5400),
            ("@every 5s", NOW + 5),
            // Either of the two days: the 25th, or a Tuesday.
            ("0 0 25 * tue", at(1, 0, 0)),
            ("0 0 24 * fri", at(1, 0, 0)),
        ] {
            assert_eq!(next(text), wanted, "{text}");
        }
        // 2028 has a 29th of February, a Tuesday; a Monday it is in 2044.
        assert_eq!(next("0 0 29 2 *"), 1_835_395_200);
        assert_eq!(next("0 0 29 2 */1"), 1_835_395_200);
    }

    #[test]
    fn what_is_due_comes_again_and_never_at_the_moment_itself() {
        let schedule: Schedule = "*/10 3 * * 1-5".parse().unwrap();
        let mut now = 0;
        for _ in 0..2000 {
            let next = schedule.next(now);
            assert!(next > now && next.is_multiple_of(600), "{now} -> {next}");
            assert!(next - now <= 3 * DAY);
            now = next;
        }
        assert_eq!(schedule.next(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_makes_no_schedule_is_refused() {
        for (text, why) in [
            ("", "has 0 fields"),
            ("* * * *", "has 4 fields"),
            ("0 0 * * * *", "has 6 fields"),
            ("60 * * * *", "is not between 0 and 59"),
            ("* 24 * * *", "is not between 0 and 23"),
            ("* * 0 * *", "is not between 1 and 31"),
            ("* * * 13 *", "is not between 1 and 12"),
            ("* * * * 7", "is not between 0 and 6"),
            ("* * * foo *", "is not between 1 and 12"),
            ("*/0 * * * *", "has no step"),
            ("5-1 * * * *", "ends before it begins"),
            ("0 0 30 2 *", "never comes"),
            ("@every", "has 1 fields"),
            ("@every 0s", "is not between"),
            ("@every 9000h1", "is no duration"),
            ("@every 99999999999999999999h", "is no duration"),
            ("@reboot", "has 1 fields"),
        ] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
