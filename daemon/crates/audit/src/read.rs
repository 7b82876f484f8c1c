//! A policy out of its file: what is not one is refused with file, line, rule and what to do.
//!
//! Stricter than upstream in one thing: an unknown key is an error, as a misspelt one would record
//! too much or too little.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::event::Stage;
use crate::limits::POLICY_BYTES_MAX;
use crate::node::{self, Fault, Node, What};
use crate::policy::{GroupResources, Level, Policy, Rule, Stages};

/// A policy file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("audit policy {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any policy.
    #[error("audit policy {path}: larger than {POLICY_BYTES_MAX} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no policy.
    #[error("audit policy {path}:{line}: {what}", path = path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl Policy {
    /// Reads a policy file, YAML or JSON.
    ///
    /// # Errors
    /// What cannot be read, and what is not a policy.
    pub fn read(path: &Path) -> Result<Policy, PolicyError> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(POLICY_BYTES_MAX + 1).read_to_end(&mut bytes));
        let failed = |source| PolicyError::Read {
            path: path.to_owned(),
            source,
        };
        read.map_err(failed)?;
        if bytes.len() as u64 > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            failed(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                error.utf8_error(),
            ))
        })?;
        Policy::parse(&text).map_err(|(line, what)| PolicyError::Wrong {
            path: path.to_owned(),
            line,
            what,
        })
    }

    /// Parses the text of a policy file; an error is a line and what is wrong there.
    ///
    /// # Errors
    /// What is not a policy.
    pub fn parse(text: &str) -> Result<Policy, (usize, String)> {
        policy(&node::parse(text)?)
    }
}

fn policy(root: &Node) -> Result<Policy, Fault> {
    let place = "the policy";
    let mut policy = Policy::default();
    let (mut version, mut kind, mut rules) = (false, false, false);
    for (key, value) in entries(root, place)? {
        match key.as_str() {
            "apiVersion" => {
                version = true;
                wants(value, "apiVersion", "audit.k8s.io/v1")?;
            }
            "kind" => {
                kind = true;
                wants(value, "kind", "Policy")?;
            }
            "metadata" => {}
            "rules" => {
                rules = true;
                for (at, rule) in items(value, "rules")?.iter().enumerate() {
                    policy.rules.push(self::rule(rule, at)?);
                }
            }
            "omitStages" => policy.omit_stages = stages(value, "omitStages")?,
            "omitManagedFields" => policy.omit_managed_fields = switch(value, "omitManagedFields")?,
            other => {
                let known = "apiVersion, kind, metadata, rules, omitStages, omitManagedFields";
                return Err(unknown(value, other, place, known));
            }
        }
    }
    if !version || !kind {
        let what = "say 'apiVersion: audit.k8s.io/v1' and 'kind: Policy'";
        return Err((root.line, what.into()));
    }
    if !rules || policy.rules.is_empty() {
        let what = "no rules: nothing would be recorded; write at least '- level: Metadata'";
        return Err((root.line, what.into()));
    }
    Ok(policy)
}

