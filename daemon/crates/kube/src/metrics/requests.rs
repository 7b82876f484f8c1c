//! Requests by what they ask, as upstream labels them.
//!
//! Invariant: a row is of a resource that is served or of a path in a short list, so that there are
//! never more than [`METRIC_ROWS_MAX`] of them; what does not fit is counted in the first row.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method, header};
use skerry_metrics::{Buckets, Counter};

use crate::limits::METRIC_ROWS_MAX;
use crate::query::Query;
use crate::registry::{Registry, Resource};
use crate::route::RequestInfo;

/// Bounds of `request_duration_seconds`, upstream's.
pub(super) const SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
];
/// Those of them that `request_sli_duration_seconds` has not: the first so many.
pub(super) const SECONDS_NOT_SLI: usize = 2;
/// Bounds of `response_sizes`, upstream's.
pub(super) const BYTES: [f64; 7] = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Paths beside resources that are told apart.
const PATHS: [&str; 11] = [
    "",
    "/livez",
    "/readyz",
    "/healthz",
    "/metrics",
    "/metrics/slis",
    "/version",
    "/api",
    "/apis",
    "/openapi/v2",
    "/openapi/v3",
];

/// What a request asks, as far as it is counted.
#[derive(Clone)]
pub(crate) struct Seen {
    resource: Option<Arc<Resource>>,
    /// Place in the resource's list, from 1; 0: none.
    subresource: u8,
    /// Place in [`PATHS`].
    path: u8,
    pub(super) verb: &'static str,
    pub(super) scope: &'static str,
    pub(super) dry_run: &'static str,
}

