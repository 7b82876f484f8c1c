//! The types of what expressions of admission see: the request, and its namespace.
//!
//! Knows nothing about requests. Invariant: names and fields are upstream's.

use std::sync::{Arc, OnceLock};

use skerry_cel::{Form, ListKind, NodeId, Schema, StringForm, Type};

/// One type: its name where it has fields, its form, and its fields.
struct Node(&'static str, Form, &'static [(&'static str, NodeId)]);

const TEXT: NodeId = 0;
const FLAG: NodeId = 1;
const NUMBER: NodeId = 2;
const ANYTHING: NodeId = 3;
const TIME: NodeId = 4;
const TEXTS: NodeId = 5;
const LABELS: NodeId = 6;
const EXTRA: NodeId = 7;
const KIND: NodeId = 8;
const RESOURCE: NodeId = 9;
const USER: NodeId = 10;
const REQUEST: NodeId = 11;
const CONDITION: NodeId = 12;
const CONDITIONS: NodeId = 13;
const SPEC: NodeId = 14;
const STATUS: NodeId = 15;
const METADATA: NodeId = 16;
const NAMESPACE: NodeId = 17;

const fn list(items: NodeId) -> Form {
    Form::List {
        items,
        kind: ListKind::Atomic,
    }
}

static NODES: [Node; 18] = [
    Node("", Form::String(StringForm::Plain), &[]),
    Node("", Form::Bool, &[]),
    Node("", Form::Int, &[]),
    Node("", Form::Any, &[]),
    Node("", Form::String(StringForm::DateTime), &[]),
    Node("", list(TEXT), &[]),
    Node("", Form::Map { values: TEXT }, &[]),
    Node("", Form::Map { values: TEXTS }, &[]),
    Node(
        "kubernetes.GroupVersionKind",
        Form::Object,
        &[("group", TEXT), ("version", TEXT), ("kind", TEXT)],
    ),
    Node(
        "kubernetes.GroupVersionResource",
        Form::Object,
        &[("group", TEXT), ("version", TEXT), ("resource", TEXT)],
    ),
    Node(
        "kubernetes.UserInfo",
        Form::Object,
        &[
            ("username", TEXT),
            ("uid", TEXT),
            ("groups", TEXTS),
            ("extra", EXTRA),
        ],
    ),
    Node(
        "kubernetes.AdmissionRequest",
        Form::Object,
        &[
            ("kind", KIND),
            ("resource", RESOURCE),
            ("subResource", TEXT),
            ("requestKind", KIND),
            ("requestResource", RESOURCE),
            ("requestSubResource", TEXT),
            ("name", TEXT),
            ("namespace", TEXT),
            ("operation", TEXT),
            ("userInfo", USER),
            ("dryRun", FLAG),
            ("options", ANYTHING),
        ],
    ),
    Node(
        "kubernetes.NamespaceCondition",
        Form::Object,
        &[
            ("status", TEXT),
            ("type", TEXT),
            ("lastTransitionTime", TIME),
            ("message", TEXT),
            ("reason", TEXT),
        ],
    ),
    Node("", list(CONDITION), &[]),
    Node(
        "kubernetes.NamespaceSpec",
        Form::Object,
        &[("finalizers", TEXTS)],
    ),
    Node(
        "kubernetes.NamespaceStatus",
        Form::Object,
        &[("conditions", CONDITIONS), ("phase", TEXT)],
    ),
    Node(
        "kubernetes.NamespaceMetadata",
        Form::Object,
        &[
            ("name", TEXT),
            ("generateName", TEXT),
            ("namespace", TEXT),
            ("labels", LABELS),
            ("annotations", LABELS),
            ("UID", TEXT),
            ("creationTimestamp", TIME),
            ("deletionGracePeriodSeconds", NUMBER),
            ("deletionTimestamp", TIME),
            ("generation", NUMBER),
            ("resourceVersion", TEXT),
            ("finalizers", TEXTS),
        ],
    ),
    Node(
        "kubernetes.Namespace",
        Form::Object,
        &[("metadata", METADATA), ("spec", SPEC), ("status", STATUS)],
    ),
];

struct Known;

impl Schema for Known {
    fn form(&self, node: NodeId) -> Form {
        NODES.get(node as usize).map_or(Form::Any, |node| node.1)
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let mut fields = NODES.get(node as usize)?.2.iter();
        fields.find(|(known, _)| *known == name).map(|(_, of)| *of)
    }

    fn fields(&self, node: NodeId) -> Vec<String> {
        let fields = NODES.get(node as usize).map_or(&[][..], |node| node.2);
        fields.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn type_name(&self, node: NodeId) -> String {
        let node = NODES.get(node as usize);
        node.map_or_else(String::new, |node| node.0.to_owned())
    }
}

fn known() -> &'static Arc<dyn Schema> {
    static KNOWN: OnceLock<Arc<dyn Schema>> = OnceLock::new();
    KNOWN.get_or_init(|| Arc::new(Known))
}

/// The type of `request`. It is known by its name: a schema has no field that is a word of the
/// language, as `namespace` is one here.
pub(super) fn request() -> Type {
    Type::Named(NODES[REQUEST as usize].0.into())
}

/// The type of a field of a type that is known by its name.
pub(super) fn field(name: &str, field: &str) -> Option<Type> {
    let node = NODES[..=REQUEST as usize]
        .iter()
        .find(|node| !node.0.is_empty() && node.0 == name)?;
    let (_, of) = node.2.iter().find(|(known, _)| *known == field)?;
    Some(match NODES[*of as usize].0 {
        "" => Type::of(known(), *of),
        name => Type::Named(name.into()),
    })
}

/// The type of `namespaceObject`.
pub(super) fn namespace() -> &'static Type {
    static NAMESPACES: OnceLock<Type> = OnceLock::new();
    NAMESPACES.get_or_init(|| Type::object(Arc::clone(known()), NAMESPACE))
}
