//! Service accounts as users: their names and groups.

use skerry_selector::name;

/// What every service account's user name starts with.
pub const USER_PREFIX: &str = "system:serviceaccount:";
/// The group of all service accounts.
pub const GROUP_ALL: &str = "system:serviceaccounts";

/// Upstream's words for a name that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Username must be in the form system:serviceaccount:namespace:name")]
pub struct NotAnAccount;

/// `system:serviceaccount:<namespace>:<name>`.
#[must_use]
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("{USER_PREFIX}{namespace}:{name}")
}

/// The groups of a namespace's service accounts, without
/// `system:authenticated`, which authentication adds.
#[must_use]
pub fn groups(namespace: &str) -> Vec<String> {
    vec![GROUP_ALL.to_owned(), format!("{GROUP_ALL}:{namespace}")]
}

/// Namespace and name in a service account's user name.
pub fn split(user: &str) -> Result<(&str, &str), NotAnAccount> {
    let (namespace, account) = user
        .strip_prefix(USER_PREFIX)
        .and_then(|rest| rest.split_once(':'))
        .ok_or(NotAnAccount)?;
    let label = !namespace.contains('.') && namespace.len() <= name::LABEL_BYTES_MAX;
    if label && name::dns_subdomain(namespace).is_empty() && name::dns_subdomain(account).is_empty()
    {
        Ok((namespace, account))
    } else {
        Err(NotAnAccount)
    }
}

/// Whether the user is this service account.
pub(crate) fn is(user: &str, namespace: &str, name: &str) -> bool {
    user.strip_prefix(USER_PREFIX)
        .and_then(|rest| rest.strip_prefix(namespace))
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|rest| rest == name)
}
