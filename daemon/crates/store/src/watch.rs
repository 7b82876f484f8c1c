//! Which watchers an event is for.
//!
//! Pure: knows nothing about streams, filters or cursors. A watcher is a number and a range of
//! keys. Invariant: a watcher is found for a key exactly if its range contains the key; the time
//! is that of the watchers found and the logarithm of the others.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::{KeyRange, Revision};

/// The number of a watcher, chosen by who keeps them.
pub type WatcherId = u64;

/// Watchers, found by key.
#[derive(Debug, Default)]
pub struct WatchIndex {
    ranges: HashMap<WatcherId, KeyRange>,
    by_key: HashMap<Bytes, Vec<WatcherId>>,
    spans: Spans,
}

impl WatchIndex {
    /// Adds a watcher, or gives it another range.
    pub fn insert(&mut self, id: WatcherId, range: KeyRange) {
        self.remove(id);
        match &range {
            KeyRange::Key(key) => self.by_key.entry(key.clone()).or_default().push(id),
            KeyRange::Span { start, end } => self.spans.insert(id, start, Some(end)),
            KeyRange::From(start) => self.spans.insert(id, start, None),
        }
        self.ranges.insert(id, range);
    }

    /// Removes a watcher; whether it was there.
    pub fn remove(&mut self, id: WatcherId) -> bool {
        let Some(range) = self.ranges.remove(&id) else {
            return false;
        };
        match &range {
            KeyRange::Key(key) => {
                if let Some(ids) = self.by_key.get_mut(key) {
                    ids.retain(|other| *other != id);
                    if ids.is_empty() {
                        self.by_key.remove(key);
                    }
                }
            }
            KeyRange::Span { start, end } => self.spans.remove(id, start, Some(end)),
            KeyRange::From(start) => self.spans.remove(id, start, None),
        }
        true
    }

    /// The range of a watcher.
    pub fn range(&self, id: WatcherId) -> Option<&KeyRange> {
        self.ranges.get(&id)
    }

    /// How many watchers there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Calls `found` for every watcher of a key, in no particular order.
    pub fn watchers_of(&mut self, key: &[u8], mut found: impl FnMut(WatcherId)) {
        if let Some(ids) = self.by_key.get(key) {
            ids.iter().copied().for_each(&mut found);
        }
        self.spans.containing(key, &mut found);
    }

    /// The watchers of a revision, each with the places of its events in the revision.
    pub fn watchers_of_revision(&mut self, revision: &Revision) -> BTreeMap<WatcherId, Vec<usize>> {
        let mut watchers: BTreeMap<WatcherId, Vec<usize>> = BTreeMap::new();
        for (place, event) in revision.events.iter().enumerate() {
            if let Some(kv) = &event.kv {
                self.watchers_of(&kv.key, |id| watchers.entry(id).or_default().push(place));
            }
        }
        watchers
    }
}

/// Ranges in the order of their starts, as a balanced tree: the root of a slice is its middle.
#[derive(Debug, Default)]
struct Spans {
    spans: Vec<Span>,
    /// Whether `reach` has to be computed anew.
    stale: bool,
}

#[derive(Debug)]
struct Span {
    start: Bytes,
    end: End,
    watchers: Vec<WatcherId>,
    /// The farthest end in the slice of which this is the middle.
    reach: End,
}

/// Where a range ends; the order is that of ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Bytes),
    Never,
}

impl End {
    fn new(end: Option<&Bytes>) -> End {
        end.map_or(End::Never, |end| End::Before(end.clone()))
    }

    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            End::Before(end) => key < &end[..],
            End::Never => true,
        }
    }
}

impl Spans {
    fn insert(&mut self, id: WatcherId, start: &Bytes, end: Option<&Bytes>) {
        let end = End::new(end);
        match self.place(start, &end) {
            Ok(place) => self.spans[place].watchers.push(id),
            Err(place) => {
                let span = Span {
                    start: start.clone(),
                    reach: end.clone(),
                    end,
                    watchers: vec![id],
                };
                self.spans.insert(place, span);
                self.stale = true;
            }
        }
    }

