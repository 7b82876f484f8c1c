//! How the objects that upstream starts with are kept as they should be, and what schemas are told.

use serde_json::{Value, json};

use crate::bootstrap::{AUTO_UPDATE, Wanted};
use crate::level::EXEMPT;
use crate::schema::text;

/// What is to be done with an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is as it should be.
    Nothing,
    /// It is to be made.
    Create(Value),
    /// It is to be replaced.
    Update(Value),
}

/// What is to be done with an object that is as `live` now.
///
/// Mandatory objects are always set right. Of the others those are whose annotation says so; where
/// there is none, those that nobody has changed yet.
#[must_use]
pub fn keep(live: Option<&Value>, wanted: &Wanted) -> Step {
    let Some(live) = live else {
        return Step::Create(wanted.object.clone());
    };
    let annotation = live["metadata"]["annotations"][AUTO_UPDATE].as_str();
    let updates = wanted.mandatory
        || match annotation {
            Some(said) => said == "true",
            None => live["metadata"]["generation"] == 1,
        };
    let mut next = live.clone();
    let said = if updates { "true" } else { "false" };
    if annotation != Some(said) {
        let annotations = &mut next["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[AUTO_UPDATE] = said.into();
    }
    let mut spec = wanted.object["spec"].clone();
    if text(&live["metadata"]["name"]) == EXEMPT && live["spec"]["exempt"].is_object() {
        // How much it takes of the seats of others is its owner's.
        spec["exempt"] = live["spec"]["exempt"].clone();
    }
    if updates && spec != live["spec"] {
        next["spec"] = spec;
    }
    match next == *live {
        true => Step::Nothing,
        false => Step::Update(next),
    }
}

/// Whether an object was kept by an older server, and is no longer among those that are.
#[must_use]
pub fn is_left_over(live: &Value, wanted: &[Wanted], plural: &str) -> bool {
    let name = text(&live["metadata"]["name"]);
    let is = |one: &Wanted| one.plural == plural && text(&one.object["metadata"]["name"]) == name;
    live["metadata"]["annotations"][AUTO_UPDATE] == "true" && !wanted.iter().any(is)
}

/// The condition Dangling that a FlowSchema should have, where it has another; without its time.
#[must_use]
pub fn dangling(schema: &Value, found: bool) -> Option<Value> {
    let level = text(&schema["spec"]["priorityLevelConfiguration"]["name"]);
    let start =
        format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?}");
    let (status, reason, message) = match found {
        true => ("False", "Found", format!("{start} and it exists")),
        false => (
            "True",
            "NotFound",
            format!("{start} but there is no such object"),
        ),
    };
    let conditions = crate::schema::list(&schema["status"]["conditions"]);
    let live = conditions.iter().find(|one| one["type"] == "Dangling");
    let is = live.is_some_and(|live| {
        live["status"] == status && live["reason"] == reason && live["message"] == *message
    });
    (!is).then(
        || json!({"type": "Dangling", "status": status, "reason": reason, "message": message}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::wanted;

    fn one(plural: &str, name: &str) -> Wanted {
        let mut all = wanted().into_iter();
        all.find(|one| one.plural == plural && one.object["metadata"]["name"] == name)
            .unwrap()
    }

    #[test]
    fn suggested_objects_are_left_to_whoever_changes_them() {
        let wanted = one(crate::LEVELS, "workload-low");
        assert_eq!(keep(None, &wanted), Step::Create(wanted.object.clone()));
        let mut live = wanted.object.clone();
        assert_eq!(keep(Some(&live), &wanted), Step::Nothing);
        live["spec"]["limited"]["nominalConcurrencyShares"] = 1.into();
        assert_eq!(
            keep(Some(&live), &wanted),
            Step::Update(wanted.object.clone())
        );
        live["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
        assert_eq!(keep(Some(&live), &wanted), Step::Nothing);
        live["metadata"]["annotations"] = Value::Null;
        live["metadata"]["generation"] = 2.into();
        let Step::Update(next) = keep(Some(&live), &wanted) else {
            panic!("it is to say who keeps it");
        };
        assert_eq!(next["metadata"]["annotations"][AUTO_UPDATE], "false");
        assert_eq!(next["spec"], live["spec"]);
        live["metadata"]["generation"] = 1.into();
        let Step::Update(next) = keep(Some(&live), &wanted) else {
            panic!("nobody has changed it");
        };
        assert_eq!(next["spec"], wanted.object["spec"]);
    }

    #[test]
    fn mandatory_objects_are_set_right_but_for_the_shares_of_the_exempt() {
        let wanted = one(crate::SCHEMAS, "catch-all");
        let mut live = wanted.object.clone();
        live["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
        live["spec"]["matchingPrecedence"] = 5.into();
        assert_eq!(
            keep(Some(&live), &wanted),
            Step::Update(wanted.object.clone())
        );
        let wanted = one(crate::LEVELS, "exempt");
        let mut live = wanted.object.clone();
        live["spec"]["exempt"]["nominalConcurrencyShares"] = 7.into();
        assert_eq!(keep(Some(&live), &wanted), Step::Nothing);
    }

    #[test]
    fn what_older_servers_kept_is_left_over() {
        let all = wanted();
        let named = |name: &str, kept: &str| json!({"metadata": {"name": name, "annotations": {AUTO_UPDATE: kept}}});
        assert!(is_left_over(&named("old", "true"), &all, crate::SCHEMAS));
        assert!(!is_left_over(&named("old", "false"), &all, crate::SCHEMAS));
        assert!(!is_left_over(
            &named("probes", "true"),
            &all,
            crate::SCHEMAS
        ));
        assert!(is_left_over(&named("probes", "true"), &all, crate::LEVELS));
    }

    #[test]
    fn a_schema_is_told_whether_its_level_is_there() {
        let mut schema = json!({"spec": {"priorityLevelConfiguration": {"name": "a"}}});
        let condition = dangling(&schema, false).unwrap();
        assert_eq!(
            condition["message"],
            "This FlowSchema references the PriorityLevelConfiguration object named \"a\" but there \
             is no such object"
        );
        schema["status"]["conditions"] = json!([condition]);
        assert_eq!(dangling(&schema, false), None);
        assert_eq!(dangling(&schema, true).unwrap()["status"], "False");
    }
}
