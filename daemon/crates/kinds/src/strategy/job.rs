//! A job finds its pods by its own uid, unless it says that it knows better.

use serde_json::{Value, json};

use crate::defaults::job_labels;
use crate::value::{is_true, object_at};

/// Labels the template with who the job is, and selects by that.
pub(super) fn generate_selector(object: &mut Value) {
    if is_true(&object["spec"]["manualSelector"]) {
        return;
    }
    let uid = object["metadata"]["uid"].clone();
    let name = object["metadata"]["name"].clone();
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else {
        return;
    };
    if let Some(labels) = object_at(spec, "template")
        .and_then(|template| {
            template
                .entry("metadata")
                .or_insert(json!({}))
                .as_object_mut()
        })
        .and_then(|metadata| {
            let labels = metadata.entry("labels").or_insert(json!({}));
            if labels.is_null() {
                *labels = json!({});
            }
            labels.as_object_mut()
        })
    {
        for (key, value) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            // What the writer said stays, for the check to find.
            labels.entry(key).or_insert_with(|| value.clone());
        }
    }
    if let Some(selector) = object_at(spec, "selector") {
        let labels = selector.entry("matchLabels").or_insert(json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels
                .entry("batch.kubernetes.io/controller-uid")
                .or_insert(uid);
        }
    }
    // Upstream sets defaults again when it reads what it has stored.
    job_labels(object);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::strategy::prepare_create;

    #[test]
    fn a_job_selects_the_pods_that_carry_its_uid() {
        let mut object = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {}}});
        prepare_create("batch", "Job", &mut object);
        assert_eq!(
            object["spec"],
            json!({
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
                "template": {"metadata": {"labels": {
                    "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "j",
                    "controller-uid": "u", "job-name": "j"}}},
            })
        );
        assert_eq!(
            object["metadata"]["labels"],
            object["spec"]["template"]["metadata"]["labels"]
        );
        let mut manual = json!({"spec": {"manualSelector": true, "template": {}}});
        prepare_create("batch", "Job", &mut manual);
        assert_eq!(manual["spec"]["template"], json!({}));
    }
}
