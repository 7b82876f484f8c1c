//! watch: what happens to the objects of a resource, as it happens.
//!
//! A watch is a position in the store's history: nothing waits for it in memory, however slow the
//! client. Invariant: every change is told once, in order, or the watch ends with 410.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use skerry_store::KeyRange;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::answer::body::Parts;
use crate::answer::encode::Encoder;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::filter::Filter;
use crate::flow::Seat;
use crate::frames::{FrameKey, Run};
use crate::limits::{
    BOOKMARK_BEFORE_END, BOOKMARK_INTERVAL, REQUEST_PLACE_TIME_MAX, WATCH_INITIAL_BYTES,
    WATCH_TIME_MIN,
};
use crate::metrics::EventCounter;
use crate::negotiate::{Encoding, Form, Shape};
use crate::object;
use crate::options::ListOptions;
use crate::registry::{self, Resource};
use crate::storage::{Batch, Change, Cursor, Listing, StorageError, Stored};

/// What a bookmark after the initial events says.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A watch that is being sent.
struct Watching {
    engine: Arc<Engine>,
    cursor: Cursor,
    filter: Filter,
    encoder: Encoder,
    /// The objects there are, before the changes.
    initial: Option<Listing>,
    /// Given back where they end.
    seat: Option<Seat>,
    /// Tell where the initial events end.
    mark_end: bool,
    first: bool,
    /// How many events were sent.
    sent: EventCounter,
    ends: Instant,
    next_bookmark: Instant,
    /// At whichever comes first of the two.
    alarm: Pin<Box<Sleep>>,
    done: bool,
}

impl Engine {
    pub(crate) async fn watch(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = ListOptions::parse(&call.query, true)?;
        let filter = Filter::parse(&call.query, &call.resource)?;
        let all = registry::keys(&call.resource, &call.info.namespace);
        let range = self.narrowed(call, &filter, &all);
        let version = options.resource_version;
        if version.is_none() || (options.send_initial_events == Some(true) && version != Some(0)) {
            self.freshen_for(call).await;
        }
        let wants_initial = match options.send_initial_events {
            Some(wants) => wants,
            None => version.unwrap_or(0) == 0,
        };
        let (initial, from) = match (wants_initial, version.unwrap_or(0)) {
            (true, least) => {
                let listing = self.storage.list(range.clone(), 0)?;
                let current = listing.revision();
                if least > current {
                    return Err(ApiError::too_large_resource_version(least, current));
                }
                (Some(listing), current + 1)
            }
            (false, 0) => (None, self.storage.view()?.revision() + 1),
            (false, version) => (None, version + 1),
        };
        let cursor = match self.storage.watch(range, from) {
            Ok(cursor) => cursor,
            Err(StorageError::Compacted(_)) => {
                let oldest = self.storage.view()?.compact_revision();
                // A watch that cannot begin says so as one that cannot go on.
                let event = frame(call.form, "ERROR", &too_old(from - 1, oldest).status());
                let events = stream::iter([Ok(Bytes::from(event))]);
                return Ok(told(call.form, Box::pin(events)));
            }
            Err(other) => return Err(other.into()),
        };
        let now = Instant::now();
        let lasts = match options.timeout_seconds {
            Some(seconds) => Duration::from_secs(seconds.min(86_400 * 365)),
            None => {
                let share = u16::from_le_bytes(object::random::<2>());
                WATCH_TIME_MIN + WATCH_TIME_MIN.mul_f64(f64::from(share) / f64::from(u16::MAX))
            }
        };
        let ends = now + lasts;
        let next_bookmark = match options.bookmarks {
            true => next_bookmark(now, ends),
            false => ends,
        };
        let seat = call.seat.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = { seat }.take().filter(|_| initial.is_some());
        if let Some(seat) = &seat {
            seat.for_a_while(REQUEST_PLACE_TIME_MAX);
        }
        let watching = Watching {
            engine: Arc::clone(self),
            cursor,
            filter,
            encoder: Encoder::new(call.form, &call.resource),
            mark_end: options.send_initial_events == Some(true) && options.bookmarks,
            initial,
            seat,
            first: true,
            sent: self.metrics.events(&call.resource),
            ends,
            next_bookmark,
            alarm: Box::pin(sleep_until(ends.min(next_bookmark))),
            done: false,
        };
        let events = stream::unfold(watching, |mut watching| async move {
            let piece = watching.piece().await;
            (!piece.is_empty()).then(|| (Ok(piece), watching))
        });
        Ok(told(call.form, Box::pin(events)))
    }
}

