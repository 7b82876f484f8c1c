//! A set of key ranges, as permissions grant them, and the question whether it covers a request.
//!
//! Knows nothing about users or roles. Invariant: `ranges` is ordered by where ranges begin, and
//! `reach[i]` is the farthest end of the ranges up to and including `i`.
//!
//! An empty bound stands for "after every key", which is how etcd orders the ends of ranges
//! (`\0` in a request or a permission means the same and is turned into it here).

use std::cmp::Ordering;

use bytes::Bytes;

/// One half-open range of keys. An empty `end` has no upper limit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyRange {
    begin: Bytes,
    end: Bytes,
}

/// Ranges of keys that somebody may read, or write.
#[derive(Debug, Clone, Default)]
pub(super) struct RangeSet {
    ranges: Vec<KeyRange>,
    reach: Vec<Bytes>,
}

impl RangeSet {
    /// Builds the set from `(key, range_end)` pairs in the form that requests use.
    pub(super) fn new<'a>(pairs: impl Iterator<Item = (&'a Bytes, &'a Bytes)>) -> RangeSet {
        let mut ranges: Vec<KeyRange> = pairs
            .map(|(key, range_end)| KeyRange {
                begin: key.clone(),
                end: upper_bound(key, range_end),
            })
            .collect();
        ranges.sort_by(|a, b| compare_bounds(&a.begin, &b.begin));
        let mut reach: Vec<Bytes> = Vec::with_capacity(ranges.len());
        for range in &ranges {
            let farthest = match reach.last() {
                Some(last) if compare_bounds(last, &range.end).is_ge() => last.clone(),
                _ => range.end.clone(),
            };
            reach.push(farthest);
        }
        RangeSet { ranges, reach }
    }

    /// Whether one of the ranges holds this key.
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        let begun = self
            .ranges
            .partition_point(|range| compare_bounds(&range.begin, key).is_le());
        begun > 0 && compare_bounds(&self.reach[begun - 1], key).is_gt()
    }

    /// The ranges that share a key with `[begin, end)`, as pairs of bounds.
    fn overlapping<'a>(
        &'a self,
        begin: &'a [u8],
        end: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let begun = self
            .ranges
            .partition_point(|range| compare_bounds(&range.begin, end).is_lt());
        self.ranges[..begun]
            .iter()
            .filter(move |range| compare_bounds(&range.end, begin).is_gt())
            .map(|range| (&range.begin[..], &range.end[..]))
    }
}

/// Whether the sets together cover every key from `key` up to `range_end`, where `\0` as
/// `range_end` means all keys from `key` on. Neighbouring ranges of different sets add up. A range
/// that ends before it begins holds no key; as with etcd, it needs the right to its `key`.
pub(super) fn covered<'a>(
    mut sets: impl Iterator<Item = &'a RangeSet>,
    key: &[u8],
    range_end: &[u8],
) -> bool {
    let end: &[u8] = if range_end == [0] { &[] } else { range_end };
    if compare_bounds(key, end).is_ge() {
        return sets.any(|set| set.holds(key));
    }
    let mut found: Vec<(&[u8], &[u8])> = Vec::new();
    for set in sets {
        found.extend(set.overlapping(key, end));
    }
    found.sort_by(|a, b| compare_bounds(a.0, b.0));
    let Some((first_begin, mut reached)) = found.first().copied() else {
        return false;
    };
    if compare_bounds(first_begin, key).is_gt() {
        return false;
    }
    for (begin, range_end) in found {
        if compare_bounds(reached, begin).is_lt() {
            return false;
        }
        if compare_bounds(range_end, reached).is_gt() {
            reached = range_end;
        }
    }
    compare_bounds(reached, end).is_ge()
}

/// Whether a permission may be given on this range: it has a key, and it is not empty.
pub(super) fn is_valid(key: &[u8], range_end: &[u8]) -> bool {
    !key.is_empty() && (range_end.is_empty() || range_end == [0] || key < range_end)
}

/// The end of the range in the order of bounds: one key, all keys from here on, or up to an end.
fn upper_bound(key: &Bytes, range_end: &Bytes) -> Bytes {
    match &range_end[..] {
        [] => {
            let mut after = Vec::with_capacity(key.len() + 1);
            after.extend_from_slice(key);
            after.push(0);
            Bytes::from(after)
        }
        [0] => Bytes::new(),
        _ => range_end.clone(),
    }
}

