//! The objects of a file: documents of YAML or JSON, one behind the other.
//!
//! Pure. Knows nothing about where the file is. Invariant: an object that leaves here says what it
//! is and what it is called; as many as the limit at most.

use serde_json::Value;

use super::decode;
use crate::limits::MANIFEST_OBJECTS_MAX;
use crate::object;

/// Why a file has no objects that could be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A document that cannot be read.
    #[error("the document that begins in line {line}: {reason}")]
    Document {
        /// Where it begins, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Over the limit.
    #[error("more than {MANIFEST_OBJECTS_MAX} objects")]
    TooMany,
}

/// The objects of a manifest in their order; what a list holds stands for the list.
///
/// # Errors
/// The first document that is none.
pub fn manifest(text: &str) -> Result<Vec<Value>, ManifestError> {
    let mut objects = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut begin, mut first_line) = (0, 1);
    let mut end = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            take(&text[begin..end], first_line, &mut objects)?;
            (begin, first_line) = (end, index + 1);
        }
        end += line.len();
    }
    take(&text[begin..], first_line, &mut objects)?;
    Ok(objects)
}

/// Nothing of a value can stand in the first column after three dashes.
fn is_separator(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn take(document: &str, line: usize, objects: &mut Vec<Value>) -> Result<(), ManifestError> {
    let wrong = |reason: String| ManifestError::Document { line, reason };
    let content = document.trim_start_matches("---").trim_start();
    // As upstream reads it: a document that begins as JSON does is JSON.
    let decoded = match content.starts_with('{') {
        true => decode("application/json", content.as_bytes()),
        false => decode("application/yaml", document.as_bytes()),
    };
    let value = decoded.map_err(|error| wrong(error.message))?.value;
    if value.is_null() {
        return Ok(());
    }
    add(value, objects).map_err(|error| error.map_or(ManifestError::TooMany, wrong))
}

/// Adds an object, or what a list holds; an error without words is one object too many.
fn add(value: Value, objects: &mut Vec<Value>) -> Result<(), Option<String>> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
    if kind.is_empty() || api_version.is_empty() {
        return Err(Some("an object without apiVersion or kind".into()));
    }
    let item_kind = kind.strip_suffix("List");
    match (item_kind, value.get("items")) {
        (Some(item_kind), Some(Value::Array(_))) => {
            let mut value = value;
            let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
                return Ok(());
            };
            for mut item in items {
                if let Value::Object(fields) = &mut item
                    && !item_kind.is_empty()
                {
                    let entry = fields.entry("kind");
                    entry.or_insert_with(|| item_kind.into());
                    let entry = fields.entry("apiVersion");
                    entry.or_insert_with(|| api_version.as_str().into());
                }
                add(item, objects)?;
            }
            Ok(())
        }
        _ if object::name(&value).is_empty() => Err(Some(format!(
            "an object of kind {kind} has no metadata.name"
        ))),
        _ if objects.len() >= MANIFEST_OBJECTS_MAX => Err(None),
        _ => {
            objects.push(value);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let objects = manifest(text).unwrap();
        let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
        objects
            .iter()
            .map(|one| name(one).replace('"', ""))
            .collect()
    }

    #[test]
    fn documents_of_yaml_and_json_and_what_lists_hold_are_objects_in_their_order() {
        let text = "# nothing yet\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n\
            data:\n  b: |\n    x\n    ---\n--- # another\n{\"apiVersion\": \"v1\", \"kind\": \"Secret\",\n \
            \"metadata\": {\"name\": \"b\"}}\n---\nkind: List\napiVersion: v1\nitems:\n\
            - {apiVersion: v1, kind: Pod, metadata: {name: c}}\n---\n\
            kind: PodList\napiVersion: v1\nitems: [{metadata: {name: d}}]\n";
        assert_eq!(names(text), ["ConfigMap a", "Secret b", "Pod c", "Pod d"]);
        assert_eq!(names("  \n# only words\n"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_applied_is_refused_with_the_line_of_its_document() {
        for (text, line, why) in [
            ("a: b\n---\nkind: [", 1, "without apiVersion"),
            (
                "---\n\n---\napiVersion: v1\nkind: Pod\n",
                3,
                "has no metadata.name",
            ),
            ("# a\n---\nkind: [\n", 2, "yaml"),
            ("[1]", 1, ""),
        ] {
            let error = manifest(text).unwrap_err();
            let ManifestError::Document { line: at, reason } = &error else {
                panic!("{error}");
            };
            assert_eq!(*at, line, "{error}");
            assert!(reason.contains(why), "{error}");
        }
        let many = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\n";
        let many = many.repeat(MANIFEST_OBJECTS_MAX + 1);
        assert_eq!(manifest(&many), Err(ManifestError::TooMany));
    }
}
