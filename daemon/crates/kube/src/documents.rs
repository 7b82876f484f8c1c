//! What is served besides resources: the version, and discovery.
//!
//! Documents are made when they are asked for: nothing is kept.

use bytes::Bytes;
use serde_json::{Value, json};
use skerry_schema::Resource;
use skerry_schema::discovery::{self, Aggregated};

use crate::answer::{self, Answer};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::negotiate::{Asked, json_profiles, negotiate};
use crate::query::Query;

/// The version of Kubernetes whose API this is.
const MINOR: &str = "36";
const GIT_VERSION: &str = concat!("v1.36.0+skerry-", env!("CARGO_PKG_VERSION"));

const AGGREGATED: [(&str, &str, Aggregated); 2] = [
    (
        "v2",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        Aggregated::V2,
    ),
    (
        "v2beta1",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        Aggregated::V2Beta1,
    ),
];

impl Engine {
    /// Answers a path that is none of a resource.
    pub(crate) fn document(
        &self,
        path: &str,
        accept: &str,
        server_address: &str,
    ) -> Result<Answer, ApiError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let all = self.registry.all();
        let all = || all.iter().map(|resource| &***resource);
        let document = match parts.as_slice() {
            [] => {
                let mut paths = paths(all());
                self.extensions.merge_paths(&mut paths);
                Some(paths)
            }
            ["version"] => Some(version()),
            ["api"] | ["apis"] => {
                let core = parts == ["api"];
                if let Some((content_type, form)) = aggregated_form(accept) {
                    let mut document = discovery::aggregated(all(), core, form);
                    self.extensions.merge_aggregated(&mut document, core);
                    let text = Bytes::from(answer::json(&document));
                    return Ok(Answer::Raw(content_type, text));
                }
                negotiate(Some(accept), &Query::default(), "", Asked::Plain)?;
                Some(match core {
                    true => discovery::api_versions(server_address),
                    false => {
                        let mut groups = discovery::groups(all());
                        // Go prints a list of nothing as null; clients expect a list.
                        if groups["groups"].is_null() {
                            groups["groups"] = json!([]);
                        }
                        self.extensions.merge_groups(&mut groups);
                        groups
                    }
                })
            }
            ["api", version] => discovery::resources(all(), "", version),
            ["apis", group] => {
                let own = discovery::group(all(), group);
                self.extensions.merge_group(group, own)
            }
            ["apis", group, version] => discovery::resources(all(), group, version),
            _ => None,
        };
        document
            .map(|document| Answer::Object(200, document))
            .ok_or_else(ApiError::no_such_path)
    }
}

/// `/`: all paths there are.
fn paths<'r>(resources: impl Iterator<Item = &'r Resource>) -> Value {
    let mut paths: Vec<String> = [
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/metrics",
        "/metrics/slis",
        "/readyz",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    for resource in resources.filter(|resource| !resource.group.is_empty()) {
        paths.push(format!("/apis/{}", resource.group));
        paths.push(format!("/apis/{}", resource.api_version()));
    }
    paths.sort();
    paths.dedup();
    json!({"paths": paths})
}

fn aggregated_form(accept: &str) -> Option<(&'static str, Aggregated)> {
    for (group, version, kind) in json_profiles(accept) {
        if group == "apidiscovery.k8s.io" && kind == "APIGroupDiscoveryList" {
            for (known, content_type, form) in AGGREGATED {
                if known == version {
                    return Some((content_type, form));
                }
            }
        }
        if kind.is_empty() {
            return None;
        }
    }
    None
}

pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "emulationMajor": "1",
        "emulationMinor": MINOR,
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("linux/{}", match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }),
    })
}
