//! Conversations on a watch stream, told as what each watcher was sent.
//!
//! How events are split over responses and when a server notices progress is left to it; that
//! each watcher gets its events once, in order, and those of a revision together, is not.

use crate::normal::Normalise;
use crate::resolve::Known;
use crate::script::{Request, Watching};
use crate::side::Outcome;
use skerry_tests_harness::Client;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::proto::mvccpb;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};

/// How often progress is asked for until everything written was sent.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(25);
/// How long the watchers of a stream may take to be sent what was written.
const SYNCHRONISE_DEADLINE: Duration = Duration::from_secs(10);
/// A start this far ahead is not waited for.
const AHEAD_MAX: i64 = 64;
/// The id under which a progress request is answered.
const WHOLE_STREAM: i64 = -1;

impl Normalise for pb::WatchResponse {
    fn normalise(&mut self, known: &mut Known) {
        // Progress may be told at any revision: only what was written counts as seen.
        let last = known.last_revision;
        let mut carrier = pb::CompactionResponse {
            header: self.header.take(),
        };
        carrier.normalise(known);
        known.last_revision = last;
        self.header = carrier.header.map(|header| pb::ResponseHeader {
            revision: 0,
            ..header
        });
        self.events.iter_mut().for_each(|event| known.event(event));
    }
}

#[derive(Debug, Default)]
struct Watcher {
    start: i64,
    fragment: bool,
    events: Vec<mvccpb::Event>,
    cancelled: Option<pb::WatchResponse>,
    // The last response ended within a revision.
    fragmented: bool,
}

struct Stream {
    requests: mpsc::UnboundedSender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
    watchers: BTreeMap<i64, Watcher>,
    text: String,
    progress: i64,
}

impl Stream {
    /// Servers answer a stream when they have something to say: `first` is sent ahead.
    async fn open(
        client: &mut Client,
        first: pb::WatchCreateRequest,
        known: &mut Known,
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (start, fragment) = (first.start_revision, first.fragment);
        requests
            .send(create(first))
            .expect("the receiver was just made");
        let responses = client
            .watch
            .watch(UnboundedReceiverStream::new(receiver))
            .await?;
        let mut stream = Self {
            requests,
            responses: responses.into_inner(),
            watchers: BTreeMap::new(),
            text: String::new(),
            progress: 0,
        };
        stream.created(start, fragment, known).await?;
        Ok(stream)
    }

    fn send(&self, request: pb::watch_request::RequestUnion) {
        let _ = self.requests.send(pb::WatchRequest {
            request_union: Some(request),
        });
    }

    async fn next(&mut self) -> Result<pb::WatchResponse, Status> {
        match self.responses.message().await? {
            Some(response) => Ok(response),
            None => Err(Status::aborted("the watch stream ended")),
        }
    }

    /// Files a response under its watcher; says what a correct server never sends.
    fn take(&mut self, mut response: pb::WatchResponse, known: &mut Known) {
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        let id = response.watch_id;
        response.normalise(known);
        if response.events.is_empty() && !response.created && !response.canceled {
            if id == WHOLE_STREAM {
                self.progress = self.progress.max(revision);
            }
            return;
        }
        let Some(watcher) = self.watchers.get_mut(&id) else {
            let _ = writeln!(
                self.text,
                "for a watcher that does not exist: {response:#?}"
            );
            return;
        };
        let compacted = |ended: &pb::WatchResponse| ended.compact_revision != 0;
        if response.canceled && watcher.cancelled.as_ref().is_some_and(compacted) {
            // The answer to the cancellation below, which not every server gives.
            return;
        }
        if watcher.cancelled.is_some() {
            let _ = writeln!(self.text, "after the cancellation of {id}: {response:#?}");
        }
        if response.canceled {
            let again = compacted(&response);
            watcher.cancelled = Some(response);
            if again {
                // Until it is cancelled once more, etcd tells no progress on this stream.
                self.send(pb::watch_request::RequestUnion::CancelRequest(
                    pb::WatchCancelRequest { watch_id: id },
                ));
            }
            return;
        }
        let first = response.events.first().map_or(0, revision_of);
        let last = response.events.last().map_or(0, revision_of);
        let previous = watcher.events.last().map_or(0, revision_of);
        if previous == first && !watcher.fragmented {
            let _ = writeln!(
                self.text,
                "events of revision {first} were split for watcher {id}"
            );
        }
        if !watcher.fragment && response.fragment {
            let _ = writeln!(self.text, "watcher {id} did not ask for fragments");
        }
        if revision < last {
            let _ = writeln!(self.text, "events of {last} under the header of {revision}");
        }
        watcher.fragmented = response.fragment;
        watcher.events.append(&mut response.events);
    }

