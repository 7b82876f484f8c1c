//! An answer that is counted once it has been sent, or nobody wants it any more.
//!
//! Invariant: whatever was taken for a request is given back when its answer ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Metrics, Seen};
use crate::answer::Body;
use crate::error::ApiError;
use crate::flow::{Admission, Seat};
use crate::limits::REQUEST_PLACE_TIME_MAX;

/// What is known of a request while it is answered.
pub(crate) struct Measure {
    metrics: Arc<Metrics>,
    start: Instant,
    /// None until it is known what is asked, and that it may be.
    seen: Option<Seen>,
    seat: Option<Seat>,
    /// The uids of its flow schema and its priority level.
    classified: Option<(Arc<str>, Arc<str>)>,
}

const FLOW_SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const PRIORITY_LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

impl Measure {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Measure {
        Measure {
            metrics: Arc::clone(metrics),
            start: Instant::now(),
            seen: None,
            seat: None,
            classified: None,
        }
    }

    pub(crate) fn saw(&mut self, seen: Seen) {
        self.seen = Some(seen);
    }

    pub(crate) fn is_long_running(&self) -> bool {
        self.seen.as_ref().is_some_and(Seen::is_long_running)
    }

    /// It belongs to a flow schema and a priority level.
    pub(crate) fn classified(&mut self, admission: &Admission) {
        let (schema, level) = (&admission.schema, &admission.level);
        self.classified = Some((Arc::clone(schema), Arc::clone(level)));
    }

    /// It has a seat until its answer ends.
    pub(crate) fn seated(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// It was refused because too many were under way.
    pub(crate) fn dropped(&self) {
        if let Some(seen) = &self.seen {
            self.metrics
                .with_requests(|requests| requests.row(seen).dropped += 1);
        }
    }

    /// Goes on measuring while the answer is sent.
    pub(crate) fn sending(self, mut response: Response<Body>) -> Response<Body> {
        if let Some((schema, level)) = &self.classified {
            for (name, uid) in [(FLOW_SCHEMA, schema), (PRIORITY_LEVEL, level)] {
                if let Ok(uid) = HeaderValue::from_str(uid) {
                    response.headers_mut().insert(name, uid);
                }
            }
        }
        let code = response.status().as_u16();
        let Measure {
            metrics,
            start,
            seen,
            seat,
            ..
        } = self;
        let Some(seen) = seen else {
            return response;
        };
        let long_running = seen.is_long_running();
        if long_running {
            metrics.with_requests(|requests| requests.row(&seen).long_running += 1);
        }
        response.map(|body| {
            if let (Some(seat), Body::Parts(_) | Body::Passed(..)) = (&seat, &body) {
                seat.for_a_while(REQUEST_PLACE_TIME_MAX);
            }
            Body::Measured(Box::new(Measured {
                body,
                metrics,
                start,
                seen,
                code,
                bytes: 0,
                long_running,
                _seat: seat,
            }))
        })
    }
}

/// See the module.
pub struct Measured {
    body: Body,
    metrics: Arc<Metrics>,
    start: Instant,
    seen: Seen,
    code: u16,
    bytes: u64,
    long_running: bool,
    _seat: Option<Seat>,
}

impl Measured {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.bytes += frame.data_ref().map_or(0, |part| part.len() as u64);
        }
        frame
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let seconds = self.start.elapsed().as_secs_f64();
        let (seen, code, bytes) = (&self.seen, self.code, self.bytes);
        self.metrics.with_requests(|requests| {
            requests.answered(seen, code, seconds, bytes);
            if self.long_running {
                let row = requests.row(seen);
                row.long_running = row.long_running.saturating_sub(1);
            }
        });
    }
}
