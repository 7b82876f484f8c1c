//! Every bound of the store, with its unit. Each has a test that reaches it.

/// Memory that redb may use for pages unless the options say otherwise. Measured: 32 MB gained
/// nothing over 8 MB.
pub const CACHE_BYTES_DEFAULT: usize = 8 << 20;

/// Space that keys, values and their history may take unless the options say otherwise.
pub const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;

/// The longest life of a lease (etcd's `MaxLeaseTTL`).
pub const LEASE_TTL_SECONDS_MAX: i64 = 9_000_000_000;

/// The largest encoded command that is applied; what is larger is refused by every member.
pub const COMMAND_BYTES_MAX: usize = 16 << 20;

/// Memory of the events that the ring keeps for watchers.
pub const RING_BYTES_MAX: usize = 4 << 20;

/// Revisions that the ring keeps for watchers.
pub const RING_REVISIONS_MAX: usize = 8_192;

/// Events that one step of the physical compaction looks at.
pub const COMPACT_STEP_EVENTS_MAX: usize = 256;

/// Keys that a range deletion reads ahead of deleting them.
pub const DELETE_STEP_KEYS_MAX: usize = 1_024;

/// Bytes of events that one read of history looks at before it gives back what it found.
pub const HISTORY_SCAN_BYTES_MAX: usize = 4 << 20;

/// Payload of one chunk of a snapshot stream.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 256 << 10;

/// The longest key or value of a record in a snapshot stream.
pub const SNAPSHOT_FIELD_BYTES_MAX: usize = COMMAND_BYTES_MAX + (64 << 10);

/// Bytes of records that a snapshot's receiver gathers before it commits them to its file.
pub const SNAPSHOT_COMMIT_BYTES: usize = 2 << 20;

/// Revisions without a key that is mirrored, up to which watchers are told of each.
pub const MIRROR_GAP_REVISIONS_MAX: i64 = 1_024;

/// Bytes of rows of a snapshot that are gathered before they are written to the state made of them.
pub const IMPORT_COMMIT_BYTES: usize = 1 << 20;

/// Bytes of rows after which the state that is made of a snapshot is made durable.
pub const IMPORT_FLUSH_BYTES: usize = 64 << 20;
