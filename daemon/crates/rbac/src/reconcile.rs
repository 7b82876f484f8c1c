//! Bringing a live bootstrap role or binding up to date.
//!
//! What is missing is added, what somebody added stays, and an object whose
//! annotation says so is left alone.

use serde_json::{Map, Value};

use crate::escalation::missing;
use crate::rule::Rule;
use crate::subject::RoleRef;

/// On an object: whether start-up may change it.
pub const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// What to do with the live object.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is as it should be, or protected.
    Nothing,
    /// There is none: create this.
    Create(Value),
    /// Replace it by this.
    Update(Value),
    /// It binds another role, which cannot be changed: delete it, then create
    /// this.
    Recreate(Value),
}

/// The step from the live object, if there is one, to the wanted one; both
/// are of one kind.
#[must_use]
pub fn reconcile(live: Option<&Value>, wanted: &Value) -> Step {
    let Some(live) = live else {
        return Step::Create(wanted.clone());
    };
    let autoupdate = live
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(AUTOUPDATE));
    if autoupdate.and_then(Value::as_str) == Some("false") {
        return Step::Nothing;
    }
    let binding = wanted.get("roleRef").is_some();
    if binding && RoleRef::read(live) != RoleRef::read(wanted) {
        return Step::Recreate(wanted.clone());
    }
    let mut next = live.clone();
    add_strings(&mut next, wanted, "labels");
    add_strings(&mut next, wanted, "annotations");
    if binding {
        add_subjects(&mut next, wanted);
    } else {
        add_rules(&mut next, wanted);
        match_aggregation(&mut next, wanted);
    }
    if next == *live {
        Step::Nothing
    } else {
        Step::Update(next)
    }
}

fn add_strings(next: &mut Value, wanted: &Value, field: &str) {
    let wanted = wanted
        .get("metadata")
        .and_then(|m| m.get(field))
        .and_then(Value::as_object);
    let metadata = next.get_mut("metadata").and_then(Value::as_object_mut);
    let (Some(wanted), Some(metadata)) = (wanted, metadata) else {
        return;
    };
    let have = metadata
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    if !have.is_object() {
        *have = Value::Object(Map::new());
    }
    let Some(have) = have.as_object_mut() else {
        return;
    };
    for (key, value) in wanted {
        have.entry(key.as_str()).or_insert_with(|| value.clone());
    }
}

/// A live role too large to compare stays as it is.
fn add_rules(next: &mut Value, wanted: &Value) {
    let missing = missing(&Rule::read_all(next), &Rule::read_all(wanted)).unwrap_or_default();
    append(next, "rules", missing.iter().map(Rule::to_value).collect());
}

fn add_subjects(next: &mut Value, wanted: &Value) {
    let identity = |subject: &Value| {
        ["kind", "apiGroup", "name", "namespace"].map(|field| {
            subject
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        })
    };
    let have: Vec<_> = array(next, "subjects").iter().map(identity).collect();
    let missing = array(wanted, "subjects")
        .iter()
        .filter(|subject| !have.contains(&identity(subject)))
        .cloned()
        .collect();
    append(next, "subjects", missing);
}

fn match_aggregation(next: &mut Value, wanted: &Value) {
    const RULE: &str = "aggregationRule";
    const SELECTORS: &str = "clusterRoleSelectors";
    let Some(object) = next.as_object_mut() else {
        return;
    };
    let Some(wanted) = wanted.get(RULE).filter(|rule| rule.is_object()) else {
        object.remove(RULE);
        return;
    };
    let have = object
        .entry(RULE)
        .or_insert_with(|| Value::Object(Map::new()));
    if !have.is_object() {
        *have = Value::Object(Map::new());
    }
    let missing = array(wanted, SELECTORS)
        .iter()
        .filter(|selector| !array(have, SELECTORS).contains(selector))
        .cloned()
        .collect();
    append(have, SELECTORS, missing);
}

fn array<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn append(object: &mut Value, field: &str, mut more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    match object.get_mut(field) {
        Some(Value::Array(have)) => have.append(&mut more),
        _ => {
            if let Some(object) = object.as_object_mut() {
                object.insert(field.to_owned(), Value::Array(more));
            }
        }
    }
}
