//! `metadata` as a type: for embedded resources, and for the root of what server-side apply sees.

use std::sync::OnceLock;

use skerry_schema::{Builder, FieldSpec, Format, TypeId, Types};

const NAME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A table with nothing but the metadata of objects.
pub(crate) fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut builder = Builder::default();
        declare(&mut builder);
        builder.finish()
    })
}

/// The metadata of objects.
pub(crate) fn of(types: &Types) -> skerry_schema::Type<'_> {
    types
        .definition(NAME)
        .expect("the table was made with this definition")
}

/// Adds the metadata of objects to a table that is being made.
pub(crate) fn declare(builder: &mut Builder) -> TypeId {
    let text = builder.string(Format::Plain);
    let time = builder.string(Format::DateTime);
    let whole = builder.integer(Format::Int64);
    let truth = builder.boolean();
    let any = builder.any();
    let texts = builder.map(text, false);
    let owner = owner(builder, text, truth);
    let owners = builder.map_list(owner, &["uid"]);
    let finalizers = builder.set(text);
    let entry = managed_fields_entry(builder, text, time, any);
    let entries = builder.atomic_list(entry);
    let fields: Vec<FieldSpec<'_>> = [
        ("annotations", texts),
        ("creationTimestamp", time),
        ("deletionGracePeriodSeconds", whole),
        ("deletionTimestamp", time),
        ("finalizers", finalizers),
        ("generateName", text),
        ("generation", whole),
        ("labels", texts),
        ("managedFields", entries),
        ("name", text),
        ("namespace", text),
        ("ownerReferences", owners),
        ("resourceVersion", text),
        ("selfLink", text),
        ("uid", text),
    ]
    .map(|(name, of)| FieldSpec::optional(name, of))
    .into();
    let object = builder.object(&fields, false, false);
    builder.define(NAME, object);
    object
}

fn owner(builder: &mut Builder, text: TypeId, truth: TypeId) -> TypeId {
    let fields = [
        ("apiVersion", text),
        ("blockOwnerDeletion", truth),
        ("controller", truth),
        ("kind", text),
        ("name", text),
        ("uid", text),
    ]
    .map(|(name, of)| FieldSpec::optional(name, of));
    let object = builder.object(&fields, true, false);
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference";
    builder.define(name, object);
    builder.definition(name)
}

fn managed_fields_entry(builder: &mut Builder, text: TypeId, time: TypeId, any: TypeId) -> TypeId {
    let fields = [
        ("apiVersion", text),
        ("fieldsType", text),
        ("fieldsV1", any),
        ("manager", text),
        ("operation", text),
        ("subresource", text),
        ("time", time),
    ]
    .map(|(name, of)| FieldSpec::optional(name, of));
    let object = builder.object(&fields, false, false);
    let name = "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry";
    builder.define(name, object);
    builder.definition(name)
}
