//! Numbers: what they are to Go's decoder, and the keywords that bound them.

use serde_json::Value;
use skerry_kinds::{Path, go_float};

use super::check::{Outcome, issue, text};
use super::table::{Facet, Kind};

/// A number of JSON, as Go's decoder reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn new(number: &serde_json::Number) -> Self {
        match number.as_i64() {
            Some(whole) => Self::Int(whole),
            None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    pub(crate) fn is_whole(self) -> bool {
        match self {
            Self::Int(_) => true,
            Self::Float(float) => is_whole(float),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Int(whole) => Value::from(whole),
            Self::Float(float) => Value::from(float),
        }
    }
}

/// Largest number below which every whole number is a float.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// Whether a float is a whole number, but for what dividing leaves behind.
fn is_whole(float: f64) -> bool {
    if !float.is_finite() || float.abs() > SAFE_INTEGER_MAX {
        return false;
    }
    let rounded = float.trunc();
    let difference = (float - rounded).abs();
    if float == rounded {
        return true;
    }
    // As the library that upstream uses: relative to the numbers' size.
    const EPSILON: f64 = 1e-9;
    if float == 0.0 || rounded == 0.0 {
        return difference < f64::from_bits(1);
    }
    difference / (float.abs() + rounded.abs()).min(f64::MAX) < EPSILON
}

/// Checks a number against what is said of numbers.
pub(super) fn check(
    number: Number,
    kind: Kind,
    format: Option<&str>,
    facets: &[Facet],
    path: &Path<'_>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let range = |value: Number, what: &str| range(value, kind, format, what, path);
    if let Some(wrong) = range(number, "Checked") {
        outcome.add(text(wrong));
    }
    for facet in facets {
        if let Facet::MultipleOf(factor) = facet {
            let factor = factor.get();
            let wrong = range(Number::Float(factor), "MultipleOf");
            let is_native = wrong.is_none();
            wrong.into_iter().for_each(|wrong| outcome.add(text(wrong)));
            multiple_of(number, factor, is_native, path, &mut outcome);
        }
    }
    for facet in facets {
        if let Facet::Minimum(min, is_exclusive) = facet {
            let min = min.get();
            let wrong = range(Number::Float(min), "Minimum boundary");
            let is_native = wrong.is_none();
            wrong.into_iter().for_each(|wrong| outcome.add(text(wrong)));
            let (is_below, bound) = match number {
                Number::Int(whole) if is_native => {
                    let min = min as i64;
                    let is_below = whole < min || (*is_exclusive && whole == min);
                    (is_below, min.to_string())
                }
                number => {
                    let float = number.as_f64();
                    let is_below = float < min || (*is_exclusive && float <= min);
                    (is_below, go_float(min))
                }
            };
            if is_below {
                let than = if *is_exclusive { "" } else { " or equal to" };
                let than = match than {
                    "" => format!("should be greater than {bound}"),
                    than => format!("should be greater than{than} {bound}"),
                };
                outcome.add(issue(path, number.value(), &than));
            }
        }
    }
    for facet in facets {
        if let Facet::Maximum(max, is_exclusive) = facet {
            let max = max.get();
            let wrong = range(Number::Float(max), "Maximum boundary");
            let is_native = wrong.is_none();
            wrong.into_iter().for_each(|wrong| outcome.add(text(wrong)));
            let (is_above, bound) = match number {
                Number::Int(whole) if is_native => {
                    let max = max as i64;
                    let is_above = whole > max || (*is_exclusive && whole == max);
                    (is_above, max.to_string())
                }
                number => {
                    let float = number.as_f64();
                    let is_above = float > max || (*is_exclusive && float >= max);
                    (is_above, go_float(max))
                }
            };
            if is_above {
                let than = match is_exclusive {
                    true => format!("should be less than {bound}"),
                    false => format!("should be less than or equal to {bound}"),
                };
                outcome.add(issue(path, number.value(), &than));
            }
        }
    }
    outcome.passed();
    outcome
}

fn multiple_of(
    number: Number,
    factor: f64,
    is_native: bool,
    path: &Path<'_>,
    outcome: &mut Outcome,
) {
    if let (Number::Int(whole), true) = (number, is_native) {
        let factor = factor as i64;
        if factor <= 0 {
            outcome.add(not_positive(path, Value::from(factor), &factor.to_string()));
        } else if whole % factor != 0 {
            let what = format!("should be a multiple of {factor}");
            outcome.add(issue(path, whole, &what));
        }
        return;
    }
    let shown = go_float(factor);
    if factor <= 0.0 {
        outcome.add(not_positive(path, Value::from(factor), &shown));
        return;
    }
    let float = number.as_f64();
    let times = match factor < 1.0 {
        true => 1.0 / factor * float,
        false => float / factor,
    };
    if !is_whole(times) {
        let what = format!("should be a multiple of {shown}");
        outcome.add(issue(path, float, &what));
    }
}

fn not_positive(path: &Path<'_>, value: Value, shown: &str) -> super::check::Issue {
    let detail = format!("factor MultipleOf declared for {path} must be positive: {shown}");
    issue(path, value, "").with_detail(detail)
}

/// Whether the type and format can hold a number at all.
fn range(
    number: Number,
    kind: Kind,
    format: Option<&str>,
    what: &str,
    path: &Path<'_>,
) -> Option<String> {
    let float = number.as_f64();
    let is_whole = match number {
        Number::Int(_) => true,
        Number::Float(float) => float.fract() == 0.0,
    };
    let is_held = match (kind, format) {
        (Kind::Integer, Some("int32")) => {
            is_whole && float >= f64::from(i32::MIN) && float <= f64::from(i32::MAX)
        }
        (Kind::Integer, _) => match number {
            Number::Int(_) => true,
            Number::Float(float) => is_whole && float >= i64::MIN as f64 && float < i64::MAX as f64,
        },
        (Kind::Number, Some("float")) => float.abs() <= f64::from(f32::MAX),
        _ => true,
    };
    if is_held {
        return None;
    }
    let kind = kind.name();
    Some(match format {
        Some(format) => {
            format!("{what} value must be of type {kind} with format {format} in {path}")
        }
        None => format!("{what} value must be of type {kind} (default format) in {path}"),
    })
}
