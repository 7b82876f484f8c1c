//! FlowSchemas: whose requests for what go to which priority level.
//!
//! Knows nothing about validation: what is broken matches nothing. Invariant: a schema that is kept
//! has a bounded number of words.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

/// A request, as far as it decides where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// The verb, as authorization sees it.
    pub verb: &'a str,
    /// What it is about.
    pub target: Target<'a>,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Objects.
    Resource {
        /// Empty for the core group.
        group: &'a str,
        /// The plural.
        resource: &'a str,
        /// Empty where there is none.
        subresource: &'a str,
        /// Empty where it is in none, or in all.
        namespace: &'a str,
    },
    /// Something else.
    Path(&'a str),
}

/// What tells the flows of a schema apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distinguisher {
    User,
    Namespace,
}

/// One FlowSchema.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) name: Arc<str>,
    pub(crate) uid: Arc<str>,
    pub(crate) level: Arc<str>,
    precedence: i64,
    distinguisher: Option<Distinguisher>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

#[derive(Debug, Clone)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
    /// In a namespace.
    Account(Box<str>, Box<str>),
}

#[derive(Debug, Clone)]
struct ResourceRule {
    verbs: Words,
    groups: Words,
    resources: Words,
    namespaces: Words,
    cluster_scope: bool,
}

#[derive(Debug, Clone)]
struct PathRule {
    verbs: Words,
    paths: Words,
}

/// A list of words, or the wildcard alone.
#[derive(Debug, Clone)]
struct Words(Option<Box<[Box<str>]>>);

impl Words {
    fn read(value: &Value) -> Words {
        let all: Vec<&str> = list(value).iter().filter_map(Value::as_str).collect();
        if all == ["*"] {
            return Words(None);
        }
        Words(Some(all.into_iter().map(Box::from).collect()))
    }

    fn has(&self, word: &str) -> bool {
        let Some(words) = &self.0 else { return true };
        words.iter().any(|known| **known == *word)
    }

    fn has_joined(&self, resource: &str, subresource: &str) -> bool {
        if subresource.is_empty() {
            return self.has(resource);
        }
        let Some(words) = &self.0 else { return true };
        words
            .iter()
            .any(|known| known.split_once('/') == Some((resource, subresource)))
    }

    fn has_path(&self, path: &str) -> bool {
        let Some(words) = &self.0 else { return true };
        words.iter().any(|known| {
            if **known == *path {
                return true;
            }
            let prefix = known.strip_suffix('*').unwrap_or(known);
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }

    fn weight(&self) -> (usize, usize) {
        let words = self.0.as_deref().unwrap_or_default();
        (
            1 + words.len(),
            words.iter().map(|word| word.len()).sum::<usize>(),
        )
    }
}

impl Schema {
    /// Reads a FlowSchema object.
    #[must_use]
    pub fn read(object: &Value) -> Schema {
        let spec = &object["spec"];
        Schema {
            name: text(&object["metadata"]["name"]).into(),
            uid: text(&object["metadata"]["uid"]).into(),
            level: text(&spec["priorityLevelConfiguration"]["name"]).into(),
            precedence: spec["matchingPrecedence"].as_i64().unwrap_or(1000),
            distinguisher: match text(&spec["distinguisherMethod"]["type"]) {
                "ByUser" => Some(Distinguisher::User),
                "ByNamespace" => Some(Distinguisher::Namespace),
                _ => None,
            },
            rules: list(&spec["rules"]).iter().map(Rule::read).collect(),
        }
    }

    /// The name of the level that its requests go to.
    #[must_use]
    pub fn level(&self) -> &str {
        &self.level
    }

    /// Its name, its uid and its level's name.
    pub(crate) fn clone_names(&self) -> (Arc<str>, Arc<str>, Arc<str>) {
        let [name, uid, level] = [&self.name, &self.uid, &self.level].map(Arc::clone);
        (name, uid, level)
    }

    /// Which of two is asked first.
    pub(crate) fn order(&self) -> (i64, &str) {
        (self.precedence, &self.name)
    }

    /// Words, and their bytes.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let rules = self.rules.iter().map(Rule::weight);
        rules.fold((1, self.name.len()), |sum, rule| {
            (sum.0 + rule.0, sum.1 + rule.1)
        })
    }

    pub(crate) fn matches(&self, asked: &Asked<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(asked))
    }

