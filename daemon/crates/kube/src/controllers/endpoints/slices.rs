//! Which EndpointSlices have to change so that they hold what they should.
//!
//! Pure: from the slices that there are and the endpoints that there should be to steps. Upstream's
//! rules: an endpoint stays in its slice, a slice that loses endpoints is filled up before another
//! is touched, and a slice that is not needed takes over what a new one would hold. Invariant:
//! slices that hold what they should are not written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pod::list;
use super::wanted::{Groups, identity, sorted, text_of};

/// What is to be done; places are those in the list of what there is.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Create(Content),
    Update(usize, Content),
    Delete(usize),
}

/// What a slice is to hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub(super) ports: Vec<Value>,
    pub(super) endpoints: Vec<Value>,
}

/// How slices are made.
pub(super) struct Rules<'r> {
    /// Whether a slice belongs to this very owner, rather than to an older one of its name.
    pub(super) owned: &'r (dyn Fn(&Value) -> bool + Sync),
    /// Whether a slice has the labels and annotations that it should have.
    pub(super) labelled: &'r (dyn Fn(&Value) -> bool + Sync),
    pub(super) endpoints_max: usize,
    /// Whether there is an empty slice where there would be none.
    pub(super) placeholder: bool,
}

/// The steps for slices of one family.
pub(super) fn plan(existing: &[(usize, &Value)], wanted: Groups, rules: &Rules<'_>) -> Vec<Step> {
    let mut by_ports: BTreeMap<String, Vec<(usize, &Value)>> = BTreeMap::new();
    let mut work = Work::default();
    for (place, slice) in existing {
        if (rules.owned)(slice) {
            let ports = sorted(list(slice, "/ports").cloned());
            by_ports
                .entry(text_of(&ports))
                .or_default()
                .push((*place, slice));
        } else {
            work.alien.push(*place);
        }
    }
    for (key, group) in wanted {
        let slices = by_ports.remove(&key).unwrap_or_default();
        work.fit(&slices, group.ports, group.endpoints, rules);
    }
    // Ports that nobody has any more.
    work.delete
        .extend(by_ports.values().flatten().map(|(place, _)| *place));
    let leaves_none = existing.len() == work.alien.len() + work.delete.len();
    if rules.placeholder && leaves_none && work.create.is_empty() {
        let is_placeholder = |slice: &Value| {
            list(slice, "/ports").count() == 0
                && list(slice, "/endpoints").count() == 0
                && (rules.owned)(slice)
                && (rules.labelled)(slice)
        };
        match existing {
            [(_, only)] if is_placeholder(only) => work.delete.clear(),
            _ => work.create.push(Content {
                ports: Vec::new(),
                endpoints: Vec::new(),
            }),
        }
    }
    work.steps()
}

#[derive(Default)]
struct Work {
    create: Vec<Content>,
    update: Vec<(usize, Content)>,
    delete: Vec<usize>,
    /// Not this owner's: these are not taken over.
    alien: Vec<usize>,
}

