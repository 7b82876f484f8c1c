//! The manager of a write whose client named none.

use crate::limits::FIELD_MANAGER_BYTES_MAX;

/// The field manager that a client named, else the first word of its user agent.
#[must_use]
pub fn manager_or_user_agent(manager: &str, user_agent: &str) -> String {
    if !manager.is_empty() {
        return manager.to_owned();
    }
    let product = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::new();
    for char in product.chars().filter(|char| !char.is_control()) {
        if name.len() + char.len_utf8() > FIELD_MANAGER_BYTES_MAX {
            break;
        }
        name.push(char);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_named_or_taken_from_the_user_agent() {
        let agent = "kubectl/v1.36.4 (linux/amd64) kubernetes/abc";
        assert_eq!(manager_or_user_agent("", agent), "kubectl");
        assert_eq!(manager_or_user_agent("mine", agent), "mine");
        assert_eq!(manager_or_user_agent("", "a\u{7}b\n"), "ab");
        let long = "é".repeat(FIELD_MANAGER_BYTES_MAX);
        let name = manager_or_user_agent("", &format!("x{long}"));
        assert_eq!(name.len(), FIELD_MANAGER_BYTES_MAX - 1);
    }
}
