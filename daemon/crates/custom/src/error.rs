//! Collects what is wrong with fields, in upstream's words.
//!
//! Invariant: no more than `limits::ERRORS_MAX` errors are kept.

use serde_json::Value;
use skerry_kinds::{ErrorKind, FieldError, Path, quote};

use crate::limits::ERRORS_MAX;

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    pub(crate) fn push(&mut self, error: FieldError) {
        if self.0.len() < ERRORS_MAX {
            self.0.push(error);
        }
    }

    pub(crate) fn extend(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        errors.into_iter().for_each(|error| self.push(error));
    }

    pub(crate) fn add(
        &mut self,
        kind: ErrorKind,
        path: &Path<'_>,
        bad_value: Value,
        detail: impl Into<String>,
    ) {
        self.push(FieldError {
            kind,
            field: path.to_string(),
            bad_value,
            detail: detail.into(),
        });
    }

    pub(crate) fn invalid(
        &mut self,
        path: &Path<'_>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) {
        self.add(ErrorKind::Invalid, path, value.into(), detail);
    }

    pub(crate) fn required(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.add(ErrorKind::Required, path, Value::Null, detail);
    }

    pub(crate) fn forbidden(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.add(ErrorKind::Forbidden, path, Value::Null, detail);
    }

    pub(crate) fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.add(ErrorKind::Duplicate, path, value.into(), "");
    }

    pub(crate) fn not_supported(
        &mut self,
        path: &Path<'_>,
        value: impl Into<Value>,
        supported: &[&str],
    ) {
        self.add(
            ErrorKind::NotSupported,
            path,
            value.into(),
            supported_values(supported.iter().copied()),
        );
    }

    pub(crate) fn too_many(&mut self, path: &Path<'_>, count: usize, count_max: usize) {
        let unit = if count_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {count_max} {unit}");
        self.add(ErrorKind::TooMany, path, Value::from(count), detail);
    }
}

/// `supported values: "a", "b"`.
pub(crate) fn supported_values<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.map(quote).collect();
    match values.as_slice() {
        [] => String::new(),
        values => format!("supported values: {}", values.join(", ")),
    }
}

/// A field of an object that may be the whole.
pub(crate) fn child<'a>(path: Option<&'a Path<'a>>, name: &'a str) -> Path<'a> {
    match path {
        Some(path) => path.child(name),
        None => Path::root(name),
    }
}

/// A value of a map that may be the whole.
pub(crate) fn key<'a>(path: Option<&'a Path<'a>>, name: &'a str) -> Path<'a> {
    match path {
        Some(path) => path.key(name),
        None => WHOLE.key(name),
    }
}

/// An element of a list that may be the whole.
pub(crate) fn index<'a>(path: Option<&'a Path<'a>>, place: usize) -> Path<'a> {
    match path {
        Some(path) => path.index(place),
        None => WHOLE.index(place),
    }
}

/// The object as a whole, whose fields have paths of their own.
pub(crate) static WHOLE: Path<'static> = Path::root("");

/// How upstream prints the place of an error that has none.
pub(crate) const WHOLE_FIELD: &str = "<nil>";

pub(crate) fn rendered(path: &Path<'_>) -> String {
    path.to_string()
}
