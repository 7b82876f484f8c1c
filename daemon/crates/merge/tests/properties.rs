//! What holds whatever is written, in whatever order.

#[path = "stage/random.rs"]
mod random;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use random::Random;
use serde_json::{Map, Value, json};
use skerry_merge::apply::ApplyError;
use skerry_merge::fields::{Element, Set};
use skerry_merge::{json_patch, merge_patch, strategic};
use stage::{Stage, config, thing, types};

const APPLIERS: [&str; 3] = ["a", "b", "c"];
const UPDATERS: [&str; 2] = ["u", "v"];

/// Some of a spec, of fields whose leaves are their own.
fn some_spec(random: &mut Random) -> Value {
    let mut spec = Map::new();
    let names = ["p", "q", "r", "s"];
    if random.one_in(2) {
        spec.insert("text".to_owned(), json!(random.pick(&names)));
    }
    if random.one_in(2) {
        spec.insert("number".to_owned(), json!(random.below(3)));
    }
    if random.one_in(2) {
        let mut map = Map::new();
        for name in names {
            if random.one_in(2) {
                map.insert(name.to_owned(), json!(random.pick(&names)));
            }
        }
        spec.insert("map".to_owned(), Value::Object(map));
    }
    if random.one_in(2) {
        let mut set: Vec<&str> = names.into_iter().filter(|_| random.one_in(2)).collect();
        if random.one_in(2) {
            set.reverse();
        }
        // Nobody owns a list for its being empty.
        if !set.is_empty() {
            spec.insert("set".to_owned(), json!(set));
        }
    }
    if random.one_in(2) {
        let items = names.into_iter().filter(|_| random.one_in(2));
        let items: Vec<Value> = items.map(|name| json!({ "name": name })).collect();
        if !items.is_empty() {
            spec.insert("items".to_owned(), json!(items));
        }
    }
    Value::Object(spec)
}

/// A spec as leaves: what is reached by which name.
fn leaves(spec: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    for (key, field) in spec.as_object().into_iter().flatten() {
        match field {
            Value::Object(map) => {
                for (name, value) in map {
                    leaves.insert(format!("{key}.{name}"), value.clone());
                }
            }
            Value::Array(items) => {
                for item in items {
                    let name = item["name"].as_str().or(item.as_str()).unwrap_or_default();
                    leaves.insert(format!("{key}.{name}"), json!(true));
                }
            }
            scalar => _ = leaves.insert(key.clone(), scalar.clone()),
        }
    }
    leaves
}

/// The leaves that each manager owns.
fn owned(stage: &Stage) -> BTreeMap<String, BTreeSet<String>> {
    let mut owned = BTreeMap::new();
    for (manager, fields) in stage.owners() {
        let set = Set::from_fields_v1(&fields).unwrap_or_default();
        let mut names = BTreeSet::new();
        for path in set.paths() {
            let element = |element: &Element| match element {
                Element::Field(name) => name.clone(),
                Element::Key(keys) => keys[0].1.as_str().unwrap_or_default().to_owned(),
                Element::Value(value) => value.as_str().unwrap_or_default().to_owned(),
                Element::Index(_) => String::new(),
            };
            let steps: Vec<String> = path.0.iter().map(element).collect();
            match steps.as_slice() {
                [field] if field == "text" || field == "number" => _ = names.insert(field.clone()),
                [field, name] => _ = names.insert(format!("{field}.{name}")),
                _ => {}
            }
        }
        if !names.is_empty() {
            owned.insert(manager, names);
        }
    }
    owned
}

/// Who owns which leaf, told one by one.
#[derive(Default)]
struct Model {
    live: BTreeMap<String, Value>,
    owned: BTreeMap<String, BTreeSet<String>>,
}

impl Model {
    fn lose(&mut self, leaf: &str, but: &str) {
        for (manager, leaves) in &mut self.owned {
            if manager != but {
                leaves.remove(leaf);
            }
        }
    }

    /// Whether it went through.
    fn apply(&mut self, manager: &str, spec: &Value, force: bool) -> bool {
        let applied = leaves(spec);
        let changed: Vec<&String> = applied
            .iter()
            .filter(|(leaf, value)| self.live.get(*leaf) != Some(*value))
            .map(|(leaf, _)| leaf)
            .collect();
        let owned_by_others = |leaf: &str, owned: &BTreeMap<String, BTreeSet<String>>| {
            owned
                .iter()
                .any(|(other, leaves)| other != manager && leaves.contains(leaf))
        };
        if !force
            && changed
                .iter()
                .any(|leaf| owned_by_others(leaf, &self.owned))
        {
            return false;
        }
        for leaf in changed {
            self.lose(leaf, manager);
        }
        let before = self.owned.remove(manager).unwrap_or_default();
        for leaf in before {
            if !applied.contains_key(&leaf) && !owned_by_others(&leaf, &self.owned) {
                self.live.remove(&leaf);
            }
        }
        self.owned
            .insert(manager.to_owned(), applied.keys().cloned().collect());
        self.live.extend(applied);
        true
    }

    fn update(&mut self, manager: &str, spec: &Value) {
        let new = leaves(spec);
        let gone: Vec<String> = self.live.keys().cloned().collect();
        for leaf in gone.iter().filter(|leaf| !new.contains_key(*leaf)) {
            self.lose(leaf, "");
        }
        for (leaf, value) in &new {
            if self.live.get(leaf) != Some(value) {
                self.lose(leaf, "");
                let owned = self.owned.entry(manager.to_owned()).or_default();
                owned.insert(leaf.clone());
            }
        }
        self.live = new;
    }

