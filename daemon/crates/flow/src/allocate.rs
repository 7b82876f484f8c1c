//! Dividing seats among levels: each gets the same part of what it wants, within its bounds.

/// What one level wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) target: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Small targets count as so much, so that spare seats go to somebody.
const TARGET_MIN: f64 = 0.001;
/// Steps of halving: more than a double has bits.
const STEPS: usize = 200;

/// The part of its target that each gets, and what that is: `sum` in all, as far as the bounds let.
pub(crate) fn allocate(sum: f64, wanted: &[Wanted]) -> (f64, Vec<f64>) {
    let at = |part: f64| -> Vec<f64> {
        let each = wanted.iter();
        each.map(|one| (part * one.target.max(TARGET_MIN)).clamp(one.low, one.high.max(one.low)))
            .collect()
    };
    let total = |part: f64| at(part).iter().sum::<f64>();
    let (mut below, mut above) = (0.0, 0.0_f64);
    for one in wanted {
        above = above.max(one.high / one.target.max(TARGET_MIN));
    }
    if total(above) <= sum {
        return (above, at(above));
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(below, above);
        match total(middle) <= sum {
            true => below = middle,
            false => above = middle,
        }
    }
    (below, at(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(target: f64, low: f64, high: f64) -> Wanted {
        Wanted { target, low, high }
    }

    fn rounded(sum: f64, all: &[Wanted]) -> Vec<i64> {
        let (_, each) = allocate(sum, all);
        each.into_iter().map(|one| one.round() as i64).collect()
    }

    #[test]
    fn each_gets_the_same_part_of_what_it_wants_within_its_bounds() {
        let all = [wanted(10.0, 5.0, 100.0), wanted(20.0, 5.0, 100.0)];
        assert_eq!(rounded(60.0, &all), [20, 40]);
        assert_eq!(rounded(15.0, &all), [5, 10]);
        let bounded = [wanted(10.0, 5.0, 12.0), wanted(20.0, 5.0, 100.0)];
        assert_eq!(rounded(60.0, &bounded), [12, 48]);
        assert_eq!(rounded(1000.0, &bounded), [12, 100]);
        assert_eq!(
            rounded(3.0, &bounded),
            [5, 5],
            "no less than the lower bound"
        );
        assert_eq!(rounded(10.0, &[]), [0; 0]);
        assert_eq!(
            rounded(30.0, &[wanted(0.0, 0.0, 50.0), wanted(0.0, 0.0, 50.0)]),
            [15, 15]
        );
    }
}
