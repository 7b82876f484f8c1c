//! What a schema may say, keyword by keyword, and whether its rules compile and are cheap enough.

use serde_json::{Value, json};
use skerry_kinds::{FieldError, Path};

use super::has;
use super::list_kinds::{list_map, map_keys};
use super::read::{list, text};
use super::rule_form::rule_form;
use super::schemas::Strictness;
use crate::error::Errors;
use crate::limits::{DEPTH_MAX, RULE_COST_MAX, RULES_COST_MAX, RULES_NAMED_MAX};
use crate::schema::{Place, Schema};

/// What is wrong with a schema; its rules are looked at where it is `compiled`.
pub(super) fn validate(
    schema: &Value,
    compiled: Option<&Schema>,
    strictness: &Strictness,
    ignores_cost: bool,
    path: &Path<'_>,
) -> Vec<FieldError> {
    let mut walk = Walk {
        strictness,
        compiled,
        ignores_cost,
        errors: Errors::default(),
        rule_errors: Errors::default(),
        total: 0,
        costly: Vec::new(),
    };
    let at = At {
        forbids_default: None,
        is_metadata: false,
        uncorrelatable: None,
        place: compiled.map(Schema::root),
        cardinality: Some(1),
        depth: DEPTH_MAX,
    };
    walk.schema(schema, path, true, &at);
    let mut errors = walk.errors;
    errors.extend(walk.rule_errors.0);
    if walk.total > RULES_COST_MAX {
        let detail = "contributed to estimated rule cost total exceeding cost limit for entire \
                      OpenAPIv3 schema";
        for (_, field) in &walk.costly {
            errors.push(FieldError {
                kind: skerry_kinds::ErrorKind::Forbidden,
                field: field.clone(),
                bad_value: Value::Null,
                detail: detail.to_owned(),
            });
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(path, cost_text(what, walk.total, RULES_COST_MAX));
    }
    errors.0
}

/// What is known of the place of a schema.
#[derive(Clone)]
struct At {
    /// Why there may be no defaults.
    forbids_default: Option<String>,
    is_metadata: bool,
    /// The place around in which parts of two objects cannot be told to be the same.
    uncorrelatable: Option<String>,
    /// `None` where rules are not looked at.
    place: Option<Place>,
    /// How often values of it can be there; `None` where nothing bounds it.
    cardinality: Option<u64>,
    depth: usize,
}

struct Walk<'s> {
    strictness: &'s Strictness,
    compiled: Option<&'s Schema>,
    ignores_cost: bool,
    errors: Errors,
    rule_errors: Errors,
    total: u64,
    /// The rules that cost most, with where they are.
    costly: Vec<(u64, String)>,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, path: &Path<'_>, is_root: bool, at: &At) {
        let Some(depth) = at.depth.checked_sub(1) else {
            return;
        };
        let before = self.errors.0.len();
        let at = &At {
            depth,
            ..at.clone()
        };
        self.plain(schema, path, at);
        self.below(schema, path, is_root, at);
        self.lists(schema, path);
        if self.strictness.wants_good_map_keys {
            map_keys(schema, path, &mut self.errors);
        }
        let rules = list(&schema["x-kubernetes-validations"]);
        if rules.is_empty() {
            return;
        }
        let rules_path = path.child("x-kubernetes-validations");
        for (i, rule) in rules.iter().enumerate() {
            rule_form(rule, schema, &rules_path.index(i), &mut self.errors);
        }
        // An expression is told nothing that goes away once the schema is right.
        if self.errors.0.len() == before {
            self.rules(rules, &rules_path, at);
        }
    }

    /// What does not depend on other keywords.
    fn plain(&mut self, schema: &Value, path: &Path<'_>, at: &At) {
        let errors = &mut self.errors;
        let kind = text(&schema["type"]);
        if self.strictness.wants_known_types && has::unknown_type(schema) {
            errors.not_supported(&path.child("type"), kind, &has::TYPES);
        }
        if let Some(reason) = &at.forbids_default
            && has::default(schema)
        {
            errors.forbidden(&path.child("default"), format!("must not be set {reason}"));
        }
        let is_filled = |name: &str| match &schema[name] {
            Value::Null => false,
            Value::Object(map) if name != "dependencies" => {
                !map.is_empty() || name == "additionalItems"
            }
            Value::String(text) => !text.is_empty() || name == "$ref",
            _ => true,
        };
        for name in [
            "id",
            "additionalItems",
            "patternProperties",
            "definitions",
            "dependencies",
            "$ref",
        ] {
            if is_filled(name) {
                errors.forbidden(&path.child(name), format!("{name} is not supported"));
            }
        }
        if kind == "null" {
            let detail = "type cannot be set to null, use nullable as an alternative";
            errors.forbidden(&path.child("type"), detail);
        }
        if !list(&schema["items"]).is_empty() {
            let detail = "items must be a schema object and not an array";
            errors.forbidden(&path.child("items"), detail);
        }
        if at.is_metadata && schema["x-kubernetes-embedded-resource"] == true {
            let detail = "must not be used inside of resource meta";
            errors.forbidden(&path.child("x-kubernetes-embedded-resource"), detail);
        }
        if schema["uniqueItems"] == true {
            let detail =
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            errors.forbidden(&path.child("uniqueItems"), detail);
        }
    }

    fn below(&mut self, schema: &Value, path: &Path<'_>, is_root: bool, at: &At) {
        let nested = At {
            place: None,
            ..at.clone()
        };
        let cardinality = cardinality_below(schema, at.cardinality);
        let additional = &schema["additionalProperties"];
        let properties = schema["properties"]
            .as_object()
            .filter(|map| !map.is_empty());
        if !additional.is_null() {
            let values = path.child("additionalProperties");
            if properties.is_some() && *additional != true {
                let detail = "additionalProperties and properties are mutual exclusive";
                self.errors.forbidden(&values, detail);
            }
            if additional.is_object() {
                let mut at = self.step(at, cardinality, Schema::values);
                if at.is_metadata {
                    let reason = "inside additionalProperties applying to object metadata";
                    at.forbids_default = Some(reason.to_owned());
                }
                self.schema(additional, &values, false, &at);
            }
        }
        let is_resource = is_root || schema["x-kubernetes-embedded-resource"] == true;
        let fields = path.child("properties");
        for (name, property) in properties.into_iter().flatten() {
            let mut at = self.step(at, cardinality, |compiled, place| {
                compiled.property(place, name)
            });
            let kind = text(&schema["x-kubernetes-map-type"]);
            if !matches!(kind, "" | "granular" | "atomic") {
                at.uncorrelatable.get_or_insert_with(|| path.to_string());
            }
            if is_resource && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
                at.is_metadata = true;
                if is_root {
                    at.forbids_default = Some(format!("in top-level {name}"));
                }
            }
            self.schema(property, &fields.key(name), false, &at);
        }
        if schema["not"].is_object() {
            self.schema(&schema["not"], &path.child("not"), false, &nested);
        }
        for name in ["allOf", "oneOf", "anyOf"] {
            let path = path.child(name);
            for (i, branch) in list(&schema[name]).iter().enumerate() {
                self.schema(branch, &path.index(i), false, &nested);
            }
        }
        if schema["items"].is_object() {
            let mut at = self.step(at, cardinality, Schema::items);
            if schema["x-kubernetes-list-type"] != "map" {
                at.uncorrelatable.get_or_insert_with(|| path.to_string());
            }
            self.schema(&schema["items"], &path.child("items"), false, &at);
        }
    }

    fn step(
        &self,
        at: &At,
        cardinality: Option<u64>,
        next: impl Fn(&Schema, Place) -> Option<Place>,
    ) -> At {
        let place = at.place.zip(self.compiled);
        At {
            place: place.and_then(|(place, compiled)| next(compiled, place)),
            cardinality,
            ..at.clone()
        }
    }

    /// Kinds of lists and maps.
    fn lists(&mut self, schema: &Value, path: &Path<'_>) {
        let errors = &mut self.errors;
        let kind = text(&schema["type"]);
        if schema["x-kubernetes-preserve-unknown-fields"] == false {
            let path = path.child("x-kubernetes-preserve-unknown-fields");
            errors.invalid(&path, false, "must be true or undefined");
        }
        let mut of_kind = |name: &str, wanted: &str, known: &[&str]| {
            let Some(said) = schema[name].as_str() else {
                return;
            };
            if kind != wanted {
                let detail = format!("must be {wanted} if {name} is specified");
                match kind {
                    "" => errors.required(&path.child("type"), detail),
                    kind => errors.invalid(&path.child("type"), kind, detail),
                }
            }
            if !known.contains(&said) {
                errors.not_supported(&path.child(name), said, known);
            }
        };
        of_kind("x-kubernetes-map-type", "object", &["atomic", "granular"]);
        of_kind("x-kubernetes-list-type", "array", &["atomic", "set", "map"]);
        let items = &schema["items"];
        if self.strictness.wants_atomic_sets && kind == "array" && has::set_of_granular(schema) {
            let name = match text(&items["type"]) {
                "array" => "x-kubernetes-list-type",
                _ => "x-kubernetes-map-type",
            };
            let bad_value = items["x-kubernetes-list-type"].clone();
            let path = path.child("items");
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.invalid(&path.child(name), bad_value, detail);
        }
        let keys = &schema["x-kubernetes-list-map-keys"];
        let is_map = schema["x-kubernetes-list-type"] == "map";
        if !list(keys).is_empty() && !is_map {
            let path = path.child("x-kubernetes-list-type");
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            match schema["x-kubernetes-list-type"].as_str() {
                None => errors.required(&path, detail),
                Some(other) => errors.invalid(&path, other, detail),
            }
        }
        if is_map {
            list_map(schema, path, errors);
        }
    }

    fn rules(&mut self, rules: &[Value], path: &Path<'_>, at: &At) {
        let (Some(compiled), Some(place)) = (self.compiled, at.place) else {
            return;
        };
        let Some((results, cardinality_max)) = compiled.rules_at(place) else {
            let detail = "internal error: failed to construct type information for \
                          x-kubernetes-validations rules: unable to convert structural schema to \
                          CEL declarations";
            let kind = skerry_kinds::ErrorKind::Internal;
            return self.rule_errors.add(kind, path, Value::Null, detail);
        };
        let times = at.cardinality.unwrap_or(cardinality_max);
        for (i, (rule, result)) in rules.iter().zip(results).enumerate() {
            let item = path.index(i);
            let rule_path = item.child("rule");
            let cost = result.cost_max.saturating_mul(times);
            self.cost("estimated rule cost", cost, &rule_path);
            let shown = || {
                json!({"Rule": rule["rule"], "Message": text(&rule["message"]),
                    "MessageExpression": text(&rule["messageExpression"]),
                    "Reason": rule["reason"], "FieldPath": text(&rule["fieldPath"]),
                    "OptionalOldSelf": rule["optionalOldSelf"]})
            };
            if let Some(wrong) = &result.wrong {
                self.rule_errors.invalid(&rule_path, shown(), wrong.clone());
            }
            let message_path = item.child("messageExpression");
            if let Some(wrong) = &result.message_wrong {
                self.rule_errors
                    .invalid(&message_path, shown(), wrong.clone());
            } else if result.message.is_some() {
                let what = "estimated messageExpression cost";
                self.cost(what, result.message_cost_max, &message_path);
            }
            if result.uses_old_self {
                if let Some(around) = &at.uncorrelatable {
                    let detail = format!(
                        "oldSelf cannot be used on the uncorrelatable portion of the schema \
                         within {around}"
                    );
                    self.rule_errors
                        .invalid(&rule_path, rule["rule"].clone(), detail);
                }
            } else if !rule["optionalOldSelf"].is_null() {
                let detail = "may not be set if oldSelf is not used in rule";
                let path = item.child("optionalOldSelf");
                self.rule_errors
                    .invalid(&path, rule["optionalOldSelf"].clone(), detail);
            }
        }
    }

    fn cost(&mut self, what: &str, cost: u64, path: &Path<'_>) {
        if cost > RULE_COST_MAX && !self.ignores_cost {
            let detail = cost_text(what, cost, RULE_COST_MAX);
            self.rule_errors.forbidden(path, detail);
        }
        self.total = self.total.saturating_add(cost);
        if cost >= RULES_COST_MAX / 100 {
            self.costly.push((cost, path.to_string()));
            self.costly
                .sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.costly.truncate(RULES_NAMED_MAX);
        }
    }
}

/// How often values within can be there.
fn cardinality_below(schema: &Value, cardinality: Option<u64>) -> Option<u64> {
    let max = |name: &str| {
        let max = schema[name].as_i64();
        max.map(|max| u64::try_from(max).unwrap_or(0))
    };
    let factor = match text(&schema["type"]) {
        "object" if !schema["additionalProperties"].is_null() => max("maxProperties"),
        "array" => max("maxItems"),
        _ => Some(1),
    };
    Some(cardinality?.saturating_mul(factor?))
}

fn cost_text(what: &str, cost: u64, limit: u64) -> String {
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_owned()
    } else if times < 1.5 {
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding \
         maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
