//! Gauges of the daemon itself: days left of certificates, peers, the disk; both `/metrics` end
//! with them.
//!
//! Knows nothing about what is measured. Invariant: a table of at most [`SERIES_MAX`] values,
//! whatever the labels; one name has one help text.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use skerry_metrics::{Text, Type};

/// How many values are kept, of all gauges together; further ones are dropped.
const SERIES_MAX: usize = 256;

/// What is measured: a constant of whoever measures it.
#[derive(Debug)]
pub(crate) struct Gauge {
    /// `skerry_...`, with the unit last.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

/// Labels in the order in which they were given.
type Labels = Vec<(&'static str, String)>;

/// See the module.
#[derive(Debug, Default)]
struct Gauges(BTreeMap<&'static str, (&'static str, BTreeMap<Labels, f64>)>);

static GAUGES: Mutex<Gauges> = Mutex::new(Gauges(BTreeMap::new()));

/// The gauge reads `value` for these labels from now on.
pub(crate) fn set(gauge: &Gauge, labels: &[(&'static str, &str)], value: f64) {
    with(|gauges| gauges.set(gauge, labels, value));
}

/// Forgets all values of a gauge: before those are set that are still there.
pub(crate) fn clear(gauge: &Gauge) {
    with(|gauges| _ = gauges.0.remove(gauge.name));
}

/// Writes all of them.
pub(crate) fn write(text: &mut Text) {
    with(|gauges| gauges.write(text));
}

fn with(act: impl FnOnce(&mut Gauges)) {
    act(&mut GAUGES.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Gauges {
    fn set(&mut self, gauge: &Gauge, labels: &[(&'static str, &str)], value: f64) {
        let count: usize = self.0.values().map(|(_, values)| values.len()).sum();
        let labels: Labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let entry = self.0.entry(gauge.name);
        let (_, values) = entry.or_insert_with(|| (gauge.help, BTreeMap::new()));
        if count < SERIES_MAX || values.contains_key(&labels) {
            values.insert(labels, value);
        }
    }

    fn write(&self, text: &mut Text) {
        for (name, (help, values)) in &self.0 {
            let mut family = text.labelled(name, Type::Gauge, help);
            for (labels, value) in values {
                let labels: Vec<(&str, &str)> = labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                family.number(&labels, *value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAYS: Gauge = Gauge {
        name: "skerry_test_days",
        help: "Days.",
    };

    #[test]
    fn the_last_value_of_each_set_of_labels_is_told() {
        let mut gauges = Gauges::default();
        gauges.set(&DAYS, &[("name", "b")], 2.0);
        gauges.set(&DAYS, &[("name", "a")], 1.0);
        gauges.set(&DAYS, &[("name", "a")], 0.5);
        let mut text = Text::default();
        gauges.write(&mut text);
        assert_eq!(
            text.into_string(),
            "# HELP skerry_test_days Days.\n# TYPE skerry_test_days gauge\n\
             skerry_test_days{name=\"a\"} 0.5\nskerry_test_days{name=\"b\"} 2\n"
        );
    }

    #[test]
    fn there_are_never_more_values_than_the_limit() {
        let mut gauges = Gauges::default();
        for n in 0..=SERIES_MAX {
            gauges.set(&DAYS, &[("name", &n.to_string())], 1.0);
        }
        gauges.set(&DAYS, &[("name", "0")], 7.0);
        let (_, values) = &gauges.0["skerry_test_days"];
        assert_eq!(values.len(), SERIES_MAX);
        assert!(values[&vec![("name", "0".to_owned())]] > 6.0);
    }
}
