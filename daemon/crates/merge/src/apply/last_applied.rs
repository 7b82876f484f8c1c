//! Objects that `kubectl` has been applying from the client's side: the annotation that says what
//! it applied, and the fields that it therefore owns.

use serde_json::{Value, json};

use super::Write;
use crate::fields::Set;
use crate::limits::ANNOTATIONS_BYTES_MAX;
use crate::typed::{Duplicates, compare, members, validate};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn annotation(object: &Value) -> Option<&str> {
    let annotation = object["metadata"]["annotations"][ANNOTATION].as_str();
    annotation.filter(|annotation| !annotation.is_empty())
}

/// The fields that the annotation has, and that the object still has as they are there.
pub(super) fn owned(live: &Value, write: &Write<'_>) -> Option<Set> {
    let model = write.model();
    let applied: Value = serde_json::from_str(annotation(live)?).ok()?;
    if applied["apiVersion"] != json!(write.api_version) {
        return None;
    }
    validate(model, live, Duplicates::Refused).ok()?;
    validate(model, &applied, Duplicates::Refused).ok()?;
    let comparison = compare(model, &applied, live);
    let set = members(model, &applied).difference(&comparison.written());
    Some(set.difference(&comparison.removed))
}

/// Where the object has the annotation, makes it say what is applied now.
pub(super) fn renew(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = annotations(&mut config) {
        annotations.remove(ANNOTATION);
    }
    let Some(annotations) = annotations(object) else {
        return;
    };
    annotations.insert(ANNOTATION.to_owned(), json!(format!("{config}\n")));
    let sizes = annotations.iter();
    let sizes = sizes.map(|(key, text)| key.len() + text.as_str().map_or(0, str::len));
    if sizes.sum::<usize>() > ANNOTATIONS_BYTES_MAX {
        annotations.remove(ANNOTATION);
    }
}

fn annotations(object: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    let metadata = object.get_mut("metadata")?;
    metadata.get_mut("annotations")?.as_object_mut()
}
