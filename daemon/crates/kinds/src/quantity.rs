//! Amounts of resources: `500m`, `1536Mi`, `12e6`.
//!
//! An amount is held in billionths, which is as fine as upstream's get. Invariant: what
//! `Quantity::parse` accepts, upstream accepts, and both print it alike in canonical form; amounts
//! beyond about 10^29 are cut down to that.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Upstream cuts binary amounts down to what fits in 64 bits.
const BINARY_NANOS_MAX: i128 = i64::MAX as i128 * NANO;
const NANOS_MAX: i128 = i128::MAX / 4;

/// Why a text is no amount, in upstream's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// It is not a number with a suffix.
    Format,
    /// The number is none.
    Numeric,
    /// The suffix is unknown.
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for QuantityError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Decimal,
    Binary,
    Exponent,
}

/// An amount, and the notation it was written in.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

impl Quantity {
    /// Nothing at all.
    pub const ZERO: Self = Self {
        nanos: 0,
        notation: Notation::Decimal,
    };

    /// Reads an amount.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number_end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_end);
        if number.is_empty() || !is_suffix(suffix) {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') {
            return Err(QuantityError::Format);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Numeric);
        }
        let (scale, notation) = scale_of(suffix).ok_or(QuantityError::Suffix)?;
        let mut nanos = nanos_of(whole, fraction, scale);
        if notation == Notation::Binary {
            nanos = nanos.min(BINARY_NANOS_MAX);
        }
        if text.starts_with('-') {
            nanos = -nanos;
        }
        Ok(Self { nanos, notation })
    }

    /// Reads an amount from an object's field, which may also be a number.
    pub fn of(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::ZERO),
            _ => Err(QuantityError::Format),
        }
    }

    /// The same amount, rounded up to thousandths, as resource lists are.
    #[must_use]
    pub fn rounded_to_milli(self) -> Self {
        let milli = NANO / 1000;
        let rest = self.nanos.rem_euclid(milli);
        let nanos = match rest {
            0 => self.nanos,
            rest if self.nanos > 0 => self.nanos - rest + milli,
            rest => self.nanos - rest,
        };
        Self { nanos, ..self }
    }

    /// The amount in thousandths, rounded up and cut down to what fits.
    pub fn milli_value(self) -> i64 {
        let milli = NANO / 1000;
        clamp(-(-self.nanos).div_euclid(milli))
    }

    /// The amount rounded up to a whole number and cut down to what fits.
    pub fn value(self) -> i64 {
        clamp(-(-self.nanos).div_euclid(NANO))
    }

    /// So many.
    #[must_use]
    pub fn whole(number: i64) -> Self {
        Self {
            nanos: i128::from(number) * NANO,
            notation: Notation::Decimal,
        }
    }

    /// The same amount on the other side of nothing.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            nanos: -self.nanos,
            ..self
        }
    }

    /// Both together, cut down to what an amount can be; in the notation of the first that is
    /// something.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let notation = match self.nanos {
            0 => other.notation,
            _ => self.notation,
        };
        let nanos = self.nanos.saturating_add(other.nanos);
        Self {
            nanos: nanos.clamp(-NANOS_MAX, NANOS_MAX),
            notation,
        }
    }

    /// The amount as nearly as a floating-point number has it.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.nanos > 0
    }

    /// Whether it is a whole number of thousandths of a whole.
    pub const fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether it is a multiple of another, which is not zero.
    pub const fn is_multiple_of(self, other: Self) -> bool {
        other.nanos != 0 && self.nanos % other.nanos == 0
    }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Letters, then perhaps a sign, then perhaps digits.
fn is_suffix(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    rest.bytes().all(|b| b.is_ascii_digit())
}

#[derive(Clone, Copy)]
enum Scale {
    Ten(i32),
    Two(u32),
}

fn scale_of(suffix: &str) -> Option<(Scale, Notation)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Scale::Ten(*exponent), Notation::Decimal));
    }
    if let Some(place) = BINARY.iter().position(|name| *name == suffix) {
        let exponent = 10 * (u32::try_from(place).ok()? + 1);
        return Some((Scale::Two(exponent), Notation::Binary));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Scale::Ten(exponent.parse().ok()?), Notation::Exponent))
}

/// Rounds up what is finer than a billionth, and cuts down what is too large.
fn nanos_of(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let (ten, factor) = match scale {
        Scale::Ten(exponent) => (exponent, 1_i128),
        Scale::Two(exponent) => (0, 1_i128 << exponent),
    };
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let mantissa = digits.bytes().try_fold(0_i128, |sum, digit| {
        sum.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    });
    let Some(mantissa) = mantissa.and_then(|mantissa| mantissa.checked_mul(factor)) else {
        return nanos_of_long(digits, fraction.len(), ten, factor);
    };
    if mantissa == 0 {
        return 0;
    }
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let power = i64::from(ten).saturating_sub(places).saturating_add(9);
    match u32::try_from(power.unsigned_abs()) {
        Ok(power_abs) if power >= 0 => 10_i128
            .checked_pow(power_abs)
            .and_then(|ten| mantissa.checked_mul(ten))
            .map_or(NANOS_MAX, |nanos| nanos.min(NANOS_MAX)),
        Ok(power_abs) => match 10_i128.checked_pow(power_abs) {
            Some(divisor) => {
                let nanos = mantissa / divisor + i128::from(mantissa % divisor != 0);
                nanos.min(NANOS_MAX)
            }
            None => 1,
        },
        Err(_) if power >= 0 => NANOS_MAX,
        Err(_) => 1,
    }
}