fn compare_bounds(a: &[u8], b: &[u8]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn set(pairs: &[(&'static str, &'static str)]) -> RangeSet {
        let owned: Vec<(Bytes, Bytes)> = pairs
            .iter()
            .map(|(a, b)| {
                (
                    Bytes::from_static(a.as_bytes()),
                    Bytes::from_static(b.as_bytes()),
                )
            })
            .collect();
        RangeSet::new(owned.iter().map(|(a, b)| (a, b)))
    }

    fn covers(pairs: &[(&'static str, &'static str)], key: &str, end: &str) -> bool {
        covered([&set(pairs)].into_iter(), key.as_bytes(), end.as_bytes())
    }

    #[test]
    fn a_single_key_holds_itself_only() {
        let one = set(&[("foo", "")]);
        assert!(one.holds(b"foo"));
        assert!(!one.holds(b"fo"));
        assert!(!one.holds(b"foo\0"));
        assert!(!one.holds(b"fop"));
    }

    #[test]
    fn a_long_range_is_found_behind_short_ones_that_begin_later() {
        let ranges = set(&[("a", "z"), ("b", ""), ("c", "d")]);
        assert!(ranges.holds(b"x"));
        assert!(!ranges.holds(b"z"));
    }

    #[test]
    fn an_open_end_reaches_every_later_key() {
        let open = set(&[("m", "\0")]);
        assert!(open.holds(b"m"));
        assert!(open.holds(&[0xff, 0xff]));
        assert!(!open.holds(b"l"));
        assert!(covers(&[("m", "\0")], "m", "\0"));
        assert!(covers(&[("m", "\0")], "n", "z"));
        assert!(!covers(&[("m", "\0")], "l", "\0"));
        assert!(!covers(&[("m", "z")], "m", "\0"));
    }

    #[test]
    fn all_keys_are_zero_to_open_end() {
        assert!(covers(&[("\0", "\0")], "\0", "\0"));
        assert!(!covers(&[("a", "\0")], "\0", "\0"));
    }

    #[test]
    fn neighbouring_ranges_add_up_and_gaps_do_not() {
        assert!(covers(&[("a", "c"), ("c", "e")], "b", "d"));
        assert!(covers(&[("a", "b"), ("a", "c"), ("b", "f")], "a", "f"));
        assert!(!covers(&[("a", "c"), ("d", "e")], "b", "e"));
        // A single key is a range up to its successor.
        assert!(covers(&[("a", ""), ("a\0", "b")], "a", "b"));
        assert!(!covers(&[("a", ""), ("aa", "b")], "a", "b"));
    }

    #[test]
    fn ranges_of_several_sets_add_up() {
        let (low, high) = (set(&[("a", "c")]), set(&[("c", "e")]));
        assert!(covered([&low, &high].into_iter(), b"a", b"e"));
        assert!(!covered([&low].into_iter(), b"a", b"e"));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_needs_its_key() {
        assert!(covers(&[("a", "z")], "m", "c"));
        assert!(covers(&[("m", "")], "m", "c"));
        assert!(covers(&[("m", "")], "m", "m"));
        assert!(!covers(&[("a", "m"), ("n", "z")], "m", "c"));
    }

    #[test]
    fn random_sets_cover_what_their_pieces_cover() {
        let seed = 0x5eed;
        println!("seed {seed:#x}");
        let mut random = Random::new(seed);
        let mut covered_count = 0;
        for _ in 0..20_000 {
            let mut bound = |open: bool| -> Bytes {
                if open && random.one_in(8) {
                    return Bytes::from_static(b"\0");
                }
                let length = 1 + random.below(2);
                let letters = (0..length).map(|_| b'a' + random.below(3) as u8);
                letters.collect::<Vec<u8>>().into()
            };
            let mut pairs = Vec::new();
            while pairs.len() < 4 {
                let (key, end) = (bound(false), bound(true));
                if is_valid(&key, &end) {
                    pairs.push((key, end));
                }
            }
            let (key, end) = (bound(false), bound(true));
            if end[..] != [0] && key >= end {
                continue;
            }
            let set = RangeSet::new(pairs.iter().map(|(a, b)| (a, b)));
            // The piece between two neighbouring bounds is inside a range, or outside of it, whole.
            let mut pieces: Vec<&Bytes> = set
                .ranges
                .iter()
                .flat_map(|range| [&range.begin, &range.end])
                .chain([&key])
                .filter(|begin| !begin.is_empty() && **begin >= key)
                .filter(|begin| end[..] == [0] || **begin < end)
                .collect();
            pieces.sort();
            let expected = pieces.iter().all(|begin| set.holds(begin));
            assert_eq!(
                covered([&set].into_iter(), &key, &end),
                expected,
                "{pairs:?} {key:?} {end:?}"
            );
            covered_count += usize::from(expected);
        }
        assert!(covered_count > 1000, "{covered_count}");
    }

    #[test]
    fn a_permission_needs_a_key_and_a_range_that_is_not_empty() {
        assert!(is_valid(b"a", b""));
        assert!(is_valid(b"a", b"b"));
        assert!(is_valid(b"a", b"\0"));
        assert!(!is_valid(b"", b"b"));
        assert!(!is_valid(b"b", b"a"));
        assert!(!is_valid(b"b", b"b"));
    }
}
