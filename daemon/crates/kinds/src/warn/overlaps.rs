//! Files of one volume that stand in each other's way: what is written last is what is seen.
//!
//! Invariant: however many files there are, only so many pairs of them are compared.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::limits::{OVERLAP_PAIRS_MAX, OVERLAP_PATH_BYTES_MAX};
use crate::value::{is_set, list, text};

/// What is said, and how many pairs may still be compared.
struct Overlaps<'s> {
    said: &'s mut Vec<String>,
    pairs_left: usize,
}

/// The volumes of a pod.
pub(super) fn volumes(volumes: &Value, said: &mut Vec<String>) {
    let pairs_left = OVERLAP_PAIRS_MAX;
    let mut overlaps = Overlaps { said, pairs_left };
    for volume in list(volumes) {
        let name = text(&volume["name"]);
        let (map, secret) = (&volume["configMap"], &volume["secret"]);
        for (source, what) in [
            (map, format!("(ConfigMap {:?})", text(&map["name"]))),
            (
                secret,
                format!("(Secret {:?})", text(&secret["secretName"])),
            ),
            (&volume["downwardAPI"], "(DownwardAPI)".to_owned()),
        ] {
            overlaps.among(&items(source), &format!("volume {name:?} {what}"));
        }
        overlaps.projected(&volume["projected"], name);
    }
}

/// The paths of a projected source, and what it is called; none for one that names no paths.
fn source(source: &Value) -> Option<(Vec<&str>, String)> {
    let (map, secret) = (&source["configMap"], &source["secret"]);
    let bundle = &source["clusterTrustBundle"];
    let (downward, token) = (&source["downwardAPI"], &source["serviceAccountToken"]);
    if is_set(&map["items"]) {
        Some((items(map), format!("ConfigMap {:?}", text(&map["name"]))))
    } else if is_set(&secret["items"]) {
        Some((items(secret), format!("Secret {:?}", text(&secret["name"]))))
    } else if is_set(&downward["items"]) {
        Some((items(downward), "DownwardAPI".to_owned()))
    } else if is_set(token) {
        Some((vec![text(&token["path"])], "ServiceAccountToken".to_owned()))
    } else if is_set(bundle) {
        let name = bundle["name"].as_str();
        let name = name.unwrap_or(text(&bundle["signerName"]));
        Some((
            vec![text(&bundle["path"])],
            format!("ClusterTrustBundle {name:?}"),
        ))
    } else {
        None
    }
}

fn items(source: &Value) -> Vec<&str> {
    let items = list(&source["items"]).iter();
    items.map(|item| text(&item["path"])).collect()
}

impl Overlaps<'_> {
    fn projected(&mut self, projected: &Value, name: &str) {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        let mut last = (Vec::new(), String::new());
        for one in list(&projected["sources"]) {
            let fields = one.as_object();
            if fields.is_none_or(|fields| fields.values().all(Value::is_null)) {
                let message = format!("volume {name:?} (Projected) has no sources provided");
                self.said.push(message);
                continue;
            }
            // One that names no paths is taken for the one before it, as it is upstream.
            if let Some(found) = source(one) {
                last = found;
            }
            let (paths, what) = &last;
            if paths.is_empty() {
                continue;
            }
            let what = format!("volume {name:?} (Projected {what})");
            self.among(paths, &what);
            // Once more, each only once, with those of the sources before.
            let own: BTreeSet<&str> = paths.iter().copied().collect();
            let mut both: Vec<&str> = own.iter().chain(&all).copied().collect();
            both.sort_unstable();
            self.among(&both, &what);
            all.extend(own);
        }
    }

    /// Paths of which one begins another. Of several that a path meets, upstream names any; here
    /// it is the first by name.
    fn among(&mut self, paths: &[&str], what: &str) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for path in paths {
            let path = path.trim_end_matches('/');
            if path.len() > OVERLAP_PATH_BYTES_MAX {
                continue;
            }
            let Some(left) = self.pairs_left.checked_sub(seen.len()) else {
                return;
            };
            self.pairs_left = left;
            let other = seen
                .iter()
                .find(|other| other.starts_with(path) || path.starts_with(**other));
            // Beside an empty path nothing is said.
            if let Some(other) = other
                && !path.is_empty()
                && !other.is_empty()
            {
                let message = format!("{what}: overlapping paths: {path:?} with {other:?}");
                if !self.said.contains(&message) {
                    self.said.push(message);
                }
            }
            seen.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(all: Value) -> Vec<String> {
        let mut said = Vec::new();
        volumes(&all, &mut said);
        said
    }

    fn paths(paths: &[&str]) -> Value {
        let items = paths.iter().map(|path| json!({"key": "k", "path": path}));
        json!({"name": "m", "secretName": "s", "items": items.collect::<Vec<_>>()})
    }

    #[test]
    fn files_of_one_volume_that_meet_are_named() {
        for (volume, wanted) in [
            (
                json!({"name": "v", "configMap": paths(&["a", "a"])}),
                "volume \"v\" (ConfigMap \"m\"): overlapping paths: \"a\" with \"a\"",
            ),
            (
                json!({"name": "v", "secret": paths(&["a/b", "a/"])}),
                "volume \"v\" (Secret \"s\"): overlapping paths: \"a\" with \"a/b\"",
            ),
            (
                json!({"name": "v", "downwardAPI": paths(&["a", "b", "b/c"])}),
                "volume \"v\" (DownwardAPI): overlapping paths: \"b/c\" with \"b\"",
            ),
            (
                json!({"name": "v", "projected": {"sources": [
                    {"configMap": paths(&["t"])}, {"serviceAccountToken": {"path": "t/x"}}]}}),
                "volume \"v\" (Projected ServiceAccountToken): overlapping paths: \"t/x\" with \"t\"",
            ),
            (
                json!({"name": "v", "projected": {"sources": [{}]}}),
                "volume \"v\" (Projected) has no sources provided",
            ),
        ] {
            assert_eq!(said(json!([volume])), [wanted]);
        }
        let apart = json!([
            {"name": "v", "configMap": paths(&["a", "b/c", "b/d"])},
            {"name": "w", "configMap": paths(&["a", "b"])},
            {"name": "x", "configMap": paths(&["", "b"])},
        ]);
        assert!(said(apart).is_empty());
    }

    #[test]
    fn only_so_many_pairs_of_paths_are_compared() {
        let many: Vec<String> = (0..2_000).map(|number| format!("f{number:04}")).collect();
        let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
        many.insert(1, "f0000");
        many.push("f0000");
        let said = said(
            json!([{"name": "v", "configMap": paths(&many)}, {"name": "w", "configMap": paths(&["a", "a"])}]),
        );
        assert_eq!(said.len(), 2, "{said:?}");
        let long = "x".repeat(OVERLAP_PATH_BYTES_MAX + 1);
        let volume = json!([{"name": "v", "configMap": paths(&[&long, &long])}]);
        assert!(super::tests::said(volume).is_empty());
    }
}
