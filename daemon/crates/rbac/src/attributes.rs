//! What somebody wants to do, and how a refusal says so.

use std::collections::BTreeMap;

use skerry_selector::quoted;

/// Somebody who has been authenticated, or `system:anonymous`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name that bindings and audit see.
    pub name: String,
    /// Empty where the way of authentication gives none.
    pub uid: String,
    /// All groups, `system:authenticated` too.
    pub groups: Vec<String>,
    /// More that the way of authentication knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The object of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Resources of the API.
    Resource {
        /// API group, empty for core.
        group: &'a str,
        /// Plural, lower case.
        resource: &'a str,
        /// Empty for the resource itself.
        subresource: &'a str,
        /// Empty for all, and where the server chooses the name.
        name: &'a str,
        /// Empty for cluster scope and for all namespaces.
        namespace: &'a str,
    },
    /// Any other path, as `/healthz`.
    Path(&'a str),
}

/// Who wants to do what.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// `get`, `list`, `watch`, `create`, ...; for paths the method in lower case.
    pub verb: &'a str,
    /// On what.
    pub target: Target<'a>,
}

impl<'a> Attributes<'a> {
    /// `user` wants `verb` on `target`.
    #[must_use]
    pub fn new(user: &'a User, verb: &'a str, target: Target<'a>) -> Self {
        Self {
            user: &user.name,
            groups: &user.groups,
            verb,
            target,
        }
    }

    /// The namespace asked in; empty for cluster scope and paths.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        match self.target {
            Target::Resource { namespace, .. } => namespace,
            Target::Path(_) => "",
        }
    }

    /// The message of the Forbidden Status; `reason` is the decision's.
    #[must_use]
    pub fn forbidden(&self, reason: &str) -> String {
        let (user, verb) = (quoted(self.user), self.verb);
        let who = match self.target {
            Target::Path(path) => format!("User {user} cannot {verb} path {}", quoted(path)),
            Target::Resource {
                group,
                resource,
                subresource,
                namespace,
                ..
            } => {
                let slash = if subresource.is_empty() { "" } else { "/" };
                let what = quoted(&format!("{resource}{slash}{subresource}"));
                let scope = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {}", quoted(namespace))
                };
                let group = quoted(group);
                format!("User {user} cannot {verb} resource {what} in API group {group} {scope}")
            }
        };
        // Upstream lets no message look like HTML.
        let mut text = who
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        if !reason.is_empty() {
            text.push_str(": ");
            text.push_str(reason);
        }
        match self.target {
            Target::Resource {
                group,
                resource,
                name,
                ..
            } => forbidden_object(group, resource, name, &text),
            Target::Path(_) => format!("forbidden: {text}"),
        }
    }
}

/// The message of a Forbidden Status about an object: `roles.rbac... "x" is
/// forbidden: why`.
#[must_use]
pub fn forbidden_object(group: &str, resource: &str, name: &str, why: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    if resource.is_empty() && group.is_empty() {
        format!("forbidden: {why}")
    } else if name.is_empty() {
        format!("{resource}{dot}{group} is forbidden: {why}")
    } else {
        format!(
            "{resource}{dot}{group} {} is forbidden: {why}",
            quoted(name)
        )
    }
}