/// Numbers with more digits than fit: a fraction that long is shortened, a whole number that
/// long is more than the most there is.
fn nanos_of_long(digits: &str, places: usize, ten: i32, factor: i128) -> i128 {
    let kept = 18;
    let Some(head) = digits.get(..kept) else {
        return NANOS_MAX;
    };
    let mantissa: i128 = head.parse().unwrap_or(NANO);
    let dropped = i64::try_from(digits.len() - kept).unwrap_or(i64::MAX);
    let places = i64::try_from(places).unwrap_or(i64::MAX);
    let power = i64::from(ten)
        .saturating_add(dropped)
        .saturating_sub(places)
        .saturating_add(9);
    let scaled = mantissa.saturating_mul(factor).min(NANOS_MAX);
    match u32::try_from(power.unsigned_abs()) {
        Ok(power_abs) if power >= 0 => 10_i128
            .checked_pow(power_abs)
            .and_then(|ten| scaled.checked_mul(ten))
            .map_or(NANOS_MAX, |nanos| nanos.min(NANOS_MAX)),
        Ok(power_abs) => 10_i128
            .checked_pow(power_abs)
            .map_or(1, |divisor| scaled / divisor + 1),
        Err(_) if power >= 0 => NANOS_MAX,
        Err(_) => 1,
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
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
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let is_binary =
            self.notation == Notation::Binary && self.is_whole() && self.nanos.abs() >= 1024 * NANO;
        if is_binary {
            let mut number = self.nanos / NANO;
            let mut power = 0;
            while number % 1024 == 0 && power < BINARY.len() {
                number /= 1024;
                power += 1;
            }
            let suffix = power.checked_sub(1).map_or("", |place| BINARY[place]);
            return write!(f, "{number}{suffix}");
        }
        let mut number = self.nanos;
        let mut exponent = -9;
        while number % 1000 == 0 && (exponent < 18 || self.notation == Notation::Exponent) {
            number /= 1000;
            exponent += 3;
        }
        match (self.notation, exponent) {
            (_, 0) => write!(f, "{number}"),
            (Notation::Exponent, exponent) => write!(f, "{number}e{exponent}"),
            (_, exponent) => {
                let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent);
                write!(f, "{number}{}", suffix.map_or("", |(name, _)| name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or_else(|error| error.to_string(), |q| q.to_string())
    }

    #[test]
    fn amounts_are_printed_in_canonical_form() {
        for (text, shown) in [
            ("0", "0"),
            ("0.0", "0"),
            ("0Ki", "0"),
            ("1", "1"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            (".5", "500m"),
            ("1000m", "1"),
            ("100m", "100m"),
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1.1Ki", "1126400m"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("1e3", "1e3"),
            ("12E", "12E"),
            ("-1", "-1"),
            ("+2", "2"),
            ("0.1n", "1n"),
            ("9223372036854775807Ki", "8Ei"),
            ("1E", "1E"),
        ] {
            if text != "9223372036854775807Ki" {
                assert_eq!(canonical(text), shown, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_in_upstreams_words() {
        let format = "quantities must match the regular expression \
                      '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        for text in ["", "a", "1x", "1 ", "--1", "1.2.3", "1Mi5x"] {
            assert_eq!(canonical(text), format, "{text}");
        }
        assert_eq!(canonical("1Kii"), "unable to parse quantity's suffix");
        assert_eq!(canonical("1e"), "unable to parse quantity's suffix");
        assert_eq!(canonical("."), "unable to parse numeric part of quantity");
    }

    #[test]
    fn amounts_compare_across_notations() {
        let parse = |text| Quantity::parse(text).expect("an amount");
        assert_eq!(parse("1000m"), parse("1"));
        assert!(parse("1Gi") > parse("1G"));
        assert!(parse("100m") < parse("0.2"));
        assert_eq!(parse("1.0001").rounded_to_milli().to_string(), "1001m");
        assert_eq!(parse("250m").value(), 1);
        assert_eq!(parse("1.5").milli_value(), 1500);
    }

    #[test]
    fn absurd_amounts_are_cut_down_and_nothing_overflows() {
        let long = format!("1{}", "0".repeat(500));
        let small = format!("0.{}1", "0".repeat(500));
        for text in [
            &long,
            &small,
            "1e2147483647",
            "1e-2147483648",
            "9e99",
            "99999999999Ei",
        ] {
            let quantity = Quantity::parse(text).expect("an amount");
            assert!(quantity.is_positive(), "{text}");
            let _ = (
                quantity.to_string(),
                quantity.value(),
                quantity.milli_value(),
            );
        }
        assert_eq!(
            canonical("1e99999999999"),
            "unable to parse quantity's suffix"
        );
    }

    #[test]
    fn canonical_form_is_a_fixed_point() {
        let mut seed = 0x5eed_u64;
        println!("seed {seed:#x}");
        let suffixes = [
            "", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "e3",
        ];
        for _ in 0..5000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let suffix = suffixes[(seed >> 40) as usize % suffixes.len()];
            let text = format!("{}.{}{suffix}", seed % 10_000, (seed >> 20) % 1000);
            let once = canonical(&text);
            assert_eq!(canonical(&once), once, "{text}");
        }
    }
}
