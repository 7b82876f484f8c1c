//! The types of custom objects, as expressions of policies see them.
//!
//! As published: their metadata, and that of objects that they embed, is that of every object.
//! Invariant: a node is one of the schema of its own, or one of the built-in types.

use std::sync::Arc;

use skerry_cel::{Form, NodeId, Schema};
use skerry_custom::Declared;

use super::typed::BuiltIn;

/// The published type of all metadata.
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// The first of the nodes that are built-in types; a schema's own ones are fewer, or have their
/// highest byte otherwise.
const BUILT_IN: NodeId = 1 << 30;
/// How many there may be of them.
const BUILT_IN_COUNT: NodeId = 1 << 24;

/// See the module.
pub(super) struct CustomType {
    own: Arc<Declared>,
    built_in: BuiltIn,
    metadata: Option<NodeId>,
    name: String,
}

impl CustomType {
    pub(super) fn new(own: Arc<Declared>, built_in: BuiltIn, name: &str) -> CustomType {
        let metadata = built_in.0.definition(METADATA);
        CustomType {
            metadata: metadata.map(|of| of.id().number()),
            own,
            built_in,
            name: name.to_owned(),
        }
    }
}

/// The number of a built-in type.
fn built_in(node: NodeId) -> Option<NodeId> {
    let number = node.checked_sub(BUILT_IN)?;
    (number < BUILT_IN_COUNT).then_some(number)
}

impl Schema for CustomType {
    fn form(&self, node: NodeId) -> Form {
        let Some(number) = built_in(node) else {
            return self.own.form(node);
        };
        match self.built_in.form(number) {
            Form::List { items, kind } => Form::List {
                items: BUILT_IN + items,
                kind,
            },
            Form::Map { values } => Form::Map {
                values: BUILT_IN + values,
            },
            form => form,
        }
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        if let Some(number) = built_in(node) {
            return Some(BUILT_IN + self.built_in.field(number, name)?);
        }
        match self.metadata {
            Some(metadata) if name == "metadata" && self.own.is_resource(node) => {
                Some(BUILT_IN + metadata)
            }
            _ => self.own.field(node, name),
        }
    }

    fn fields(&self, node: NodeId) -> Vec<String> {
        match built_in(node) {
            Some(number) => self.built_in.fields(number),
            None => self.own.fields(node),
        }
    }

    fn map_keys(&self, node: NodeId) -> Vec<String> {
        match built_in(node) {
            Some(_) => Vec::new(),
            None => self.own.map_keys(node),
        }
    }

    fn type_name(&self, node: NodeId) -> String {
        match built_in(node) {
            Some(number) => self.built_in.type_name(number),
            // Two schemas have nodes of the same number.
            None => format!("{}.{node}", self.name),
        }
    }

    fn nullable(&self, node: NodeId) -> bool {
        built_in(node).is_none() && self.own.nullable(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::environment::Environment;
    use serde_json::json;
    use skerry_cel::Type;

    #[test]
    fn a_custom_kind_has_its_own_fields_and_everybodys_metadata() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer"},
                "free": {"x-kubernetes-preserve-unknown-fields": true},
                "names": {"type": "array", "items": {"type": "string"}},
                "made": {"type": "object", "x-kubernetes-embedded-resource": true,
                    "x-kubernetes-preserve-unknown-fields": true},
            }},
        }});
        let schema = skerry_custom::Schema::compile(&schema).unwrap();
        let of = |name: &str| {
            let (own, root) = schema.seen();
            let built_in = BuiltIn(skerry_schema::built_in().types);
            let types: Arc<dyn Schema> = Arc::new(CustomType::new(own, built_in, name));
            Type::of(&types, root)
        };
        let known = Environment::new(true).about(of("a.Widget"), Some(of("a.Limit")));
        for fits in [
            "object.spec.size > 1 && object.kind == 'Widget' && object.spec.names.all(n, n != '')",
            "object.metadata.labels['a'] == 'b' && has(object.metadata.deletionTimestamp)",
            "object.metadata.ownerReferences[0].uid == ''",
            "object.spec.made.metadata.annotations['a'] == object.spec.made.kind",
            "params.spec.size < object.spec.size && object != oldObject",
        ] {
            assert_eq!(known.fault(fits), None, "{fits}");
        }
        let wrong = |text: &str| known.fault(text).unwrap_or_default();
        for (text, why) in [
            ("object.spec.sise > 1", "undefined field 'sise'"),
            ("params.sise > 1", "undefined field 'sise'"),
            ("object.metadata.nam == ''", "undefined field 'nam'"),
            ("object.spec.free == 1", "undefined field 'free'"),
            ("object.metadata.name > 1", "(string, int)"),
            ("object.spec.made.spec", "undefined field 'spec'"),
            (
                "object.spec == params.spec",
                "no matching overload for '_==_'",
            ),
        ] {
            assert!(wrong(text).contains(why), "{text}: {}", wrong(text));
        }
    }
}
