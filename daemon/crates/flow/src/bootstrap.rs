//! The FlowSchemas and PriorityLevelConfigurations that upstream starts with.
//!
//! The mandatory ones are always as they are here; the suggested ones can be changed.

use serde_json::{Map, Value, json};

use crate::level::{CATCH_ALL, EXEMPT, Level};
use crate::schema::Schema;

/// Whether an object is to be kept up to date by the server.
pub(crate) const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// Name, shares, lendable percent, queues and hand; no queues: who finds no seat is sent away.
const LEVELS: [(&str, u32, u32, u32, u32); 7] = [
    (CATCH_ALL, 5, 0, 0, 0),
    ("system", 30, 33, 64, 6),
    ("node-high", 40, 25, 64, 6),
    ("leader-election", 10, 0, 16, 4),
    ("workload-high", 40, 50, 128, 6),
    ("workload-low", 100, 90, 128, 6),
    ("global-default", 20, 50, 128, 6),
];
const QUEUE_LENGTH: u32 = 50;

/// Whom a schema means.
#[derive(Clone, Copy)]
enum Whom {
    Group(&'static str),
    User(&'static str),
    SystemAccounts,
}

/// What a schema means.
#[derive(Clone, Copy)]
enum What {
    Everything,
    Probes,
    ElectionLeases,
    NodeHealth,
}

const EVERYBODY: [Whom; 2] = [
    Whom::Group("system:unauthenticated"),
    Whom::Group("system:authenticated"),
];

type Row = (
    &'static str,
    &'static str,
    u32,
    &'static str,
    &'static [Whom],
    What,
);

/// Name, level, precedence, distinguisher, whom and what.
const SCHEMAS: [Row; 11] = [
    (
        EXEMPT,
        EXEMPT,
        1,
        "",
        &[Whom::Group("system:masters")],
        What::Everything,
    ),
    ("probes", EXEMPT, 2, "", &EVERYBODY, What::Probes),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        &[
            Whom::User("system:kube-controller-manager"),
            Whom::User("system:kube-scheduler"),
            Whom::SystemAccounts,
        ],
        What::ElectionLeases,
    ),
    (
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        &[Whom::Group("system:nodes")],
        What::NodeHealth,
    ),
    (
        "system-nodes",
        "system",
        500,
        "ByUser",
        &[Whom::Group("system:nodes")],
        What::Everything,
    ),
    (
        "kube-controller-manager",
        "workload-high",
        800,
        "ByNamespace",
        &[Whom::User("system:kube-controller-manager")],
        What::Everything,
    ),
    (
        "kube-scheduler",
        "workload-high",
        800,
        "ByNamespace",
        &[Whom::User("system:kube-scheduler")],
        What::Everything,
    ),
    (
        "kube-system-service-accounts",
        "workload-high",
        900,
        "ByNamespace",
        &[Whom::SystemAccounts],
        What::Everything,
    ),
    (
        "service-accounts",
        "workload-low",
        9000,
        "ByUser",
        &[Whom::Group("system:serviceaccounts")],
        What::Everything,
    ),
    (
        "global-default",
        "global-default",
        9900,
        "ByUser",
        &EVERYBODY,
        What::Everything,
    ),
    (
        CATCH_ALL,
        CATCH_ALL,
        10_000,
        "ByUser",
        &EVERYBODY,
        What::Everything,
    ),
];

/// An object that upstream starts with.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The plural.
    pub plural: &'static str,
    /// As it is made.
    pub object: Value,
    /// Whether nobody may change it.
    pub mandatory: bool,
}

/// All of them, levels first.
#[must_use]
pub fn wanted() -> Vec<Wanted> {
    let levels = std::iter::once(EXEMPT).chain(LEVELS.map(|level| level.0));
    let levels = levels.map(|name| {
        let object = level_object(name).unwrap_or_default();
        (crate::LEVELS, name, object)
    });
    let schemas = SCHEMAS.iter().map(|row| {
        let object = schema_object(row);
        (crate::SCHEMAS, row.0, object)
    });
    let all = levels.chain(schemas);
    all.map(|(plural, name, object)| Wanted {
        plural,
        object,
        mandatory: [EXEMPT, CATCH_ALL].contains(&name),
    })
    .collect()
}

/// A level that upstream starts with.
pub(crate) fn level(name: &str) -> Option<Level> {
    Level::read(&level_object(name)?)
}

/// A schema that upstream starts with.
pub(crate) fn schema(name: &str) -> Option<Schema> {
    let row = SCHEMAS.iter().find(|row| row.0 == name)?;
    Some(Schema::read(&schema_object(row)))
}

fn object(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "annotations": {AUTO_UPDATE: "true"}}, "spec": spec})
}

fn level_object(name: &str) -> Option<Value> {
    if name == EXEMPT {
        let exempt = json!({"nominalConcurrencyShares": 0, "lendablePercent": 0});
        return Some(object(name, json!({"type": "Exempt", "exempt": exempt})));
    }
    let (name, shares, lendable, queues, hand) =
        LEVELS.into_iter().find(|level| level.0 == name)?;
    let response = match queues {
        0 => json!({"type": "Reject"}),
        _ => json!({"type": "Queue", "queuing": {
            "queues": queues, "handSize": hand, "queueLengthLimit": QUEUE_LENGTH,
        }}),
    };
    let limited = json!({
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": response,
    });
    Some(object(name, json!({"type": "Limited", "limited": limited})))
}

fn schema_object((name, level, precedence, method, whom, what): &Row) -> Value {
    let subject = |whom: &Whom| match whom {
        Whom::Group(name) => json!({"kind": "Group", "group": {"name": name}}),
        Whom::User(name) => json!({"kind": "User", "user": {"name": name}}),
        Whom::SystemAccounts => {
            let account = json!({"namespace": "kube-system", "name": "*"});
            json!({"kind": "ServiceAccount", "serviceAccount": account})
        }
    };
    let resources = |verbs: &[&str], group: &str, resources: &[&str], cluster_scope: bool| {
        let mut rule = json!({
            "verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"],
        });
        if cluster_scope {
            rule["clusterScope"] = true.into();
        }
        rule
    };
    let leases = "coordination.k8s.io";
    let (resource_rules, paths) = match what {
        What::Everything => (
            vec![resources(&["*"], "*", &["*"], true)],
            vec![json!({"verbs": ["*"], "nonResourceURLs": ["*"]})],
        ),
        What::Probes => {
            let paths = ["/healthz", "/readyz", "/livez"];
            let rule = json!({"verbs": ["get"], "nonResourceURLs": paths});
            (Vec::new(), vec![rule])
        }
        What::ElectionLeases => {
            let verbs = ["get", "create", "update"];
            (
                vec![resources(&verbs, leases, &["leases"], false)],
                Vec::new(),
            )
        }
        What::NodeHealth => (
            vec![
                resources(&["*"], "", &["nodes", "nodes/status"], true),
                resources(&["*"], leases, &["leases"], false),
            ],
            Vec::new(),
        ),
    };
    let mut rule = Map::new();
    rule.insert("subjects".into(), whom.iter().map(subject).collect());
    for (field, rules) in [
        ("resourceRules", resource_rules),
        ("nonResourceRules", paths),
    ] {
        if !rules.is_empty() {
            rule.insert(field.into(), rules.into());
        }
    }
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    });
    if !method.is_empty() {
        spec["distinguisherMethod"] = json!({"type": method});
    }
    object(name, spec)
}
