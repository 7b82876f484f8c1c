//! Times as RFC 3339 has them, and what upstream says of those that are not.
//!
//! Reads from left to right as Go's `time.Parse` does, whose texts clients see. Knows nothing
//! about what a time is for.

/// As Go writes the layout of RFC 3339.
const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// Nothing if `text` is a time (with any fraction of a second and any offset); else what upstream
/// says of it.
pub(crate) fn wrong_time(text: &str) -> Option<String> {
    let mut reading = Reading { rest: text };
    let found = reading.time().err()?;
    Some(match found {
        Wrong::Part(part) => {
            let rest = reading.rest;
            format!("parsing time {text:?} as {LAYOUT:?}: cannot parse {rest:?} as {part:?}")
        }
        Wrong::Range(part) => format!("parsing time {text:?}: {part} out of range"),
        Wrong::Extra => format!("parsing time {text:?}: extra text: {:?}", reading.rest),
    })
}

enum Wrong {
    Part(&'static str),
    Range(&'static str),
    Extra,
}

struct Reading<'t> {
    rest: &'t str,
}

impl Reading<'_> {
    fn time(&mut self) -> Result<(), Wrong> {
        let year = self.number(4, "2006")?;
        self.mark("-")?;
        let month = self.part("01", "month", 1..=12)?;
        self.mark("-")?;
        let day = self.number(2, "02")?;
        self.mark("T")?;
        self.part("15", "hour", 0..=23)?;
        self.mark(":")?;
        self.part("04", "minute", 0..=59)?;
        self.mark(":")?;
        self.part("05", "second", 0..=59)?;
        self.fraction();
        self.offset()?;
        if !self.rest.is_empty() {
            return Err(Wrong::Extra);
        }
        if (1..=days(year, month)).contains(&day) {
            Ok(())
        } else {
            Err(Wrong::Range("day"))
        }
    }

    fn number(&mut self, digits: usize, part: &'static str) -> Result<u32, Wrong> {
        let text = self.rest.get(..digits).ok_or(Wrong::Part(part))?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Wrong::Part(part));
        }
        self.rest = &self.rest[digits..];
        text.parse().map_err(|_| Wrong::Part(part))
    }

    fn part(
        &mut self,
        part: &'static str,
        name: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, Wrong> {
        let number = self.number(2, part)?;
        match range.contains(&number) {
            true => Ok(number),
            false => Err(Wrong::Range(name)),
        }
    }

    fn mark(&mut self, mark: &'static str) -> Result<(), Wrong> {
        self.rest = self.rest.strip_prefix(mark).ok_or(Wrong::Part(mark))?;
        Ok(())
    }

    fn fraction(&mut self) {
        if let Some(fraction) = self.rest.strip_prefix(['.', ',']) {
            let after = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
            if after.len() < fraction.len() {
                self.rest = after;
            }
        }
    }

    fn offset(&mut self) -> Result<(), Wrong> {
        const PART: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(());
        }
        let whole = self.rest;
        let mut read = || {
            self.rest = self
                .rest
                .strip_prefix(['+', '-'])
                .ok_or(Wrong::Part(PART))?;
            let hour = self.number(2, PART)?;
            self.rest = self.rest.strip_prefix(':').ok_or(Wrong::Part(PART))?;
            let minute = self.number(2, PART)?;
            match (hour, minute) {
                (25.., _) => Err(Wrong::Range("time zone offset hour")),
                (_, 60..) => Err(Wrong::Range("time zone offset minute")),
                _ => Ok(()),
            }
        };
        let read = read();
        if read.is_err() {
            self.rest = whole;
        }
        read
    }
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let good = [
            "2024-02-29T00:00:00Z",
            "2023-12-31T23:59:59.123456Z",
            "2023-12-31T23:59:59+02:00",
        ];
        for good in good {
            assert_eq!(wrong_time(good), None, "{good}");
        }
        let bad = [
            "",
            "2023-12-31 23:59:59Z",
            "2023-12-31T23:59:59",
            "2023-12-31T23:59:59.Z",
            "2023-12-31T23:59:59+0200",
            "2023-12-31T23:59:5äZ",
        ];
        for bad in bad {
            assert!(wrong_time(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        let layout = "as \"2006-01-02T15:04:05Z07:00\": cannot parse";
        let said = |text: &str| wrong_time(text).unwrap();
        assert_eq!(
            said("soon"),
            format!("parsing time \"soon\" {layout} \"soon\" as \"2006\"")
        );
        let date = "2024-01-01";
        assert_eq!(
            said(date),
            format!("parsing time \"{date}\" {layout} \"\" as \"T\"")
        );
        let no_zone = "2024-01-01T00:00:00";
        assert_eq!(
            said(no_zone),
            format!("parsing time \"{no_zone}\" {layout} \"\" as \"Z07:00\"")
        );
        let late = "2024-01-01T24:00:00Z";
        assert_eq!(
            said(late),
            format!("parsing time \"{late}\": hour out of range")
        );
        let day = "2023-02-29T00:00:00Z";
        assert_eq!(
            said(day),
            format!("parsing time \"{day}\": day out of range")
        );
        let more = "2024-01-01T00:00:00Zulu";
        assert_eq!(
            said(more),
            format!("parsing time \"{more}\": extra text: \"ulu\"")
        );
    }
}
