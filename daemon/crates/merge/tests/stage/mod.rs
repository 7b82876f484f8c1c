//! An object that managers write in turn, and its types: one field of each sort.

#![allow(dead_code)] // Each test takes what it needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skerry_merge::apply::{ApplyError, Write, apply, update};
use skerry_merge::fields::Set;
use skerry_schema::{Builder, FieldSpec, Format, Type, TypeId, Types};

/// The type of all objects here.
pub(crate) fn types() -> Types {
    let mut builder = Builder::default();
    let spec = spec_fields(&mut builder);
    let text = builder.string(Format::Plain);
    let texts = builder.map(text, false);
    let any = builder.any();
    let time = builder.string(Format::DateTime);
    let number = builder.integer(Format::Int64);
    let finalizers = builder.set(text);
    let metadata = builder.object(
        &[
            FieldSpec::optional("name", text),
            FieldSpec::optional("namespace", text),
            FieldSpec::optional("uid", text),
            FieldSpec::optional("resourceVersion", text),
            FieldSpec::optional("generation", number),
            FieldSpec::optional("creationTimestamp", time),
            FieldSpec::optional("labels", texts),
            FieldSpec::optional("annotations", texts),
            FieldSpec::optional("finalizers", finalizers),
            FieldSpec::optional("managedFields", any),
        ],
        false,
        false,
    );
    let status = builder.object(&[FieldSpec::optional("phase", text)], false, false);
    let thing = builder.object(
        &[
            FieldSpec::optional("apiVersion", text),
            FieldSpec::optional("kind", text),
            FieldSpec::optional("metadata", metadata),
            FieldSpec::optional("spec", spec),
            FieldSpec::optional("data", texts),
            FieldSpec::optional("status", status),
        ],
        false,
        false,
    );
    builder.define("io.example.v1.Thing", thing);
    builder.finish()
}

fn spec_fields(builder: &mut Builder) -> TypeId {
    let text = builder.string(Format::Plain);
    let number = builder.integer(Format::Int64);
    let truth = builder.boolean();
    let quantity = builder.string(Format::Quantity);
    let any = builder.any();
    let mixed = builder.int_or_string();
    let set = builder.set(text);
    let numbers = builder.set(number);
    let atomic_list = builder.atomic_list(text);
    let atomic_map = builder.map(text, true);
    let map = builder.map(text, false);
    let pair = builder.object(
        &[
            FieldSpec::optional("a", text),
            FieldSpec::optional("b", text),
        ],
        false,
        false,
    );
    let maps = builder.map(pair, false);
    let whole = builder.object(
        &[
            FieldSpec::optional("a", text),
            FieldSpec::optional("b", text),
        ],
        true,
        false,
    );
    let item_list = builder.definition("Items");
    let item = builder.object(
        &[
            FieldSpec::optional("name", text),
            FieldSpec::optional("value", text),
            FieldSpec::optional("number", number),
            FieldSpec::optional("nested", item_list),
            FieldSpec::optional("tags", set),
        ],
        false,
        false,
    );
    let items = builder.map_list(item, &["name"]);
    builder.define("Items", items);
    let port = builder.object(
        &[
            FieldSpec::optional("port", number),
            FieldSpec {
                default: Some("\"TCP\""),
                ..FieldSpec::optional("protocol", text)
            },
            FieldSpec::optional("name", text),
        ],
        false,
        false,
    );
    let ports = builder.map_list(port, &["port", "protocol"]);
    let free = builder.object(&[FieldSpec::optional("known", text)], false, true);
    builder.object(
        &[
            FieldSpec::optional("text", text),
            FieldSpec::optional("number", number),
            FieldSpec::optional("truth", truth),
            FieldSpec::optional("quantity", quantity),
            FieldSpec::optional("mixed", mixed),
            FieldSpec::optional("any", any),
            FieldSpec::optional("set", set),
            FieldSpec::optional("numbers", numbers),
            FieldSpec::optional("atomicList", atomic_list),
            FieldSpec::optional("atomicMap", atomic_map),
            FieldSpec::optional("map", map),
            FieldSpec::optional("maps", maps),
            FieldSpec::optional("pair", pair),
            FieldSpec::optional("whole", whole),
            FieldSpec::optional("items", items),
            FieldSpec::optional("ports", ports),
            FieldSpec::optional("free", free),
        ],
        false,
        false,
    )
}