impl Work {
    fn fit(
        &mut self,
        slices: &[(usize, &Value)],
        ports: Vec<Value>,
        mut wanted: BTreeMap<String, Value>,
        rules: &Rules<'_>,
    ) {
        let (mut update, mut unchanged) = (Vec::new(), Vec::new());
        for (place, slice) in slices {
            let mut changed = false;
            let (mut before, mut keep) = (0, Vec::new());
            for endpoint in list(slice, "/endpoints") {
                before += 1;
                if let Some(next) = wanted.remove(&identity(endpoint)) {
                    changed |= next != *endpoint;
                    keep.push(next);
                }
            }
            match (changed || keep.len() != before, keep.is_empty()) {
                (true, true) => self.delete.push(*place),
                (true, false) => update.push((*place, keep)),
                (false, _) if !(rules.labelled)(slice) => update.push((*place, keep)),
                (false, _) => unchanged.push((*place, keep)),
            }
        }
        // What is written anyway is filled up first, the fullest before all others.
        update.sort_by_key(|(_, endpoints)| std::cmp::Reverse(endpoints.len()));
        for (_, endpoints) in &mut update {
            fill(endpoints, &mut wanted, rules.endpoints_max);
        }
        while !wanted.is_empty() {
            let count = wanted.len();
            // A slice that would be the fullest with all of it.
            let fits = |endpoints: &Vec<Value>| endpoints.len() + count <= rules.endpoints_max;
            let best = (unchanged.iter().enumerate())
                .filter(|(_, (_, endpoints))| fits(endpoints) && !endpoints.is_empty())
                .max_by_key(|(_, (_, endpoints))| endpoints.len())
                .map(|(at, _)| at);
            if let Some(at) = best {
                let (place, mut endpoints) = unchanged.swap_remove(at);
                fill(&mut endpoints, &mut wanted, rules.endpoints_max);
                update.push((place, endpoints));
                continue;
            }
            let mut endpoints = Vec::new();
            fill(&mut endpoints, &mut wanted, rules.endpoints_max);
            // A limit of none would never end.
            if endpoints.is_empty() {
                break;
            }
            self.create.push(Content {
                ports: ports.clone(),
                endpoints,
            });
        }
        // An empty slice beside others is a placeholder that has served its time.
        let (empty, update): (Vec<_>, Vec<_>) = update
            .into_iter()
            .partition(|(_, endpoints)| endpoints.is_empty());
        let served = unchanged
            .into_iter()
            .filter(|(_, endpoints)| endpoints.is_empty());
        self.delete
            .extend(served.chain(empty).map(|(place, _)| place));
        self.update
            .extend(update.into_iter().map(|(place, endpoints)| {
                let ports = ports.clone();
                (place, Content { ports, endpoints })
            }));
    }

    fn steps(mut self) -> Vec<Step> {
        // A slice that would go takes what would be made.
        while !self.create.is_empty()
            && let Some(place) = self.delete.pop()
        {
            self.update
                .extend(self.create.pop().map(|content| (place, content)));
        }
        let create = self.create.into_iter().map(Step::Create);
        let update = self.update.into_iter();
        let update = update.map(|(place, content)| Step::Update(place, content));
        let delete = self.delete.into_iter().chain(self.alien).map(Step::Delete);
        create.chain(update).chain(delete).collect()
    }
}

