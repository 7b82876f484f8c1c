//! Schedules as cron writes them: five fields, or a word for a common one.

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What one field may hold.
struct Field {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        min: 1,
        max: 12,
        names: MONTHS,
    },
    Field {
        min: 0,
        max: 6,
        names: DAYS,
    },
];

/// What is wrong with a schedule, in the words of the library that upstream reads it with.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    let schedule = match schedule.split_once(' ') {
        Some((zone, rest)) if zone.starts_with("TZ=") || zone.starts_with("CRON_TZ=") => {
            rest.trim()
        }
        _ => schedule,
    };
    if schedule.starts_with('@') {
        return descriptor(schedule);
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let (count, shown) = (fields.len(), fields.join(" "));
        return Err(format!(
            "expected exactly 5 fields, found {count}: [{shown}]"
        ));
    }
    for (field, text) in FIELDS.iter().zip(fields) {
        for range in text.split(',').filter(|range| !range.is_empty()) {
            field.range(range)?;
        }
    }
    Ok(())
}

fn descriptor(schedule: &str) -> Result<(), String> {
    match schedule {
        "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly" => {
            Ok(())
        }
        _ => match schedule.strip_prefix("@every ") {
            Some(duration) if is_duration(duration) => Ok(()),
            Some(duration) => Err(format!(
                "failed to parse duration {schedule}: time: invalid duration \"{duration}\""
            )),
            None => Err(format!("unrecognized descriptor: {schedule}")),
        },
    }
}

/// Numbers with units, as Go writes durations.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut is_any = rest == "0";
    while !rest.is_empty() && rest != "0" {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let Some((number, tail)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return false;
        };
        let units = ["ns", "us", "µs", "ms", "s", "m", "h"];
        let unit = units.iter().find_map(|unit| tail.strip_prefix(unit));
        match unit {
            Some(tail) if number.bytes().any(|b| b.is_ascii_digit()) => rest = tail,
            _ => return false,
        }
        is_any = true;
    }
    is_any
}

impl Field {
    fn range(&self, text: &str) -> Result<(), String> {
        let parts: Vec<&str> = text.split('/').collect();
        let ends: Vec<&str> = parts[0].split('-').collect();
        let (mut start, mut end) = (self.min, self.max);
        if !matches!(ends[0], "*" | "?") {
            start = self.number(ends[0])?;
            end = match ends.as_slice() {
                [_] => start,
                [_, end] => self.number(end)?,
                _ => return Err(format!("too many hyphens: {text}")),
            };
        }
        let step = match parts.as_slice() {
            [_] => 1,
            [_, step] => {
                if ends.len() == 1 && !matches!(ends[0], "*" | "?") {
                    end = self.max;
                }
                integer(step)?
            }
            _ => return Err(format!("too many slashes: {text}")),
        };
        let (min, max) = (self.min, self.max);
        match () {
            () if start < min => Err(format!(
                "beginning of range ({start}) below minimum ({min}): {text}"
            )),
            () if end > max => Err(format!(
                "end of range ({end}) above maximum ({max}): {text}"
            )),
            () if start > end => Err(format!(
                "beginning of range ({start}) beyond end of range ({end}): {text}"
            )),
            () if step == 0 => Err(format!("step of range should be a positive number: {text}")),
            () => Ok(()),
        }
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_lowercase();
        match self.names.iter().position(|name| *name == lower) {
            Some(place) => Ok(u32::try_from(place).unwrap_or_default() + self.min),
            None => integer(text),
        }
    }
}

fn integer(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
        Ok(number) => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {}: invalid syntax",
            crate::error::quote(text)
        )),
    }
}