fn rule(node: &Node, at: usize) -> Result<Rule, Fault> {
    let place = format!("rules[{at}]");
    let named = |key: &str| format!("{place}.{key}");
    let mut level = None;
    let mut rule = Rule {
        level: Level::None,
        users: Vec::new(),
        groups: Vec::new(),
        verbs: Vec::new(),
        resources: Vec::new(),
        namespaces: Vec::new(),
        paths: Vec::new(),
        omit_stages: Stages::default(),
        omit_managed_fields: None,
    };
    for (key, value) in entries(node, &place)? {
        let name = named(key);
        match key.as_str() {
            "level" => level = Some(self::level(value, &name)?),
            "users" => rule.users = texts(value, &name)?,
            "userGroups" => rule.groups = texts(value, &name)?,
            "verbs" => rule.verbs = texts(value, &name)?,
            "resources" => {
                for (at, item) in items(value, &name)?.iter().enumerate() {
                    let place = format!("{name}[{at}]");
                    rule.resources.push(group_resources(item, &place)?);
                }
            }
            "namespaces" => rule.namespaces = texts(value, &name)?,
            "nonResourceURLs" => {
                rule.paths = texts(value, &name)?;
                rule.paths
                    .iter()
                    .try_for_each(|path| check_path(path, value, &name))?;
            }
            "omitStages" => rule.omit_stages = stages(value, &name)?,
            "omitManagedFields" => rule.omit_managed_fields = Some(switch(value, &name)?),
            other => {
                let known = "level, users, userGroups, verbs, resources, namespaces, \
                    nonResourceURLs, omitStages, omitManagedFields";
                return Err(unknown(value, other, &place, known));
            }
        }
    }
    let about_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    if about_resources && !rule.paths.is_empty() {
        let what = format!(
            "{place}: rules cannot apply to both regular resources and non-resource URLs; make two of it"
        );
        return Err((node.line, what));
    }
    rule.level = level.ok_or_else(|| {
        let names = Level::ALL.map(Level::name).join(", ");
        (
            node.line,
            format!("{place}.level: missing; say one of {names}"),
        )
    })?;
    Ok(rule)
}

fn group_resources(node: &Node, place: &str) -> Result<GroupResources, Fault> {
    let mut found = GroupResources::default();
    for (key, value) in entries(node, place)? {
        let name = format!("{place}.{key}");
        match key.as_str() {
            "group" => found.group = text(value, &name)?,
            "resources" => found.resources = texts(value, &name)?,
            "resourceNames" => found.names = texts(value, &name)?,
            other => {
                return Err(unknown(
                    value,
                    other,
                    place,
                    "group, resources, resourceNames",
                ));
            }
        }
    }
    if found.group.contains('/') {
        let what = format!("{place}.group: write the group without its version");
        return Err((node.line, what));
    }
    if !found.names.is_empty() && found.resources.is_empty() {
        let what =
            format!("{place}.resourceNames: using resourceNames requires at least one resource");
        return Err((node.line, what));
    }
    Ok(found)
}

fn check_path(path: &str, at: &Node, name: &str) -> Result<(), Fault> {
    let star = path.find('*');
    let why = if path != "*" && !path.starts_with('/') {
        "must start with '/' or be '*'"
    } else if star.is_some_and(|star| star + 1 != path.len()) {
        "may have '*' at its end only"
    } else {
        return Ok(());
    };
    Err((at.line, format!("{name}: '{path}' {why}")))
}

fn level(node: &Node, name: &str) -> Result<Level, Fault> {
    let said = text(node, name)?;
    let found = Level::ALL.into_iter().find(|level| level.name() == said);
    found.ok_or_else(|| {
        let names = Level::ALL.map(Level::name).join(", ");
        (node.line, format!("{name}: '{said}' is none of {names}"))
    })
}

fn stages(node: &Node, name: &str) -> Result<Stages, Fault> {
    let mut found = Stages::default();
    for said in texts(node, name)? {
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == said);
        let stage = stage.ok_or_else(|| {
            let names = Stage::ALL.map(Stage::name).join(", ");
            (node.line, format!("{name}: '{said}' is none of {names}"))
        })?;
        found = found.with(stage);
    }
    Ok(found)
}

fn wants(node: &Node, name: &str, wanted: &str) -> Result<(), Fault> {
    let said = text(node, name)?;
    match said == wanted {
        true => Ok(()),
        false => Err((node.line, format!("{name}: '{said}' must be '{wanted}'"))),
    }
}

fn switch(node: &Node, name: &str) -> Result<bool, Fault> {
    match text(node, name)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        said => Err((
            node.line,
            format!("{name}: '{said}' is neither true nor false"),
        )),
    }
}

fn text(node: &Node, name: &str) -> Result<String, Fault> {
    match &node.what {
        What::Scalar(text) => Ok(text.clone()),
        What::Null => Ok(String::new()),
        _ => Err((node.line, format!("{name}: must be a text"))),
    }
}

fn texts(node: &Node, name: &str) -> Result<Vec<String>, Fault> {
    let each = |(at, item): (usize, &Node)| text(item, &format!("{name}[{at}]"));
    items(node, name)?.iter().enumerate().map(each).collect()
}

