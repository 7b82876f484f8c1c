//! The types of `request` and `namespaceObject`: what an expression can misspell is found when it
//! is written.
//!
//! Pure. Names and fields are upstream's. Invariant: the nodes are places in one table.

use skerry_cel::{Form, ListKind, NodeId, Schema, StringForm};

/// The node of an AdmissionRequest.
pub(super) const REQUEST: NodeId = 0;
/// The node of a Namespace.
pub(super) const NAMESPACE: NodeId = 4;

const KIND: NodeId = 1;
const RESOURCE: NodeId = 2;
const USER: NodeId = 3;
const METADATA: NodeId = 5;
const SPEC: NodeId = 6;
const STATUS: NodeId = 7;
const CONDITION: NodeId = 8;
const TEXT: NodeId = 9;
const TEXTS: NodeId = 10;
const TEXTS_BY_NAME: NodeId = 11;
const TEXT_BY_NAME: NodeId = 12;
const SWITCH: NodeId = 13;
const ANY: NodeId = 14;
const TIME: NodeId = 15;
const NUMBER: NodeId = 16;
const CONDITIONS: NodeId = 17;

type Fields = &'static [(&'static str, NodeId)];

/// Objects: their names and fields, at the places of their nodes.
const OBJECTS: [(&str, Fields); 9] = [
    (
        "kubernetes.AdmissionRequest",
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
            ("dryRun", SWITCH),
            ("options", ANY),
        ],
    ),
    (
        "kubernetes.GroupVersionKind",
        &[("group", TEXT), ("version", TEXT), ("kind", TEXT)],
    ),
    (
        "kubernetes.GroupVersionResource",
        &[("group", TEXT), ("version", TEXT), ("resource", TEXT)],
    ),
    (
        "kubernetes.UserInfo",
        &[
            ("username", TEXT),
            ("uid", TEXT),
            ("groups", TEXTS),
            ("extra", TEXTS_BY_NAME),
        ],
    ),
    (
        "kubernetes.Namespace",
        &[("metadata", METADATA), ("spec", SPEC), ("status", STATUS)],
    ),
    (
        "kubernetes.NamespaceMetadata",
        &[
            ("name", TEXT),
            ("generateName", TEXT),
            ("namespace", TEXT),
            ("labels", TEXT_BY_NAME),
            ("annotations", TEXT_BY_NAME),
            ("UID", TEXT),
            ("creationTimestamp", TIME),
            ("deletionGracePeriodSeconds", NUMBER),
            ("deletionTimestamp", TIME),
            ("generation", NUMBER),
            ("resourceVersion", TEXT),
            ("finalizers", TEXTS),
        ],
    ),
    ("kubernetes.NamespaceSpec", &[("finalizers", TEXTS)]),
    (
        "kubernetes.NamespaceStatus",
        &[("conditions", CONDITIONS), ("phase", TEXT)],
    ),
    (
        "kubernetes.NamespaceCondition",
        &[
            ("status", TEXT),
            ("type", TEXT),
            ("lastTransitionTime", TIME),
            ("message", TEXT),
            ("reason", TEXT),
        ],
    ),
];

/// See the module.
pub(super) struct Declared;

impl Declared {
    fn object(node: NodeId) -> Option<&'static (&'static str, Fields)> {
        OBJECTS.get(usize::try_from(node).ok()?)
    }
}

impl Schema for Declared {
    fn form(&self, node: NodeId) -> Form {
        match node {
            TEXT => Form::String(StringForm::Plain),
            TIME => Form::String(StringForm::DateTime),
            SWITCH => Form::Bool,
            NUMBER => Form::Int,
            TEXTS | CONDITIONS => Form::List {
                items: if node == TEXTS { TEXT } else { CONDITION },
                kind: ListKind::Atomic,
            },
            TEXT_BY_NAME => Form::Map { values: TEXT },
            TEXTS_BY_NAME => Form::Map { values: TEXTS },
            node if Declared::object(node).is_some() => Form::Object,
            _ => Form::Any,
        }
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let (_, fields) = Declared::object(node)?;
        let found = fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, node)| *node)
    }

    fn fields(&self, node: NodeId) -> Vec<String> {
        let fields = Declared::object(node).map_or(&[][..], |(_, fields)| fields);
        fields.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn type_name(&self, node: NodeId) -> String {
        Declared::object(node).map_or_else(String::new, |(name, _)| (*name).to_owned())
    }

    fn escapes_names(&self) -> bool {
        false
    }
}