    fn owned(&self) -> BTreeMap<String, BTreeSet<String>> {
        let owned = self.owned.iter().filter(|(_, leaves)| !leaves.is_empty());
        owned
            .map(|(manager, leaves)| (manager.clone(), leaves.clone()))
            .collect()
    }
}

/// One random write, on the stage and on the model.
fn write(random: &mut Random, stage: &mut Stage, model: &mut Model) {
    let spec = some_spec(random);
    if random.one_in(3) {
        let manager = random.pick(&UPDATERS);
        stage.update(manager, spec.clone());
        model.update(manager, &spec);
        return;
    }
    let manager = random.pick(&APPLIERS);
    let applied = format!("{manager}+");
    if random.one_in(2) {
        stage.force(manager, spec.clone());
        model.apply(&applied, &spec, true);
    } else {
        let done = match stage.try_apply(manager, &config(spec.clone())) {
            Ok(()) => true,
            Err(ApplyError::Conflicts(_)) => false,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(
            model.apply(&applied, &spec, false),
            done,
            "{manager} {spec}"
        );
    }
}

#[test]
fn ownership_after_any_writes_is_what_a_naive_model_says() {
    let mut random = Random::new(0x5eed_0001);
    for _ in 0..100 {
        // Without any owner nobody would keep track.
        let mut stage = Stage::new();
        let mut labelled = config(json!({}));
        labelled["metadata"]["labels"] = json!({"kept": "1"});
        stage.try_apply("keeper", &labelled).unwrap();
        let mut model = Model::default();
        for _ in 0..15 {
            write(&mut random, &mut stage, &mut model);
            assert_eq!(leaves(&stage.spec()), model.live);
            assert_eq!(owned(&stage), model.owned());
        }
    }
}

#[test]
fn applying_twice_is_applying_once() {
    let mut random = Random::new(0x5eed_0002);
    for _ in 0..150 {
        let mut stage = Stage::new();
        let mut model = Model::default();
        for _ in 0..random.below(5) {
            write(&mut random, &mut stage, &mut model);
        }
        let spec = some_spec(&mut random);
        stage.force("a", spec.clone());
        let once = stage.object().clone();
        stage.apply("a", spec.clone());
        assert_eq!(stage.object(), &once, "{spec}");
    }
}

#[test]
fn what_only_an_applier_owns_it_can_take_away() {
    let mut random = Random::new(0x5eed_0003);
    for _ in 0..150 {
        let mut stage = Stage::new();
        let mut model = Model::default();
        for _ in 0..8 {
            write(&mut random, &mut stage, &mut model);
        }
        let mut before = owned(&stage);
        let own = before.remove("a+").unwrap_or_default();
        stage.apply("a", json!(null));
        let left: BTreeSet<String> = leaves(&stage.spec()).into_keys().collect();
        for leaf in own {
            let shared = before.values().any(|leaves| leaves.contains(&leaf));
            assert_eq!(left.contains(&leaf), shared, "{leaf}");
        }
        assert!(!owned(&stage).contains_key("a+"));
    }
    // What one made alone goes altogether.
    for _ in 0..100 {
        let mut stage = Stage::new();
        stage.apply("a", some_spec(&mut random));
        let mut bare = config(json!(null));
        bare.as_object_mut().unwrap().remove("spec");
        stage.try_apply("a", &bare).unwrap();
        let left = stage.object().as_object().unwrap().get("spec");
        assert_eq!(left, None);
        assert_eq!(stage.object()["metadata"].get("managedFields"), None);
    }
}

#[test]
fn merging_nothing_changes_nothing() {
    let mut random = Random::new(0x5eed_0004);
    let types = types();
    let words = ["spec", "metadata", "text", "map", "items", "name"];
    for _ in 0..200 {
        let object = random.json(&words, 5);
        if object.is_object() {
            assert_eq!(merge_patch(&object, b"{}").as_ref(), Ok(&object));
            assert_eq!(json_patch(&object, b"[]").as_ref(), Ok(&object));
            assert_eq!(
                strategic(&object, &json!({}), thing(&types)).as_ref(),
                Ok(&object)
            );
        }
        let mut stage = Stage::new();
        stage.update("u", some_spec(&mut random));
        let before = stage.object().clone();
        let mut bare = config(json!(null));
        bare.as_object_mut().unwrap().remove("spec");
        stage.try_apply("nobody", &bare).unwrap();
        assert_eq!(stage.object(), &before);
        stage.update_to("nobody", before.clone());
        assert_eq!(stage.object(), &before);
    }
}

#[test]
fn a_merge_patch_that_says_all_of_an_object_without_nulls_makes_it_so() {
    let mut random = Random::new(0x5eed_0005);
    let words = ["a", "b", "c", "d"];
    for _ in 0..200 {
        let object = Value::Object(Map::new());
        let wanted = merge_patch(
            &object,
            json!({"x": random.json(&words, 4)}).to_string().as_bytes(),
        );
        let wanted = wanted.unwrap();
        let again = merge_patch(&wanted, wanted.to_string().as_bytes()).unwrap();
        assert_eq!(again, wanted);
    }
}