/// The type of the whole object.
pub(crate) fn thing(types: &Types) -> Type<'_> {
    types
        .definition("io.example.v1.Thing")
        .expect("it is defined above")
}

/// A configuration with this spec.
pub(crate) fn config(spec: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "thing"},
        "spec": spec,
    })
}

/// An object that is written in turn. Time goes on by a second with each write.
pub(crate) struct Stage {
    pub(crate) types: Types,
    pub(crate) live: Option<Value>,
    pub(crate) subresource: &'static str,
    pub(crate) resets: Set,
    seconds: u32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            types: types(),
            live: None,
            subresource: "",
            resets: Set::default(),
            seconds: 0,
        }
    }

    fn write<R>(&mut self, manager: &str, act: impl FnOnce(Option<&Value>, &Write<'_>) -> R) -> R {
        self.seconds += 1;
        let time = format!("2024-01-01T00:00:{:02}Z", self.seconds);
        let write = Write {
            manager,
            of: thing(&self.types),
            api_version: "v1",
            kind: "Thing",
            subresource: self.subresource,
            time: &time,
            resets: &self.resets,
            built_in: true,
        };
        act(self.live.as_ref(), &write)
    }

    /// As the server does: what is stored has an identity.
    fn store(&mut self, mut object: Value) {
        object["metadata"]["uid"] = json!("1");
        self.live = Some(object);
    }

    pub(crate) fn try_apply(&mut self, manager: &str, config: &Value) -> Result<(), ApplyError> {
        let applied = self.write(manager, |live, write| apply(live, config, false, write))?;
        self.store(applied);
        Ok(())
    }

    pub(crate) fn apply(&mut self, manager: &str, spec: Value) -> &mut Self {
        self.try_apply(manager, &config(spec)).expect("it applies");
        self
    }

    pub(crate) fn force(&mut self, manager: &str, spec: Value) -> &mut Self {
        let config = config(spec);
        let applied = self.write(manager, |live, write| apply(live, &config, true, write));
        self.store(applied.expect("force has its way"));
        self
    }

    /// What is in the way of an apply.
    pub(crate) fn conflicts(&mut self, manager: &str, spec: Value) -> Vec<String> {
        match self.try_apply(manager, &config(spec)) {
            Err(ApplyError::Conflicts(conflicts)) => conflicts
                .0
                .iter()
                .map(|conflict| format!("{} {}", conflict.manager.name, conflict.path))
                .collect(),
            other => panic!("no conflicts but {other:?}"),
        }
    }

    pub(crate) fn update_to(&mut self, manager: &str, object: Value) -> &mut Self {
        let updated = self.write(manager, |live, write| update(live, object, write));
        self.store(updated);
        self
    }

    /// An update of the spec alone.
    pub(crate) fn update(&mut self, manager: &str, spec: Value) -> &mut Self {
        let mut object = self.live.clone().unwrap_or_else(|| config(json!({})));
        object["spec"] = spec;
        self.update_to(manager, object)
    }

    pub(crate) fn spec(&self) -> Value {
        self.object()["spec"].clone()
    }

    pub(crate) fn object(&self) -> &Value {
        self.live.as_ref().expect("somebody wrote it")
    }

    /// The fields of each manager, below the spec; those that applied have a `+` behind their name.
    pub(crate) fn owners(&self) -> BTreeMap<String, Value> {
        let entries = self.object()["metadata"]["managedFields"].as_array();
        let owners = entries.into_iter().flatten().map(|entry| {
            let applied = if entry["operation"] == "Apply" {
                "+"
            } else {
                ""
            };
            let name = entry["manager"].as_str().expect("it has a name");
            (
                format!("{name}{applied}"),
                entry["fieldsV1"]["f:spec"].clone(),
            )
        });
        owners.collect()
    }

    pub(crate) fn expect(&self, spec: Value, owners: &[(&str, Value)]) -> &Self {
        assert_eq!(self.spec(), spec);
        let owners = owners.iter();
        let owners = owners.map(|(name, fields)| ((*name).to_owned(), fields.clone()));
        assert_eq!(self.owners(), owners.collect());
        self
    }
}
