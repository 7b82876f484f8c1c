//! Takes out of a response what two correct servers may answer differently, and nothing else.
//!
//! Ids, terms, raft indexes, sizes and remaining times are replaced by whether they are there;
//! lease ids that a server chose are replaced by their placeholder. Revisions stay as they are.

use crate::resolve::Known;
use crate::script::NTH_LEASE;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::proto::mvccpb;
use skerry_tests_harness::proto::{v3electionpb, v3lockpb};

/// Seconds that may pass between granting a lease and asking for its time.
const LEASE_SECONDS_PASSED_MAX: i64 = 20;

/// Longer values are compared, and told, by their length and sum.
const VALUE_SHOWN_BYTES: usize = 16_384;

/// See the module.
pub trait Normalise {
    /// Learns from the response what later steps refer to, then normalises it.
    fn normalise(&mut self, known: &mut Known);
}

impl Known {
    fn header(&mut self, header: &mut Option<pb::ResponseHeader>) {
        if let Some(header) = header {
            self.last_revision = self.last_revision.max(header.revision);
            header.cluster_id = header.cluster_id.min(1);
            header.member_id = header.member_id.min(1);
            header.raft_term = header.raft_term.min(1);
        }
    }

    fn lease_name(&self, id: &mut i64) {
        if let Some(nth) = self.leases.iter().position(|known| known == id) {
            *id = NTH_LEASE + nth as i64;
        }
    }

    fn key_value(&self, kv: &mut mvccpb::KeyValue) {
        self.lease_name(&mut kv.lease);
        if kv.value.len() > VALUE_SHOWN_BYTES {
            // FNV-1a: enough to tell values apart that nobody made to look alike.
            let sum = kv
                .value
                .iter()
                .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                    (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
                });
            kv.value = format!("{} bytes, sum {sum:016x}", kv.value.len()).into();
        }
    }

    /// Events carry key-values only.
    pub fn event(&self, event: &mut mvccpb::Event) {
        event
            .kv
            .iter_mut()
            .chain(&mut event.prev_kv)
            .for_each(|kv| self.key_value(kv));
    }
}

/// Responses of which the header alone may differ.
macro_rules! header_only {
    ($($response:ty),* $(,)?) => {$(
        impl Normalise for $response {
            fn normalise(&mut self, known: &mut Known) {
                known.header(&mut self.header);
            }
        }
    )*};
}

header_only!(
    pb::CompactionResponse,
    pb::LeaseRevokeResponse,
    pb::AuthEnableResponse,
    pb::AuthDisableResponse,
    pb::AuthStatusResponse,
    pb::AuthUserAddResponse,
    pb::AuthUserGetResponse,
    pb::AuthUserListResponse,
    pb::AuthUserDeleteResponse,
    pb::AuthUserChangePasswordResponse,
    pb::AuthUserGrantRoleResponse,
    pb::AuthUserRevokeRoleResponse,
    pb::AuthRoleAddResponse,
    pb::AuthRoleGetResponse,
    pb::AuthRoleListResponse,
    pb::AuthRoleDeleteResponse,
    pb::AuthRoleGrantPermissionResponse,
    pb::AuthRoleRevokePermissionResponse,
    pb::DefragmentResponse,
    pb::MoveLeaderResponse,
    v3lockpb::UnlockResponse,
    v3lockpb::LockResponse,
    v3electionpb::CampaignResponse,
    v3electionpb::ProclaimResponse,
    v3electionpb::ResignResponse,
    pb::DowngradeResponse,
);

impl Normalise for pb::RangeResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.kvs.iter_mut().for_each(|kv| known.key_value(kv));
    }
}

/// Up to this many key-values etcd sorts stably; the order of equals is open beyond.
const SORTED_STABLY_MAX: i64 = 12;

/// Puts key-values that are equal in what `request` sorts by into the order of their keys.
pub fn order_equals(request: &pb::RangeRequest, response: &mut pb::RangeResponse) {
    use pb::range_request::SortTarget;
    let target = request.sort_target();
    if target == SortTarget::Key || response.count <= SORTED_STABLY_MAX {
        return;
    }
    let by = |kv: &mvccpb::KeyValue| match target {
        SortTarget::Key => (0, kv.key.clone()),
        SortTarget::Version => (kv.version, Default::default()),
        SortTarget::Create => (kv.create_revision, Default::default()),
        SortTarget::Mod => (kv.mod_revision, Default::default()),
        SortTarget::Value => (0, kv.value.clone()),
    };
    if response.more {
        // Which of the last ones were cut off is open too.
        let last = response.kvs.last().map(by);
        response.kvs.retain(|kv| Some(by(kv)) != last);
    }
    for equals in response.kvs.chunk_by_mut(|one, two| by(one) == by(two)) {
        equals.sort_by(|one, two| one.key.cmp(&two.key));
    }
}

