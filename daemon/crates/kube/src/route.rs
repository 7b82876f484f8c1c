//! From a method and a path to what is asked: upstream's rules, also its old `/watch/` paths.
//!
//! Pure. Knows nothing about which resources there are. Invariant: whatever the path, the answer is
//! a [`RequestInfo`]; a path that is none of a resource has `is_resource` false.

use http::Method;
use skerry_selector::fields;

use crate::query::{self, Query};
use crate::registry;

/// What a request asks, as authorization and the verbs see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestInfo {
    /// Whether it is about a resource; otherwise only `path` and `verb` mean something.
    pub(crate) is_resource: bool,
    pub(crate) path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
    /// Nothing takes this method there: all but GET of a watch, HEAD and OPTIONS of what is no
    /// proxy. Authorization is still asked first.
    pub(crate) method_unfit: bool,
    /// What follows the subresource: the path behind a proxy.
    pub(crate) rest: Vec<String>,
}

/// What can follow a namespace's name and is not a resource in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Finds out what a request asks.
pub(crate) fn route(method: &Method, path: &str, query: &Query) -> RequestInfo {
    let mut info = RequestInfo {
        path: path.to_owned(),
        verb: plain_verb(method),
        ..RequestInfo::default()
    };
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(query::decode_segment)
        .collect();
    let mut parts: &[String] = &segments;
    match parts {
        [api, rest @ ..] if api == "api" => parts = rest,
        [apis, group, rest @ ..] if apis == "apis" => {
            info.group.clone_from(group);
            parts = rest;
        }
        _ => return info,
    }
    let [version, rest @ ..] = parts else {
        return RequestInfo {
            group: String::new(),
            ..info
        };
    };
    if rest.is_empty() {
        return RequestInfo {
            group: String::new(),
            ..info
        };
    }
    info.version.clone_from(version);
    info.is_resource = true;
    parts = rest;
    info.verb = resource_verb(method);
    let watches = parts[0] == "watch" && parts.len() > 1;
    if watches {
        info.verb = "watch";
        parts = &parts[1..];
    }
    if parts[0] == "namespaces"
        && let [_, namespace, rest @ ..] = parts
    {
        info.namespace.clone_from(namespace);
        if let Some(next) = rest.first()
            && !NAMESPACE_SUBRESOURCES.contains(&next.as_str())
        {
            parts = rest;
        }
    }
    info.resource.clone_from(&parts[0]);
    if let Some(name) = parts.get(1) {
        info.name.clone_from(name);
    }
    if let Some(subresource) = parts.get(2) {
        info.subresource.clone_from(subresource);
        info.rest = parts[3..].to_vec();
    }
    info.method_unfit = match *method {
        Method::GET => false,
        Method::HEAD | Method::OPTIONS => info.subresource != "proxy",
        _ => watches,
    };
    if info.name.is_empty() {
        match info.verb {
            "get" => {
                info.verb = match query.switch("watch") {
                    true => "watch",
                    false => "list",
                }
            }
            "delete" => info.verb = "deletecollection",
            _ => {}
        }
        if matches!(info.verb, "list" | "watch")
            && let Some(name) = selected_name(query)
        {
            info.name = name;
        }
    }
    info
}

/// The name of the one object that a field selector lets through: a role that names it is enough.
fn selected_name(query: &Query) -> Option<String> {
    let selector = fields::Selector::parse(query.get("fieldSelector")).ok()?;
    let name = selector.exact("metadata.name")?;
    let fits = !name.is_empty() && registry::check_segment(name).is_ok();
    fits.then(|| name.to_owned())
}

fn resource_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

fn plain_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verb, group, version, namespace, resource, subresource, name.
    type Asked<'a> = [&'a str; 7];

    fn asked(method: &Method, target: &str) -> Option<Vec<String>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let info = route(method, path, &Query::parse(query));
        info.is_resource.then(|| {
            vec![
                info.verb.to_owned(),
                info.group,
                info.version,
                info.namespace,
                info.resource,
                info.subresource,
                info.name,
            ]
        })
    }

    #[test]
    fn paths_are_read_as_upstream_reads_them() {
        let cases: [(Method, &str, Asked<'_>); 13] = [
            (
                Method::GET,
                "/api/v1/namespaces",
                ["list", "", "v1", "", "namespaces", "", ""],
            ),
            (
                Method::GET,
                "/api/v1/namespaces/other",
                ["get", "", "v1", "other", "namespaces", "", "other"],
            ),
            (
                Method::PUT,
                "/api/v1/namespaces/other/finalize",
                [
                    "update",
                    "",
                    "v1",
                    "other",
                    "namespaces",
                    "finalize",
                    "other",
                ],
            ),
            (
                Method::GET,
                "/api/v1/namespaces/other/pods",
                ["list", "", "v1", "other", "pods", "", ""],
            ),
            (
                Method::GET,
                "/api/v1/namespaces/other/pods?watch=true",
                ["watch", "", "v1", "other", "pods", "", ""],
            ),
            (
                Method::GET,
                "/api/v1/namespaces/other/pods/foo",
                ["get", "", "v1", "other", "pods", "", "foo"],
            ),
            (
                Method::HEAD,
                "/api/v1/namespaces/other/pods/foo",
                ["get", "", "v1", "other", "pods", "", "foo"],
            ),
            (
                Method::GET,
                "/api/v1/watch/namespaces/other/pods",
                ["watch", "", "v1", "other", "pods", "", ""],
            ),
            (
                Method::GET,
                "/apis/apps/v1/deployments",
                ["list", "apps", "v1", "", "deployments", "", ""],
            ),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                ["patch", "apps", "v1", "a", "deployments", "scale", "b"],
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/other/pods",
                ["deletecollection", "", "v1", "other", "pods", "", ""],
            ),
            (
                Method::DELETE,
                "/api/v1/nodes/a%2Fb",
                ["delete", "", "v1", "", "nodes", "", "a/b"],
            ),
            (
                Method::POST,
                "/api/v1/namespaces/other/pods",
                ["create", "", "v1", "other", "pods", "", ""],
            ),
        ];
        for (method, target, wanted) in cases {
            let found = asked(&method, target).unwrap();
            assert_eq!(found, wanted, "{method} {target}");
        }
    }

    #[test]
    fn a_watch_takes_get_alone_and_only_a_proxy_takes_every_method() {
        let fits = |method: Method, path: &str| {
            let info = route(&method, path, &Query::parse(""));
            !info.method_unfit
        };
        assert!(fits(Method::GET, "/api/v1/watch/pods"));
        assert!(!fits(Method::POST, "/api/v1/watch/pods"));
        assert!(!fits(Method::HEAD, "/api/v1/pods"));
        assert!(fits(Method::HEAD, "/api/v1/namespaces/a/pods/b/proxy/c"));
        assert!(fits(Method::OPTIONS, "/api/v1/nodes/b/proxy"));
        assert!(!fits(Method::OPTIONS, "/api/v1/nodes/b"));
    }

    #[test]
    fn what_is_no_path_of_a_resource_is_just_a_path() {
        for path in [
            "/",
            "/version",
            "/api",
            "/api/v1",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/healthz/ping",
            "//",
        ] {
            assert_eq!(asked(&Method::GET, path), None, "{path}");
        }
    }
}
