use super::quantity::Quantity;
use std::cmp::Ordering;

fn parse(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

fn sum(left: &str, right: &str) -> Quantity {
    parse(left).plus(&parse(right)).expect("a sum")
}

#[test]
fn texts_are_read_as_upstream_reads_them() {
    for (text, equal) in [
        ("0", "0"),
        ("12Mi", "12582912"),
        ("1.5G", "1500M"),
        ("200M", "0.2G"),
        ("+5", "5"),
        ("-0.5", "-500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("1E3", "1k"),
        ("1e-3", "1m"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.1Ki", "1126.4"),
        ("9999999999999999999999Ei", "9223372036854775807"),
        ("00012", "12"),
        ("1e4294967296", "1"),
    ] {
        assert_eq!(parse(text), parse(equal), "{text}");
    }
    let format = "quantities must match the regular expression \
                  '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    for (text, refusal) in [
        ("", format),
        ("10Mo", format),
        ("Three", format),
        ("1,3G", format),
        ("1.2.3", format),
        (" 1", format),
        ("10Mm", "unable to parse quantity's suffix"),
        ("200K", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        (
            "1e99999999999999999999",
            "unable to parse quantity's suffix",
        ),
    ] {
        assert_eq!(
            Quantity::parse(text).map(|q| q.sign()),
            Err(refusal),
            "{text}"
        );
    }
}

#[test]
fn numbers_are_integers_where_upstream_has_them_in_64_bits() {
    for (text, integer) in [
        ("50k", Some(50_000)),
        ("50000000G", Some(50_000_000_000_000_000)),
        ("12Mi", Some(12 << 20)),
        ("1.5", None),
        ("1.0", None),
        ("0.5Ki", None),
        ("9999999999999999999999999999999999999G", None),
        ("1e300", None),
        ("-7", Some(-7)),
    ] {
        assert_eq!(parse(text).as_integer(), integer, "{text}");
    }
}

#[test]
#[allow(clippy::float_cmp)] // The very doubles that upstream gives.
fn numbers_are_approximated_by_doubles() {
    assert_eq!(parse("50703k").approximate(), 50_703_000.0);
    assert_eq!(parse("1.5").approximate(), 1.5);
    assert_eq!(parse("1e400").approximate(), f64::INFINITY);
    assert_eq!(
        parse("9999999999999999999999999999999999999G").approximate(),
        1e46
    );
    assert_eq!(parse("-3m").approximate(), -0.003);
}

#[test]
fn sums_are_exact_and_bounded() {
    assert_eq!(sum("50k", "20"), parse("50020"));
    assert_eq!(parse("50k").minus(&parse("20")), Ok(parse("49980")));
    assert_eq!(
        sum("9223372036854775807", "1"),
        parse("9223372036854775808")
    );
    assert_eq!(
        sum("9223372036854775807", "-1n"),
        parse("9223372036854775806.999999999")
    );
    assert_eq!(
        parse("0").minus(&Quantity::whole(i64::MIN)),
        Ok(parse("9223372036854775808"))
    );
    assert!(parse("1e2000000000").plus(&parse("1")).is_err());
    assert_eq!(parse("1e2000000000").cmp(&parse("1e-5")), Ordering::Greater);
    assert_eq!(parse("-1e2000000000").cmp(&parse("1n")), Ordering::Less);
    assert_eq!(
        parse("0").plus(&parse("1e2000000000")),
        Ok(parse("1e2000000000"))
    );
    assert_eq!(
        (parse("0").sign(), parse("-1n").sign(), parse("3").sign()),
        (0, -1, 1)
    );
}

#[test]
fn random_quantities_order_and_add_as_whole_numbers_of_billionths_do() {
    let mut seed = 0x5eed_77aa_u64;
    println!("seed {seed:#x}");
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let units: [(&str, i128); 10] = [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("", 1_000_000_000),
        ("k", 1_000_000_000_000),
        ("e6", 1_000_000_000_000_000),
        ("G", 1_000_000_000_000_000_000),
        ("Ki", 1024 * 1_000_000_000),
        ("Gi", (1 << 30) * 1_000_000_000),
        ("E-3", 1_000_000),
    ];
    let mut draw = || {
        let (suffix, unit) = units[usize::try_from(random() >> 40).unwrap_or(0) % units.len()];
        let digits = random() % 19;
        let number = i128::from(random()) % 10_i128.pow(u32::try_from(digits).unwrap_or(0));
        let number = if random() % 2 == 0 { number } else { -number };
        // What upstream cuts down is another test's.
        let number = if suffix.ends_with('i') {
            number % 1_000_000
        } else {
            number
        };
        (parse(&format!("{number}{suffix}")), number * unit)
    };
    for _ in 0..20_000 {
        let ((a, x), (b, y)) = (draw(), draw());
        assert_eq!(a.cmp(&b), x.cmp(&y), "{x} {y}");
        let total = a.plus(&b).expect("a sum");
        assert_eq!(total, parse(&format!("{}n", x + y)), "{x} + {y}");
        let difference = a.minus(&b).expect("a difference");
        assert_eq!(difference, parse(&format!("{}n", x - y)), "{x} - {y}");
        assert_eq!(total.minus(&b), Ok(a));
    }
}
