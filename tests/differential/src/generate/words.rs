//! The small vocabulary scripts are written in: few keys, so that requests meet.

use crate::script::from_last;
use bytes::Bytes;
use skerry_tests_harness::Random;

const KEYS: [&[u8]; 14] = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"dir",
    b"dir/",
    b"dir/a",
    b"dir/b",
    b"dir/b/c",
    b"dir0",
    b"e",
    b"\0",
    b"\xff",
    b"\xff\xff",
];

/// Leases that scripts choose the ids of.
pub(super) const LEASES: [i64; 5] = [1, 2, 77, 0x7fff_ffff, i64::MAX - 1];

/// A key that is mostly one of few; hardly ever empty.
pub(super) fn key(random: &mut Random) -> Bytes {
    match random.below(60) {
        0 => Bytes::new(),
        1 => Bytes::from(format!("rare/{}", random.below(1000))),
        _ => Bytes::from_static(KEYS[random.below(KEYS.len())]),
    }
}

pub(super) fn value(random: &mut Random) -> Bytes {
    match random.below(12) {
        0 => Bytes::new(),
        1 => Bytes::from(vec![0xfe; 1 + random.below(5000)]),
        2 => Bytes::from_static(b"\0\x01\xff"),
        _ => Bytes::from(format!("v{}", random.below(8))),
    }
}

/// A key and a range end: points, prefixes, intervals, open and senseless ones.
pub(super) fn range(random: &mut Random) -> (Bytes, Bytes) {
    let one = key(random);
    match random.below(12) {
        0..=3 => (one, Bytes::new()),
        4..=5 => {
            let end = prefix_end(&one);
            (one, end)
        }
        6 => (one, Bytes::from_static(b"\0")),
        7..=8 => (Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
        // In half of the cases the end lies before the start.
        9..=10 => (one, key(random)),
        _ => (one.clone(), one),
    }
}

fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}

/// A revision to read at.
pub(super) fn revision(random: &mut Random) -> i64 {
    match random.below(20) {
        0..=11 => 0,
        12..=15 => from_last(-random.between(0, 12)),
        16 => from_last(-random.between(12, 60)),
        17 => from_last(random.between(1, 3)),
        18 => random.between(1, 6),
        _ => -random.between(1, 3),
    }
}

/// A bound of a filter on revisions; mostly none.
pub(super) fn bound(random: &mut Random) -> i64 {
    match random.below(8) {
        0 => from_last(-random.between(0, 15)),
        1 if random.chance(30) => -1,
        2 if random.chance(30) => i64::MAX,
        _ => 0,
    }
}

/// A lease for a put; mostly none.
pub(super) fn lease(random: &mut Random) -> i64 {
    match random.below(12) {
        0..=1 => *random.pick(&LEASES),
        2 if random.chance(30) => 424_242,
        3 if random.chance(20) => -1,
        _ => 0,
    }
}
