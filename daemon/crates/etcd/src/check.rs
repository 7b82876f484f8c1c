//! What a KV request must be before it may go to the log. Pure: no state is looked at.
//!
//! The order of the checks is etcd's, as the first refusal is the one that a client sees.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;

use crate::errors::{self, Refusal};

/// A range needs a key.
pub(crate) fn range(request: &pb::RangeRequest) -> Result<(), Refusal> {
    if request.key.is_empty() {
        return Err(errors::EMPTY_KEY);
    }
    Ok(())
}

/// A put needs a key, and either a value or the wish to keep the old one.
pub(crate) fn put(request: &pb::PutRequest) -> Result<(), Refusal> {
    if request.key.is_empty() {
        return Err(errors::EMPTY_KEY);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(errors::VALUE_PROVIDED);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(errors::LEASE_PROVIDED);
    }
    Ok(())
}

/// A deletion needs a key.
pub(crate) fn delete_range(request: &pb::DeleteRangeRequest) -> Result<(), Refusal> {
    if request.key.is_empty() {
        return Err(errors::EMPTY_KEY);
    }
    Ok(())
}

/// A transaction has at most `operations_max` operations a level, nested ones share what is left,
/// and no key is written twice on one path through it.
pub(crate) fn txn(request: &pb::TxnRequest, operations_max: usize) -> Result<(), Refusal> {
    operations(request, operations_max)?;
    Writes::of(&request.success)?;
    Writes::of(&request.failure)?;
    Ok(())
}

fn operations(request: &pb::TxnRequest, operations_max: usize) -> Result<(), Refusal> {
    let widest = request
        .compare
        .len()
        .max(request.success.len())
        .max(request.failure.len());
    let Some(left) = operations_max.checked_sub(widest) else {
        return Err(errors::TOO_MANY_OPS);
    };
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(errors::EMPTY_KEY);
    }
    for operation in request.success.iter().chain(&request.failure) {
        match &operation.request {
            Some(Request::RequestRange(inner)) => range(inner)?,
            Some(Request::RequestPut(inner)) => put(inner)?,
            Some(Request::RequestDeleteRange(inner)) => delete_range(inner)?,
            Some(Request::RequestTxn(inner)) => operations(inner, left)?,
            None => return Err(errors::KEY_NOT_FOUND),
        }
    }
    Ok(())
}

/// The keys that a list of operations writes.
#[derive(Default)]
struct Writes {
    puts: HashSet<Bytes>,
    deletes: Deleted,
}

impl Writes {
    fn of(operations: &[pb::RequestOp]) -> Result<Writes, Refusal> {
        let mut writes = Writes::default();
        for operation in operations {
            if let Some(Request::RequestDeleteRange(delete)) = &operation.request {
                writes.deletes.add(&delete.key, &delete.range_end);
            }
        }
        for operation in operations {
            if let Some(Request::RequestTxn(nested)) = &operation.request {
                writes.nest(Writes::of(&nested.success)?, Writes::of(&nested.failure)?)?;
            }
        }
        for operation in operations {
            if let Some(Request::RequestPut(put)) = &operation.request {
                writes.put(put.key.clone())?;
            }
        }
        Ok(writes)
    }

    /// Only one of the two branches runs, so they may write the same keys.
    fn nest(&mut self, then: Writes, otherwise: Writes) -> Result<(), Refusal> {
        for key in otherwise.puts {
            if !then.puts.contains(&key) {
                self.put(key)?;
            }
        }
        for key in then.puts {
            self.put(key)?;
        }
        self.deletes.merge(then.deletes);
        self.deletes.merge(otherwise.deletes);
        Ok(())
    }

    fn put(&mut self, key: Bytes) -> Result<(), Refusal> {
        if self.deletes.contains(&key) || !self.puts.insert(key) {
            return Err(errors::DUPLICATE_KEY);
        }
        Ok(())
    }
}

/// Deleted keys and ranges: disjoint intervals, from start to (excluded) end.
///
/// A range that is open to the end of the keyspace, or empty, is not looked at: etcd lets such a
/// deletion stand beside a put, and so must we.
#[derive(Default)]
struct Deleted(BTreeMap<Bytes, Bytes>);

impl Deleted {
    fn add(&mut self, key: &Bytes, range_end: &Bytes) {
        if range_end.is_empty() {
            let mut after = Vec::with_capacity(key.len() + 1);
            after.extend_from_slice(key);
            after.push(0);
            self.insert(key.clone(), after.into());
        } else if key < range_end {
            self.insert(key.clone(), range_end.clone());
        }
    }

    fn insert(&mut self, mut start: Bytes, mut end: Bytes) {
        while let Some((other_start, other_end)) = self.0.range::<Bytes, _>(..=&end).next_back() {
            if *other_end < start {
                break;
            }
            let (other_start, other_end) = (other_start.clone(), other_end.clone());
            self.0.remove(&other_start);
            start = start.min(other_start);
            end = end.max(other_end);
        }
        self.0.insert(start, end);
    }

    fn merge(&mut self, other: Deleted) {
        for (start, end) in other.0 {
            self.insert(start, end);
        }
    }