    /// Sends one creation and waits until it is answered.
    async fn create(
        &mut self,
        request: pb::WatchCreateRequest,
        known: &mut Known,
    ) -> Result<(), Status> {
        let (start, fragment) = (request.start_revision, request.fragment);
        let _ = self.requests.send(create(request));
        self.created(start, fragment, known).await
    }

    async fn created(
        &mut self,
        start: i64,
        fragment: bool,
        known: &mut Known,
    ) -> Result<(), Status> {
        loop {
            let mut response = self.next().await?;
            if !response.created {
                self.take(response, known);
                continue;
            }
            let revision = response.header.as_ref().map_or(0, |header| header.revision);
            let id = response.watch_id;
            response.normalise(known);
            let _ = writeln!(self.text, "at {revision}: {response:#?}");
            if !response.canceled {
                let watcher = Watcher {
                    start,
                    fragment,
                    ..Watcher::default()
                };
                if self.watchers.insert(id, watcher).is_some() {
                    let _ = writeln!(self.text, "watcher {id} exists already");
                }
            }
            return Ok(());
        }
    }

    async fn cancel(&mut self, id: i64, known: &mut Known) -> Result<(), Status> {
        if self
            .watchers
            .get(&id)
            .is_none_or(|watcher| watcher.cancelled.is_some())
        {
            // Not answered at all.
            return Ok(());
        }
        self.send(pb::watch_request::RequestUnion::CancelRequest(
            pb::WatchCancelRequest { watch_id: id },
        ));
        while self.watchers[&id].cancelled.is_none() {
            let response = self.next().await?;
            self.take(response, known);
        }
        Ok(())
    }

    /// Cancels the watchers that start at `revision` or later.
    async fn cancel_from(&mut self, revision: i64, known: &mut Known) -> Result<(), Status> {
        let later = self
            .open_watchers()
            .filter(|(_, watcher)| watcher.start >= revision);
        for id in later.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.cancel(id, known).await?;
        }
        Ok(())
    }

    fn open_watchers(&self) -> impl Iterator<Item = (&i64, &Watcher)> {
        self.watchers
            .iter()
            .filter(|(_, watcher)| watcher.cancelled.is_none())
    }

    fn last_start(&self) -> i64 {
        self.open_watchers()
            .map(|(_, watcher)| watcher.start)
            .max()
            .unwrap_or(0)
    }

    /// Waits until every watcher was sent all up to `revision`.
    async fn synchronise(&mut self, revision: i64, known: &mut Known) -> Result<(), Status> {
        let mut interval = tokio::time::interval(PROGRESS_INTERVAL);
        let until = Instant::now() + SYNCHRONISE_DEADLINE;
        while self.progress < revision && self.open_watchers().next().is_some() {
            if Instant::now() > until {
                let open = self.open_watchers().collect::<Vec<_>>();
                let text = format!("progress {} of {revision} with {open:#?}", self.progress);
                return Err(Status::deadline_exceeded(text));
            }
            tokio::select! {
                response = self.next() => self.take(response?, known),
                _ = interval.tick() => self.send(
                    pb::watch_request::RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
                ),
            }
        }
        Ok(())
    }

    fn tell(mut self) -> Outcome {
        for (id, watcher) in self.watchers {
            let _ = writeln!(
                self.text,
                "watcher {id}: {:#?}\nended by {:#?}",
                watcher.events, watcher.cancelled
            );
        }
        Outcome(self.text)
    }
}

