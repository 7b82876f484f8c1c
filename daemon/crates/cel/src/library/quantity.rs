//! Quantities as `resource.Quantity` reads, compares and adds them: `1.5Gi`, `200m`, `12e6`.
//!
//! Knows nothing about values of the language. Two representations, as upstream, since functions
//! tell them apart: 64 bits with a decimal scale while that is enough, a long decimal beyond.
//! Invariant: no operation takes more than [`DIGITS_MAX`] digits beyond what was given.

use super::decimal::Whole;
use std::cmp::Ordering;

/// Most digits to which sums stretch numbers of different scales (upstream: as many as it takes).
const DIGITS_MAX: usize = 4096;

/// Finest scale that is kept: billionths.
const NANO: i32 = -9;

const FORMAT: &str = "quantities must match the regular expression \
                      '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NUMERIC: &str = "unable to parse numeric part of quantity";
const SUFFIX: &str = "unable to parse quantity's suffix";
const TOO_LONG: &str = "quantity has too many digits";

/// A quantity.
#[derive(Debug, Clone)]
pub(super) struct Quantity {
    amount: Amount,
}

#[derive(Debug, Clone)]
enum Amount {
    /// A number times ten to the scale.
    Small { value: i64, scale: i32 },
    /// The same with any number of digits.
    Long { value: Whole, scale: i64 },
}

/// The parts of a text: sign, digits before and after the point, suffix.
struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    /// Whether there is any digit or point at all.
    is_number: bool,
    suffix: &'t str,
}

enum Unit {
    Ten(i32),
    Two(u32),
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// Upstream's words for what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(FORMAT);
        }
        let parts = split(text)?;
        let unit = unit(parts.suffix).ok_or(SUFFIX)?;
        if let Some(quantity) = small(&parts, &unit)? {
            return Ok(quantity);
        }
        if !parts.is_number {
            return Err(NUMERIC);
        }
        let mut value = Whole::from_digits(&[parts.whole, parts.fraction].concat());
        let places = i64::try_from(parts.fraction.len()).map_err(|_| TOO_LONG)?;
        let mut scale = -places;
        match unit {
            Unit::Ten(exponent) => scale += i64::from(exponent),
            Unit::Two(exponent) => {
                for _ in 0..exponent / 10 {
                    value = value.times(1024);
                }
            }
        }
        if scale < i64::from(NANO) {
            let power = usize::try_from(i64::from(NANO) - scale).map_err(|_| TOO_LONG)?;
            value = value.shortened(power);
            scale = i64::from(NANO);
        }
        if matches!(unit, Unit::Two(_)) {
            let max = (Whole::from(i64::MAX), 0);
            if compare(&(value.clone(), scale), &max) == Ordering::Greater {
                (value, scale) = max;
            }
        }
        if parts.negative {
            value = value.negated();
        }
        Ok(Self {
            amount: Amount::Long { value, scale },
        })
    }

    /// So many.
    pub(super) fn whole(value: i64) -> Self {
        Self {
            amount: Amount::Small { value, scale: 0 },
        }
    }

    /// The number as 64 bits, where upstream gives one without effort.
    pub(super) fn as_integer(&self) -> Option<i64> {
        match self.amount {
            Amount::Small { value, scale } => scaled(value, u32::try_from(scale).ok()?),
            Amount::Long { .. } => None,
        }
    }

    /// The nearest double, or nearly: computed in upstream's steps.
    pub(super) fn approximate(&self) -> f64 {
        // Doubles round what they cannot hold, by definition.
        #[allow(clippy::cast_precision_loss)]
        let (base, exponent) = match &self.amount {
            Amount::Small { value, scale } => (*value as f64, i64::from(*scale)),
            Amount::Long { value, scale } => (value.to_f64(), *scale),
        };
        if exponent == 0 {
            base
        } else {
            base * power_of_ten(exponent)
        }
    }

    /// -1, 0 or 1.
    pub(super) fn sign(&self) -> i64 {
        match &self.amount {
            Amount::Small { value, .. } => value.signum(),
            Amount::Long { value, .. } => value.sign(),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Result<Self, &'static str> {
        if let (Amount::Small { value: a, scale: s }, Amount::Small { value: b, scale: t }) =
            (&self.amount, &other.amount)
            && let Some(amount) = small_sum((*a, *s), (*b, *t))
        {
            return Ok(Self { amount });
        }
        let (mine, theirs) = (self.long(), other.long());
        let scale = mine.1.min(theirs.1);
        let value = aligned(mine, scale)?.plus(&aligned(theirs, scale)?);
        Ok(Self {
            amount: Amount::Long { value, scale },
        })
    }

    pub(super) fn minus(&self, other: &Self) -> Result<Self, &'static str> {
        let amount = match &other.amount {
            Amount::Small { value, scale } if *value != i64::MIN => Amount::Small {
                value: -value,
                scale: *scale,
            },
            _ => {
                let (value, scale) = other.long();
                Amount::Long {
                    value: value.negated(),
                    scale,
                }
            }
        };
        self.plus(&Self { amount })
    }

    fn long(&self) -> (Whole, i64) {
        match &self.amount {
            Amount::Small { value, scale } => (Whole::from(*value), i64::from(*scale)),
            Amount::Long { value, scale } => (value.clone(), *scale),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.long(), &other.long())
    }
}

