//! One webhook as its configuration describes it, parsed once.
//!
//! Pure. Knows nothing about requests. Invariant: whatever stands in a configuration, there is a
//! hook for it: what cannot be read is told when it is asked.

use std::time::Duration;

use serde_json::Value;
use skerry_selector::labels::Selector;

use super::target::ClientConfig;
use crate::expressions::{Condition, asking};
use crate::limits::WEBHOOK_TIME_MAX;

/// Whether a webhook changes objects or only judges them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Mutating,
    Validating,
}

impl Phase {
    /// As metrics have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Phase::Mutating => "admit",
            Phase::Validating => "validating",
        }
    }
}

/// The reviews that a webhook understands, as far as anybody speaks them here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewVersion {
    V1,
    V1Beta1,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Hook {
    /// The configuration that it stands in.
    pub(crate) configuration: String,
    pub(crate) name: String,
    pub(crate) client: Result<ClientConfig, String>,
    pub(crate) rules: Vec<Rule>,
    /// `failurePolicy: Ignore`
    pub(crate) fails_open: bool,
    /// `matchPolicy: Equivalent`
    pub(crate) takes_equivalents: bool,
    pub(crate) namespaces: Result<Selector, String>,
    pub(crate) objects: Result<Selector, String>,
    pub(crate) conditions: Vec<Condition>,
    /// Whether it may be asked about what is only rehearsed.
    pub(crate) takes_dry_run: bool,
    pub(crate) timeout: Duration,
    /// `reinvocationPolicy: IfNeeded`
    pub(crate) is_reinvocable: bool,
    pub(crate) version: Option<ReviewVersion>,
}

/// What a webhook wants to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) operations: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) versions: Vec<String>,
    pub(crate) resources: Vec<String>,
    /// `*`, `Cluster`, `Namespaced`
    pub(crate) scope: String,
}

/// What is done to which resource, as rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    /// In no namespace, or a namespace itself.
    pub(crate) is_cluster: bool,
}

impl Hook {
    /// The hooks of a configuration, in its order.
    pub(crate) fn read_all(configuration: &Value) -> Vec<Hook> {
        let name = configuration["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        let hooks = configuration["webhooks"].as_array();
        let hooks = hooks.into_iter().flatten();
        hooks.map(|hook| Hook::read(name, hook)).collect()
    }

    fn read(configuration: &str, hook: &Value) -> Hook {
        let text = |field: &str| hook[field].as_str().unwrap_or_default();
        let selector = |field: &str| match &hook[field] {
            Value::Null => Ok(Selector::everything()),
            selector => Selector::from_object(selector).map_err(|error| error.to_string()),
        };
        let seconds = hook["timeoutSeconds"].as_u64();
        let timeout = seconds.map_or(WEBHOOK_TIME_MAX, Duration::from_secs);
        let conditions = match &hook["matchConditions"] {
            Value::Array(list) if !list.is_empty() => {
                Condition::read_all(&asking(), &hook["matchConditions"])
            }
            _ => Vec::new(),
        };
        let rules = hook["rules"].as_array().into_iter().flatten();
        let known = |version: &String| match version.as_str() {
            "v1" => Some(ReviewVersion::V1),
            "v1beta1" => Some(ReviewVersion::V1Beta1),
            _ => None,
        };
        Hook {
            configuration: configuration.to_owned(),
            name: text("name").to_owned(),
            client: ClientConfig::read(&hook["clientConfig"]),
            rules: rules.map(Rule::read).collect(),
            fails_open: text("failurePolicy") == "Ignore",
            takes_equivalents: text("matchPolicy") != "Exact",
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            conditions,
            takes_dry_run: matches!(text("sideEffects"), "None" | "NoneOnDryRun"),
            timeout: timeout.clamp(Duration::from_secs(1), WEBHOOK_TIME_MAX),
            is_reinvocable: text("reinvocationPolicy") == "IfNeeded",
            version: texts(&hook["admissionReviewVersions"])
                .iter()
                .find_map(known),
        }
    }
}

impl Rule {
    pub(crate) fn read(rule: &Value) -> Rule {
        Rule {
            operations: texts(&rule["operations"]),
            groups: texts(&rule["apiGroups"]),
            versions: texts(&rule["apiVersions"]),
            resources: texts(&rule["resources"]),
            scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
        }
    }

