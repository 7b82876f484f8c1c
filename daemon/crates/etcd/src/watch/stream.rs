//! One watch stream: requests in, answers out. It is the body of its own answer.
//!
//! HTTP/2 polls the body only while the client takes what is sent, and nothing is prepared ahead
//! of that: a client that does not read costs its mailbox and one buffer. There is no task and no
//! queue of events beside it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use skerry_proto::etcdserverpb as pb;
use skerry_store::Revision;
use tonic::{Code, Status};

use super::encode;
use super::hub::Hub;
use super::lagging::Lagging;
use super::mailbox::Mailbox;
use super::progress::Ticker;
use super::watcher::{Stand, Watcher};
use crate::api::Api;
use crate::grpc::{self, Body, RequestBody};
use crate::method::Method;
use crate::who::Who;

/// Stands for no watcher, or for all of a stream.
pub(super) const NO_WATCHER: i64 = -1;

impl Api {
    /// Opens a watch stream.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        who: Who,
        body: RequestBody,
    ) -> Result<Body, Status> {
        self.metrics.watch_streams.add(1);
        let ends = Arc::clone(self);
        let end_who = who.clone();
        Ok(Body::stream(WatchStream {
            requests: Some(grpc::requests(body)),
            asking: None,
            ends: Box::pin(async move { ends.stream_ends(&end_who).await }),
            mailbox: Arc::default(),
            watchers: BTreeMap::new(),
            lagging: Lagging::default(),
            ticker: Ticker::new(self.options.progress_notify_interval),
            next_id: 0,
            progress_asked: false,
            current: None,
            ended: None,
            who,
            api: Arc::clone(self),
        }))
    }
}

pub(super) type Permission = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

pub(super) struct WatchStream {
    pub(super) api: Arc<Api>,
    pub(super) who: Who,
    /// `None` once the client sends no more; its watchers go on.
    pub(super) requests: Option<tonic::Streaming<pb::WatchRequest>>,
    /// The watcher to be created next, once it is known whether the client may.
    pub(super) asking: Option<(pb::WatchCreateRequest, Permission)>,
    /// Completes when the server ends the stream.
    pub(super) ends: Pin<Box<dyn Future<Output = Status> + Send>>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) watchers: BTreeMap<i64, Watcher>,
    pub(super) lagging: Lagging,
    pub(super) ticker: Ticker,
    /// Where the search for a free id starts.
    pub(super) next_id: i64,
    /// The client wants to know how far all its watchers have come.
    pub(super) progress_asked: bool,
    /// The revision that was sent last: often other watchers of the stream want it too.
    pub(super) current: Option<Arc<Revision>>,
    /// With what the stream ends, once everything before it is sent.
    ended: Option<End>,
}

/// How far the end of a stream has come.
enum End {
    Status(Status),
    Done,
}

impl HttpBody for WatchStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let mut out = BytesMut::new();
        if this.ended.is_none() {
            if let Poll::Ready(status) = this.ends.as_mut().poll(cx) {
                this.ended = Some(End::Status(status));
            } else if let Err(status) = this.step(cx, &mut out) {
                this.ended = Some(End::Status(status));
            }
        }
        if !out.is_empty() {
            this.api.metrics.sent_bytes.add(out.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
        }
        match this.ended.replace(End::Done) {
            None => {
                this.ended = None;
                Poll::Pending
            }
            Some(End::Done) => Poll::Ready(None),
            Some(End::Status(status)) => {
                this.api.metrics.handled(Method::Watch, status.code());
                Poll::Ready(Some(Ok(Frame::trailers(grpc::trailers(&status)))))
            }
        }
    }
}

impl WatchStream {
    /// Does what can be done now, until there is enough to send. Where nothing is put out, the
    /// task is woken with the next thing to do.
    fn step(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Result<(), Status> {
        loop {
            self.read_requests(cx, out)?;
            // Asked before the mail is sent: this far everything has been told.
            let told = self.hub().told();
            let drained = self.deliver(out)?;
            if drained && self.ticker.poll_tick(cx) {
                self.notify_progress(told, out);
            }
            if !self.lagging.is_empty() {
                self.catch_up(out)?;
                if out.is_empty() {
                    // Others get their turn between two pieces of history.
                    cx.waker().wake_by_ref();
                }
                return Ok(());
            }
            if !drained {
                return Ok(());
            }
            self.answer_progress(told, out);
            if !out.is_empty() || !self.mailbox.register(cx.waker()) {
                return Ok(());
            }
        }
    }

    /// Tells each watcher that asked for it, and was sent nothing since the last time, how far it
    /// has come.
    fn notify_progress(&mut self, told: i64, out: &mut BytesMut) {
        for (watch_id, watcher) in &mut self.watchers {
            if !watcher.progress_notify {
                continue;
            }
            let heard = std::mem::take(&mut watcher.heard);
            if !heard && watcher.stand == Stand::InStep && told >= watcher.start {
                encode::control(out, &head_of(&self.api, *watch_id, told));
            }
        }
    }

    /// Once everything the hub told of is sent and nobody is behind. As in etcd, no answer where a
    /// watcher waits for the future, or for its cancellation.
    fn answer_progress(&mut self, told: i64, out: &mut BytesMut) {
        if !std::mem::take(&mut self.progress_asked) || self.watchers.is_empty() {
            return;
        }
        let up_to_date =
            |watcher: &Watcher| watcher.stand == Stand::InStep && told >= watcher.start;
        if self.watchers.values().all(up_to_date) {
            encode::control(out, &head_of(&self.api, NO_WATCHER, told));
        }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.api.watches
    }

    pub(super) fn header(&self, revision: i64) -> pb::ResponseHeader {
        self.api.header_at(revision)
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        for (watch_id, watcher) in std::mem::take(&mut self.watchers) {
            self.api.watches.remove(watcher.id);
            self.leave(watch_id, &watcher);
        }
        self.api.metrics.watch_streams.subtract(1);
        if !matches!(self.ended, Some(End::Done)) {
            self.api.metrics.handled(Method::Watch, Code::Cancelled);
        }
    }
}

pub(super) fn head_of(api: &Api, watch_id: i64, revision: i64) -> pb::WatchResponse {
    pb::WatchResponse {
        header: Some(api.header_at(revision)),
        watch_id,
        ..Default::default()
    }
}