/// Every now and then, and shortly before the end, so that the next watch begins close to where
/// this one has come.
fn next_bookmark(now: Instant, ends: Instant) -> Instant {
    let regular = now + BOOKMARK_INTERVAL;
    match ends.checked_sub(BOOKMARK_BEFORE_END) {
        Some(last) if last > now => regular.min(last),
        _ => regular,
    }
}

/// Returns once a resource is defined in another way; never where it is a built-in one.
async fn replaced(resource: &Resource) {
    match &resource.custom {
        Some(custom) => custom.definition.replaced().await,
        None => std::future::pending().await,
    }
}

fn told(form: Form, events: Parts) -> Answer {
    match form.encoding {
        Encoding::Protobuf => Answer::Stream(skerry_wire::WATCH_MEDIA_TYPE, events),
        Encoding::Json | Encoding::Yaml => Answer::Events(events),
    }
}

fn too_old(asked: i64, oldest: i64) -> ApiError {
    ApiError::expired(format!("too old resource version: {asked} ({oldest})"))
}

/// Why a watch cannot go on.
fn lost(error: StorageError) -> ApiError {
    match error {
        StorageError::Compacted(revision) => too_old(revision - 1, revision),
        other => other.into(),
    }
}

impl Watching {
    /// The next events; nothing at the end.
    async fn piece(&mut self) -> Bytes {
        if self.done {
            return Bytes::new();
        }
        match self.next_events().await {
            Ok(piece) => piece,
            Err(error) => {
                self.done = true;
                frame(self.encoder.form, "ERROR", &error.status()).into()
            }
        }
    }

    async fn next_events(&mut self) -> Result<Bytes, ApiError> {
        while let Some(listing) = &mut self.initial {
            tokio::task::yield_now().await;
            let chunk = listing.next_bytes(WATCH_INITIAL_BYTES)?;
            let revision = listing.revision();
            let resource = &self.encoder.resource;
            let chunk = self.engine.in_version(resource, chunk).await?;
            let piece = self.initial_events(chunk, revision)?;
            if !piece.is_empty() {
                return Ok(piece.into());
            }
        }
        loop {
            tokio::select! {
                biased;
                () = self.alarm.as_mut() => {
                    if Instant::now() >= self.ends {
                        self.done = true;
                        return Ok(Bytes::new());
                    }
                    // It rings earlier only where there are bookmarks to send.
                    self.next_bookmark = next_bookmark(Instant::now(), self.ends);
                    self.alarm.as_mut().reset(self.ends.min(self.next_bookmark));
                    return Ok(self.bookmark(self.cursor.progress(), false).into());
                }
                () = replaced(&self.encoder.resource) => {
                    // Its definition has changed: the client watches again, and sees that.
                    self.done = true;
                    return Ok(Bytes::new());
                }
                batch = self.cursor.next_batch() => {
                    let piece = self.events(batch).await?;
                    if !piece.is_empty() {
                        return Ok(piece);
                    }
                }
            }
        }
    }

    /// The events of a chunk of objects that were there before; the last chunk is empty.
    fn initial_events(&mut self, chunk: Vec<Stored>, revision: i64) -> Result<Vec<u8>, ApiError> {
        let mut piece = Vec::new();
        if chunk.is_empty() {
            self.initial = None;
            self.seat = None;
            if self.mark_end {
                piece = self.bookmark(revision, true);
            }
            return Ok(piece);
        }
        for stored in chunk {
            let before = piece.len();
            piece.extend_from_slice(b"{\"type\":\"ADDED\",\"object\":");
            if self.filter.is_everything() && self.encoder.splice(&stored, false, &mut piece) {
                piece.extend_from_slice(b"}\n");
                self.sent.increment();
                continue;
            }
            piece.truncate(before);
            let object = engine::present(&self.encoder.resource, &stored)?;
            if self.filter.matches(&object) {
                piece.extend(self.event("ADDED", object));
                self.sent.increment();
            }
        }
        Ok(piece)
    }

