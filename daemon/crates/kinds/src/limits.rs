//! The sizes that this crate refuses to exceed, with their units. All are upstream's.

/// Annotations of one object, keys and values together, in bytes.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// The values of a `ConfigMap` or `Secret` together, in bytes.
pub const DATA_BYTES_MAX: usize = 1024 * 1024;
/// A DNS label, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// A DNS subdomain, in bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;
/// The name of a field manager, in bytes.
pub const FIELD_MANAGER_BYTES_MAX: usize = 128;
/// The name of a subresource in `managedFields`, in bytes.
pub const SUBRESOURCE_BYTES_MAX: usize = 256;
/// Random characters that are appended to `generateName`.
pub const GENERATED_SUFFIX_CHARS: usize = 5;
/// A generated name before its suffix, in bytes.
pub const GENERATED_BASE_BYTES_MAX: usize = LABEL_BYTES_MAX - GENERATED_SUFFIX_CHARS;
/// The name of a `CronJob`: a job's name less the suffix that its controller appends, in bytes.
pub const CRON_JOB_NAME_BYTES_MAX: usize = LABEL_BYTES_MAX - 11;
/// `spec.completions` of an indexed `Job` with a back-off limit per index.
pub const INDEXED_COMPLETIONS_MAX: i64 = 100_000;
/// Addresses of one endpoint.
pub const ENDPOINT_ADDRESSES_MAX: usize = 100;
/// Endpoints of one `EndpointSlice`.
pub const SLICE_ENDPOINTS_MAX: usize = 1000;
/// Ports of one `EndpointSlice`.
pub const SLICE_PORTS_MAX: usize = 20_000;
/// The message of a v1 `Event`, in bytes.
pub const EVENT_NOTE_BYTES_MAX: usize = 1024;
/// Name servers of a pod.
pub const DNS_NAMESERVERS_MAX: usize = 3;
/// Search paths of a pod.
pub const DNS_SEARCHES_MAX: usize = 32;
/// Search paths of a pod joined with spaces, in bytes.
pub const DNS_SEARCH_LIST_BYTES_MAX: usize = 2048;
/// Pairs of paths in the volumes of a pod that are looked at for warnings; those beyond are not.
pub const OVERLAP_PAIRS_MAX: usize = 50_000;
/// The longest path that is looked at for that, in bytes: a file system takes none longer.
pub const OVERLAP_PATH_BYTES_MAX: usize = 4096;
