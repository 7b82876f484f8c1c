//! Settings that must be the same on every server of a cluster, by name.
//!
//! Knows nothing of what they mean. What only one side names is passed over: servers of different
//! versions know different settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{CRITICAL_VALUE_BYTES_MAX, CRITICAL_VALUES_MAX};
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalValues(BTreeMap<String, String>);

impl CriticalValues {
    /// The value of a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether another program's values are within bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let long = |text: &String| text.len() > CRITICAL_VALUE_BYTES_MAX;
        if self.0.len() > CRITICAL_VALUES_MAX || self.0.iter().any(|(k, v)| long(k) || long(v)) {
            return Err(format!(
                "at most {CRITICAL_VALUES_MAX} configuration values of at most \
                 {CRITICAL_VALUE_BYTES_MAX} bytes are compared"
            ));
        }
        Ok(())
    }

    /// Refuses a server whose values are not these.
    pub(crate) fn compare(&self, theirs: &CriticalValues) -> Result<(), Refusal> {
        for (key, ours) in &self.0 {
            match theirs.0.get(key) {
                Some(theirs) if theirs != ours => {
                    return Err(Refusal::CriticalValue {
                        key: key.clone(),
                        ours: ours.clone(),
                        theirs: theirs.chars().filter(|c| !c.is_control()).collect(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl FromIterator<(String, String)> for CriticalValues {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(values: T) -> CriticalValues {
        CriticalValues(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> CriticalValues {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_value_that_differs_is_named_with_both_and_what_one_side_does_not_know_is_passed_over() {
        let ours = values(&[("cluster-dns", "10.43.0.10"), ("later", "x")]);
        assert_eq!(ours.compare(&values(&[("earlier", "y")])), Ok(()));
        assert_eq!(ours.compare(&ours), Ok(()));
        let refusal = ours.compare(&values(&[("cluster-dns", "10.44.0.10")]));
        let text = refusal.unwrap_err().to_string();
        assert!(
            text.starts_with("critical configuration value mismatch")
                && text.contains("'cluster-dns' is '10.43.0.10'")
                && text.contains("'10.44.0.10'"),
            "{text}"
        );
    }

    #[test]
    fn too_many_and_too_long_values_are_refused() {
        let key = |n: usize| (n.to_string(), String::new());
        let most: CriticalValues = (0..CRITICAL_VALUES_MAX).map(key).collect();
        assert!(most.check().is_ok());
        let many: CriticalValues = (0..=CRITICAL_VALUES_MAX).map(key).collect();
        assert!(many.check().is_err());
        let long = "x".repeat(CRITICAL_VALUE_BYTES_MAX + 1);
        assert!(values(&[("a", &long)]).check().is_err());
    }
}