    async fn events(&mut self, batch: Result<Batch, StorageError>) -> Result<Bytes, ApiError> {
        let batch = batch.map_err(lost)?;
        let run_key = self.shared_key(batch.from, batch.next, &batch.range);
        if let Some(run) = run_key.as_ref().and_then(|key| self.engine.runs.get(key)) {
            self.sent.add(run.events);
            return Ok(run.bytes);
        }
        let mut frames = Vec::new();
        for change in &batch.changes()? {
            let only = KeyRange::Key(change.key.clone());
            let key = self.shared_key(change.revision, change.revision + 1, &only);
            if let Some(frame) = key.as_ref().and_then(|key| self.engine.frames.get(key)) {
                frames.push(frame.bytes);
            } else if let Some((kind, object)) = self.judge(change).await? {
                let frame = Bytes::from(self.event(kind, object));
                if let Some(key) = key {
                    self.engine.frames.keep(key, Run::new(&frame, 1));
                }
                frames.push(frame);
            }
        }
        let events = frames.len() as u64;
        self.sent.add(events);
        let run: Bytes = match frames.len() {
            0 => return Ok(Bytes::new()),
            1 => frames.swap_remove(0),
            _ => frames.concat().into(),
        };
        if let Some(key) = run_key {
            self.engine.runs.keep(key, Run::new(&run, events));
        }
        Ok(run)
    }

    /// Under which key others may have encoded the same events: not where a selector decides what
    /// they are, nor where the form depends on what was sent before.
    fn shared_key(&self, from: i64, next: i64, range: &KeyRange) -> Option<FrameKey> {
        let form = self.encoder.form;
        let shape = form.shape;
        let shared = self.filter.is_everything() && !matches!(shape, Shape::Table(_));
        shared.then(|| FrameKey {
            from,
            next,
            range: range.clone(),
            api_version: Arc::clone(&self.encoder.api_version),
            partial: (shape == Shape::Partial).then_some(form.meta_version),
            protobuf: form.encoding == Encoding::Protobuf,
        })
    }

    /// What a change means to this watch.
    async fn judge(&self, change: &Change) -> Result<Option<(&'static str, Value)>, ApiError> {
        let now = match &change.now {
            Some(stored) => Some(self.shown(stored.clone()).await?),
            None => None,
        };
        let matches_now = now.as_ref().is_some_and(|now| self.filter.matches(now));
        let needs_before = now.is_none() || (!change.is_creation() && !self.filter.is_everything());
        let before = match needs_before {
            true => self.before(change).await?,
            false => None,
        };
        let matched_before = match &before {
            Some(before) => self.filter.matches(before),
            None => !change.is_creation() && self.filter.is_everything(),
        };
        Ok(match (now, before) {
            (Some(now), _) if matches_now && matched_before => Some(("MODIFIED", now)),
            (Some(now), _) if matches_now => Some(("ADDED", now)),
            (_, Some(before)) if matched_before => Some(("DELETED", before)),
            _ => None,
        })
    }

    /// What the object was before a change, at the revision of the change.
    async fn before(&self, change: &Change) -> Result<Option<Value>, ApiError> {
        let Some(mut before) = self.cursor.before(change).map_err(lost)? else {
            return Ok(None);
        };
        before.revision = change.revision;
        self.shown(before).await.map(Some)
    }

    /// What is stored, as this watch sees it.
    async fn shown(&self, stored: Stored) -> Result<Value, ApiError> {
        let resource = &self.encoder.resource;
        let all = self.engine.in_version(resource, vec![stored]).await?;
        let stored = all.first().ok_or_else(|| ApiError::internal("no object"))?;
        engine::present(resource, stored)
    }

    fn event(&mut self, kind: &str, object: Value) -> Vec<u8> {
        let shaped = self.encoder.event(object, self.first);
        self.first = false;
        frame(self.encoder.form, kind, &shaped)
    }

    fn bookmark(&mut self, revision: i64, ends_initial: bool) -> Vec<u8> {
        self.sent.increment();
        let resource = &self.encoder.resource;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_initial {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version(),
            "metadata": metadata,
        });
        match self.encoder.form.shape {
            Shape::Table(_) => self.event("BOOKMARK", object),
            _ => frame(self.encoder.form, "BOOKMARK", &self.encoder.object(object)),
        }
    }
}

fn frame(form: Form, kind: &str, object: &Value) -> Vec<u8> {
    if form.encoding == Encoding::Protobuf {
        // Where an object cannot be written, that is told in its place: a Status always can.
        return answer::protobuf_event(kind, object)
            .or_else(|error| answer::protobuf_event("ERROR", &error.status()))
            .unwrap_or_default();
    }
    let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    line.extend(answer::json(object));
    line.extend_from_slice(b"}\n");
    line
}
