//! Follows a foreign etcd: a base read in pages at one revision, then everything that happens.
//!
//! Knows nothing about Kubernetes. Invariant: what the replica shows at a revision is what etcd
//! holds at it; a broken watch goes on where it was, and where etcd no longer remembers that, the
//! base is read again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::watch_request::RequestUnion;
use skerry_proto::mvccpb::Event;
use skerry_store::{Mirror, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::datastore::Foreign;
use crate::errors::Broken;
use crate::limits::{ANSWER_TIME_MAX, PAGE_BYTES, PAGE_KEYS_MAX, REQUEST_TIME_MAX, RETRY_PAUSE};

/// All keys that are paths: objects, bootstrap data, who leads.
const FIRST: &[u8] = b"/";
const END: &[u8] = b"0";
/// Requests on their way to the watch; those for its progress may be dropped.
const REQUESTS_MAX: usize = 4;
const PAGE_BYTES_FEW: usize = PAGE_BYTES / 4;

impl Foreign {
    /// Ends only where going on would be wrong.
    pub(crate) async fn follow(&self) -> Broken {
        loop {
            if let Err(broken) = self.session().await {
                if broken.is_fatal() {
                    return broken;
                }
                tracing::debug!(%broken, "the datastore is not being followed; trying on");
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Opens a watch and takes over what it tells, until it breaks.
    async fn session(&self) -> Result<(), Broken> {
        let header = self.header(REQUEST_TIME_MAX).await?;
        let known = self.cluster_id.load(Ordering::Acquire);
        let applied = *self.applied.borrow();
        if known != 0 && (known != header.cluster_id || header.revision < applied) {
            return Err(Broken::WentBack);
        }
        if known == 0 || self.lost.load(Ordering::Acquire) {
            self.take_base().await?;
            self.cluster_id.store(header.cluster_id, Ordering::Release);
            self.lost.store(false, Ordering::Release);
        }
        self.watch().await
    }

    async fn watch(&self) -> Result<(), Broken> {
        let (requests, mut queue) = mpsc::channel(REQUESTS_MAX);
        let create = pb::WatchCreateRequest {
            key: Bytes::from_static(FIRST),
            range_end: Bytes::from_static(END),
            start_revision: *self.applied.borrow() + 1,
            // Not a thousand revisions in one message.
            fragment: true,
            ..pb::WatchCreateRequest::default()
        };
        // There is room for the first.
        let _ = requests.try_send(of(RequestUnion::CreateRequest(create)));
        let mut request = Request::new(stream::poll_fn(move |cx| queue.poll_recv(cx)));
        // etcd ends the watch where its member has no leader.
        let leader = MetadataValue::from_static("true");
        request.metadata_mut().insert("hasleader", leader);
        let mut watches = self.watches();
        let mut answers = self.asked(watches.watch(request)).await?;
        let mut held = Vec::new();
        // An answer is waited for since then: at first that the watch is there.
        let mut asked = Some(Instant::now());
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer?,
                () = self.moved.notified() => None,
                () = self.nudge.notified() => {
                    let progress = pb::WatchProgressRequest {};
                    let _ = requests.try_send(of(RequestUnion::ProgressRequest(progress)));
                    asked.get_or_insert_with(Instant::now);
                    continue;
                }
                () = silence(asked) => return Err(Broken::Watch("its member is silent".into())),
            };
            asked = None;
            let answer = answer.ok_or_else(|| Broken::Watch("its member is gone".into()))?;
            if answer.compact_revision != 0 {
                self.lost.store(true, Ordering::Release);
                return Err(Broken::Watch("what comes next is compacted".into()));
            }
            if answer.canceled {
                return Err(Broken::Watch(answer.cancel_reason));
            }
            if answer.created {
                continue;
            }
            held.extend(answer.events);
            let later = match answer.fragment {
                // The rest of its last revision may be on its way, and belongs to it.
                true => held.split_off(start_of_last_revision(&held)),
                false => Vec::new(),
            };
            let events = std::mem::replace(&mut held, later);
            // A header beside events may be ahead of them; one alone (progress) is not.
            let newest = match events.last() {
                Some(event) => revision_of(event),
                None if answer.fragment => continue,
                None => answer.header.map_or(0, |header| header.revision),
            };
            self.change(move |mirror| mirror.follow(&events, newest))
                .await?;
        }
    }

    /// Reads all keys at one revision.
    async fn take_base(&self) -> Result<(), Broken> {
        let (mut base, _) = self.blocking(|mirror| mirror.base()).await?;
        let (mut key, mut revision) = (Bytes::from_static(FIRST), 0);
        let mut limit = 1;
        loop {
            let page = pb::RangeRequest {
                key: key.clone(),
                range_end: Bytes::from_static(END),
                limit,
                revision,
                ..pb::RangeRequest::default()
            };
            let answer = match self.asked(self.keys().range(page)).await {
                Err(status) if status.code() == Code::OutOfRange && limit > 1 => {
                    limit /= 2;
                    continue;
                }
                answer => answer?,
            };
            if revision == 0 {
                let header = answer.header.as_ref();
                revision = header
                    .ok_or_else(|| Status::internal("an answer without a header"))?
                    .revision;
            }
            let last = answer.kvs.last().map(|kv| kv.key.to_vec());
            let bytes: usize = answer.kvs.iter().map(|kv| kv.value.len()).sum();
            base =
                tokio::task::spawn_blocking(move || base.add(&answer.kvs).map(|()| base)).await??;
            let (true, Some(mut next)) = (answer.more, last) else {
                break;
            };
            next.push(0);
            key = Bytes::from(next);
            limit = next_limit(limit, bytes);
        }
        self.change(move |mirror| mirror.rebase(base, revision))
            .await
    }

    /// Changes the replica on a thread that may block, then says how far it is.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Mirror) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Broken> {
        let (changed, revision) = self.blocking(change).await?;
        self.applied.send_replace(revision);
        Ok(changed)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Mirror) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, i64), Broken> {
        let mirror = Arc::clone(&self.mirror);
        let changed = tokio::task::spawn_blocking(move || {
            let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = change(&mut mirror)?;
            Ok::<_, StoreError>((changed, mirror.revision()))
        });
        Ok(changed.await??)
    }
}