    /// A number for each flow; those of one flow have the same.
    pub(crate) fn flow(&self, asked: &Asked<'_>) -> u64 {
        let distinguished = match (self.distinguisher, asked.target) {
            (Some(Distinguisher::User), _) => asked.user,
            (Some(Distinguisher::Namespace), Target::Resource { namespace, .. }) => namespace,
            _ => "",
        };
        let mut hasher = DefaultHasher::new();
        (&*self.name, distinguished).hash(&mut hasher);
        hasher.finish()
    }
}

impl Rule {
    fn read(value: &Value) -> Rule {
        let subject = |value: &Value| {
            let name = |field: &str| text(&value[field]["name"]).into();
            match text(&value["kind"]) {
                "User" => Some(Subject::User(name("user"))),
                "Group" => Some(Subject::Group(name("group"))),
                "ServiceAccount" => {
                    let namespace = text(&value["serviceAccount"]["namespace"]).into();
                    Some(Subject::Account(namespace, name("serviceAccount")))
                }
                _ => None,
            }
        };
        let resource = |value: &Value| ResourceRule {
            verbs: Words::read(&value["verbs"]),
            groups: Words::read(&value["apiGroups"]),
            resources: Words::read(&value["resources"]),
            namespaces: Words::read(&value["namespaces"]),
            cluster_scope: value["clusterScope"] == true,
        };
        let path = |value: &Value| PathRule {
            verbs: Words::read(&value["verbs"]),
            paths: Words::read(&value["nonResourceURLs"]),
        };
        Rule {
            subjects: list(&value["subjects"])
                .iter()
                .filter_map(subject)
                .collect(),
            resources: list(&value["resourceRules"]).iter().map(resource).collect(),
            paths: list(&value["nonResourceRules"]).iter().map(path).collect(),
        }
    }

    fn matches(&self, asked: &Asked<'_>) -> bool {
        if !self.subjects.iter().any(|subject| subject.means(asked)) {
            return false;
        }
        match asked.target {
            Target::Resource {
                group,
                resource,
                subresource,
                namespace,
            } => self.resources.iter().any(|rule| {
                let in_place = match namespace {
                    "" => rule.cluster_scope,
                    namespace => rule.namespaces.has(namespace),
                };
                in_place
                    && rule.verbs.has(asked.verb)
                    && rule.groups.has(group)
                    && rule.resources.has_joined(resource, subresource)
            }),
            Target::Path(path) => {
                let mut rules = self.paths.iter();
                rules.any(|rule| rule.verbs.has(asked.verb) && rule.paths.has_path(path))
            }
        }
    }

