//! The table as it was generated into the binary.
//!
//! Invariant: what is in the binary decodes, because every test decodes it.

use std::sync::LazyLock;

use crate::table::Table;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/messages.bin"));

/// Inflated when it is first needed: about 80 KB for as long as the process lives.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let (length, deflated) = PACKED
        .split_first_chunk()
        .expect("what is generated has a length in front");
    let length = u32::from_le_bytes(*length) as usize;
    let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, length)
        .expect("what is generated inflates");
    postcard::from_bytes(&plain).expect("what is generated decodes")
});

/// Kinds of `meta/v1` that are part of every group and version.
const EVERYWHERE: &[&str] = &[
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
];

/// Kinds of `meta/v1` that are in `v1`.
const UNVERSIONED: &[&str] = &[
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "Status",
];

/// The message of a kind.
pub(crate) fn message(api_version: &str, kind: &str) -> Option<crate::table::Message> {
    let everywhere =
        EVERYWHERE.contains(&kind) || (api_version == "v1" && UNVERSIONED.contains(&kind));
    match everywhere {
        true => TABLE.kind("meta.k8s.io/v1", kind),
        false => TABLE.kind(api_version, kind),
    }
}
