//! What the Kubernetes API's types and resources are, as data.
//!
//! A built-in resource and a custom one are the same to whoever asks here: a resource with its
//! names and verbs, and a type that says of every field what it holds and how it merges. Knows
//! nothing about requests, storage or patches.
//!
//! # Where the built-in API comes from
//! `build.rs` asks the `k8s-openapi` crate for its schemas, adds the facts in `tables/` that the
//! crate does not carry, and writes into the binary:
//!
//! | what | bytes | at run time |
//! |---|---|---|
//! | types and resources (`built_in`) | 25 KB, deflated postcard | decoded once, below 500 KB of heap |
//! | OpenAPI v3, 47 documents, and v2 (`built_in_documents`) | 531 KB, deflated | an index of 4 KB; nothing for a compressed answer, a window of 40 KB for a plain one |
//!
//! A document of v3 is a run of pieces: its paths and its own definitions, and pieces that it
//! shares with others (what every document has of `meta/v1`, what those have that know pods, ...).
//! Each piece is deflated by itself in such a way that pieces one after the other are one deflate
//! stream, so a gzip answer is bytes of the binary with a head and a tail. OpenAPI v2 is there
//! once, as protobuf, which client-go asks for; its JSON is written from that on the way.
//!
//! | table | what | who else knows |
//! |---|---|---|
//! | `resources.tsv` | names, scope, verbs, storage prefix, what DELETE answers with; in the order of discovery | upstream's discovery and storage |
//! | `subresources.tsv` | their kinds and verbs | upstream's discovery |
//! | `merging.tsv` | list types, map types, merge keys, patch strategies | upstream's OpenAPI |
//! | `defaults.tsv` | defaults of fields that are merge keys | upstream's Go types |
//! | `required.tsv` | required fields, where the crate says others | upstream's OpenAPI |
//! | `enums.tsv` | values of enumerations | upstream's Go types |
//! | `unions.tsv` | discriminators | upstream's OpenAPI |
//! | `parameters.tsv` | parameters of operations; the words are ours | |
//!
//! # How the documents differ from upstream's
//! `OPENAPI.md` lists it for v2, and how it is compared.
//!
//! OpenAPI v3 has the same definitions and operations. Of what upstream writes there alone it has
//! `enum`, but not the paragraph `Possible enum values` of descriptions, and `default` for merge
//! keys only. Hashes are of another length than upstream's; clients do not read them.
//!
//! # How checks differ from upstream's decoder
//! | difference | why |
//! |---|---|
//! | unknown fields and the first wrong type are found in order of names, not of the document | values do not keep that order |
//! | a wrong type of an enumeration or of a named map is said to be of type `string` or `map[string]...`, not `v1.RestartPolicy` or `v1.ResourceList` | names of Go types are not in the schemas |
//! | a time of seconds does for a `MicroTime` | the crate's schemas do not tell them apart |

mod build;
mod built_in;
pub mod check;
#[cfg(test)]
mod check_test;
pub mod discovery;
mod instant;
pub mod limits;
pub mod openapi;
pub mod resource;
mod scalar;
mod shelf;
pub mod types;
mod version;
pub mod version_2;

pub use build::{Builder, FieldSpec};
pub use built_in::built_in;
pub use check::{Unknown, WrongType, check, drop_nulls, prune, strict_error};
pub use openapi::built_in_documents;
pub use resource::{Catalog, Resource, Subresource};
pub use types::{Field, Format, List, ListKind, Map, Object, Patch, Shape, Type, TypeId, Types};
pub use version::KUBERNETES_VERSION;