    fn weight(&self) -> (usize, usize) {
        let resources = self.resources.iter().flat_map(|rule| {
            let words = [&rule.verbs, &rule.groups, &rule.resources, &rule.namespaces];
            words.map(Words::weight)
        });
        let paths = self.paths.iter();
        let paths = paths.flat_map(|rule| [rule.verbs.weight(), rule.paths.weight()]);
        let subjects = self.subjects.iter().map(|subject| match subject {
            Subject::User(name) | Subject::Group(name) => (1, name.len()),
            Subject::Account(namespace, name) => (1, namespace.len() + name.len()),
        });
        let all = resources.chain(paths).chain(subjects);
        all.fold((1, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

impl Subject {
    fn means(&self, asked: &Asked<'_>) -> bool {
        match self {
            Subject::User(name) => **name == *"*" || **name == *asked.user,
            Subject::Group(name) => {
                **name == *"*" || asked.groups.iter().any(|group| **group == **name)
            }
            Subject::Account(namespace, name) => {
                let own = asked.user.strip_prefix("system:serviceaccount:");
                let own = own.and_then(|rest| rest.split_once(':'));
                own.is_some_and(|(own_namespace, own_name)| {
                    own_namespace == &**namespace && (**name == *"*" || own_name == &**name)
                })
            }
        }
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(rule: Value) -> Schema {
        Schema::read(&json!({"metadata": {"name": "a"}, "spec": {"rules": [rule]}}))
    }

    fn pods(namespace: &str) -> Target<'_> {
        Target::Resource {
            group: "",
            resource: "pods",
            subresource: "status",
            namespace,
        }
    }

    fn asked<'a>(user: &'a str, verb: &'a str, target: Target<'a>) -> Asked<'a> {
        Asked {
            user,
            groups: &[],
            verb,
            target,
        }
    }

    #[test]
    fn a_service_account_is_meant_by_its_name_or_by_its_namespace() {
        let with = |name: &str| {
            let account = json!({"namespace": "kube-system", "name": name});
            schema(json!({
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }))
        };
        let is =
            |name: &str, user: &str| with(name).matches(&asked(user, "get", Target::Path("/x")));
        assert!(is("*", "system:serviceaccount:kube-system:dns"));
        assert!(is("dns", "system:serviceaccount:kube-system:dns"));
        assert!(!is("dns", "system:serviceaccount:kube-system:other"));
        assert!(!is("*", "system:serviceaccount:kube-system-2:dns"));
        assert!(!is("*", "dns"));
    }

    #[test]
    fn a_rule_of_a_resource_means_its_subresource_by_both_names_and_a_place() {
        let rule = |resources: &str, namespaces: Value, cluster_scope: bool| {
            schema(json!({
                "subjects": [{"kind": "User", "user": {"name": "*"}}],
                "resourceRules": [{
                    "verbs": ["get", "list"], "apiGroups": [""], "resources": [resources],
                    "namespaces": namespaces, "clusterScope": cluster_scope,
                }],
            }))
        };
        let get =
            |schema: &Schema, namespace: &str| schema.matches(&asked("a", "get", pods(namespace)));
        assert!(get(&rule("pods/status", json!(["*"]), false), "x"));
        assert!(!get(&rule("pods/status", json!(["*"]), false), ""));
        assert!(get(&rule("*", json!([]), true), ""));
        assert!(!get(&rule("*", json!(["y"]), true), "x"));
        assert!(!get(&rule("pods", json!(["*"]), true), "x"));
        let writes = asked("a", "create", pods("x"));
        assert!(!rule("*", json!(["*"]), true).matches(&writes));
    }

    #[test]
    fn a_path_is_meant_with_all_that_is_below_it() {
        let schema = schema(json!({
            "subjects": [{"kind": "Group", "group": {"name": "*"}}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}],
        }));
        let is = |path: &str| schema.matches(&asked("a", "get", Target::Path(path)));
        assert!(is("/healthz") && is("/healthz/etcd") && is("/api/v1"));
        assert!(!is("/healthy") && !is("/api") && !is("/apis"));
    }

    #[test]
    fn flows_are_told_apart_as_the_schema_says() {
        let by = |method: &str| {
            let method = json!({"type": method});
            Schema::read(
                &json!({"metadata": {"name": "a"}, "spec": {"distinguisherMethod": method}}),
            )
        };
        let flow = |schema: &Schema, user: &str, namespace: &str| {
            schema.flow(&asked(user, "get", pods(namespace)))
        };
        assert_ne!(flow(&by("ByUser"), "a", "x"), flow(&by("ByUser"), "b", "x"));
        assert_eq!(flow(&by("ByUser"), "a", "x"), flow(&by("ByUser"), "a", "y"));
        let namespaces = by("ByNamespace");
        assert_ne!(flow(&namespaces, "a", "x"), flow(&namespaces, "a", "y"));
        assert_eq!(flow(&by(""), "a", "x"), flow(&by(""), "b", "y"));
    }
}
