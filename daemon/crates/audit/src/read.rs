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
mod tests;
