//! What extension servers have: asked by each member for itself, kept for a minute.
//!
//! Upstream's way: aggregated discovery where it is spoken, otherwise the version's own document.
//! Invariant: of each version one entry is kept, no longer than [`DISCOVERY_BYTES_MAX`].

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask::{self, Answered, Wanted};
use super::swagger::{self, Kept};
use super::table::{Found, Link, Service};
use super::text;
use crate::answer;
use crate::engine::Engine;
use crate::limits::{
    ASKED_MAX, DISCOVERY_BYTES_MAX, DISCOVERY_INTERVAL, DISCOVERY_RETRY, DISCOVERY_TIME_MAX,
    SWAGGER_BYTES_MAX,
};
use crate::proxy::Upstream;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) async fn run(engine: &Engine) {
    loop {
        let changed = engine.extensions.changed.notified();
        let mut changed = std::pin::pin!(changed);
        changed.as_mut().enable();
        let now = Instant::now();
        let all = engine.extensions.remotes();
        let mut asked = Vec::new();
        for service in &all {
            let Some(remote) = &service.remote else {
                continue;
            };
            let mut found = remote.link.found();
            match remote.available {
                // Upstream asks nobody who is not available, and finds out nothing.
                false => {
                    found.current = false;
                    found.due = None;
                }
                true if found.due.is_none_or(|due| due <= now) => {
                    asked.push(engine.discover(Arc::clone(service), Arc::clone(&remote.link)));
                }
                true => {}
            }
        }
        let mut asked = stream::iter(asked).buffer_unordered(ASKED_MAX);
        while asked.next().await.is_some() {}
        drop(asked);
        let dues = all.iter().filter_map(|service| {
            let remote = service.remote.as_ref().filter(|remote| remote.available)?;
            remote.link.found().due
        });
        let until = dues.min().unwrap_or(now + DISCOVERY_INTERVAL);
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = changed => {}
        }
    }
}

/// What a server has said.
struct Said {
    entry: Bytes,
    openapi: Option<String>,
    /// And its tag; nothing where it is as before.
    swagger: Option<(Option<Kept>, String)>,
}

impl Engine {
    async fn discover(&self, service: Arc<Service>, link: Arc<Link>) {
        let found = self.ask_for(&service, &link).await;
        let mut kept = link.found();
        match found {
            Ok(asked) => {
                let (swagger, tag) = match asked.swagger {
                    Some(new) => new,
                    None => (kept.swagger.take(), std::mem::take(&mut kept.tag)),
                };
                *kept = Found {
                    entry: Some(asked.entry),
                    current: true,
                    openapi: asked.openapi,
                    swagger,
                    tag,
                    due: Some(Instant::now() + DISCOVERY_INTERVAL),
                    failures: 0,
                };
            }
            Err(why) => {
                tracing::debug!(
                    name = service.name,
                    why,
                    "an extension server was not asked"
                );
                let pause = DISCOVERY_RETRY * 2u32.saturating_pow(kept.failures.min(8));
                kept.failures = kept.failures.saturating_add(1);
                kept.current = false;
                kept.due = Some(Instant::now() + pause.min(DISCOVERY_INTERVAL));
            }
        }
    }

    async fn ask_for(&self, service: &Service, link: &Link) -> Result<Said, String> {
        let upstream = self.way_to(link).map_err(|error| error.to_string())?;
        let (group, version) = (&service.group, &service.version);
        let all = get(&upstream, "/apis", AGGREGATED).await?;
        let entry = match all.status {
            503 => return Err("503".into()),
            200 if is_aggregated(&all.content_type) => {
                let document: Value =
                    serde_json::from_slice(&all.body).map_err(|error| error.to_string())?;
                entry_of(document, group, version).unwrap_or_else(|| json!({"version": version}))
            }
            _ => {
                let path = match group.as_str() {
                    "" => format!("/api/{version}"),
                    group => format!("/apis/{group}/{version}"),
                };
                let list = get(&upstream, &path, "application/json").await?;
                if list.status != 200 {
                    return Err(format!("status {}", list.status));
                }
                let list = serde_json::from_slice(&list.body).map_err(|error| error.to_string())?;
                entry_of_list(&list, group, version)
            }
        };
        drop(all);
        let openapi = get(&upstream, "/openapi/v3", "application/json").await;
        let openapi = openapi.ok().filter(|index| index.status == 200);
        let openapi = openapi.and_then(|index| place_of(&index.body, group, version));
        let known = link.found().tag.clone();
        let swagger = version_2(&upstream, &known).await;
        let swagger = swagger.map(|(document, tag)| {
            let kept = document.and_then(|text| swagger::keep(&text, group, version));
            (kept, tag)
        });
        Ok(Said {
            entry: answer::json(&entry).into(),
            openapi,
            swagger,
        })
    }
}

async fn get(upstream: &Upstream, path: &str, accept: &'static str) -> Result<Answered, String> {
    let wanted = Wanted {
        accept,
        unless: "",
        bytes_max: DISCOVERY_BYTES_MAX,
        time_max: DISCOVERY_TIME_MAX,
    };
    let got = ask::get(upstream, path, wanted).await;
    got.map_err(|error| format!("{path}: {error}"))
}

/// The document of version 2, and its tag; nothing where it still has the one that is known.
async fn version_2(upstream: &Upstream, known: &str) -> Option<(Option<Bytes>, String)> {
    let wanted = Wanted {
        accept: "application/json",
        unless: known,
        bytes_max: SWAGGER_BYTES_MAX,
        time_max: DISCOVERY_TIME_MAX,
    };
    match ask::get(upstream, "/openapi/v2", wanted).await {
        Ok(answered) if answered.status == 304 && !known.is_empty() => None,
        Ok(answered) if answered.status == 200 => Some((Some(answered.body), answered.tag)),
        // What it had goes on being said while it is not to be had.
        Err(_) => None,
        Ok(_) => Some((None, String::new())),
    }
}

