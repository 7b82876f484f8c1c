//! A watch as it comes over the wire: one JSON document a line, nothing left out or made up.
//!
//! Knows nothing about what the events mean.

use std::time::Duration;

use futures_util::{AsyncBufReadExt, io::Lines};
use kube::Client;
use serde_json::Value;

use crate::DEADLINE;

/// What a watch says.
#[derive(Debug, Clone)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: String,
    /// The object, a bookmark or a `Status`.
    pub object: Value,
}

impl Event {
    /// The object's name.
    pub fn name(&self) -> &str {
        let name = self.object["metadata"]["name"].as_str();
        name.unwrap_or_default()
    }

    /// The object's resourceVersion.
    pub fn version(&self) -> i64 {
        let version = self.object["metadata"]["resourceVersion"].as_str();
        version.unwrap().parse().unwrap()
    }

    /// Its kind and the name of its object.
    pub fn brief(&self) -> (&str, &str) {
        (&self.kind, self.name())
    }
}

type Reader = std::pin::Pin<Box<dyn futures_util::AsyncBufRead + Send>>;

/// See the module.
pub struct Events(Lines<Reader>);

impl Events {
    /// Opens a watch; the path says all.
    pub async fn open(client: &Client, path: &str) -> kube::Result<Events> {
        Events::open_as(client, path, "application/json").await
    }

    /// As [`Events::open`], in another form.
    pub async fn open_as(client: &Client, path: &str, accept: &str) -> kube::Result<Events> {
        let request = http::Request::get(path).header(http::header::ACCEPT, accept);
        let request = request.body(Vec::new()).unwrap();
        let stream = client.request_stream(request).await?;
        Ok(Events((Box::pin(stream) as Reader).lines()))
    }

    /// The next event; none at the end, also at a broken one.
    pub async fn next(&mut self) -> Option<Event> {
        let line =
            tokio::time::timeout(DEADLINE, futures_util::TryStreamExt::try_next(&mut self.0));
        let line = line.await.expect("the watch says something").ok()??;
        let mut event: Value = serde_json::from_str(&line).unwrap();
        Some(Event {
            kind: event["type"].as_str().unwrap().to_owned(),
            object: event["object"].take(),
        })
    }

    /// The next events, that many.
    pub async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("the watch goes on"));
        }
        events
    }

    /// Whether nothing comes for so long.
    pub async fn silent_for(&mut self, time: Duration) -> bool {
        let next = futures_util::TryStreamExt::try_next(&mut self.0);
        tokio::time::timeout(time, next).await.is_err()
    }
}