/// As [`order_equals`], for the ranges of a transaction.
pub fn order_equals_in_txn(request: &pb::TxnRequest, response: &mut pb::TxnResponse) {
    use pb::request_op::Request;
    use pb::response_op::Response;
    let operations = if response.succeeded {
        &request.success
    } else {
        &request.failure
    };
    for (operation, response) in std::iter::zip(operations, &mut response.responses) {
        match (&operation.request, &mut response.response) {
            (Some(Request::RequestRange(range)), Some(Response::ResponseRange(response))) => {
                order_equals(range, response);
            }
            (Some(Request::RequestTxn(txn)), Some(Response::ResponseTxn(response))) => {
                order_equals_in_txn(txn, response);
            }
            _ => {}
        }
    }
}

impl Normalise for pb::PutResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.prev_kv.iter_mut().for_each(|kv| known.key_value(kv));
    }
}

impl Normalise for pb::DeleteRangeResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.prev_kvs.iter_mut().for_each(|kv| known.key_value(kv));
    }
}

impl Normalise for pb::TxnResponse {
    fn normalise(&mut self, known: &mut Known) {
        use pb::response_op::Response;
        known.header(&mut self.header);
        for response in &mut self.responses {
            match &mut response.response {
                Some(Response::ResponseRange(response)) => response.normalise(known),
                Some(Response::ResponsePut(response)) => response.normalise(known),
                Some(Response::ResponseDeleteRange(response)) => response.normalise(known),
                Some(Response::ResponseTxn(response)) => response.normalise(known),
                None => {}
            }
        }
    }
}

impl Normalise for pb::LeaseLeasesResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.leases
            .iter_mut()
            .for_each(|lease| known.lease_name(&mut lease.id));
        // Ordered by the time they have left.
        self.leases.sort_by_key(|lease| lease.id);
    }
}

impl Normalise for pb::LeaseTimeToLiveResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        known.lease_name(&mut self.id);
        let passed = self.granted_ttl - self.ttl;
        if self.ttl > 0 && (0..=LEASE_SECONDS_PASSED_MAX).contains(&passed) {
            self.ttl = self.granted_ttl;
        }
        // In no order: etcd keeps them in a map.
        self.keys.sort();
    }
}

impl Normalise for pb::LeaseKeepAliveResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        known.lease_name(&mut self.id);
    }
}

impl Normalise for pb::LeaseGrantResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        known.lease_name(&mut self.id);
    }
}

impl Normalise for pb::AuthenticateResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.token = if self.token.is_empty() { "" } else { "a token" }.to_owned();
    }
}

impl Normalise for pb::AlarmResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        for alarm in &mut self.alarms {
            alarm.member_id = alarm.member_id.min(1);
        }
    }
}

impl Normalise for pb::StatusResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.version = self
            .version
            .split('.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".");
        self.db_size = self.db_size.min(1);
        // An empty state may need no bytes at all.
        self.db_size_in_use = 0;
        self.leader = self.leader.min(1);
        self.raft_index = self.raft_index.min(1);
        self.raft_term = self.raft_term.min(1);
        self.raft_applied_index = self.raft_applied_index.min(1);
        for error in &mut self.errors {
            // "memberID:123 alarm:NOSPACE "
            let rest = error.split_once(' ').map(|(_, rest)| rest.to_owned());
            *error = rest.unwrap_or_else(|| error.clone());
        }
    }
}

impl Normalise for pb::HashKvResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.hash = self.hash.min(1);
    }
}

/// A cluster of three shows three members that are alike.
fn members(members: &mut Vec<pb::Member>) {
    for member in members.iter_mut() {
        if ["m1", "m2", "m3"].contains(&member.name.as_str()) {
            member.name = "own".into();
        }
        member.id = member.id.min(1);
        for url in member.peer_ur_ls.iter_mut().chain(&mut member.client_ur_ls) {
            // The scheme and the port are as they were given; the address is the member's own.
            let host = url
                .rsplit_once("://127.")
                .and_then(|(_, rest)| rest.rsplit_once(':'));
            if let Some((_, port)) = host {
                *url = format!("https://own:{port}");
            }
        }
    }
    members.dedup();
}

macro_rules! with_members {
    ($($response:ty),* $(,)?) => {$(
        impl Normalise for $response {
            fn normalise(&mut self, known: &mut Known) {
                known.header(&mut self.header);
                members(&mut self.members);
            }
        }
    )*};
}

with_members!(
    pb::MemberListResponse,
    pb::MemberRemoveResponse,
    pb::MemberUpdateResponse,
    pb::MemberPromoteResponse,
);

impl Normalise for pb::MemberAddResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        let mut added = self.member.take().into_iter().collect();
        members(&mut added);
        self.member = added.pop();
        members(&mut self.members);
    }
}

impl Normalise for v3electionpb::LeaderResponse {
    fn normalise(&mut self, known: &mut Known) {
        known.header(&mut self.header);
        self.kv.iter_mut().for_each(|kv| known.key_value(kv));
    }
}