fn is_aggregated(content_type: &str) -> bool {
    let mut words = content_type.split(';').map(str::trim);
    let wanted = ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"];
    words.next() == Some("application/json") && {
        let words: Vec<&str> = words.collect();
        wanted.iter().all(|wanted| words.contains(wanted))
    }
}

/// The entry of a version in an aggregated document.
fn entry_of(mut document: Value, group: &str, version: &str) -> Option<Value> {
    let items = document.get_mut("items")?.as_array_mut()?;
    let of_group =
        |item: &&mut Value| item.pointer("/metadata/name").and_then(Value::as_str) == Some(group);
    let versions = items.iter_mut().find(of_group)?.get_mut("versions")?;
    let versions = versions.as_array_mut()?;
    let found = versions
        .iter_mut()
        .find(|one| text(one, "version") == version)?;
    let mut entry = found.take();
    // Clients of some age fail where there is none.
    let resources = entry.get_mut("resources").and_then(Value::as_array_mut);
    for resource in resources.into_iter().flatten() {
        name_kind(resource);
        let subresources = resource
            .get_mut("subresources")
            .and_then(Value::as_array_mut);
        subresources.into_iter().flatten().for_each(name_kind);
    }
    Some(entry)
}

fn name_kind(resource: &mut Value) {
    if let Some(fields) = resource.as_object_mut()
        && fields.get("responseKind").is_none_or(Value::is_null)
    {
        let none = json!({"group": "", "version": "", "kind": ""});
        fields.insert("responseKind".into(), none);
    }
}

/// The same of a version's own document.
fn entry_of_list(list: &Value, group: &str, version: &str) -> Value {
    let lines = list.get("resources").and_then(Value::as_array);
    let mut resources: Vec<Value> = Vec::new();
    for line in lines.into_iter().flatten() {
        let name = text(line, "name");
        let or = |field: &str, default: &str| match text(line, field) {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let kind = json!({
            "group": or("group", group),
            "version": or("version", version),
            "kind": text(line, "kind"),
        });
        let verbs = line.get("verbs").cloned().unwrap_or_else(|| json!([]));
        let Some((parent, sub)) = name.split_once('/') else {
            let scope = match line.get("namespaced") {
                Some(Value::Bool(true)) => "Namespaced",
                _ => "Cluster",
            };
            let mut resource = json!({
                "resource": name,
                "responseKind": kind,
                "scope": scope,
                "singularResource": text(line, "singularName"),
                "verbs": verbs,
            });
            for field in ["shortNames", "categories"] {
                if let Some(value) = line.get(field) {
                    resource[field] = value.clone();
                }
            }
            resources.push(resource);
            continue;
        };
        let sub = json!({"subresource": sub, "responseKind": kind, "verbs": verbs});
        let mut parents = resources.iter_mut();
        if let Some(parent) = parents.find(|one| text(one, "resource") == parent)
            && let Some(fields) = parent.as_object_mut()
            && let Some(all) = fields
                .entry("subresources")
                .or_insert_with(|| json!([]))
                .as_array_mut()
        {
            all.push(sub);
        }
    }
    json!({"version": version, "resources": resources})
}

/// Where an extension server says its OpenAPI document of a version is.
fn place_of(index: &[u8], group: &str, version: &str) -> Option<String> {
    let index: Value = serde_json::from_slice(index).ok()?;
    let key = match group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    };
    let url = text(index.get("paths")?.get(&key)?, "serverRelativeURL").to_owned();
    let is_there = url.starts_with(&format!("/openapi/v3/{key}")) && url.len() <= 1024;
    is_there.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_document_becomes_an_entry() {
        let list = json!({"resources": [
            {"name": "fish", "singularName": "fish", "namespaced": true, "kind": "Fish", "verbs": ["get"], "shortNames": ["fi"]},
            {"name": "fish/status", "kind": "Fish", "verbs": ["update"]},
            {"name": "lost/status", "kind": "Lost", "verbs": []},
        ]});
        let kind = json!({"group": "g", "version": "v1", "kind": "Fish"});
        assert_eq!(
            entry_of_list(&list, "g", "v1"),
            json!({"version": "v1", "resources": [{
                "resource": "fish", "responseKind": kind, "scope": "Namespaced",
                "singularResource": "fish", "verbs": ["get"], "shortNames": ["fi"],
                "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["update"]}],
            }]})
        );
    }

    #[test]
    fn what_is_no_document_is_none() {
        for bad in [
            json!(null),
            json!([]),
            json!({"items": 1}),
            json!({"items": [{"metadata": {"name": "g"}, "versions": 1}]}),
        ] {
            assert_eq!(entry_of(bad, "g", "v1"), None);
        }
        assert!(is_aggregated(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        ));
        assert!(!is_aggregated("application/json"));
        assert_eq!(
            place_of(
                b"{\"paths\":{\"apis/g/v1\":{\"serverRelativeURL\":\"https://evil\"}}}",
                "g",
                "v1"
            ),
            None
        );
        let fine =
            b"{\"paths\":{\"apis/g/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/g/v1?hash=1\"}}}";
        assert_eq!(
            place_of(fine, "g", "v1").as_deref(),
            Some("/openapi/v3/apis/g/v1?hash=1")
        );
    }
}