    fn contains(&self, key: &Bytes) -> bool {
        self.0
            .range::<Bytes, _>(..=key)
            .next_back()
            .is_some_and(|(_, end)| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TXN_OPERATIONS_MAX;

    fn op(request: Request) -> pb::RequestOp {
        pb::RequestOp {
            request: Some(request),
        }
    }

    fn put_op(key: &'static str) -> pb::RequestOp {
        op(Request::RequestPut(pb::PutRequest {
            key: Bytes::from_static(key.as_bytes()),
            ..Default::default()
        }))
    }

    fn delete_op(key: &'static str, range_end: &'static str) -> pb::RequestOp {
        op(Request::RequestDeleteRange(pb::DeleteRangeRequest {
            key: Bytes::from_static(key.as_bytes()),
            range_end: Bytes::from_static(range_end.as_bytes()),
            prev_kv: false,
        }))
    }

    fn txn_op(success: Vec<pb::RequestOp>, failure: Vec<pb::RequestOp>) -> pb::RequestOp {
        op(Request::RequestTxn(pb::TxnRequest {
            compare: vec![],
            success,
            failure,
        }))
    }

    fn check(success: Vec<pb::RequestOp>) -> Result<(), Refusal> {
        let request = pb::TxnRequest {
            compare: vec![],
            success,
            failure: vec![],
        };
        txn(&request, TXN_OPERATIONS_MAX)
    }

    #[test]
    fn a_request_without_a_key_is_refused() {
        assert_eq!(range(&pb::RangeRequest::default()), Err(errors::EMPTY_KEY));
        assert_eq!(put(&pb::PutRequest::default()), Err(errors::EMPTY_KEY));
        assert_eq!(
            delete_range(&pb::DeleteRangeRequest::default()),
            Err(errors::EMPTY_KEY)
        );
        assert_eq!(check(vec![put_op("")]), Err(errors::EMPTY_KEY));
        let compare = pb::TxnRequest {
            compare: vec![pb::Compare::default()],
            ..Default::default()
        };
        assert_eq!(txn(&compare, TXN_OPERATIONS_MAX), Err(errors::EMPTY_KEY));
    }

    #[test]
    fn a_put_that_keeps_the_old_value_or_lease_must_not_bring_one() {
        let key = Bytes::from_static(b"k");
        let value = pb::PutRequest {
            key: key.clone(),
            value: Bytes::from_static(b"v"),
            ignore_value: true,
            ..Default::default()
        };
        assert_eq!(put(&value), Err(errors::VALUE_PROVIDED));
        let lease = pb::PutRequest {
            key,
            lease: 1,
            ignore_lease: true,
            ..Default::default()
        };
        assert_eq!(put(&lease), Err(errors::LEASE_PROVIDED));
    }

    #[test]
    fn a_transaction_holds_128_operations_and_not_one_more() {
        let compares = |count| pb::TxnRequest {
            compare: vec![
                pb::Compare {
                    key: Bytes::from_static(b"k"),
                    ..Default::default()
                };
                count
            ],
            ..Default::default()
        };
        assert_eq!(txn(&compares(128), TXN_OPERATIONS_MAX), Ok(()));
        assert_eq!(
            txn(&compares(129), TXN_OPERATIONS_MAX),
            Err(errors::TOO_MANY_OPS)
        );
    }

    #[test]
    fn nested_transactions_share_what_their_parent_leaves() {
        let ranges = |count| {
            vec![
                op(Request::RequestRange(pb::RangeRequest {
                    key: Bytes::from_static(b"k"),
                    ..Default::default()
                }));
                count
            ]
        };
        assert_eq!(check(vec![txn_op(ranges(127), vec![])]), Ok(()));
        assert_eq!(
            check(vec![txn_op(ranges(128), vec![])]),
            Err(errors::TOO_MANY_OPS)
        );
    }

    #[test]
    fn an_operation_that_is_nothing_is_refused() {
        assert_eq!(
            check(vec![pb::RequestOp { request: None }]),
            Err(errors::KEY_NOT_FOUND)
        );
    }

    #[test]
    fn a_key_is_put_once() {
        assert_eq!(check(vec![put_op("a"), put_op("b")]), Ok(()));
        assert_eq!(
            check(vec![put_op("a"), put_op("a")]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(
            check(vec![put_op("a"), txn_op(vec![put_op("a")], vec![])]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(
            check(vec![
                txn_op(vec![put_op("a")], vec![]),
                txn_op(vec![put_op("a")], vec![])
            ]),
            Err(errors::DUPLICATE_KEY)
        );
    }

    #[test]
    fn the_two_branches_of_a_nested_transaction_may_put_the_same_key() {
        assert_eq!(
            check(vec![txn_op(vec![put_op("a")], vec![put_op("a")])]),
            Ok(())
        );
    }

    #[test]
    fn a_key_is_not_put_and_deleted() {
        assert_eq!(
            check(vec![delete_op("a", ""), put_op("a")]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(check(vec![delete_op("a", ""), put_op("b")]), Ok(()));
        assert_eq!(
            check(vec![put_op("b"), delete_op("a", "c")]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(check(vec![put_op("c"), delete_op("a", "c")]), Ok(()));
        assert_eq!(
            check(vec![delete_op("a", "c"), delete_op("b", "f"), put_op("e")]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(
            check(vec![delete_op("a", "c"), txn_op(vec![], vec![put_op("b")])]),
            Err(errors::DUPLICATE_KEY)
        );
        assert_eq!(
            check(vec![txn_op(vec![], vec![delete_op("b", "")]), put_op("b")]),
            Err(errors::DUPLICATE_KEY)
        );
    }

    #[test]
    fn keys_may_be_deleted_twice() {
        assert_eq!(check(vec![delete_op("a", ""), delete_op("a", "c")]), Ok(()));
    }

    #[test]
    fn a_deletion_to_the_end_of_the_keyspace_is_not_looked_at() {
        assert_eq!(check(vec![delete_op("a", "\0"), put_op("b")]), Ok(()));
    }
}