#[derive(PartialEq, Eq, Hash)]
struct Key(usize, u8, u8, &'static str, &'static str, &'static str);

impl Seen {
    pub(crate) fn of(
        registry: &Registry,
        info: &RequestInfo,
        method: &Method,
        headers: &HeaderMap,
        query: &Query,
    ) -> Seen {
        let found = registry.served(&info.group, &info.version, &info.resource);
        let resource = found.filter(|_| info.is_resource);
        let subresource = resource.as_ref().and_then(|resource| {
            let mut all = resource.subresources.iter();
            let place = all.position(|sub| sub.name == info.subresource)?;
            u8::try_from(place + 1).ok()
        });
        let path = match info.is_resource {
            true => 0,
            false => {
                let path = info.path.trim_end_matches('/');
                PATHS.iter().position(|known| *known == path).unwrap_or(0)
            }
        };
        Seen {
            resource,
            subresource: subresource.unwrap_or(0),
            path: u8::try_from(path).unwrap_or(0),
            verb: verb(info, method, headers),
            scope: scope(info),
            dry_run: match query.get("dryRun") {
                "" => "",
                "All" => "All",
                _ => "invalid",
            },
        }
    }

    fn key(&self) -> Key {
        let resource = self.resource.as_ref();
        // A row keeps its resource, so that no other can get its address.
        let resource = resource.map_or(0, |resource| Arc::as_ptr(resource) as usize);
        Key(
            resource,
            self.subresource,
            self.path,
            self.verb,
            self.scope,
            self.dry_run,
        )
    }

    /// Group, version, resource, subresource, scope and component.
    pub(super) fn labels(&self) -> [(&'static str, &str); 6] {
        let (group, version, plural) = match &self.resource {
            Some(resource) => (&*resource.group, &*resource.version, &*resource.plural),
            None => ("", "", ""),
        };
        let subresource = match (&self.resource, self.subresource) {
            (_, 0) | (None, _) => PATHS[usize::from(self.path)],
            (Some(resource), place) => {
                let sub = resource.subresources.get(usize::from(place) - 1);
                sub.map_or("", |sub| &sub.name)
            }
        };
        [
            ("group", group),
            ("version", version),
            ("resource", plural),
            ("subresource", subresource),
            ("scope", self.scope),
            ("component", if self.path == 0 { "apiserver" } else { "" }),
        ]
    }

    pub(crate) fn is_long_running(&self) -> bool {
        matches!(self.verb, "WATCH" | "CONNECT")
    }

    pub(super) fn reads(&self) -> bool {
        matches!(self.verb, "GET" | "LIST")
    }
}

fn verb(info: &RequestInfo, method: &Method, headers: &HeaderMap) -> &'static str {
    let connects = ["log", "exec", "attach", "portforward", "proxy"];
    if info.is_resource && connects.contains(&info.subresource.as_str()) {
        return "CONNECT";
    }
    match (info.verb, method) {
        ("watch", _) => "WATCH",
        ("list", _) => "LIST",
        (_, &Method::GET | &Method::HEAD) => "GET",
        (_, &Method::POST) => "POST",
        (_, &Method::PUT) => "PUT",
        (_, &Method::DELETE) => "DELETE",
        (_, &Method::PATCH) => {
            let kind = headers.get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            match kind.starts_with("application/apply-patch+") {
                true => "APPLY",
                false => "PATCH",
            }
        }
        _ => "other",
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match info.is_resource {
        false => "",
        true if !info.name.is_empty() || info.verb == "create" => "resource",
        true if !info.namespace.is_empty() => "namespace",
        true => "cluster",
    }
}

/// What was counted of one kind of request.
pub(super) struct Row {
    pub(super) seen: Seen,
    /// By status; there are few of them.
    pub(super) codes: Vec<(u16, u64)>,
    pub(super) seconds: Buckets<{ SECONDS.len() }>,
    pub(super) bytes: Buckets<{ BYTES.len() }>,
    /// Under way, where these last.
    pub(super) long_running: u64,
    /// Answered with 429 because too many were under way.
    pub(super) dropped: u64,
}

/// Events sent to watchers of a resource.
pub(crate) type EventCounter = Arc<Counter>;

/// See the module.
#[derive(Default)]
pub(super) struct Requests {
    rows: Vec<Row>,
    places: HashMap<Key, usize>,
    events: HashMap<usize, (Arc<Resource>, EventCounter)>,
}

impl Requests {
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn row(&mut self, seen: &Seen) -> &mut Row {
        let key = seen.key();
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.rows.len() < METRIC_ROWS_MAX => {
                self.rows.push(Row {
                    seen: seen.clone(),
                    codes: Vec::new(),
                    seconds: Buckets::default(),
                    bytes: Buckets::default(),
                    long_running: 0,
                    dropped: 0,
                });
                self.places.insert(key, self.rows.len() - 1);
                self.rows.len() - 1
            }
            None => 0,
        };
        &mut self.rows[place]
    }

    pub(super) fn answered(&mut self, seen: &Seen, code: u16, seconds: f64, bytes: u64) {
        let row = self.row(seen);
        match row.codes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => row.codes.push((code, 1)),
        }
        row.seconds.observe(&SECONDS, seconds);
        if seen.reads() {
            row.bytes.observe(&BYTES, bytes as f64);
        }
    }

    pub(super) fn events(&mut self, resource: &Arc<Resource>) -> EventCounter {
        let key = Arc::as_ptr(resource) as usize;
        let entry = self.events.entry(key);
        let (_, counter) = entry.or_insert_with(|| (Arc::clone(resource), EventCounter::default()));
        Arc::clone(counter)
    }

    pub(super) fn all_events(&self) -> impl Iterator<Item = (&Resource, u64)> {
        let all = self.events.values();
        all.map(|(resource, counter)| (&**resource, counter.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::route;

    fn seen(registry: &Registry, method: &Method, target: &str) -> Seen {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = Query::parse(query);
        let info = route(method, path, &query);
        Seen::of(registry, &info, method, &HeaderMap::new(), &query)
    }

    #[test]
    fn requests_have_the_labels_that_upstream_gives_them() {
        let registry = Registry::new(skerry_schema::built_in());
        let cases = [
            (
                Method::GET,
                "/api/v1/pods",
                "LIST",
                "",
                "pods",
                "",
                "cluster",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods?watch=1",
                "WATCH",
                "",
                "pods",
                "",
                "namespace",
            ),
            (
                Method::HEAD,
                "/api/v1/namespaces/a/pods/b",
                "GET",
                "",
                "pods",
                "",
                "resource",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods/b/log",
                "CONNECT",
                "",
                "pods",
                "log",
                "resource",
            ),
            (
                Method::POST,
                "/apis/apps/v1/namespaces/a/deployments",
                "POST",
                "apps",
                "deployments",
                "",
                "resource",
            ),
            (
                Method::PUT,
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                "PUT",
                "apps",
                "deployments",
                "scale",
                "resource",
            ),
            (
                Method::DELETE,
                "/api/v1/nodes",
                "DELETE",
                "",
                "nodes",
                "",
                "cluster",
            ),
            (Method::GET, "/livez?verbose", "GET", "", "", "/livez", ""),
            (Method::GET, "/made/up", "GET", "", "", "", ""),
            (
                Method::TRACE,
                "/api/v1/none/x",
                "other",
                "",
                "",
                "",
                "resource",
            ),
        ];
        for (method, target, verb, group, plural, sub, scope) in cases {
            let seen = seen(&registry, &method, target);
            let labels = seen.labels();
            assert_eq!(seen.verb, verb, "{target}");
            assert_eq!(labels[0].1, group, "{target}");
            assert_eq!(labels[2].1, plural, "{target}");
            assert_eq!(labels[3].1, sub, "{target}");
            assert_eq!(labels[4].1, scope, "{target}");
        }
    }

    #[test]
    fn whatever_is_asked_the_table_stays_within_its_limit() {
        let registry = Registry::new(skerry_schema::built_in());
        let mut requests = Requests::default();
        let mut count = 0;
        for resource in registry.built_in() {
            let base = match resource.group.as_str() {
                "" => format!("/api/{}/", resource.version),
                group => format!("/apis/{group}/{}/", resource.version),
            };
            for method in [
                Method::GET,
                Method::PUT,
                Method::POST,
                Method::PATCH,
                Method::DELETE,
            ] {
                for namespace in ["", "namespaces/x/"] {
                    for rest in [
                        "",
                        "/n",
                        "/n/status",
                        "/n/scale",
                        "?watch=1",
                        "?dryRun=All",
                        "?dryRun=x",
                    ] {
                        let target = format!("{base}{namespace}{}{rest}", resource.plural);
                        requests.answered(&seen(&registry, &method, &target), 200, 0.1, 1);
                        count += 1;
                    }
                }
            }
        }
        for number in 0..5_000 {
            let target = format!("/apis/{number}/v1/things/{number}");
            requests.answered(&seen(&registry, &Method::GET, &target), 404, 0.1, 1);
            count += 1;
        }
        assert!(requests.rows().len() <= METRIC_ROWS_MAX);
        let counted: u64 = requests.rows().iter().map(|row| row.seconds.count()).sum();
        assert_eq!(counted, count);
    }
}
