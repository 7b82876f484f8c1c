//! The password that a node keeps, so that nobody else takes its name.
//!
//! Knows nothing about files. Invariant: the cluster knows a hash of it, never the password; as those
//! that are made have 128 random bits, nobody finds one by trying.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use skerry_pki::{Password, PkiError};

/// What the hash is made for.
const PURPOSE: &[u8] = b"skerry node password\0";

/// See the module.
#[derive(Debug, Clone)]
pub struct NodePassword {
    /// The password itself.
    pub password: Password,
    /// Whether it was made just now: the node has none from before.
    pub is_new: bool,
}

impl NodePassword {
    /// One for a node that has none.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<NodePassword, PkiError> {
        Ok(NodePassword {
            password: Password::generate()?,
            is_new: true,
        })
    }

    /// What the cluster may know.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(self.password.expose())
    }

    pub(crate) fn shown(&self) -> Shown {
        Shown {
            password: self.password.expose().to_owned(),
            is_new: self.is_new,
        }
    }
}

/// As it is told to the server that is to take the node in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) is_new: bool,
}

impl Shown {
    /// Whether this node is another one than that which told the hash. A node whose password is new
    /// may have lost the old one.
    pub(crate) fn is_another(&self, told: &str) -> bool {
        !self.is_new && !told.is_empty() && hash(&self.password) != told
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

fn hash(password: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(PURPOSE);
    context.update(password.as_bytes());
    let mut hex = String::new();
    for byte in context.finish().as_ref() {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_another_one_only_with_another_password_that_it_had_before() {
        let mut own = NodePassword::generate().unwrap();
        let told = own.hash();
        own.is_new = false;
        assert!(!own.shown().is_another(&told));
        let mut other = NodePassword::generate().unwrap();
        assert!(!other.shown().is_another(&told), "it may be lost");
        other.is_new = false;
        assert!(other.shown().is_another(&told));
        assert!(!other.shown().is_another(""), "nobody told one");
        assert!(!format!("{:?}", other.shown()).contains(other.password.expose()));
    }
}