/// Returns once an answer is overdue.
async fn silence(asked: Option<Instant>) {
    match asked {
        Some(at) => sleep_until(at + ANSWER_TIME_MAX).await,
        None => std::future::pending().await,
    }
}

fn revision_of(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

/// Where the events of the last revision begin.
fn start_of_last_revision(events: &[Event]) -> usize {
    let last = events.last().map(revision_of);
    let before = |event| Some(revision_of(event)) != last;
    events
        .iter()
        .rposition(before)
        .map_or(0, |position| position + 1)
}

/// How many keys to ask for, after so many had so many bytes.
fn next_limit(limit: i64, bytes: usize) -> i64 {
    match bytes {
        0..PAGE_BYTES_FEW => (limit * 2).min(PAGE_KEYS_MAX),
        PAGE_BYTES_FEW..=PAGE_BYTES => limit,
        _ => (limit / 2).max(1),
    }
}

fn of(union: RequestUnion) -> pb::WatchRequest {
    pb::WatchRequest {
        request_union: Some(union),
    }
}

#[cfg(test)]
mod tests {
    use skerry_proto::mvccpb::KeyValue;

    use super::*;

    #[test]
    fn pages_shrink_where_objects_are_large_and_grow_where_they_are_small() {
        assert_eq!(next_limit(1, 0), 2);
        assert_eq!(next_limit(PAGE_KEYS_MAX, 10), PAGE_KEYS_MAX);
        assert_eq!(next_limit(8, PAGE_BYTES), 8);
        assert_eq!(next_limit(8, PAGE_BYTES + 1), 4);
        assert_eq!(next_limit(1, 2 * PAGE_BYTES), 1);
    }

    #[test]
    fn a_revision_that_is_not_whole_waits_for_its_rest() {
        let event = |mod_revision| Event {
            kv: Some(KeyValue {
                mod_revision,
                ..KeyValue::default()
            }),
            ..Event::default()
        };
        let events = [4, 5, 5].map(event);
        assert_eq!(start_of_last_revision(&events), 1);
        assert_eq!(start_of_last_revision(&events[1..]), 0);
        assert_eq!(start_of_last_revision(&[]), 0);
    }
}
