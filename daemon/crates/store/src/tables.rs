//! The tables of the state file.
//!
//! Knows nothing about what is done with them. Invariant: every table maps bytes to bytes and is
//! listed in [`ALL`], so that hashes and snapshots cover it. All values but events end with a
//! checksum (sealed.rs).
//!
//! ```text
//! events      revision i64 BE, sub u32 BE              -> event record (record.rs)
//! keys        live key                                 -> live record (record.rs)
//! history     escaped key, 00 00, position of an event -> revision i64 BE that replaced it
//! leases      lease id i64 BE                          -> granted seconds, remaining seconds
//! lease_keys  lease id i64 BE, key                     -> nothing
//! alarms      alarm i32 BE, member id u64 BE           -> nothing
//! members     member id u64 BE                         -> MemberAttributes (protobuf)
//! meta        "state", "membership"                    -> state.rs, opaque
//! auth...     see the auth module
//! ```
//! A value is written once, in `events`. `history` holds an event from the moment another one
//! replaces it, so writing new keys costs no entry there, and a read of live keys never sees it.

use redb::TableDefinition;

use crate::auth;

/// A table of bytes.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(crate) const EVENTS: Definition = TableDefinition::new("events");
pub(crate) const KEYS: Definition = TableDefinition::new("keys");
pub(crate) const HISTORY: Definition = TableDefinition::new("history");
pub(crate) const LEASES: Definition = TableDefinition::new("leases");
pub(crate) const LEASE_KEYS: Definition = TableDefinition::new("lease_keys");
pub(crate) const ALARMS: Definition = TableDefinition::new("alarms");
pub(crate) const MEMBERS: Definition = TableDefinition::new("members");
pub(crate) const META: Definition = TableDefinition::new("meta");

pub(crate) const META_ID: u8 = 1;
pub(crate) const EVENTS_ID: u8 = 2;
pub(crate) const HISTORY_ID: u8 = 4;
/// The first of the tables that the auth module writes.
const AUTH_ID: u8 = 9;

/// Every table with the number that stands for it in snapshots and hashes.
pub(crate) const ALL: [(u8, Definition); 11] = [
    (META_ID, META),
    (EVENTS_ID, EVENTS),
    (3, KEYS),
    (HISTORY_ID, HISTORY),
    (5, LEASES),
    (6, LEASE_KEYS),
    (7, ALARMS),
    (8, MEMBERS),
    (AUTH_ID, auth::AUTH),
    (10, auth::AUTH_USERS),
    (11, auth::AUTH_ROLES),
];

/// Whether the rows of a table end with a checksum (sealed.rs).
pub(crate) fn is_sealed(id: u8) -> bool {
    id != EVENTS_ID && id < AUTH_ID
}

/// The row of `meta` that holds the [`State`](crate::state::State).
pub(crate) const META_STATE: &[u8] = b"state";
/// The row of `meta` that holds the membership, as the consensus crate encoded it.
pub(crate) const META_MEMBERSHIP: &[u8] = b"membership";

/// The key of a lease's own row.
pub(crate) fn lease_row(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

/// The key of the row that attaches a key to a lease.
pub(crate) fn lease_key_row(id: i64, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(8 + key.len());
    row.extend_from_slice(&id.to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// The key of an alarm's row.
pub(crate) fn alarm_row(alarm: i32, member: u64) -> [u8; 12] {
    let mut row = [0; 12];
    row[..4].copy_from_slice(&alarm.to_be_bytes());
    row[4..].copy_from_slice(&member.to_be_bytes());
    row
}

/// The alarm and the member of a row.
pub(crate) fn alarm_of_row(row: &[u8]) -> Option<(i32, u64)> {
    let (alarm, member) = row.split_first_chunk::<4>()?;
    let member = u64::from_be_bytes(member.try_into().ok()?);
    Some((i32::from_be_bytes(*alarm), member))
}
