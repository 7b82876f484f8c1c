//! What a write costs of the space quota, as etcd reckons it.
//!
//! Pure. The store never refuses a write for its size by itself: members measure differently, and
//! what is applied may not depend on that. The member that takes a request compares
//! [`View::size_in_use_bytes`](crate::View::size_in_use_bytes) and the cost with the quota before
//! it proposes, and raises the NOSPACE alarm; from then on every member refuses.

use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;

/// Space that a lease takes.
pub const LEASE_COST_BYTES: u64 = 64;

/// Space that a key takes besides its name and its value.
const KEY_COST_BYTES: u64 = 256;

/// Space that a put may take.
pub fn put_cost_bytes(put: &pb::PutRequest) -> u64 {
    KEY_COST_BYTES + (put.key.len() + put.value.len()) as u64
}

/// Space that the more expensive branch of a transaction may take; 0 where it puts nothing.
pub fn txn_cost_bytes(txn: &pb::TxnRequest) -> u64 {
    branch_cost_bytes(&txn.success).max(branch_cost_bytes(&txn.failure))
}

fn branch_cost_bytes(operations: &[pb::RequestOp]) -> u64 {
    let cost = |operation: &pb::RequestOp| match &operation.request {
        Some(Request::RequestPut(put)) => put_cost_bytes(put),
        Some(Request::RequestTxn(txn)) => txn_cost_bytes(txn),
        _ => 0,
    };
    operations.iter().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: &'static [u8]) -> pb::RequestOp {
        pb::RequestOp {
            request: Some(Request::RequestPut(pb::PutRequest {
                value: value.into(),
                ..pb::PutRequest::default()
            })),
        }
    }

    #[test]
    fn a_transaction_costs_what_its_dearer_branch_puts() {
        let nested = pb::TxnRequest {
            success: vec![put(b"1"), put(b"22")],
            failure: vec![put(b"333")],
            ..pb::TxnRequest::default()
        };
        let outer = pb::TxnRequest {
            success: vec![put(b"4444")],
            failure: vec![pb::RequestOp {
                request: Some(Request::RequestTxn(nested)),
            }],
            ..pb::TxnRequest::default()
        };
        assert_eq!(txn_cost_bytes(&outer), 2 * KEY_COST_BYTES + 3);
        assert_eq!(txn_cost_bytes(&pb::TxnRequest::default()), 0);
    }
}
