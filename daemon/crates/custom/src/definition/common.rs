//! What all versions of a definition have in common: upstream looks at it once.

use serde_json::Value;

use super::read::list;

/// The parts that all versions have alike, and that upstream sees in `spec` itself.
pub(crate) struct Common<'d> {
    /// `{openAPIV3Schema: ...}`.
    pub(crate) schema: Option<&'d Value>,
    pub(crate) subresources: Option<&'d Value>,
    pub(crate) columns: Option<&'d Value>,
    pub(crate) selectable_fields: Option<&'d Value>,
}

impl<'d> Common<'d> {
    pub(crate) fn of(spec: &'d Value) -> Self {
        let versions = list(&spec["versions"]);
        let alike = |name: &str| {
            let first = &versions.first()?[name];
            let is_alike = versions.iter().all(|version| version[name] == *first);
            (is_alike && !first.is_null()).then_some(first)
        };
        Self {
            schema: alike("schema"),
            subresources: alike("subresources"),
            columns: alike("additionalPrinterColumns"),
            selectable_fields: alike("selectableFields"),
        }
    }

    pub(crate) fn has_any_status(&self, spec: &Value) -> bool {
        let has = |subresources: &Value| subresources["status"].is_object();
        self.subresources.is_some_and(has)
            || list(&spec["versions"])
                .iter()
                .any(|v| has(&v["subresources"]))
    }
}
