//! A strict informer: lists, watches, resumes, and breaks the test at the first thing that a
//! watch must not do.
//!
//! Knows one resource. Invariant: what one watch tells rises strictly in resourceVersion, every
//! object's versions rise over all watches, and additions, changes and deletions follow each other
//! as they can.

use std::collections::BTreeMap;

use kube::Client;
use serde_json::Value;

use crate::events::{Event, Events};

/// An object as the cache has it: uid and resourceVersion.
pub type Version = (String, i64);

/// See the module.
#[derive(Debug, Default)]
pub struct Checker {
    /// By name.
    pub cache: BTreeMap<String, Version>,
    /// From where the next watch goes on; none: it has to list.
    pub since: Option<i64>,
    /// How often it listed.
    pub lists: usize,
    /// How often it was told that its place is gone.
    pub expired: usize,
    /// How many watches it opened.
    pub watches: usize,
    /// How many events of objects it was told, and bookmarks.
    pub events: usize,
    /// See `events`.
    pub bookmarks: usize,
    /// What it was told since it listed last: revision, name, kind.
    pub told: Vec<(i64, String, String)>,
    /// The revision of that list.
    pub listed: i64,
    /// The newest version ever seen of a name, whether it is there or not.
    newest: BTreeMap<String, i64>,
}

/// Why a watch is over.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It was closed or broke; the next goes on where it was.
    Closed,
    /// Its place in history is gone.
    Expired,
    /// What was waited for is there.
    Reached,
}

impl Checker {
    /// Takes everything there is, in chunks; the path is the collection's.
    pub async fn list(&mut self, client: &Client, path: &str) -> kube::Result<()> {
        let (objects, revision) = list(client, path).await?;
        for (name, (_, version)) in &objects {
            let newest = self.newest.entry(name.clone()).or_default();
            // A list of the newest state cannot be older than what was told.
            assert!(*newest <= *version, "{name}: {version} after {newest}");
            *newest = *version;
        }
        self.cache = objects;
        self.since = Some(revision);
        self.listed = revision;
        self.told.clear();
        self.lists += 1;
        Ok(())
    }

    /// Watches from where it is until the watch ends or `enough`.
    pub async fn watch(
        &mut self,
        client: &Client,
        path: &str,
        seconds: u32,
        mut enough: impl FnMut(&Checker) -> bool,
    ) -> kube::Result<End> {
        let since = self.since.expect("listed before");
        let path = format!(
            "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={since}"
        );
        let mut events = Events::open(client, &path).await?;
        self.watches += 1;
        while let Some(event) = events.next().await {
            if event.kind == "ERROR" {
                assert_eq!(event.object["code"], 410, "{event:?}");
                assert_eq!(event.object["reason"], "Expired", "{event:?}");
                self.since = None;
                self.expired += 1;
                return Ok(End::Expired);
            }
            self.take(&event);
            if enough(self) {
                return Ok(End::Reached);
            }
        }
        Ok(End::Closed)
    }

    fn take(&mut self, event: &Event) {
        let since = self.since.expect("a watch has a place");
        let version = event.version();
        if event.kind == "BOOKMARK" {
            assert!(
                version >= since,
                "a bookmark goes back: {event:?} at {since}"
            );
            self.bookmarks += 1;
            self.since = Some(version);
            return;
        }
        assert!(
            version > since,
            "told twice or out of order: {event:?} at {since}"
        );
        self.events += 1;
        self.since = Some(version);
        let name = event.name().to_owned();
        let uid = event.object["metadata"]["uid"].as_str().unwrap().to_owned();
        self.told.push((version, name.clone(), event.kind.clone()));
        let newest = self.newest.insert(name.clone(), version);
        assert!(
            newest.is_none_or(|newest| newest < version),
            "{event:?} after {newest:?}"
        );
        let known = self.cache.get(&name);
        match event.kind.as_str() {
            "ADDED" => {
                assert!(
                    known.is_none(),
                    "added though it was there: {event:?}, {known:?}"
                );
                self.cache.insert(name, (uid, version));
            }
            "MODIFIED" => {
                let (before, _) = known.unwrap_or_else(|| panic!("no addition: {event:?}"));
                assert_eq!(*before, uid, "another object under the name: {event:?}");
                self.cache.insert(name, (uid, version));
            }
            "DELETED" => {
                let (before, _) = known.unwrap_or_else(|| panic!("no addition: {event:?}"));
                assert_eq!(*before, uid, "another object under the name: {event:?}");
                self.cache.remove(&name);
            }
            other => panic!("what is {other}? {event:?}"),
        }
    }
}

/// All objects of a collection in chunks, and the revision that they are of.
pub async fn list(client: &Client, path: &str) -> kube::Result<(BTreeMap<String, Version>, i64)> {
    let mut objects = BTreeMap::new();
    let mut going_on = String::new();
    loop {
        let page = format!("{path}?limit=50&continue={going_on}");
        let request = http::Request::get(page).body(Vec::new()).unwrap();
        let page: Value = client.request(request).await?;
        for item in page["items"].as_array().unwrap() {
            let text = |field: &str| item["metadata"][field].as_str().unwrap().to_owned();
            let version = text("resourceVersion").parse().unwrap();
            let twice = objects.insert(text("name"), (text("uid"), version));
            assert!(twice.is_none(), "twice in a list: {item}");
        }
        match page["metadata"]["continue"].as_str().unwrap_or_default() {
            "" => {
                let revision = page["metadata"]["resourceVersion"].as_str().unwrap();
                return Ok((objects, revision.parse().unwrap()));
            }
            next => next.clone_into(&mut going_on),
        }
    }
}
