//! What a client asks of its watch stream: watchers created and cancelled, progress told.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::Stream as _;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::watch_request::RequestUnion;
use tonic::Status;

use super::encode;
use super::stream::{NO_WATCHER, WatchStream};
use super::watcher::{Stand, Watcher, range_of};
use crate::errors;
use crate::limits::WATCH_YIELD_BYTES;

/// Why a watcher was not created, as etcd's store words it.
const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";

/// A watcher that was added.
struct Created {
    watch_id: i64,
    /// What its creation is dated with.
    revision: i64,
}

impl WatchStream {
    /// Takes requests as they come, until there is enough to send.
    pub(super) fn read_requests(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Status> {
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
                Some(RequestUnion::CreateRequest(request)) if self.api.rules().enabled() => {
                    self.ask_permission(request);
                }
                Some(RequestUnion::CreateRequest(request)) => self.create(&request, Ok(()), out),
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
            created: true,
            ..Default::default()
        };
        let revision = match self.try_create(request, permitted) {
            Ok(Created { watch_id, revision }) => {
                response.watch_id = watch_id;
                revision
            }
            Err(reason) => {
                response.watch_id = NO_WATCHER;
                response.canceled = true;
                response.cancel_reason = reason;
                self.hub().newest()
            }
        };
        response.header = Some(self.header(revision));
        encode::control(out, &response);
    }

    /// Adds a watcher, or says why not.
    fn try_create(
        &mut self,
        request: &pb::WatchCreateRequest,
        permitted: Result<(), Status>,
    ) -> Result<Created, String> {
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
        // A client that names no revision goes on from this one: it must be the very last that the
        // watcher is not shown.
        let revision = match request.start_revision {
            0 => place.from - 1,
            _ => self.hub().newest(),
        };
        Ok(Created { watch_id, revision })
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

    pub(super) fn leave(&mut self, watch_id: i64, watcher: &Watcher) {
        self.api.metrics.watchers.subtract(1);
        if watcher.stand == Stand::Behind {
            self.lagging.remove(watch_id);
            self.api.metrics.slow_watchers.subtract(1);
        }
    }

    fn ask_progress(&mut self) {
        // What was applied before the question counts.
        self.hub().pump();
        self.progress_asked = true;
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
