//! Which Services select a Pod.
//!
//! Pure. Keeps one line for each Service that has a selector, and nothing of Pods. Invariant: a
//! namespace without such Services has no line.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::pod::texts;
use crate::object;

/// A namespace and a name.
pub(super) type Place = (String, String);

/// Labels that a Pod has to have.
pub(super) type Selector = BTreeMap<String, String>;

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    by_namespace: HashMap<String, BTreeMap<String, Selector>>,
}

impl Index {
    pub(super) fn put(&mut self, service: &Value) {
        let (namespace, name) = (object::namespace(service), object::name(service));
        match selector(service) {
            Some(selector) => {
                let services = self.by_namespace.entry(namespace.to_owned()).or_default();
                services.insert(name.to_owned(), selector);
            }
            None => self.remove(&(namespace.to_owned(), name.to_owned())),
        }
    }

    pub(super) fn remove(&mut self, (namespace, name): &Place) {
        if let Some(services) = self.by_namespace.get_mut(namespace) {
            services.remove(name);
            if services.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
    }

    /// Whether any Service of a namespace has a selector.
    pub(super) fn has(&self, namespace: &str) -> bool {
        self.by_namespace.contains_key(namespace)
    }

    /// The Services of a namespace that select a Pod with these labels.
    pub(super) fn of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Place> {
        let services = self.by_namespace.get(namespace).into_iter().flatten();
        services
            .filter(|(_, selector)| selects(selector, labels))
            .map(|(name, _)| (namespace.to_owned(), name.clone()))
            .collect()
    }
}

/// The selector of a Service that is to get endpoints.
pub(super) fn selector(service: &Value) -> Option<Selector> {
    let spec = service.get("spec")?;
    let external = spec.get("type").and_then(Value::as_str) == Some("ExternalName");
    let selector = texts(spec.get("selector"));
    (!external && !selector.is_empty()).then_some(selector)
}

pub(super) fn selects(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    let mut wanted = selector.iter();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
}

/// Texts that a stored Pod has somewhere if the selector matches it. Others are not even parsed.
pub(super) fn needles(selector: &Selector) -> Vec<Vec<u8>> {
    let texts = selector.iter().map(|(key, value)| {
        let (key, value) = (Value::from(key.as_str()), Value::from(value.as_str()));
        format!("{key}:{value}").into_bytes()
    });
    texts.collect()
}

pub(super) fn holds(stored: &[u8], needle: &[u8]) -> bool {
    stored.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_find_the_services_that_select_them() {
        let mut index = Index::default();
        let service = |name: &str, spec: Value| json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec});
        index.put(&service("a", json!({"selector": {"app": "x"}})));
        index.put(&service(
            "b",
            json!({"selector": {"app": "x", "tier": "y"}}),
        ));
        index.put(&service("c", json!({"selector": {}})));
        index.put(&service(
            "d",
            json!({"type": "ExternalName", "selector": {"app": "x"}}),
        ));
        let labels = |app: &str, tier: &str| texts(Some(&json!({"app": app, "tier": tier})));
        let names = |index: &Index, labels| -> Vec<String> {
            index
                .of("n", &labels)
                .into_iter()
                .map(|(_, name)| name)
                .collect()
        };
        assert_eq!(names(&index, labels("x", "y")), ["a", "b"]);
        assert_eq!(names(&index, labels("x", "")), ["a"]);
        assert!(names(&index, labels("z", "y")).is_empty());
        index.put(&service("a", json!({})));
        index.remove(&("n".into(), "b".into()));
        assert!(!index.has("n"));
    }

    #[test]
    fn needles_are_what_the_store_holds() {
        let selector = texts(Some(&json!({"a/b": "c\"d"})));
        let stored = json!({"metadata": {"labels": {"a/b": "c\"d"}}}).to_string();
        assert!(
            needles(&selector)
                .iter()
                .all(|needle| holds(stored.as_bytes(), needle))
        );
        assert!(!holds(b"{}", b"\"a/b\":\"c\""));
    }
}
