//! What stands in the way of an apply: fields that it would change and that others own.

use std::collections::BTreeMap;
use std::fmt;

use crate::fields::{Path, Set};
use crate::managers::Manager;

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Who owns it.
    pub manager: Manager,
    /// Where it is.
    pub path: Path,
}

impl Conflict {
    /// The message of its cause in the Status; the cause's type is `FieldManagerConflict`, its
    /// field the path.
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager.printed())
    }
}

/// All fields in the way, by manager. Printed, they are the message of the Status, whose code is
/// 409 and whose reason `Conflict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    pub(crate) fn of(sets: &BTreeMap<Manager, Set>) -> Self {
        let conflicts = sets.iter().flat_map(|(manager, set)| {
            let paths = set.paths().into_iter();
            paths.map(|path| Conflict {
                manager: manager.clone(),
                path,
            })
        });
        Self(conflicts.collect())
    }

    /// Those that `allowed` does not have.
    pub(crate) fn without(&self, allowed: &Set) -> Self {
        let left = self.0.iter();
        let left = left.filter(|conflict| !allowed.has(&conflict.path.0));
        Self(left.cloned().collect())
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            let (message, path) = (only.message(), &only.path);
            return write!(f, "Apply failed with 1 conflict: {message}: {path}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last: Option<&Manager> = None;
        for conflict in &self.0 {
            if last != Some(&conflict.manager) {
                let line_end = if last.is_some() { "\n" } else { "" };
                let manager = conflict.manager.printed();
                write!(f, "{line_end}conflicts with {manager}:")?;
                last = Some(&conflict.manager);
            }
            write!(f, "\n- {}", conflict.path)?;
        }
        Ok(())
    }
}

impl std::error::Error for Conflicts {}
