//! Leases: what a lessor and a client are told of them, and their row.
//!
//! Knows nothing about clocks. Invariant: `remaining` is 0 while there was no checkpoint since the
//! last renewal, as in etcd.

use std::ops::Bound;

use bytes::Bytes;
use redb::ReadableTable;

use crate::fault::Fault;
use crate::sealed;
use crate::tables;

/// A lease as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its id, never 0.
    pub id: i64,
    /// The life it was granted.
    pub ttl_seconds: i64,
    /// The life it still had at the last checkpoint; 0: no checkpoint, all of it.
    pub remaining_seconds: i64,
}

/// What became of a lease, for the lessor that watches over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    /// There is a new lease.
    Granted {
        /// Its id.
        id: i64,
        /// The life it was granted.
        ttl_seconds: i64,
    },
    /// The lease and its keys are gone.
    Revoked {
        /// Its id.
        id: i64,
    },
    /// The state has noted how long a lease still lives.
    Checkpointed {
        /// Its id.
        id: i64,
        /// 0: all of what it was granted.
        remaining_seconds: i64,
    },
}

/// The row of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    pub ttl: i64,
    pub remaining: i64,
}

impl LeaseRow {
    pub(crate) fn encode(self, id: i64) -> Vec<u8> {
        let mut row = [0; 16];
        row[..8].copy_from_slice(&self.ttl.to_be_bytes());
        row[8..].copy_from_slice(&self.remaining.to_be_bytes());
        sealed::seal(&tables::lease_row(id), &row)
    }
}

/// Reads the row of a lease.
pub(crate) fn decode(id: i64, row: &[u8]) -> Result<LeaseRow, Fault> {
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    let row = sealed::open(&tables::lease_row(id), row)?;
    let numbers = row.split_at_checked(8);
    let row = numbers.and_then(|(ttl, remaining)| {
        Some(LeaseRow {
            ttl: number(ttl)?,
            remaining: number(remaining)?,
        })
    });
    row.ok_or_else(|| Fault::corrupt(format!("lease {id:016x}")))
}

/// Reads the id of a lease's row.
pub(crate) fn decode_id(row: &[u8]) -> Result<i64, Fault> {
    let id = row.try_into().map(i64::from_be_bytes);
    id.map_err(|_| Fault::corrupt("a row of the leases has no id"))
}

/// The keys attached to a lease, in order.
pub(crate) fn keys(
    lease_keys: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: i64,
) -> Result<Vec<Bytes>, Fault> {
    let prefix = tables::lease_row(id);
    let mut keys = Vec::new();
    for row in lease_keys.range::<&[u8]>((Bound::Included(&prefix[..]), Bound::Unbounded))? {
        let (row, seal) = row?;
        match row.value().strip_prefix(&prefix) {
            Some(key) => {
                sealed::open(row.value(), seal.value())?;
                keys.push(Bytes::copy_from_slice(key));
            }
            None => break,
        }
    }
    Ok(keys)
}
