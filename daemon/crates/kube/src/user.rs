//! Who asks: users as they are made here. The type is that of `rbac`.

use skerry_rbac::User;

/// Everybody who has proved who they are.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
const ANONYMOUS: &str = "system:anonymous";

/// A user who has proved to be one.
pub(crate) fn authenticated(name: String, mut groups: Vec<String>) -> User {
    if !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.into());
    }
    User {
        name,
        groups,
        ..User::default()
    }
}

/// The server itself, for what it does without being asked.
pub(crate) fn server() -> User {
    authenticated("system:apiserver".into(), vec![skerry_rbac::MASTERS.into()])
}

/// Somebody who has proved nothing.
pub(crate) fn anonymous() -> User {
    User {
        name: ANONYMOUS.into(),
        groups: vec!["system:unauthenticated".into()],
        ..User::default()
    }
}

pub(crate) fn is_anonymous(user: &User) -> bool {
    user.name == ANONYMOUS
}
