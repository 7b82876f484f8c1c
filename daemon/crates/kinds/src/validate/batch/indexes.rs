//! Indexes of pods as a job writes them: `0,3-5,7`.
//!
//! Texts are upstream's, and so is what is taken for a number.

use crate::error::quote;

/// The first and the last of a run of indexes.
type Interval = (i64, i64);

/// How many indexes there are.
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let (mut last, mut total) = (None, 0);
    for part in text.split(',') {
        let (first, end) = interval(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(out_of_order(last, first));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

fn out_of_order(previous: i64, current: i64) -> String {
    format!("non-increasing order, previous: {previous}, current: {current}")
}

fn interval(part: &str, completions: i64) -> Result<Interval, String> {
    let number = |text: &str| match text.parse::<i64>() {
        Err(_) => Err(format!(
            "cannot convert string to integer for index: {}",
            quote(text)
        )),
        Ok(number) if number >= completions => Err(format!("too large index: {}", quote(text))),
        Ok(number) => Ok(number),
    };
    let Some((first, end)) = part.split_once('-') else {
        return number(part).map(|number| (number, number));
    };
    if end.contains('-') {
        return Err(format!(
            "the fragment {} violates the requirement that an index interval can have at most \
             two parts separated by '-'",
            quote(part)
        ));
    }
    let (first, end) = (number(first)?, number(end)?);
    match first < end {
        true => Ok((first, end)),
        false => Err(out_of_order(first, end)),
    }
}

/// That no index has both completed and failed. What cannot be read is told elsewhere.
pub(super) fn apart(completed: &str, failed: &str, completions: i64) -> Result<(), String> {
    let read = |text: &'_ str| -> Vec<Interval> {
        let parts = text.split(',').map(|part| interval(part, completions));
        parts.flatten().collect()
    };
    let (completed, failed) = (read(completed), read(failed));
    let (mut completed, mut failed) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some(one), Some(other)) = (completed.peek(), failed.peek()) {
        if one.0 <= other.1 && other.0 <= one.1 {
            return Err(format!(
                "failedIndexes and completedIndexes overlap at index: {}",
                one.0.max(other.0)
            ));
        }
        match one.0 <= other.0 {
            true => _ = completed.next(),
            false => _ = failed.next(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted_and_what_is_wrong_is_told_as_upstream_does() {
        assert_eq!(count("", 3), Ok(0));
        assert_eq!(count("0,2-4,9", 10), Ok(5));
        for (text, message) in [
            ("0,", "cannot convert string to integer for index: \"\""),
            ("1-x", "cannot convert string to integer for index: \"x\""),
            ("10", "too large index: \"10\""),
            ("3-3", "non-increasing order, previous: 3, current: 3"),
            ("1,1", "non-increasing order, previous: 1, current: 1"),
            (
                "1-2-3",
                "the fragment \"1-2-3\" violates the requirement that an index interval can have \
                 at most two parts separated by '-'",
            ),
        ] {
            assert_eq!(count(text, 10), Err(message.to_owned()), "{text}");
        }
        assert_eq!(apart("0-2,x", "3,5", 9), Ok(()));
        let overlap = "failedIndexes and completedIndexes overlap at index: 4";
        assert_eq!(apart("0,3-5", "1,4", 9), Err(overlap.to_owned()));
    }
}