    /// Whether it is about this.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        let has = |all: &[String], wanted: &str| all.iter().any(|one| one == "*" || one == wanted);
        let in_scope = match self.scope.as_str() {
            "*" => true,
            "Namespaced" => !subject.is_cluster,
            "Cluster" => subject.is_cluster,
            _ => false,
        };
        let is_named = |resource: &String| {
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            (resource == "*" || resource == subject.resource)
                && (sub == "*" || sub == subject.subresource)
        };
        in_scope
            && has(&self.operations, subject.operation)
            && has(&self.groups, subject.group)
            && has(&self.versions, subject.version)
            && self.resources.iter().any(is_named)
    }
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    let texts = texts.filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POD: Subject<'_> = Subject {
        operation: "CREATE",
        group: "",
        version: "v1",
        resource: "pods",
        subresource: "",
        is_cluster: false,
    };

    fn rule(change: &Value) -> Rule {
        let mut rule = json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
        for (field, value) in change.as_object().unwrap() {
            rule[field] = value.clone();
        }
        Rule::read(&rule)
    }

    #[test]
    fn a_rule_is_about_what_it_names_or_about_everything() {
        for (change, subject, is_about) in [
            (json!({}), POD, true),
            (json!({"operations": ["*"]}), POD, true),
            (json!({"operations": ["UPDATE"]}), POD, false),
            (json!({"apiGroups": ["*"]}), POD, true),
            (json!({"apiGroups": ["apps"]}), POD, false),
            (json!({"apiVersions": ["v2"]}), POD, false),
            (json!({"resources": ["*"]}), POD, true),
            (json!({"resources": ["*/*"]}), POD, true),
            (json!({"resources": ["*/status"]}), POD, false),
            (json!({"resources": ["pods/*"]}), POD, true),
            (
                json!({"resources": ["pods"]}),
                Subject {
                    subresource: "status",
                    ..POD
                },
                false,
            ),
            (
                json!({"resources": ["*"]}),
                Subject {
                    subresource: "status",
                    ..POD
                },
                false,
            ),
            (
                json!({"resources": ["pods/*"]}),
                Subject {
                    subresource: "status",
                    ..POD
                },
                true,
            ),
            (
                json!({"resources": ["*/status"]}),
                Subject {
                    subresource: "status",
                    ..POD
                },
                true,
            ),
            (json!({"scope": "Cluster"}), POD, false),
            (json!({"scope": "Namespaced"}), POD, true),
            (
                json!({"scope": "Cluster"}),
                Subject {
                    is_cluster: true,
                    ..POD
                },
                true,
            ),
            (json!({"scope": "Other"}), POD, false),
        ] {
            assert_eq!(
                rule(&change).matches(&subject),
                is_about,
                "{change} {subject:?}"
            );
        }
    }

    #[test]
    fn whatever_a_configuration_says_there_is_a_hook_for_it() {
        let read = Hook::read_all(&json!({"metadata": {"name": "c"}, "webhooks": [5, {}, {
            "name": "a.b.c",
            "timeoutSeconds": 3,
            "admissionReviewVersions": ["v7", "v1beta1", "v1"],
            "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Odd"}]},
            "clientConfig": {"url": "https://x"},
        }]}));
        assert_eq!(read.len(), 3);
        assert!(read[0].client.is_err() && read[1].version.is_none());
        assert_eq!(read[2].version, Some(ReviewVersion::V1Beta1));
        assert_eq!(read[2].timeout, Duration::from_secs(3));
        assert!(read[2].namespaces.is_err() && read[2].objects.is_ok());
        assert!(Hook::read_all(&json!({"webhooks": 1})).is_empty());
    }
}
