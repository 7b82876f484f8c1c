//! Transactions: compare, choose a branch, check all of it, then carry it out.
//!
//! Invariant: the branches of all nested transactions are chosen, and all requests on them
//! checked, against the state before the first write; after that nothing can be refused.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_proto::etcdserverpb::response_op::Response;

use super::Batch;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::range::{self, Window};
use crate::record::Live;
use crate::revision::Position;
use crate::{ApplyError, KeyRange};

/// The requests of the branches that were taken, in order.
struct Branch<'r> {
    succeeded: bool,
    steps: Vec<Step<'r>>,
}

enum Step<'r> {
    Range(&'r pb::RangeRequest),
    Put(&'r pb::PutRequest),
    DeleteRange(&'r pb::DeleteRangeRequest),
    Txn(Branch<'r>),
    Nothing,
}

impl Batch<'_> {
    pub(super) fn txn(&mut self, txn: &pb::TxnRequest) -> Result<pb::TxnResponse, Fault> {
        let branch = choose(self, txn)?;
        self.check_puts(&branch, &mut Vec::new())?;
        check_ranges(self.window(), &branch)?;
        let mut response = self.carry_out(branch)?;
        response.header = self.header();
        Ok(response)
    }

    /// Whether every put finds what it needs. `deleted` are the ranges deleted so far.
    fn check_puts(
        &mut self,
        branch: &Branch<'_>,
        deleted: &mut Vec<KeyRange>,
    ) -> Result<(), Fault> {
        for step in &branch.steps {
            match step {
                Step::Put(put) => {
                    let needs_old = put.ignore_value || put.ignore_lease;
                    // etcd's API refuses a key that is deleted and put in one transaction; should
                    // one come through, the put must not find out halfway.
                    if needs_old
                        && (self.live(&put.key)?.is_none()
                            || deleted.iter().any(|range| range.contains(&put.key)))
                    {
                        return Err(ApplyError::KeyNotFound.into());
                    }
                    self.check_lease(put.lease)?;
                }
                Step::DeleteRange(delete) => {
                    deleted.push(KeyRange::new(&delete.key, &delete.range_end));
                }
                Step::Txn(nested) => self.check_puts(nested, deleted)?,
                Step::Range(_) | Step::Nothing => {}
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, branch: Branch<'_>) -> Result<pb::TxnResponse, Fault> {
        let mut responses = Vec::with_capacity(branch.steps.len());
        for step in branch.steps {
            let response = match step {
                Step::Range(range) => {
                    let response = range::range(self, self.window(), range)?;
                    Some(Response::ResponseRange(response))
                }
                Step::Put(put) => Some(Response::ResponsePut(self.put(put)?)),
                Step::DeleteRange(delete) => {
                    Some(Response::ResponseDeleteRange(self.delete_range(delete)?))
                }
                Step::Txn(nested) => Some(Response::ResponseTxn(self.carry_out(nested)?)),
                Step::Nothing => None,
            };
            responses.push(pb::ResponseOp { response });
        }
        Ok(pb::TxnResponse {
            // etcd leaves the header of a nested transaction empty.
            header: Some(pb::ResponseHeader::default()),
            succeeded: branch.succeeded,
            responses,
        })
    }
}

/// Answers a transaction that only reads, from any view of the keyspace.
pub(crate) fn read_only(
    keyspace: &impl Keyspace,
    window: Window,
    txn: &pb::TxnRequest,
) -> Result<pb::TxnResponse, Fault> {
    let branch = choose(keyspace, txn)?;
    check_ranges(window, &branch)?;
    let mut response = read_branch(keyspace, window, branch)?;
    response.header = Some(pb::ResponseHeader {
        revision: window.revision,
        ..pb::ResponseHeader::default()
    });
    Ok(response)
}

fn read_branch(
    keyspace: &impl Keyspace,
    window: Window,
    branch: Branch<'_>,
) -> Result<pb::TxnResponse, Fault> {
    let mut responses = Vec::with_capacity(branch.steps.len());
    for step in branch.steps {
        let response = match step {
            Step::Range(range) => Some(Response::ResponseRange(range::range(
                keyspace, window, range,
            )?)),
            Step::Txn(nested) => Some(Response::ResponseTxn(read_branch(
                keyspace, window, nested,
            )?)),
            Step::Nothing => None,
            Step::Put(_) | Step::DeleteRange(_) => {
                let what = "a transaction that writes cannot be answered by a read";
                return Err(ApplyError::UnknownCommand(what.into()).into());
            }
        };
        responses.push(pb::ResponseOp { response });
    }
    Ok(pb::TxnResponse {
        header: Some(pb::ResponseHeader::default()),
        succeeded: branch.succeeded,
        responses,
    })
}

/// Evaluates the comparisons of a transaction, and of the nested ones on the branch it takes.
fn choose<'r>(keyspace: &impl Keyspace, txn: &'r pb::TxnRequest) -> Result<Branch<'r>, Fault> {
    let mut succeeded = true;
    for compare in &txn.compare {
        if !holds(keyspace, compare)? {
            succeeded = false;
            break;
        }
    }
    let operations = match succeeded {
        true => &txn.success,
        false => &txn.failure,
    };
    let mut steps = Vec::with_capacity(operations.len());
    for operation in operations {
        steps.push(match &operation.request {
            Some(Request::RequestRange(range)) => Step::Range(range),
            Some(Request::RequestPut(put)) => Step::Put(put),
            Some(Request::RequestDeleteRange(delete)) => Step::DeleteRange(delete),
            Some(Request::RequestTxn(nested)) => Step::Txn(choose(keyspace, nested)?),
            None => Step::Nothing,
        });
    }
    Ok(Branch { succeeded, steps })
}

/// Whether every range can be read at the revision it names.
fn check_ranges(window: Window, branch: &Branch<'_>) -> Result<(), ApplyError> {
    for step in &branch.steps {
        match step {
            Step::Range(range) if range.revision > window.revision => {
                return Err(ApplyError::FutureRevision);
            }
            Step::Range(range)
                if range.revision != 0 && range.revision < window.compact_revision =>
            {
                return Err(ApplyError::Compacted);
            }
            Step::Txn(nested) => check_ranges(window, nested)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a comparison holds for all keys of its range.
fn holds(keyspace: &impl Keyspace, compare: &pb::Compare) -> Result<bool, Fault> {
    let range = KeyRange::new(&compare.key, &compare.range_end);
    let by_value = compare.target == CompareTarget::Value as i32;
    let mut found = false;
    let mut all = true;
    keyspace.visit_live(&range, |_, live| {
        found = true;
        all = if by_value {
            keyspace.with_event(live.modified, |record| value_holds(compare, record.value))?
        } else {
            number_holds(compare, live)
        };
        Ok(match all {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    if found {
        return Ok(all);
    }
    // A key that does not exist has no value, not even an empty one; its numbers are all 0.
    let absent = Live {
        modified: Position::new(0, 0),
        create: 0,
        version: 0,
        lease: 0,
    };
    Ok(!by_value && number_holds(compare, absent))
}

fn value_holds(compare: &pb::Compare, value: &[u8]) -> bool {
    let wanted: &[u8] = match &compare.target_union {
        Some(TargetUnion::Value(value)) => value,
        _ => &[],
    };
    result_holds(compare, value.cmp(wanted))
}

fn number_holds(compare: &pb::Compare, live: Live) -> bool {
    let target = CompareTarget::try_from(compare.target).ok();
    let (number, wanted) = match (target, &compare.target_union) {
        (Some(CompareTarget::Version), Some(TargetUnion::Version(wanted))) => {
            (live.version, *wanted)
        }
        (Some(CompareTarget::Create), Some(TargetUnion::CreateRevision(wanted))) => {
            (live.create, *wanted)
        }
        (Some(CompareTarget::Mod), Some(TargetUnion::ModRevision(wanted))) => {
            (live.modified.main, *wanted)
        }
        (Some(CompareTarget::Lease), Some(TargetUnion::Lease(wanted))) => (live.lease, *wanted),
        (Some(CompareTarget::Version), _) => (live.version, 0),
        (Some(CompareTarget::Create), _) => (live.create, 0),
        (Some(CompareTarget::Mod), _) => (live.modified.main, 0),
        (Some(CompareTarget::Lease), _) => (live.lease, 0),
        (Some(CompareTarget::Value) | None, _) => (0, 0),
    };
    result_holds(compare, number.cmp(&wanted))
}

fn result_holds(compare: &pb::Compare, ordering: Ordering) -> bool {
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering.is_eq(),
        Ok(CompareResult::NotEqual) => ordering.is_ne(),
        Ok(CompareResult::Greater) => ordering.is_gt(),
        Ok(CompareResult::Less) => ordering.is_lt(),
        // As in etcd.
        Err(_) => true,
    }
}
