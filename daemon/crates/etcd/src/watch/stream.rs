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
use futures_util::Stream as _;
use http_body::{Body as HttpBody, Frame};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::watch_request::RequestUnion;
use skerry_proto::mvccpb;
use skerry_store::{Revision, Since};
use tonic::{Code, Status};

use super::encode;
use super::hub::Hub;
use super::lagging::Lagging;
use super::mailbox::{Due, Mailbox};
use super::progress::Ticker;
use super::watcher::{Stand, Watcher, range_of};
use crate::api::Api;
use crate::errors;
use crate::grpc::{self, Body, RequestBody};
use crate::limits::{MESSAGE_BYTES_MAX, WATCH_YIELD_BYTES};
use crate::method::Method;
use crate::who::Who;

/// Stands for no watcher, or for all of a stream.
const NO_WATCHER: i64 = -1;

/// Why a watcher was not created, as etcd's store words it.
const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";

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

type Permission = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

struct WatchStream {
    api: Arc<Api>,
    who: Who,
    /// `None` once the client sends no more; its watchers go on.
    requests: Option<tonic::Streaming<pb::WatchRequest>>,
    /// The watcher to be created next, once it is known whether the client may.
    asking: Option<(pb::WatchCreateRequest, Permission)>,
    /// Completes when the server ends the stream.
    ends: Pin<Box<dyn Future<Output = Status> + Send>>,
    mailbox: Arc<Mailbox>,
    watchers: BTreeMap<i64, Watcher>,
    lagging: Lagging,
    ticker: Ticker,
    /// Where the search for a free id starts.
    next_id: i64,
    /// The client wants to know how far all its watchers have come.
    progress_asked: bool,
    /// The revision that was sent last: often other watchers of the stream want it too.
    current: Option<Arc<Revision>>,
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
            if !self.deliver(out)? {
                return Ok(());
            }
            if self.ticker.poll_tick(cx) {
                self.notify_progress(told, out);
            }
            if !self.lagging.is_empty() {
                self.catch_up(out)?;
                // Others get their turn between two pieces of history.
                cx.waker().wake_by_ref();
                return Ok(());
            }
            self.answer_progress(told, out);
            if !out.is_empty() || !self.mailbox.register(cx.waker()) {
                return Ok(());
            }
        }
    }

    fn read_requests(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Result<(), Status> {
        while out.len() < WATCH_YIELD_BYTES {
            if let Some((request, permission)) = &mut self.asking {
                let Poll::Ready(permitted) = permission.as_mut().poll(cx) else {
                    return Ok(());
                };
                let request = std::mem::take(request);
                self.asking = None;
                self.create(&request, permitted, out);
            }
            let Some(requests) = &mut self.requests else {
                return Ok(());
            };
            let request = match Pin::new(requests).poll_next(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => {
                    self.requests = None;
                    return Ok(());
                }
                Poll::Ready(Some(request)) => request?,
            };
            match request.request_union {
                Some(RequestUnion::CreateRequest(request)) => self.ask_permission(request),
                Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id, out),
                Some(RequestUnion::ProgressRequest(_)) => self.ask_progress(),
                None => {}
            }
        }
        Ok(())
    }

    /// Who asks may have to be found out first; the requests behind this one wait.
    fn ask_permission(&mut self, request: pb::WatchCreateRequest) {
        let (api, who) = (Arc::clone(&self.api), self.who.clone());
        let (key, range_end) = (request.key.clone(), request.range_end.clone());
        let permission = async move { api.permit_watch(&who, &key, &range_end).await };
        self.asking = Some((request, Box::pin(permission)));
    }

    fn create(
        &mut self,
        request: &pb::WatchCreateRequest,
        permitted: Result<(), Status>,
        out: &mut BytesMut,
    ) {
        let mut response = pb::WatchResponse {
            header: Some(self.header(self.hub().newest())),
            created: true,
            ..Default::default()
        };
        match self.try_create(request, permitted) {
            Ok(watch_id) => response.watch_id = watch_id,
            Err(reason) => {
                response.watch_id = NO_WATCHER;
                response.canceled = true;
                response.cancel_reason = reason;
            }
        }
        encode::control(out, &response);
    }

    /// The id of the new watcher, or why there is none.
    fn try_create(
        &mut self,
        request: &pb::WatchCreateRequest,
        permitted: Result<(), Status>,
    ) -> Result<i64, String> {
        if request.start_revision < 0 {
            return Err(errors::COMPACTED.1.to_owned());
        }
        permitted.map_err(|status| go_text(&status))?;
        let range = range_of(request).ok_or(EMPTY_RANGE)?;
        let watch_id = match request.watch_id {
            0 => {
                while self.watchers.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id
            }
            chosen if self.watchers.contains_key(&chosen) => return Err(DUPLICATE_ID.to_owned()),
            chosen => chosen,
        };
        let api = Arc::clone(&self.api);
        let place = api.watches.add(
            &self.mailbox,
            watch_id,
            range.clone(),
            request.start_revision,
        );
        let place = place.map_err(|_| errors::TOO_MANY_REQUESTS.1)?;
        if request.watch_id == 0 {
            self.next_id += 1;
        }
        if place.behind {
            self.lagging.insert(watch_id, range.clone(), place.from);
            api.metrics.slow_watchers.add(1);
        }
        if request.progress_notify {
            self.ticker.start();
        }
        self.watchers
            .insert(watch_id, Watcher::new(request, range, &place));
        api.metrics.watchers.add(1);
        Ok(watch_id)
    }

    fn cancel(&mut self, watch_id: i64, out: &mut BytesMut) {
        let Some(watcher) = self.watchers.remove(&watch_id) else {
            return;
        };
        self.hub().remove(watcher.id);
        self.leave(watch_id, &watcher);
        let response = pb::WatchResponse {
            header: Some(self.header(self.hub().newest())),
            watch_id,
            canceled: true,
            ..Default::default()
        };
        encode::control(out, &response);
    }

    fn leave(&mut self, watch_id: i64, watcher: &Watcher) {
        self.api.metrics.watchers.subtract(1);
        if watcher.stand == Stand::Behind {
            self.lagging.remove(watch_id);
            self.api.metrics.slow_watchers.subtract(1);
        }
    }

    /// Sends what the hub told of, until there is enough; true where nothing is left.
    fn deliver(&mut self, out: &mut BytesMut) -> Result<bool, Status> {
        while out.len() < WATCH_YIELD_BYTES {
            let Some(due) = self.mailbox.take() else {
                self.take_fallen();
                return Ok(true);
            };
            match self.revision(due.revision) {
                Some(revision) => self.send(due.watch_id, &revision, out)?,
                None => self.fall_behind(due),
            }
        }
        Ok(false)
    }

    /// A revision from the ring, where it still is.
    fn revision(&mut self, number: i64) -> Option<Arc<Revision>> {
        if self
            .current
            .as_ref()
            .is_none_or(|current| current.revision != number)
        {
            self.current = match self.hub().ring().since(number, 1) {
                Since::Revisions(mut found) => found.pop(),
                Since::FellOff => None,
            };
        }
        self.current.clone()
    }

    fn send(
        &mut self,
        watch_id: i64,
        revision: &Revision,
        out: &mut BytesMut,
    ) -> Result<(), Status> {
        // It may have been cancelled since, or replaced by another of the same id.
        let current =
            |watcher: &Watcher| watcher.stand == Stand::InStep && watcher.from <= revision.revision;
        if !self.watchers.get(&watch_id).is_some_and(current) {
            return Ok(());
        }
        self.send_events(watch_id, revision.revision, &revision.events, out)
    }

    /// Sends those of the events that the watcher wants to see.
    fn send_events(
        &mut self,
        watch_id: i64,
        revision: i64,
        events: &[mvccpb::Event],
        out: &mut BytesMut,
    ) -> Result<(), Status> {
        let Some(watcher) = self.watchers.get_mut(&watch_id) else {
            return Ok(());
        };
        let wanted = events.iter().filter(|event| watcher.wants(event));
        let count = wanted.clone().count();
        if count == 0 {
            return Ok(());
        }
        let head = head_of(&self.api, watch_id, revision);
        let fragment = watcher.fragment.then_some(MESSAGE_BYTES_MAX);
        if watcher.prev_kv {
            let filled = self.api.watches.with_previous(wanted);
            let filled = filled.map_err(|error| errors::store(&error))?;
            encode::events(out, &head, filled.iter(), fragment);
        } else {
            encode::events(out, &head, wanted, fragment);
        }
        watcher.heard = true;
        self.api.metrics.events_sent.add(count as u64);
        Ok(())
    }

    fn take_fallen(&mut self) {
        while let Some(due) = self.mailbox.take_fallen() {
            self.fall_behind(due);
        }
    }

    /// The watcher reads history from this revision on.
    fn fall_behind(&mut self, due: Due) {
        let Some(watcher) = self.watchers.get_mut(&due.watch_id) else {
            return;
        };
        // Where it had fallen behind before, it reads from the earlier revision on.
        if watcher.stand != Stand::InStep {
            return;
        }
        watcher.stand = Stand::Behind;
        self.lagging
            .insert(due.watch_id, watcher.range.clone(), due.revision);
        self.api.metrics.slow_watchers.add(1);
        self.api.watches.step_out(watcher.id);
    }

    /// Sends a piece of history to the watchers that are behind.
    fn catch_up(&mut self, out: &mut BytesMut) -> Result<(), Status> {
        let view = self.api.view()?;
        for watch_id in self.lagging.compacted(view.compact_revision()) {
            self.refuse_compacted(watch_id, view.compact_revision(), out);
        }
        let api = Arc::clone(&self.api);
        let piece = self.lagging.read(api.watches.ring(), &view);
        let piece = piece.map_err(|error| errors::query(&error))?;
        for (watch_id, events) in piece.events {
            self.send_events(watch_id, view.revision(), &events, out)?;
        }
        for (watch_id, next) in self.lagging.positions() {
            self.step_in(watch_id, next);
        }
        Ok(())
    }

    fn step_in(&mut self, watch_id: i64, next: i64) {
        let Some(watcher) = self.watchers.get_mut(&watch_id) else {
            return;
        };
        if self.api.watches.step_in(watcher.id, next) {
            watcher.stand = Stand::InStep;
            watcher.from = next;
            self.lagging.remove(watch_id);
            self.api.metrics.slow_watchers.subtract(1);
        }
    }

    /// Tells the client that history begins later; it still has to cancel the watcher.
    fn refuse_compacted(&mut self, watch_id: i64, compact_revision: i64, out: &mut BytesMut) {
        self.lagging.remove(watch_id);
        if let Some(watcher) = self.watchers.get_mut(&watch_id) {
            watcher.stand = Stand::Compacted;
            self.api.metrics.slow_watchers.subtract(1);
        }
        let response = pb::WatchResponse {
            header: Some(self.header(0)),
            watch_id,
            canceled: true,
            compact_revision,
            ..Default::default()
        };
        encode::control(out, &response);
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

    fn ask_progress(&mut self) {
        // What was applied before the question counts.
        self.hub().pump();
        self.progress_asked = true;
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

    fn hub(&self) -> &Hub {
        &self.api.watches
    }

    fn header(&self, revision: i64) -> pb::ResponseHeader {
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

fn head_of(api: &Api, watch_id: i64, revision: i64) -> pb::WatchResponse {
    pb::WatchResponse {
        header: Some(api.header_at(revision)),
        watch_id,
        ..Default::default()
    }
}

/// A refusal as Go prints it, which is what etcd gives as the reason.
fn go_text(status: &Status) -> String {
    let known = [
        errors::INVALID_AUTH_TOKEN,
        errors::AUTH_OLD_REVISION,
        errors::USER_EMPTY,
        errors::PERMISSION_DENIED,
    ];
    let refusal = known
        .into_iter()
        .find(|refusal| refusal.1 == status.message())
        .unwrap_or(errors::PERMISSION_DENIED);
    format!("rpc error: code = {:?} desc = {}", refusal.0, refusal.1)
}
