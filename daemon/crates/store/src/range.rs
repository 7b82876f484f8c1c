//! Answering a range request as etcd does.
//!
//! Pure over the tables it is given. Knows nothing about permissions or limits of a request.
//! Invariant: `count` is the number of keys in the range at the revision, whatever is filtered or
//! cut from the answer.

use std::cmp::{Ordering, Reverse};
use std::ops::ControlFlow;

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use skerry_proto::mvccpb;

use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::record::Live;
use crate::revision::Position;
use crate::{ApplyError, KeyRange};

/// The revisions between which can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub compact_revision: i64,
    pub revision: i64,
}

/// One key that was found, before its value is read.
struct Found {
    at: Position,
    /// Only where keys are all that is wanted.
    key: Bytes,
    /// Always there for live keys; for earlier revisions where something needs it.
    live: Option<Live>,
}

/// Answers a request. The header carries the current revision.
pub(crate) fn range(
    keyspace: &impl Keyspace,
    window: Window,
    request: &pb::RangeRequest,
) -> Result<pb::RangeResponse, Fault> {
    let revision = readable(window, request.revision)?;
    let keys = KeyRange::new(&request.key, &request.range_end);
    let mut response = pb::RangeResponse {
        header: Some(pb::ResponseHeader {
            revision: window.revision,
            ..pb::ResponseHeader::default()
        }),
        ..pb::RangeResponse::default()
    };
    let at_present = revision == window.revision;
    if request.count_only {
        response.count = count(keyspace, &keys, revision, at_present)?;
        return Ok(response);
    }

    let plan = Plan::of(request);
    let (mut found, count) = collect(keyspace, &keys, revision, at_present, request, &plan)?;
    response.count = count;
    if plan.filters {
        found.retain(|found| found.live.is_some_and(|live| passes(request, &live)));
    }
    sort(&mut found, &plan);
    if plan.target == SortTarget::Value && plan.order != SortOrder::None {
        let mut kvs = load(keyspace, &found, false)?;
        sort_by_value(&mut kvs, plan.order);
        response.more = truncate(&mut kvs, request.limit);
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        response.kvs = kvs;
    } else {
        response.more = truncate(&mut found, request.limit);
        response.kvs = load(keyspace, &found, request.keys_only)?;
    }
    Ok(response)
}

/// The revision that a request means, if it can still, or already, be read.
pub(crate) fn readable(window: Window, asked: i64) -> Result<i64, ApplyError> {
    if asked > window.revision {
        return Err(ApplyError::FutureRevision);
    }
    let revision = if asked <= 0 { window.revision } else { asked };
    if revision < window.compact_revision {
        return Err(ApplyError::Compacted);
    }
    Ok(revision)
}

/// How a request wants its keys chosen and ordered.
struct Plan {
    order: SortOrder,
    target: SortTarget,
    filters: bool,
    /// Keys to fetch before sorting.
    fetch: usize,
}

impl Plan {
    fn of(request: &pb::RangeRequest) -> Plan {
        let target = SortTarget::try_from(request.sort_target).unwrap_or(SortTarget::Key);
        // An order that does not exist leaves keys in their own, whatever the target.
        let (asked, target) = match SortOrder::try_from(request.sort_order) {
            Ok(asked) => (asked, target),
            Err(_) => (SortOrder::Ascend, SortTarget::Key),
        };
        let filters = request.min_mod_revision != 0
            || request.max_mod_revision != 0
            || request.min_create_revision != 0
            || request.max_create_revision != 0;
        // etcd cuts before it sorts where a target but no order is given.
        let all = asked != SortOrder::None || filters || request.limit <= 0;
        let one_for_more = usize::try_from(request.limit)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let order = match asked {
            SortOrder::None if target != SortTarget::Key => SortOrder::Ascend,
            other => other,
        };
        Plan {
            order,
            target,
            filters,
            fetch: if all { usize::MAX } else { one_for_more },
        }
    }

    fn needs_live(&self) -> bool {
        self.filters || self.order != SortOrder::None
    }
}

