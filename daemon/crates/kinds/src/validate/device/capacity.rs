//! How much of what a device has may be asked for at once.

use serde_json::Value;

use super::super::rules::POSITIVE;
use crate::error::Errors;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::value::{is_set, list};

const POLICY_VALUES_MAX: usize = 10;

/// How much of a device's capacity may be asked for at once.
pub(super) fn request_policy(capacity: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = &capacity["requestPolicy"];
    let (values, range) = (list(&policy["validValues"]), &policy["validRange"]);
    let field = match (values.is_empty(), is_set(range)) {
        (false, true) => {
            let message = "exactly one policy can be specified, cannot specify \"validValues\" and \
                           \"validRange\" at the same time";
            return errors.forbidden(path, message);
        }
        (false, false) => "validValues",
        (true, true) => "validRange",
        (true, false) => return,
    };
    if !is_set(&policy["default"]) {
        let message = format!("required when {field} is defined");
        return errors.required(&path.child("default"), message);
    }
    let (Ok(chosen), Ok(all)) = (
        Quantity::of(&policy["default"]),
        Quantity::of(&capacity["value"]),
    ) else {
        return;
    };
    match field {
        "validValues" => valid_values(values, chosen, all, &path.child(field), errors),
        _ => valid_range(range, chosen, all, &path.child(field), errors),
    }
}

fn valid_values(
    values: &[Value],
    chosen: Quantity,
    all: Quantity,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let amounts: Vec<Quantity> = values.iter().flat_map(Quantity::of).collect();
    for (i, pair) in amounts.windows(2).enumerate() {
        if pair[0] > pair[1] {
            let message = "values must be sorted in ascending order";
            errors.invalid(&path.index(i + 1), pair[1].to_string(), message);
        }
    }
    if values.len() > POLICY_VALUES_MAX {
        errors.too_many(path, values.len(), POLICY_VALUES_MAX);
    } else {
        for (i, amount) in amounts.iter().enumerate() {
            if *amount > all {
                let message = format!("option is larger than capacity value: {all}");
                errors.invalid(&path.index(i), amount.to_string(), message);
            }
        }
        for (i, amount) in amounts.iter().enumerate() {
            if amounts[..i].contains(amount) {
                errors.duplicate(&path.index(i), amount.value().to_string());
            }
        }
    }
    if values.len() > POLICY_VALUES_MAX || !amounts.contains(&chosen) {
        let message = "default value is not valid according to the requestPolicy";
        errors.invalid(path, chosen.to_string(), message);
    }
}

fn valid_range(
    range: &Value,
    chosen: Quantity,
    all: Quantity,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let amount = |field: &str| match is_set(&range[field]) {
        true => Quantity::of(&range[field]).ok(),
        false => None,
    };
    let Some(least) = amount("min") else {
        return errors.required(&path.child("min"), "required when validRange is defined");
    };
    let mut wrong = |field: &str, amount: Quantity, message: String| {
        errors.invalid(&path.child(field), amount.to_string(), message);
    };
    if least > all {
        wrong(
            "min",
            least,
            format!("min is larger than capacity value: {all}"),
        );
    }
    if chosen < least {
        wrong(
            "default",
            chosen,
            format!("default is less than min: {least}"),
        );
    }
    let most = amount("max");
    if let Some(most) = most {
        if least > most {
            wrong("max", least, format!("min is larger than max: {most}"));
        }
        if most > all {
            wrong(
                "max",
                most,
                format!("max is larger than capacity value: {all}"),
            );
        }
        if chosen > most {
            wrong(
                "default",
                chosen,
                format!("default is more than max: {most}"),
            );
        }
    }
    let Some(step) = amount("step") else {
        return;
    };
    if !step.is_positive() {
        return wrong("step", step, POSITIVE.to_owned());
    }
    let first = least.plus(step);
    if first > all {
        let message = format!("one step {first} is larger than capacity value: {all}");
        wrong("step", step, message);
    }
    for amount in [Some(chosen), most].into_iter().flatten() {
        if !amount.plus(least.negated()).is_multiple_of(step) {
            let message =
                format!("value is not a multiple of a given step ({step}) from ({least})");
            wrong("step", amount, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::validate_create;
    use serde_json::{Value, json};

    const GROUP: &str = "resource.k8s.io";

    fn with(device: Value) -> Vec<String> {
        let object = slice_of(device);
        let errors = validate_create(GROUP, "ResourceSlice", false, &object);
        errors.iter().map(ToString::to_string).collect()
    }

    fn slice_of(device: Value) -> Value {
        json!({"metadata": {"name": "s", "resourceVersion": "1"}, "spec": {
            "driver": "a.example.com", "nodeName": "n", "devices": [device],
            "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}}})
    }

    #[test]
    fn a_share_of_a_device_is_as_large_as_its_policy_says() {
        let of = |policy: Value| {
            with(json!({"name": "d", "allowMultipleAllocations": true,
                "capacity": {"m": {"value": "10", "requestPolicy": policy}}}))
        };
        let good = json!({"default": "4", "validRange": {"min": "2", "step": "2", "max": "8"}});
        assert_eq!(of(good), [""; 0]);
        let path = "spec.devices[0].capacity[m].requestPolicy";
        assert_eq!(
            of(json!({"default": "3", "validRange": {"min": "2", "step": "2", "max": "12"}})),
            [
                format!(
                    "{path}.validRange.max: Invalid value: \"12\": max is larger than capacity \
                     value: 10"
                ),
                format!(
                    "{path}.validRange.step: Invalid value: \"3\": value is not a multiple of a \
                     given step (2) from (2)"
                ),
            ]
        );
        assert_eq!(
            of(json!({"default": "1", "validValues": ["4", "2"]})),
            [
                format!(
                    "{path}.validValues[1]: Invalid value: \"2\": values must be sorted in \
                     ascending order"
                ),
                format!(
                    "{path}.validValues: Invalid value: \"1\": default value is not valid \
                     according to the requestPolicy"
                ),
            ]
        );
    }
}
