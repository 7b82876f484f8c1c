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
use skerry_store::{Mirror, StoreError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use crate::datastore::Foreign;
use crate::errors::Broken;
use crate::limits::{PAGE_KEYS_MAX, REQUEST_TIME_MAX, RETRY_PAUSE};

/// All keys that are paths: objects, bootstrap data, who leads.
const FIRST: &[u8] = b"/";
const END: &[u8] = b"0";
/// Requests on their way to the watch; those for its progress may be dropped.
const REQUESTS_MAX: usize = 4;

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
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer?,
                () = self.moved.notified() => None,
                () = self.nudge.notified() => {
                    let progress = pb::WatchProgressRequest {};
                    let _ = requests.try_send(of(RequestUnion::ProgressRequest(progress)));
                    continue;
                }
            };
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
            // A header beside events may be ahead of them; one alone (progress) is not.
            let newest = match answer.events.last().and_then(|event| event.kv.as_ref()) {
                Some(kv) => kv.mod_revision,
                None => answer.header.map_or(0, |header| header.revision),
            };
            let events = answer.events;
            self.change(move |mirror| mirror.follow(&events, newest))
                .await?;
        }
    }

    /// Reads all keys at one revision.
    async fn take_base(&self) -> Result<(), Broken> {
        let (mut base, _) = self.blocking(|mirror| mirror.base()).await?;
        let (mut key, mut revision) = (Bytes::from_static(FIRST), 0);
        loop {
            let page = pb::RangeRequest {
                key,
                range_end: Bytes::from_static(END),
                limit: PAGE_KEYS_MAX,
                revision,
                ..pb::RangeRequest::default()
            };
            let answer = self.asked(self.keys().range(page)).await?;
            if revision == 0 {
                let header = answer.header.as_ref();
                revision = header
                    .ok_or_else(|| Status::internal("an answer without a header"))?
                    .revision;
            }
            let last = answer.kvs.last().map(|kv| kv.key.to_vec());
            base =
                tokio::task::spawn_blocking(move || base.add(&answer.kvs).map(|()| base)).await??;
            let (true, Some(mut next)) = (answer.more, last) else {
                break;
            };
            next.push(0);
            key = Bytes::from(next);
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

fn of(union: RequestUnion) -> pb::WatchRequest {
    pb::WatchRequest {
        request_union: Some(union),
    }
}