fn count(
    keyspace: &impl Keyspace,
    keys: &KeyRange,
    revision: i64,
    at_present: bool,
) -> Result<i64, Fault> {
    if at_present {
        return keyspace.count_live(keys);
    }
    let mut count = 0;
    keyspace.visit_at(keys, revision, |_, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// The keys of a range up to what the plan fetches, and how many there are in all.
fn collect(
    keyspace: &impl Keyspace,
    keys: &KeyRange,
    revision: i64,
    at_present: bool,
    request: &pb::RangeRequest,
    plan: &Plan,
) -> Result<(Vec<Found>, i64), Fault> {
    let mut found = Vec::new();
    let mut count = 0;
    let mut keep = |key: &[u8], at: Position, live: Option<Live>| {
        let key = match request.keys_only {
            true => Bytes::copy_from_slice(key),
            false => Bytes::new(),
        };
        found.push(Found { at, key, live });
    };
    if at_present {
        keyspace.visit_live(keys, |key, live| {
            count += 1;
            if count <= plan.fetch {
                keep(key, live.modified, Some(live));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    } else {
        keyspace.visit_at(keys, revision, |key, at| {
            count += 1;
            if count <= plan.fetch {
                let mut live = None;
                if plan.needs_live() || request.keys_only {
                    live = Some(keyspace.with_event(at, |record| Live {
                        modified: at,
                        create: record.create,
                        version: record.version,
                        lease: record.lease,
                    })?);
                }
                keep(key, at, live);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok((found, count as i64))
}

fn passes(request: &pb::RangeRequest, live: &Live) -> bool {
    let below = |max: i64, revision: i64| max == 0 || revision <= max;
    let above = |min: i64, revision: i64| min == 0 || revision >= min;
    below(request.max_mod_revision, live.modified.main)
        && above(request.min_mod_revision, live.modified.main)
        && below(request.max_create_revision, live.create)
        && above(request.min_create_revision, live.create)
}

/// Sorts by all but the value. Keys come in order, and equal ones stay in the order of their keys.
fn sort(found: &mut [Found], plan: &Plan) {
    let rank = |found: &Found| {
        let live = found.live.as_ref();
        live.map_or(0, |live| match plan.target {
            SortTarget::Version => live.version,
            SortTarget::Create => live.create,
            SortTarget::Mod => live.modified.main,
            SortTarget::Key | SortTarget::Value => 0,
        })
    };
    match (plan.target, plan.order) {
        (_, SortOrder::None) | (SortTarget::Value, _) | (SortTarget::Key, SortOrder::Ascend) => {}
        (SortTarget::Key, SortOrder::Descend) => found.reverse(),
        (_, SortOrder::Ascend) => found.sort_by_key(rank),
        (_, SortOrder::Descend) => found.sort_by_key(|found| Reverse(rank(found))),
    }
}

fn sort_by_value(kvs: &mut [mvccpb::KeyValue], order: SortOrder) {
    let ascending =
        |a: &mvccpb::KeyValue, b: &mvccpb::KeyValue| -> Ordering { a.value.cmp(&b.value) };
    match order {
        SortOrder::Descend => kvs.sort_by(|a, b| ascending(b, a)),
        SortOrder::Ascend | SortOrder::None => kvs.sort_by(ascending),
    }
}

/// Cuts to the limit, and says whether something was cut.
fn truncate<T>(items: &mut Vec<T>, limit: i64) -> bool {
    let limit = match usize::try_from(limit) {
        Ok(0) | Err(_) => return false,
        Ok(limit) => limit,
    };
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

fn load(
    keyspace: &impl Keyspace,
    found: &[Found],
    keys_only: bool,
) -> Result<Vec<mvccpb::KeyValue>, Fault> {
    let mut kvs = Vec::with_capacity(found.len());
    for found in found {
        kvs.push(match (keys_only, found.live) {
            (true, Some(live)) => live.to_kv(found.key.clone()),
            _ => keyspace.load(found.at)?,
        });
    }
    Ok(kvs)
}