fn create(request: pb::WatchCreateRequest) -> pb::WatchRequest {
    let union = pb::watch_request::RequestUnion::CreateRequest(request);
    pb::WatchRequest {
        request_union: Some(union),
    }
}

fn revision_of(event: &mvccpb::Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

/// Creates the watchers, writes, and tells what each of them was sent.
pub(crate) async fn watch(client: Client, watching: Watching, known: &mut Known) -> Outcome {
    let mut told = String::new();
    match converse(client, watching, known, &mut told).await {
        Ok(stream) => Outcome(told + &stream.tell().0),
        Err(status) => Outcome(told + &Outcome::failed(&status).0),
    }
}

async fn converse(
    mut client: Client,
    watching: Watching,
    known: &mut Known,
    told: &mut String,
) -> Result<Stream, Status> {
    let mut creates = watching.creates.into_iter();
    let first = creates.next().unwrap_or_default();
    let mut stream = Stream::open(&mut client, first, known).await?;
    for request in creates {
        stream.create(request, known).await?;
    }
    for id in watching.cancel {
        // One that starts in the past may be told about compaction at the same time.
        if stream
            .watchers
            .get(&id)
            .is_some_and(|watcher| watcher.start == 0)
        {
            stream.cancel(id, known).await?;
        }
    }
    for write in watching.writes {
        let outcome = crate::requests::send(client.clone(), write, known).await;
        let _ = writeln!(told, "{}", outcome.0);
    }
    stream
        .cancel_from(known.last_revision + AHEAD_MAX, known)
        .await?;
    // Progress is told once every start has been reached.
    while known.last_revision < stream.last_start() {
        let before = known.last_revision;
        let put = pb::PutRequest {
            key: "filler".into(),
            ..Default::default()
        };
        let outcome = crate::requests::send(client.clone(), Request::Put(put), known).await;
        if known.last_revision == before {
            let _ = writeln!(told, "{}", outcome.0);
            stream.cancel_from(before + 1, known).await?;
        }
    }
    stream.synchronise(known.last_revision, known).await?;
    stream.cancel_from(i64::MIN, known).await?;
    Ok(stream)
}

/// Grants the shortest lease, attaches `keys`, and tells the events of its end.
pub(crate) async fn lease_expiry(
    mut client: Client,
    id: i64,
    keys: Vec<String>,
    known: &mut Known,
) -> Outcome {
    let grant = pb::LeaseGrantRequest { ttl: 1, id };
    let granted = client.lease.lease_grant(grant).await;
    let failed = granted.is_err();
    let mut text = Outcome::of(granted, known).0;
    if failed {
        return Outcome(text);
    }
    let outcome: Result<(), Status> = async {
        let everything = pb::WatchCreateRequest {
            key: "\0".into(),
            range_end: "\0".into(),
            prev_kv: true,
            ..Default::default()
        };
        let mut stream = Stream::open(&mut client, everything, known).await?;
        for key in &keys {
            let put = pb::PutRequest {
                key: key.clone().into(),
                lease: id,
                ..Default::default()
            };
            text += &Outcome::of(client.kv.put(put).await, known).0;
        }
        let deleted = |watcher: &Watcher| {
            watcher
                .events
                .iter()
                .filter(|event| event.r#type == 1)
                .count()
                >= keys.len()
        };
        while !stream.watchers.values().any(deleted) {
            let response = stream.next().await?;
            stream.take(response, known);
        }
        // The revision of the expiry is part of the history from here on.
        let range = pb::RangeRequest {
            key: "\0".into(),
            range_end: "\0".into(),
            ..Default::default()
        };
        text += &Outcome::of(client.kv.range(range).await, known).0;
        text += &stream.tell().0;
        Ok(())
    }
    .await;
    if let Err(status) = outcome {
        text += &Outcome::failed(&status).0;
    }
    Outcome(text)
}