fn items<'a>(node: &'a Node, name: &str) -> Result<&'a [Node], Fault> {
    match &node.what {
        What::List(items) => Ok(items),
        What::Null => Ok(&[]),
        _ => Err((
            node.line,
            format!("{name}: must be a list; start each item with '- '"),
        )),
    }
}

fn entries<'a>(node: &'a Node, name: &str) -> Result<&'a [(String, Node)], Fault> {
    match &node.what {
        What::Map(entries) => Ok(entries),
        _ => Err((
            node.line,
            format!("{name}: must be a mapping of keys to values"),
        )),
    }
}

fn unknown(at: &Node, key: &str, place: &str, known: &str) -> Fault {
    (
        at.line,
        format!("{place}: unknown key '{key}'; known are {known}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Asked, Target};

    const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

    fn parsed(rules: &str) -> Policy {
        Policy::parse(&format!("{HEAD}{rules}")).unwrap()
    }

    fn resource<'a>(what: &'a str, namespace: &'a str, name: &'a str) -> Target<'a> {
        let (group, rest) = what.split_once(':').unwrap();
        let (resource, subresource) = rest.split_once('/').unwrap_or((rest, ""));
        Target::Resource {
            group,
            resource,
            subresource,
            name,
            namespace,
        }
    }

    fn level(policy: &Policy, user: &str, verb: &str, target: Target<'_>) -> &'static str {
        let groups = ["g".to_owned(), "system:authenticated".to_owned()];
        let asked = Asked {
            user,
            groups: &groups,
            verb,
            target,
        };
        policy.recording(&asked).level.name()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = parsed(
            "rules:\n\
             - {level: None, users: [proxy], verbs: [watch], resources: [{group: '', resources: [endpoints, services]}]}\n\
             - {level: None, userGroups: [g], nonResourceURLs: ['/api*', /version]}\n\
             - {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [one]}], namespaces: [kube-system]}\n\
             - level: Metadata\n  resources:\n  - group: ''\n    resources: [secrets, 'pods/log', '*/status']\n  - group: apps\n\
             - {level: RequestResponse, resources: [{group: batch, resources: ['*']}, {group: '', resources: ['nodes/*']}]}\n\
             - {level: None, namespaces: ['']}\n\
             - {level: Metadata, userGroups: [nobody]}\n",
        );
        for (user, verb, target, wanted) in [
            ("proxy", "watch", resource(":endpoints", "", ""), "None"),
            ("proxy", "list", resource(":secrets", "a", ""), "Metadata"),
            ("u", "get", Target::Path("/apis"), "None"),
            ("u", "get", Target::Path("/version"), "None"),
            ("u", "get", Target::Path("/versions"), "None"),
            (
                "u",
                "get",
                resource(":configmaps", "kube-system", "one"),
                "Request",
            ),
            (
                "u",
                "get",
                resource(":configmaps", "kube-system", "two"),
                "None",
            ),
            ("u", "get", resource(":configmaps", "other", "one"), "None"),
            ("u", "get", resource(":pods/log", "a", "p"), "Metadata"),
            ("u", "get", resource(":pods", "a", "p"), "None"),
            (
                "u",
                "update",
                resource(":pods/status", "a", "p"),
                "Metadata",
            ),
            (
                "u",
                "get",
                resource("apps:deployments/scale", "a", "d"),
                "Metadata",
            ),
            (
                "u",
                "get",
                resource("batch:jobs/status", "a", "d"),
                "RequestResponse",
            ),
            (
                "u",
                "get",
                resource(":nodes/proxy", "", "n"),
                "RequestResponse",
            ),
            ("u", "get", resource(":nodes", "", "n"), "RequestResponse"),
            ("u", "get", resource(":nodess", "", "n"), "None"),
        ] {
            assert_eq!(
                level(&policy, user, verb, target),
                wanted,
                "{user} {verb} {target:?}"
            );
        }
    }

    #[test]
    fn stages_are_left_out_by_the_policy_and_by_the_rule_and_managed_fields_by_the_nearer_one() {
        let policy = parsed(
            "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n\
             - {level: Metadata, verbs: [get], omitStages: [ResponseStarted], omitManagedFields: false}\n\
             - {level: Metadata, verbs: [list]}\n",
        );
        let recording = |verb| {
            policy.recording(&Asked {
                user: "u",
                groups: &[],
                verb,
                target: Target::Path("/"),
            })
        };
        let get = recording("get");
        assert!(!get.keeps(Stage::RequestReceived) && !get.keeps(Stage::ResponseStarted));
        assert!(get.keeps(Stage::ResponseComplete) && !get.omit_managed_fields);
        let list = recording("list");
        assert!(!list.keeps(Stage::RequestReceived) && list.keeps(Stage::ResponseStarted));
        assert!(list.omit_managed_fields);
        assert!(!recording("watch").keeps(Stage::ResponseComplete));
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_line_its_rule_and_what_to_do() {
        for (rules, line, words) in [
            ("", 1, "no rules"),
            ("rules: []\n", 1, "no rules"),
            (
                "rules:\n- users: [a]\n",
                4,
                "rules[0].level: missing; say one of None, Metadata",
            ),
            (
                "rules:\n- level: Metadata\n- level: Meta\n",
                5,
                "rules[1].level: 'Meta' is none of",
            ),
            (
                "rules:\n- level: None\n  user: [a]\n",
                5,
                "rules[0]: unknown key 'user'; known are level",
            ),
            (
                "rules:\n- level: None\n  users: a\n",
                5,
                "rules[0].users: must be a list",
            ),
            (
                "rules:\n- level: None\n  nonResourceURLs: [x]\n",
                5,
                "'x' must start with '/'",
            ),
            (
                "rules:\n- level: None\n  nonResourceURLs: ['/a*b']\n",
                5,
                "at its end only",
            ),
            (
                "rules:\n- level: None\n  nonResourceURLs: [/a]\n  namespaces: [b]\n",
                4,
                "make two of it",
            ),
            (
                "rules:\n- level: None\n  resources: [{group: apps/v1}]\n",
                5,
                "without its version",
            ),
            (
                "rules:\n- level: None\n  resources: [{group: '', resourceNames: [a]}]\n",
                5,
                "at least one resource",
            ),
            (
                "rules:\n- level: None\n  omitStages: [Done]\n",
                5,
                "'Done' is none of RequestReceived",
            ),
            ("rules:\n- level: None\n  level: None\n", 5, "there twice"),
            ("rules:\n- &a {level: None}\n", 4, "anchors"),
            (
                "omitManagedFields: yes\nrules:\n- level: None\n",
                3,
                "neither true nor false",
            ),
        ] {
            let (at, what) = Policy::parse(&format!("{HEAD}{rules}")).unwrap_err();
            assert!(what.contains(words), "{rules}: {what}");
            assert_eq!(at, line, "{rules}: {what}");
        }
        assert!(Policy::parse("").is_err());
        let (_, what) = Policy::parse("rules:\n- level: None\n").unwrap_err();
        assert!(what.contains("apiVersion: audit.k8s.io/v1"), "{what}");
        let error = Policy::read(Path::new("/nonexistent/policy.yaml")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/policy.yaml"),
            "{error}"
        );
        assert!(matches!(
            Policy::read(Path::new("/dev/zero")),
            Err(PolicyError::TooLarge { .. })
        ));
        let deep = format!("{HEAD}rules: {}", "[".repeat(1000));
        assert!(Policy::parse(&deep).is_err());
    }

    #[test]
    fn a_policy_may_be_json() {
        let text =
            r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}"#;
        assert_eq!(
            Policy::parse(text).unwrap(),
            parsed("rules:\n- level: Metadata\n")
        );
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let sample = format!(
            "{HEAD}rules:\n- level: None\n  users: [a, 'b']\n  resources: [{{group: ''}}]\n"
        );
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..5_000 {
            let mut bytes = sample.clone().into_bytes();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = state as u8 & 0x7f;
            }
            let _ = Policy::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
