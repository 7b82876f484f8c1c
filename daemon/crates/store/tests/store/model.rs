//! etcd's key-value store as a few maps: slow, obvious, written from etcd's behaviour rather than
//! from the store's code.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_proto::etcdserverpb::response_op::Response;
use skerry_proto::mvccpb;
use skerry_store::{ApplyError, Reply};

use crate::support::TERM;

type Outcome = Result<Reply, ApplyError>;

/// The whole state.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    /// Every version of every key: the revision, and what it held from then on.
    pub(crate) versions: BTreeMap<Bytes, Vec<(i64, Option<mvccpb::KeyValue>)>>,
    /// Every event, by revision.
    pub(crate) events: BTreeMap<i64, Vec<mvccpb::Event>>,
    /// Granted and remaining seconds.
    pub(crate) leases: BTreeMap<i64, (i64, i64)>,
    pub(crate) alarms: BTreeSet<(i32, u64)>,
    pub(crate) next_member: u64,
    pub(crate) members: BTreeMap<u64, skerry_proto::command::MemberAttributes>,
    /// Events of the command that is being applied.
    changes: Vec<mvccpb::Event>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            revision: 1,
            compacted: -1,
            versions: BTreeMap::new(),
            events: BTreeMap::new(),
            leases: BTreeMap::new(),
            alarms: BTreeSet::new(),
            next_member: 2,
            members: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// What a key held at a revision.
    pub(crate) fn at(&self, key: &[u8], revision: i64) -> Option<&mvccpb::KeyValue> {
        let versions = self.versions.get(key)?;
        let newest = versions.iter().rev().find(|(from, _)| *from <= revision);
        newest?.1.as_ref()
    }

    /// The keys of a range at a revision.
    fn all_at(&self, key: &[u8], end: &[u8], revision: i64) -> Vec<mvccpb::KeyValue> {
        let wanted = |other: &[u8]| match end {
            [] => other == key,
            [0] => other >= key,
            _ => other >= key && other < end,
        };
        let keys = self.versions.keys().filter(|key| wanted(key));
        keys.filter_map(|key| self.at(key, revision).cloned())
            .collect()
    }

    fn now(&self) -> i64 {
        self.revision + i64::from(!self.changes.is_empty())
    }

    /// Applies an operation and answers as etcd does.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Outcome {
        let nospace = self.alarms.iter().any(|(alarm, _)| *alarm == 1);
        let corrupt = self.alarms.iter().any(|(alarm, _)| *alarm == 2);
        let mut outcome = match operation {
            Operation::Put(_)
            | Operation::DeleteRange(_)
            | Operation::Txn(_)
            | Operation::Compaction(_)
            | Operation::LeaseGrant(_)
            | Operation::LeaseRevoke(_)
                if corrupt =>
            {
                Err(ApplyError::Corrupt)
            }
            Operation::Put(_) | Operation::LeaseGrant(_) if nospace => Err(ApplyError::NoSpace),
            Operation::Txn(txn) if nospace && puts(txn) => Err(ApplyError::NoSpace),
            Operation::Put(put) => {
                let checked = self.check_put(put);
                checked.map(|()| Reply::Put(self.put(put)))
            }
            Operation::DeleteRange(delete) => Ok(Reply::DeleteRange(self.delete(delete))),
            Operation::Txn(txn) => self.txn(txn).map(Reply::Txn),
            Operation::Compaction(compaction) => self.compact(compaction.revision),
            Operation::LeaseGrant(grant) => self.grant(grant),
            Operation::LeaseRevoke(revoke) => self.revoke(revoke.id, revoke.expired),
            Operation::LeaseCheckpoint(checkpoint) => {
                for rest in &checkpoint.leases {
                    if let Some(lease) = self.leases.get_mut(&rest.id) {
                        lease.1 = rest.seconds.max(0);
                    }
                }
                Ok(Reply::LeaseCheckpoint)
            }
            Operation::Alarm(alarm) => Ok(self.alarm(alarm)),
            Operation::MemberIdAllocate(_) => {
                self.next_member += 1;
                Ok(Reply::MemberId(self.next_member - 1))
            }
            Operation::MemberAttributes(attributes) => {
                self.next_member = self.next_member.max(attributes.id + 1);
                self.members.insert(attributes.id, attributes.clone());
                Ok(Reply::MemberAttributes)
            }
            _ => panic!("the model knows nothing of this operation"),
        };
        if !self.changes.is_empty() {
            self.revision += 1;
            let changes = std::mem::take(&mut self.changes);
            self.events.insert(self.revision, changes);
        }
        if let Ok(reply) = &mut outcome
            && let Some(header) = reply.header_mut()
        {
            header.revision = self.revision;
            header.raft_term = TERM;
        }
        outcome
    }

    fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader {
            revision: self.now(),
            ..pb::ResponseHeader::default()
        })
    }

    fn check_put(&self, put: &pb::PutRequest) -> Result<(), ApplyError> {
        if put.lease != 0 && !self.leases.contains_key(&put.lease) {
            return Err(ApplyError::LeaseNotFound);
        }
        let exists = self.at(&put.key, self.now()).is_some();
        if (put.ignore_value || put.ignore_lease) && !exists {
            return Err(ApplyError::KeyNotFound);
        }
        Ok(())
    }

    fn put(&mut self, put: &pb::PutRequest) -> pb::PutResponse {
        let old = self.at(&put.key, self.now()).cloned();
        let mut new = mvccpb::KeyValue {
            key: put.key.clone(),
            create_revision: self.revision + 1,
            mod_revision: self.revision + 1,
            version: 1,
            value: put.value.clone(),
            lease: put.lease,
        };
        if let Some(old) = &old {
            new.create_revision = old.create_revision;
            new.version = old.version + 1;
            if put.ignore_value {
                new.value = old.value.clone();
            }
            if put.ignore_lease {
                new.lease = old.lease;
            }
        }
        self.change(put.key.clone(), Some(new));
        pb::PutResponse {
            header: self.header(),
            prev_kv: old.filter(|_| put.prev_kv),
        }
    }

    fn delete(&mut self, delete: &pb::DeleteRangeRequest) -> pb::DeleteRangeResponse {
        let gone = self.all_at(&delete.key, &delete.range_end, self.now());
        for kv in &gone {
            self.change(kv.key.clone(), None);
        }
        pb::DeleteRangeResponse {
            header: self.header(),
            deleted: gone.len() as i64,
            prev_kvs: if delete.prev_kv { gone } else { Vec::new() },
        }
    }

    fn change(&mut self, key: Bytes, kv: Option<mvccpb::KeyValue>) {
        let revision = self.revision + 1;
        let tombstone = mvccpb::KeyValue {
            key: key.clone(),
            mod_revision: revision,
            ..mvccpb::KeyValue::default()
        };
        self.changes.push(mvccpb::Event {
            r#type: i32::from(kv.is_none()),
            kv: Some(kv.clone().unwrap_or(tombstone)),
            prev_kv: None,
        });
        self.versions.entry(key).or_default().push((revision, kv));
    }

    /// Answers a range request as of now.
    pub(crate) fn range(
        &self,
        request: &pb::RangeRequest,
    ) -> Result<pb::RangeResponse, ApplyError> {
        let now = self.now();
        let revision = if request.revision <= 0 {
            now
        } else {
            request.revision
        };
        if revision > now {
            return Err(ApplyError::FutureRevision);
        }
        if revision < self.compacted {
            return Err(ApplyError::Compacted);
        }
        let mut kvs = self.all_at(&request.key, &request.range_end, revision);
        let mut response = pb::RangeResponse {
            header: self.header(),
            count: kvs.len() as i64,
            ..pb::RangeResponse::default()
        };
        if request.count_only {
            return Ok(response);
        }
        let filters = [
            request.max_mod_revision,
            request.min_mod_revision,
            request.max_create_revision,
            request.min_create_revision,
        ];
        let limit = request.limit.max(0) as usize;
        if request.sort_order == 0 && filters == [0; 4] && limit > 0 {
            kvs.truncate(limit + 1);
        }
        kvs.retain(|kv| {
            (filters[0] == 0 || kv.mod_revision <= filters[0])
                && (filters[1] == 0 || kv.mod_revision >= filters[1])
                && (filters[2] == 0 || kv.create_revision <= filters[2])
                && (filters[3] == 0 || kv.create_revision >= filters[3])
        });
        let order = match (request.sort_order, request.sort_target) {
            (0, 0) => 0,
            (0, _) => 1,
            (order, _) => order,
        };
        let compare = |a: &mvccpb::KeyValue, b: &mvccpb::KeyValue| match request.sort_target {
            1 => a.version.cmp(&b.version),
            2 => a.create_revision.cmp(&b.create_revision),
            3 => a.mod_revision.cmp(&b.mod_revision),
            4 => a.value.cmp(&b.value),
            _ => a.key.cmp(&b.key),
        };
        match order {
            1 => kvs.sort_by(compare),
            2 => kvs.sort_by(|a, b| compare(b, a)),
            _ => {}
        }
        if limit > 0 && kvs.len() > limit {
            kvs.truncate(limit);
            response.more = true;
        }
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value.clear());
        }
        response.kvs = kvs;
        Ok(response)
    }

    fn txn(&mut self, txn: &pb::TxnRequest) -> Result<pb::TxnResponse, ApplyError> {
        let before = self.clone();
        self.check_txn(&before, txn, true, &mut Vec::new())?;
        self.check_txn(&before, txn, false, &mut Vec::new())?;
        let mut response = self.run_txn(&before, txn);
        response.header = self.header();
        Ok(response)
    }

    fn branch<'t>(&self, txn: &'t pb::TxnRequest) -> (bool, &'t [pb::RequestOp]) {
        match txn.compare.iter().all(|compare| self.holds(compare)) {
            true => (true, &txn.success),
            false => (false, &txn.failure),
        }
    }

    fn check_txn(
        &self,
        before: &Model,
        txn: &pb::TxnRequest,
        puts: bool,
        deleted: &mut Vec<pb::DeleteRangeRequest>,
    ) -> Result<(), ApplyError> {
        for operation in before.branch(txn).1 {
            match &operation.request {
                Some(Request::RequestPut(put)) if puts => {
                    let needs_old = put.ignore_value || put.ignore_lease;
                    let exists = before.at(&put.key, before.now()).is_some();
                    let was_deleted = deleted.iter().any(|delete| {
                        let end = &delete.range_end[..];
                        match end {
                            [] => delete.key == put.key,
                            [0] => delete.key <= put.key,
                            _ => delete.key <= put.key && &put.key[..] < end,
                        }
                    });
                    if needs_old && (!exists || was_deleted) {
                        return Err(ApplyError::KeyNotFound);
                    }
                    if put.lease != 0 && !before.leases.contains_key(&put.lease) {
                        return Err(ApplyError::LeaseNotFound);
                    }
                }
                Some(Request::RequestDeleteRange(delete)) => deleted.push(delete.clone()),
                Some(Request::RequestRange(range)) if !puts => {
                    if range.revision > before.now() {
                        return Err(ApplyError::FutureRevision);
                    }
                    if range.revision != 0 && range.revision < before.compacted {
                        return Err(ApplyError::Compacted);
                    }
                }
                Some(Request::RequestTxn(nested)) => {
                    self.check_txn(before, nested, puts, deleted)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn run_txn(&mut self, before: &Model, txn: &pb::TxnRequest) -> pb::TxnResponse {
        let (succeeded, operations) = before.branch(txn);
        let mut responses = Vec::new();
        for operation in operations {
            let response = match &operation.request {
                Some(Request::RequestRange(range)) => {
                    let response = self.range(range).expect("ranges were checked");
                    Some(Response::ResponseRange(response))
                }
                Some(Request::RequestPut(put)) => Some(Response::ResponsePut(self.put(put))),
                Some(Request::RequestDeleteRange(delete)) => {
                    Some(Response::ResponseDeleteRange(self.delete(delete)))
                }
                Some(Request::RequestTxn(nested)) => {
                    Some(Response::ResponseTxn(self.run_txn(before, nested)))
                }
                None => None,
            };
            responses.push(pb::ResponseOp { response });
        }
        pb::TxnResponse {
            header: Some(pb::ResponseHeader::default()),
            succeeded,
            responses,
        }
    }

    fn holds(&self, compare: &pb::Compare) -> bool {
        let kvs = self.all_at(&compare.key, &compare.range_end, self.now());
        if kvs.is_empty() {
            return compare.target != CompareTarget::Value as i32
                && kv_holds(compare, &mvccpb::KeyValue::default());
        }
        kvs.iter().all(|kv| kv_holds(compare, kv))
    }

    fn compact(&mut self, revision: i64) -> Outcome {
        if revision <= self.compacted {
            return Err(ApplyError::Compacted);
        }
        if revision > self.revision {
            return Err(ApplyError::FutureRevision);
        }
        self.compacted = revision;
        Ok(Reply::Compaction(pb::CompactionResponse::default()))
    }

    fn grant(&mut self, grant: &pb::LeaseGrantRequest) -> Outcome {
        if grant.id == 0 {
            return Err(ApplyError::LeaseNotFound);
        }
        if grant.ttl > 9_000_000_000 {
            return Err(ApplyError::LeaseTtlTooLarge);
        }
        if self.leases.contains_key(&grant.id) {
            return Err(ApplyError::LeaseExists);
        }
        let ttl = grant.ttl.max(1);
        self.leases.insert(grant.id, (ttl, 0));
        Ok(Reply::LeaseGrant(pb::LeaseGrantResponse {
            id: grant.id,
            ttl,
            ..pb::LeaseGrantResponse::default()
        }))
    }

    /// The keys of a lease, in order.
    pub(crate) fn lease_keys(&self, id: i64) -> Vec<Bytes> {
        let all = self.all_at(&[], &[0], self.now());
        let of_lease = all.into_iter().filter(|kv| kv.lease == id);
        of_lease.map(|kv| kv.key).collect()
    }

    fn revoke(&mut self, id: i64, expired: bool) -> Outcome {
        if !self.leases.contains_key(&id) && !expired {
            return Err(ApplyError::LeaseNotFound);
        }
        if self.leases.contains_key(&id) {
            for key in self.lease_keys(id) {
                self.change(key, None);
            }
        }
        self.leases.remove(&id);
        Ok(Reply::LeaseRevoke(pb::LeaseRevokeResponse::default()))
    }

    fn alarm(&mut self, request: &pb::AlarmRequest) -> Reply {
        let wanted = (request.alarm, request.member_id);
        let alarms: Vec<(i32, u64)> = match request.action {
            0 => {
                let of_type =
                    |raised: &&(i32, u64)| request.alarm == 0 || raised.0 == request.alarm;
                self.alarms.iter().filter(of_type).copied().collect()
            }
            1 if request.alarm != 0 => {
                self.alarms.insert(wanted);
                vec![wanted]
            }
            2 if self.alarms.remove(&wanted) => vec![wanted],
            _ => Vec::new(),
        };
        let to_member = |(alarm, member_id)| pb::AlarmMember { member_id, alarm };
        Reply::Alarm(pb::AlarmResponse {
            header: None,
            alarms: alarms.into_iter().map(to_member).collect(),
        })
    }
}

fn puts(txn: &pb::TxnRequest) -> bool {
    let mut operations = txn.success.iter().chain(&txn.failure);
    operations.any(|operation| match &operation.request {
        Some(Request::RequestPut(_)) => true,
        Some(Request::RequestTxn(nested)) => puts(nested),
        _ => false,
    })
}

fn kv_holds(compare: &pb::Compare, kv: &mvccpb::KeyValue) -> bool {
    let target = compare.target;
    let ordering = if target == CompareTarget::Value as i32 {
        let wanted = match &compare.target_union {
            Some(TargetUnion::Value(value)) => value.clone(),
            _ => Bytes::new(),
        };
        kv.value.cmp(&wanted)
    } else {
        let (actual, wanted) = match (target, &compare.target_union) {
            (0, Some(TargetUnion::Version(wanted))) => (kv.version, *wanted),
            (1, Some(TargetUnion::CreateRevision(wanted))) => (kv.create_revision, *wanted),
            (2, Some(TargetUnion::ModRevision(wanted))) => (kv.mod_revision, *wanted),
            (4, Some(TargetUnion::Lease(wanted))) => (kv.lease, *wanted),
            (0, _) => (kv.version, 0),
            (1, _) => (kv.create_revision, 0),
            (2, _) => (kv.mod_revision, 0),
            (4, _) => (kv.lease, 0),
            _ => (0, 0),
        };
        actual.cmp(&wanted)
    };
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering.is_eq(),
        Ok(CompareResult::Greater) => ordering.is_gt(),
        Ok(CompareResult::Less) => ordering.is_lt(),
        Ok(CompareResult::NotEqual) => ordering.is_ne(),
        Err(_) => true,
    }
}
