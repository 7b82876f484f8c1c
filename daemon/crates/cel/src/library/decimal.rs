//! Whole numbers of any length, for quantities: a sign and limbs of nine decimal digits.
//!
//! Knows nothing about quantities. Every operation takes time in proportion to the numbers' length.
//! Invariant: there are no leading zero limbs, and zero is not negative.

use std::cmp::Ordering;

const BASE: u64 = 1_000_000_000;
const DIGITS: usize = 9;

/// A whole number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Whole {
    negative: bool,
    /// The least first.
    limbs: Vec<u32>,
}

impl From<i64> for Whole {
    fn from(number: i64) -> Self {
        let mut rest = number.unsigned_abs();
        let mut limbs = Vec::new();
        while rest > 0 {
            limbs.push(limb(rest % BASE));
            rest /= BASE;
        }
        Self {
            negative: number < 0,
            limbs,
        }
    }
}

/// A number below the base.
fn limb(number: u64) -> u32 {
    // The remainder by the base fits.
    #[allow(clippy::cast_possible_truncation)]
    let limb = (number % BASE) as u32;
    limb
}

impl Whole {
    /// Decimal digits and nothing else.
    pub(super) fn from_digits(digits: &str) -> Self {
        let limbs = digits
            .as_bytes()
            .rchunks(DIGITS)
            .map(|chunk| {
                chunk
                    .iter()
                    .fold(0, |sum, b| sum * 10 + u32::from(b - b'0'))
            })
            .collect();
        Self {
            negative: false,
            limbs,
        }
        .trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self.negative &= !self.limbs.is_empty();
        self
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(super) fn sign(&self) -> i64 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    pub(super) fn negated(mut self) -> Self {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    /// How many decimal digits it has; zero has none.
    pub(super) fn digits(&self) -> usize {
        match self.limbs.split_last() {
            None => 0,
            Some((last, others)) => {
                others.len() * DIGITS + last.checked_ilog10().map_or(0, |log| log as usize + 1)
            }
        }
    }

    pub(super) fn times(mut self, factor: u32) -> Self {
        let mut carry = 0;
        for place in &mut self.limbs {
            let product = u64::from(*place) * u64::from(factor) + carry;
            *place = limb(product);
            carry = product / BASE;
        }
        while carry > 0 {
            self.limbs.push(limb(carry));
            carry /= BASE;
        }
        self.trimmed()
    }

    /// Times ten to a power.
    pub(super) fn shifted(self, power: usize) -> Self {
        let Some(factor) = u32::try_from(power % DIGITS)
            .ok()
            .and_then(|p| 10_u32.checked_pow(p))
        else {
            return self;
        };
        let mut number = self.times(factor);
        if !number.is_zero() {
            number
                .limbs
                .splice(0..0, std::iter::repeat_n(0, power / DIGITS));
        }
        number
    }

    /// Divided by ten to a power, away from zero where there is a rest.
    pub(super) fn shortened(mut self, power: usize) -> Self {
        let whole = power / DIGITS;
        if self.is_zero() {
            return self;
        }
        if whole >= self.limbs.len() {
            return Self {
                negative: self.negative,
                limbs: vec![1],
            };
        }
        let mut rest = self.limbs.drain(..whole).any(|limb| limb != 0);
        let divisor = 10_u64.pow(u32::try_from(power % DIGITS).unwrap_or_default());
        let mut carry = 0;
        for place in self.limbs.iter_mut().rev() {
            let number = carry * BASE + u64::from(*place);
            *place = limb(number / divisor);
            carry = number % divisor;
        }
        rest |= carry != 0;
        let negative = self.negative;
        let magnitude = Self {
            negative: false,
            ..self
        }
        .trimmed();
        let rounded = magnitude.plus(&Self::from(i64::from(rest)));
        if negative { rounded.negated() } else { rounded }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        if self.negative == other.negative {
            let mut limbs = Vec::with_capacity(self.limbs.len().max(other.limbs.len()) + 1);
            let mut carry = 0;
            for place in 0..self.limbs.len().max(other.limbs.len()) {
                let sum = carry + self.limb(place) + other.limb(place);
                limbs.push(limb(sum));
                carry = sum / BASE;
            }
            limbs.push(limb(carry));
            return Self {
                negative: self.negative,
                limbs,
            }
            .trimmed();
        }
        let (larger, smaller) = match self.cmp_magnitude(other) {
            Ordering::Less => (other, self),
            _ => (self, other),
        };
        let mut limbs = Vec::with_capacity(larger.limbs.len());
        let mut borrow = 0;
        for place in 0..larger.limbs.len() {
            let difference = BASE + larger.limb(place) - smaller.limb(place) - borrow;
            limbs.push(limb(difference));
            borrow = u64::from(difference < BASE);
        }
        Self {
            negative: larger.negative,
            limbs,
        }
        .trimmed()
    }

    fn limb(&self, place: usize) -> u64 {
        self.limbs.get(place).map_or(0, |limb| u64::from(*limb))
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// The nearest double; beyond the largest, infinite.
    pub(super) fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Whole {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((last, others)) = self.limbs.split_last() else {
            return f.write_str("0");
        };
        write!(f, "{}{last}", if self.negative { "-" } else { "" })?;
        others
            .iter()
            .rev()
            .try_for_each(|limb| write!(f, "{limb:09}"))
    }
}
