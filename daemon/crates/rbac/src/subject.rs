//! Whom a binding means, and which role it binds.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use skerry_selector::quoted;

use crate::account;
use crate::words::Words;

/// One of a binding's subjects. The API group in it is not looked at, as
/// upstream's evaluation does not: validation saw to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    kind: SubjectKind,
    name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SubjectKind {
    User,
    Group,
    /// In a namespace; without one, in that of the binding.
    ServiceAccount(Option<Arc<str>>),
}

impl Subject {
    /// Reads a Subject object; `None` for kinds that mean nobody.
    pub(crate) fn read(value: &Value, words: &mut Words) -> Option<Self> {
        let name = value.get("name")?.as_str()?;
        let kind = match value.get("kind")?.as_str()? {
            "User" => SubjectKind::User,
            "Group" => SubjectKind::Group,
            "ServiceAccount" => SubjectKind::ServiceAccount(match value.get("namespace") {
                None | Some(Value::Null) => None,
                Some(namespace) => Some(namespace.as_str()?)
                    .filter(|text| !text.is_empty())
                    .map(|n| words.share(n)),
            }),
            _ => return None,
        };
        Some(Self {
            kind,
            name: words.share(name),
        })
    }

    /// Whether the user is meant; `namespace` is the binding's, empty for a
    /// ClusterRoleBinding.
    pub(crate) fn is(&self, user: &str, groups: &[String], namespace: &str) -> bool {
        match &self.kind {
            SubjectKind::User => user == &*self.name,
            SubjectKind::Group => groups.iter().any(|group| **group == *self.name),
            SubjectKind::ServiceAccount(own) => {
                let namespace = own.as_deref().unwrap_or(namespace);
                !namespace.is_empty() && account::is(user, namespace, &self.name)
            }
        }
    }

    /// As reasons name it; service accounts as upstream has them, name first.
    pub(crate) fn describe(&self, namespace: &str) -> String {
        match &self.kind {
            SubjectKind::User => format!("User {}", quoted(&self.name)),
            SubjectKind::Group => format!("Group {}", quoted(&self.name)),
            SubjectKind::ServiceAccount(own) => {
                let namespace = own.as_deref().unwrap_or(namespace);
                format!(
                    "ServiceAccount {}",
                    quoted(&format!("{}/{namespace}", self.name))
                )
            }
        }
    }
}

/// The role that a binding binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRef {
    /// API group, as written.
    pub group: String,
    /// `Role` or `ClusterRole`; anything else binds nothing.
    pub kind: String,
    /// The role's name.
    pub name: String,
}

impl RoleRef {
    /// Reads the `roleRef` of a binding.
    #[must_use]
    pub fn read(binding: &Value) -> Option<Self> {
        let reference = binding.get("roleRef")?;
        let text = |name: &str| match reference.get(name) {
            None | Some(Value::Null) => Some(String::new()),
            Some(value) => value.as_str().map(str::to_owned),
        };
        Some(Self {
            group: text("apiGroup")?,
            kind: text("kind")?,
            name: text("name")?,
        })
    }
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, quoted(&self.name))
    }
}
