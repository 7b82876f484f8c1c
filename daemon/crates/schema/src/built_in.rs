//! The built-in API, as it was generated into the binary.
//!
//! Knows nothing about how it was made. Invariant: what is in the binary decodes, because a test
//! decodes it.

use std::sync::Arc;

use crate::resource::{Catalog, Resource};
use crate::types::Types;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.bin"));

/// All built-in resources and types. Costs a few milliseconds and, for as long as the catalog
/// lives, less than a megabyte.
#[must_use]
pub fn built_in() -> Catalog {
    let (length, deflated) = PACKED
        .split_first_chunk()
        .expect("what is generated has a length in front");
    let length = u32::from_le_bytes(*length) as usize;
    let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, length)
        .expect("what is generated inflates");
    let (types, resources): (Types, Vec<Resource>) =
        postcard::from_bytes(&plain).expect("what is generated decodes");
    Catalog {
        types: Arc::new(types),
        resources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Format, ListKind, Shape};

    #[test]
    fn every_resource_has_its_type_and_every_kind_its_fields() {
        let catalog = built_in();
        for resource in &catalog.resources {
            let of = catalog.type_of(resource).unwrap();
            assert!(of.field("metadata").is_some(), "{}", resource.kind);
        }
        let pod = catalog.resource("", "v1", "pods").unwrap();
        assert_eq!(pod.singular, "pod");
        assert_eq!(pod.short_names, ["po"]);
        assert_eq!(
            pod.subresource("resize").unwrap().verbs,
            ["get", "patch", "update"]
        );
        let spec = catalog.type_of(pod).unwrap().field("spec").unwrap().of;
        let containers = spec.field("containers").unwrap();
        assert!(containers.required && containers.patch.merges);
        assert_eq!(containers.patch.merge_key, Some("name"));
        let Shape::List(list) = containers.of.shape() else {
            panic!("a list")
        };
        let ports = list.element.field("ports").unwrap();
        let Shape::List(ports) = ports.of.shape() else {
            panic!("a list")
        };
        let ListKind::Map(keys) = ports.kind else {
            panic!("with keys")
        };
        assert_eq!(
            keys.iter().collect::<Vec<_>>(),
            ["containerPort", "protocol"]
        );
        let protocol = ports.element.field("protocol").unwrap();
        assert_eq!(protocol.default, Some("\"TCP\""));
    }

    #[test]
    fn what_schemars_shows_oddly_has_the_type_that_upstream_gives_it() {
        let catalog = built_in();
        let shape = |name: &str| catalog.types.definition(name).unwrap().shape();
        let machinery = "io.k8s.apimachinery.pkg";
        let quantity = shape(&format!("{machinery}.api.resource.Quantity"));
        assert!(matches!(quantity, Shape::String(Format::Quantity)));
        let either = shape(&format!("{machinery}.util.intstr.IntOrString"));
        assert!(matches!(either, Shape::IntOrString));
        for time in ["Time", "MicroTime"] {
            let time = shape(&format!("{machinery}.apis.meta.v1.{time}"));
            assert!(matches!(time, Shape::String(Format::DateTime)));
        }
        for any in ["runtime.RawExtension", "apis.meta.v1.FieldsV1"] {
            let Shape::Object(any) = shape(&format!("{machinery}.{any}")) else {
                panic!("an object")
            };
            assert!(any.keeps_unknown && any.fields().len() == 0);
        }
        let extensions = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";
        for any in ["JSON", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrArray"] {
            assert!(matches!(shape(&format!("{extensions}.{any}")), Shape::Any));
        }
        let props = catalog
            .types
            .definition(&format!("{extensions}.JSONSchemaProps"))
            .unwrap();
        assert_eq!(props.field("not").unwrap().of.id(), props.id());
        let secret = catalog
            .types
            .definition("io.k8s.api.core.v1.Secret")
            .unwrap();
        let Shape::Map(data) = secret.field("data").unwrap().of.shape() else {
            panic!("a map")
        };
        assert!(matches!(data.element.shape(), Shape::String(Format::Byte)));
    }

    #[test]
    fn the_table_of_types_is_small() {
        let types = built_in().types;
        let names: usize = types.names.iter().map(|name| name.len() + 32).sum();
        let tables = size_of_val(&*types.nodes)
            + size_of_val(&*types.fields)
            + size_of_val(&*types.names)
            + size_of_val(&*types.definitions);
        println!("{names} + {tables} bytes, {} types", types.nodes.len());
        assert!(names + tables < 500_000);
    }
}