fn fill(endpoints: &mut Vec<Value>, wanted: &mut BTreeMap<String, Value>, max: usize) {
    while endpoints.len() < max
        && let Some((_, endpoint)) = wanted.pop_first()
    {
        endpoints.push(endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wanted::Group;
    use super::*;
    use serde_json::json;

    fn endpoint(number: usize) -> Value {
        json!({"addresses": [format!("10.0.{}.{}", number / 250, number % 250)], "conditions": {"ready": true}})
    }

    fn ports(number: i64) -> Vec<Value> {
        vec![json!({"name": "", "port": number, "protocol": "TCP"})]
    }

    fn slice(port: i64, numbers: impl Iterator<Item = usize>) -> Value {
        let endpoints: Vec<Value> = numbers.map(endpoint).collect();
        json!({"ports": ports(port), "endpoints": endpoints})
    }

    fn groups(port: i64, numbers: impl Iterator<Item = usize>) -> Groups {
        let endpoints = numbers.map(endpoint);
        let group = Group {
            ports: ports(port),
            endpoints: endpoints.map(|one| (identity(&one), one)).collect(),
        };
        Groups::from([(text_of(&ports(port)), group)])
    }

    fn steps(existing: &[Value], wanted: Groups) -> Vec<Step> {
        let rules = Rules {
            owned: &|slice| slice.get("alien").is_none(),
            labelled: &|slice| slice.get("stale").is_none(),
            endpoints_max: 100,
            placeholder: true,
        };
        let existing: Vec<(usize, &Value)> = existing.iter().enumerate().collect();
        plan(&existing, wanted, &rules)
    }

    /// What slices would be after some steps.
    fn after(existing: &[Value], steps: Vec<Step>) -> Vec<Value> {
        let mut next: Vec<Option<Value>> = existing.iter().cloned().map(Some).collect();
        let slice =
            |content: Content| json!({"ports": content.ports, "endpoints": content.endpoints});
        for step in steps {
            match step {
                Step::Create(content) => next.push(Some(slice(content))),
                Step::Update(place, content) => next[place] = Some(slice(content)),
                Step::Delete(place) => next[place] = None,
            }
        }
        next.into_iter().flatten().collect()
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written() {
        let existing = [slice(80, 0..100), slice(80, 100..130)];
        assert_eq!(steps(&existing, groups(80, 0..130)), []);
        let placeholder = [json!({"ports": null, "endpoints": null})];
        assert_eq!(steps(&placeholder, Groups::new()), []);
    }

    #[test]
    fn one_change_writes_one_slice() {
        let existing = [slice(80, 0..100), slice(80, 100..130)];
        let more = steps(&existing, groups(80, 0..131));
        assert!(
            matches!(&more[..], [Step::Update(1, content)] if content.endpoints.len() == 31),
            "{more:?}"
        );
        let fewer = steps(&existing, groups(80, 1..130));
        assert!(
            matches!(&fewer[..], [Step::Update(0, content)] if content.endpoints.len() == 99),
            "{fewer:?}"
        );
        // Who comes takes the place of who goes.
        let other = steps(&existing, groups(80, 1..131));
        assert!(matches!(&other[..], [Step::Update(0, _)]), "{other:?}");
        let mut wanted = groups(80, 0..130);
        let group = wanted.values_mut().next().unwrap();
        let one = group.endpoints.get_mut(&identity(&endpoint(5))).unwrap();
        one["conditions"]["ready"] = false.into();
        assert!(matches!(
            &steps(&existing, wanted)[..],
            [Step::Update(0, _)]
        ));
    }

    #[test]
    fn slices_are_filled_and_no_fuller_than_they_may_be() {
        let made = after(&[], steps(&[], groups(80, 0..1000)));
        assert_eq!(made.len(), 10);
        let existing = [slice(80, 0..60), slice(80, 60..90)];
        let made = after(&existing, steps(&existing, groups(80, 0..130)));
        assert_eq!(made.len(), 2);
        assert_eq!(list(&made[0], "/endpoints").count(), 100);
    }

    #[test]
    fn slices_are_taken_over_rather_than_made_anew() {
        let placeholder = [json!({"ports": [], "endpoints": []})];
        let first = steps(&placeholder, groups(80, 0..1));
        assert!(matches!(&first[..], [Step::Update(0, _)]), "{first:?}");
        let last = steps(&[slice(80, 0..1)], Groups::new());
        assert!(
            matches!(&last[..], [Step::Update(0, content)] if content.ports.is_empty()),
            "{last:?}"
        );
        let moved = steps(&[slice(80, 0..1)], groups(81, 0..1));
        assert!(matches!(&moved[..], [Step::Update(0, _)]), "{moved:?}");
        let mut alien = slice(80, 0..1);
        alien["alien"] = true.into();
        let apart = steps(&[alien], groups(80, 0..1));
        assert!(
            matches!(&apart[..], [Step::Create(_), Step::Delete(0)]),
            "{apart:?}"
        );
    }

    #[test]
    fn labels_that_differ_are_written() {
        let mut stale = slice(80, 0..1);
        stale["stale"] = true.into();
        assert!(matches!(
            &steps(&[stale], groups(80, 0..1))[..],
            [Step::Update(0, _)]
        ));
        let mut empty = json!({"ports": [], "endpoints": []});
        empty["stale"] = true.into();
        let made = steps(&[empty], Groups::new());
        assert!(matches!(&made[..], [Step::Update(0, _)]), "{made:?}");
    }

    #[test]
    fn whatever_was_there_becomes_what_should_be_and_stays_so() {
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut slices: Vec<Value> = Vec::new();
        for _ in 0..200 {
            let start = usize::try_from(random(300)).unwrap();
            let end = start + usize::try_from(random(350)).unwrap();
            let port = 80 + i64::try_from(random(2)).unwrap();
            let wanted = || match end == start {
                true => Groups::new(),
                false => groups(port, start..end),
            };
            slices = after(&slices, steps(&slices, wanted()));
            let held = slices.iter().flat_map(|slice| list(slice, "/endpoints"));
            assert_eq!(held.count(), end - start);
            assert!(
                slices
                    .iter()
                    .all(|one| list(one, "/endpoints").count() <= 100)
            );
            assert_eq!(steps(&slices, wanted()), []);
        }
    }
}