/// Compares by sign and length first, so that scales far apart cost nothing.
fn compare(left: &(Whole, i64), right: &(Whole, i64)) -> Ordering {
    let by_sign = left.0.sign().cmp(&right.0.sign());
    if by_sign != Ordering::Equal || left.0.is_zero() {
        return by_sign;
    }
    let length = |number: &(Whole, i64)| {
        i64::try_from(number.0.digits())
            .unwrap_or(i64::MAX)
            .saturating_add(number.1)
    };
    match length(left).cmp(&length(right)) {
        Ordering::Equal => {}
        longer if left.0.sign() > 0 => return longer,
        longer => return longer.reverse(),
    }
    // Of one length, the scales differ by no more than the digits do.
    let scale = left.1.min(right.1);
    let stretch = |number: &(Whole, i64)| {
        let power = usize::try_from(number.1 - scale).unwrap_or_default();
        number.0.clone().shifted(power)
    };
    stretch(left).cmp(&stretch(right))
}

fn aligned((value, from): (Whole, i64), scale: i64) -> Result<Whole, &'static str> {
    let power = usize::try_from(from - scale).map_err(|_| TOO_LONG)?;
    if power > DIGITS_MAX && !value.is_zero() {
        return Err(TOO_LONG);
    }
    Ok(if power > DIGITS_MAX {
        value
    } else {
        value.shifted(power)
    })
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end_of_digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (whole, rest) = unsigned.split_at(end_of_digits(unsigned));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(end_of_digits(rest)),
        None => ("", rest),
    };
    let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let tail = tail.strip_prefix(['+', '-']).unwrap_or(tail);
    if tail.bytes().any(|b| !b.is_ascii_digit()) {
        return Err(FORMAT);
    }
    Ok(Parts {
        negative,
        whole: whole.trim_start_matches('0'),
        fraction,
        is_number: !whole.is_empty() || !fraction.is_empty(),
        suffix,
    })
}

fn unit(suffix: &str) -> Option<Unit> {
    Some(match suffix {
        "n" => Unit::Ten(-9),
        "u" => Unit::Ten(-6),
        "m" => Unit::Ten(-3),
        "" => Unit::Ten(0),
        "k" => Unit::Ten(3),
        "M" => Unit::Ten(6),
        "G" => Unit::Ten(9),
        "T" => Unit::Ten(12),
        "P" => Unit::Ten(15),
        "E" => Unit::Ten(18),
        "Ki" => Unit::Two(10),
        "Mi" => Unit::Two(20),
        "Gi" => Unit::Two(30),
        "Ti" => Unit::Two(40),
        "Pi" => Unit::Two(50),
        "Ei" => Unit::Two(60),
        _ => {
            let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            // Upstream keeps the low 32 bits, whatever the rest says.
            #[allow(clippy::cast_possible_truncation)]
            Unit::Ten(exponent as i32)
        }
    })
}

/// The quantity in 64 bits, under the same conditions as upstream; `None` when they do not hold.
fn small(parts: &Parts<'_>, unit: &Unit) -> Result<Option<Quantity>, &'static str> {
    let whole = if parts.whole.is_empty() {
        "0"
    } else {
        parts.whole
    };
    let digits = whole.len() + parts.fraction.len();
    let (mut scale, factor) = match unit {
        Unit::Ten(exponent) if digits <= 18 => (*exponent, 1),
        Unit::Two(exponent) if parts.fraction.is_empty() => {
            // About a third of the binary digits: the room that the factor takes.
            let room = *exponent as usize * 3 / 10 + 1;
            if whole.len() + room > 15 {
                return Ok(None);
            }
            (0, 1_i64 << exponent)
        }
        _ => return Ok(None),
    };
    let Some(lower) = i32::try_from(parts.fraction.len())
        .ok()
        .and_then(|p| scale.checked_sub(p))
    else {
        return Ok(None);
    };
    scale = lower;
    if scale < NANO {
        return Ok(None);
    }
    let value: i64 = [whole, parts.fraction]
        .concat()
        .parse()
        .map_err(|_| NUMERIC)?;
    let Some(value) = value.checked_mul(factor) else {
        return Ok(None);
    };
    let value = if parts.negative { -value } else { value };
    Ok(Some(Quantity {
        amount: Amount::Small { value, scale },
    }))
}

fn scaled(value: i64, power: u32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10_i64.checked_pow(power)?)
}

fn small_sum((a, s): (i64, i32), (b, t): (i64, i32)) -> Option<Amount> {
    if b == 0 {
        return Some(Amount::Small { value: a, scale: s });
    }
    if a == 0 {
        return Some(Amount::Small { value: b, scale: t });
    }
    let scale = s.min(t);
    let lift = |value, from: i32| scaled(value, u32::try_from(from.checked_sub(scale)?).ok()?);
    let value = lift(a, s)?.checked_add(lift(b, t)?)?;
    Some(Amount::Small { value, scale })
}

/// As Go's `math.Pow10`, which multiplies two exact or nearest powers.
fn power_of_ten(exponent: i64) -> f64 {
    let power = |exponent: i64| format!("1e{exponent}").parse::<f64>().unwrap_or_default();
    match exponent {
        0..=308 => power(exponent / 32 * 32) * power(exponent % 32),
        -323..0 => power(exponent / 32 * 32) / power(-exponent % 32),
        309.. => f64::INFINITY,
        _ => 0.0,
    }
}