    fn remove(&mut self, id: WatcherId, start: &Bytes, end: Option<&Bytes>) {
        if let Ok(place) = self.place(start, &End::new(end)) {
            let watchers = &mut self.spans[place].watchers;
            watchers.retain(|other| *other != id);
            if watchers.is_empty() {
                self.spans.remove(place);
                self.stale = true;
            }
        }
    }

    fn place(&self, start: &Bytes, end: &End) -> Result<usize, usize> {
        self.spans
            .binary_search_by(|span| (&span.start, &span.end).cmp(&(start, end)))
    }

    fn containing(&mut self, key: &[u8], found: &mut impl FnMut(WatcherId)) {
        if self.stale {
            compute_reach(&mut self.spans);
            self.stale = false;
        }
        search(&self.spans, key, found);
    }
}

fn compute_reach(spans: &mut [Span]) -> Option<End> {
    if spans.is_empty() {
        return None;
    }
    let middle = spans.len() / 2;
    let (before, rest) = spans.split_at_mut(middle);
    let (span, after) = rest.split_first_mut()?;
    let below = compute_reach(before).max(compute_reach(after));
    span.reach = span.end.clone().max(below.unwrap_or(span.end.clone()));
    Some(span.reach.clone())
}

fn search(spans: &[Span], key: &[u8], found: &mut impl FnMut(WatcherId)) {
    let (before, rest) = spans.split_at(spans.len() / 2);
    let Some((span, after)) = rest.split_first() else {
        return;
    };
    if !span.reach.is_after(key) {
        return;
    }
    search(before, key, found);
    if span.start[..] <= *key {
        if span.end.is_after(key) {
            span.watchers.iter().copied().for_each(&mut *found);
        }
        search(after, key, found);
    }
}

#[cfg(test)]
mod tests {
    use skerry_proto::mvccpb;

    use super::*;
    use crate::random::Random;

    fn watchers(index: &mut WatchIndex, key: &[u8]) -> Vec<WatcherId> {
        let mut ids = Vec::new();
        index.watchers_of(key, |id| ids.push(id));
        ids.sort_unstable();
        ids
    }

    fn random_key(random: &mut Random) -> Bytes {
        let len = random.below(4) as usize;
        Bytes::from_iter((0..len).map(|_| b'a' + random.below(4) as u8))
    }

    #[test]
    fn a_watcher_is_found_exactly_for_the_keys_of_its_range() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut index = WatchIndex::default();
            let mut model: BTreeMap<WatcherId, KeyRange> = BTreeMap::new();
            for step in 0..300 {
                let id = random.below(60);
                if random.below(3) == 0 {
                    assert_eq!(index.remove(id), model.remove(&id).is_some());
                } else {
                    let start = random_key(&mut random);
                    let range = match random.below(4) {
                        0 => KeyRange::Key(start),
                        1 => KeyRange::From(start),
                        _ => KeyRange::Span {
                            start,
                            end: random_key(&mut random),
                        },
                    };
                    index.insert(id, range.clone());
                    model.insert(id, range);
                }
                let key = random_key(&mut random);
                let wanted: Vec<WatcherId> = model
                    .iter()
                    .filter(|(_, range)| range.contains(&key))
                    .map(|(id, _)| *id)
                    .collect();
                assert_eq!(
                    watchers(&mut index, &key),
                    wanted,
                    "seed {seed} step {step}"
                );
                assert_eq!(index.len(), model.len());
                assert_eq!(index.range(id), model.get(&id));
            }
        }
    }

    #[test]
    fn the_watchers_of_a_revision_come_with_their_events() {
        let event = |key: &'static str| mvccpb::Event {
            kv: Some(mvccpb::KeyValue {
                key: Bytes::from_static(key.as_bytes()),
                ..mvccpb::KeyValue::default()
            }),
            ..mvccpb::Event::default()
        };
        let revision = Revision {
            revision: 5,
            events: vec![event("a"), event("b"), event("c")],
        };
        let mut index = WatchIndex::default();
        index.insert(1, KeyRange::all());
        index.insert(2, KeyRange::Key("b".into()));
        index.insert(3, KeyRange::From("d".into()));
        let found = index.watchers_of_revision(&revision);
        let wanted = BTreeMap::from([(1, vec![0, 1, 2]), (2, vec![1])]);
        assert_eq!(found, wanted);
    }
}
