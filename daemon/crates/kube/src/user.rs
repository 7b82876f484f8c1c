//! Who asks.

/// An authenticated user, or the anonymous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `system:admin`
    pub name: String,
    /// Empty where the proof of identity has none.
    pub uid: String,
    /// `system:masters`, `system:authenticated`
    pub groups: Vec<String>,
    /// What else the proof says: keys and values.
    pub extra: Vec<(String, Vec<String>)>,
}

/// Members of this group may do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// Everybody who has proved who they are.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";

impl User {
    /// A user who has proved to be one.
    pub(crate) fn authenticated(name: String, mut groups: Vec<String>) -> User {
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.into());
        }
        User {
            name,
            uid: String::new(),
            groups,
            extra: Vec::new(),
        }
    }

    /// The server itself, for what it does without being asked.
    pub(crate) fn server() -> User {
        User::authenticated("system:apiserver".into(), vec![MASTERS.into()])
    }

    /// Somebody who has proved nothing.
    pub(crate) fn anonymous() -> User {
        User {
            name: "system:anonymous".into(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".into()],
            extra: Vec::new(),
        }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }
}
