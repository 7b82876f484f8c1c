//! Which parameters operations take.

use std::collections::BTreeMap;

use crate::tables::Parameter;

/// The parameters of `tables/parameters.tsv`.
pub(crate) struct Parameters(pub(crate) BTreeMap<String, Vec<Parameter>>);

impl Parameters {
    pub(crate) fn all(&self, of: &str) -> Vec<Parameter> {
        self.0.get(of).cloned().unwrap_or_default()
    }

    pub(crate) fn some(&self, of: &str, names: &[&str]) -> Vec<Parameter> {
        let mut all = self.all(of);
        all.retain(|one| names.contains(&one.name.as_str()));
        all
    }

    pub(crate) fn deletion(&self) -> Vec<Parameter> {
        let mut all = self.some("write", &["dryRun"]);
        all.extend(self.all("delete"));
        all
    }

    pub(crate) fn deletion_of_many(&self) -> Vec<Parameter> {
        let mut all = self.all("list");
        all.retain(|one| !["allowWatchBookmarks", "watch"].contains(&one.name.as_str()));
        all.extend(self.deletion());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(crate) fn of_path(&self, path: &str, kind: &str) -> Vec<Parameter> {
        let mut all = Vec::new();
        for name in ["name", "namespace", "path"] {
            if path.contains(&format!("{{{name}}}")) {
                all.extend(self.some("path", &[name]));
            }
        }
        for one in &mut all {
            one.description = one.description.replace("{kind}", kind);
        }
        all
    }
}
