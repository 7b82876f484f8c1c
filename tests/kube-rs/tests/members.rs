//! Informers of three members, while each in turn is killed and started again under writes.
//!
//! `SKERRY_INFORMER_SECONDS` makes it as long as one likes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use skerry_tests_harness::{Cluster, eventually_async};
use skerry_tests_kube_rs::{
    Checker, DEADLINE, End, Version, client, compact, config_map, list, namespace, plain_client,
    servers,
};

const NAMESPACE: &str = "informed";
const PATH: &str = "/api/v1/namespaces/informed/configmaps";
/// How many objects each writer has.
const NAMES: u64 = 24;
/// After how long a request is given up: members that live answer sooner, dead ones at once. What
/// has no answer is not tried again by a member behind the writer's back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Kills after which somebody must have been told that its place is gone.
const KILLS_MAX: usize = 60;

fn seconds() -> Duration {
    let text = std::env::var("SKERRY_INFORMER_SECONDS").unwrap_or_default();
    Duration::from_secs(text.parse().unwrap_or(20))
}

/// What a writer knows of its objects.
#[derive(Default)]
struct Written {
    /// The version of the last acknowledged write; none: a deletion, or no write whose outcome is known.
    state: BTreeMap<String, Known>,
    /// All that was acknowledged, but for deletions: they are not told their revision.
    versions: Vec<(String, i64)>,
    acknowledged: usize,
    unknown: usize,
}

/// What all parts of the test know of each other.
#[derive(Default)]
struct Signs {
    /// Writers stop.
    stop: AtomicBool,
    /// Writes that were acknowledged.
    pace: AtomicUsize,
    /// Compactions.
    compactions: AtomicUsize,
    /// Informers that were told that their place is gone.
    expired: AtomicUsize,
    /// The revision that informers go on to; 0: further.
    last: AtomicI64,
}

/// What is known of one name.
#[derive(Debug, Clone)]
enum Known {
    At(Version),
    Gone,
    /// Some write may or may not have been done.
    Either,
}

/// Writes to objects of its own, each time through the next member, until told to stop.
async fn write(clients: Vec<Client>, number: usize, signs: Arc<Signs>) -> Written {
    let mut written = Written::default();
    let mut turn = 0_u64;
    while !signs.stop.load(Ordering::Acquire) {
        turn += 1;
        let maps: Api<ConfigMap> =
            Api::namespaced(clients[turn as usize % clients.len()].clone(), NAMESPACE);
        // Neighbours in time are neither neighbours in name nor of one sort.
        let name = format!("w{number}-{:02}", turn.wrapping_mul(7) % NAMES);
        let known = written.state.get(&name).cloned().unwrap_or(Known::Gone);
        match tokio::time::timeout(PATIENCE, change(&maps, &name, &known, turn)).await {
            Ok(Ok(now)) => {
                written.acknowledged += 1;
                signs.pace.fetch_add(1, Ordering::Relaxed);
                if let Known::At((_, version)) = &now {
                    written.versions.push((name.clone(), *version));
                }
                written.state.insert(name, now);
            }
            // Nobody else writes to it: it is as this writer knows it.
            Ok(Err(kube::Error::Api(status))) if status.code < 500 => {
                panic!("{name}, {known:?}: {status:?}")
            }
            _ => {
                written.unknown += 1;
                written.state.insert(name, Known::Either);
            }
        }
    }
    written
}

async fn change(
    maps: &Api<ConfigMap>,
    name: &str,
    known: &Known,
    turn: u64,
) -> kube::Result<Known> {
    let at = |map: &ConfigMap| {
        let version = map.resource_version().unwrap().parse().unwrap();
        Known::At((map.uid().unwrap(), version))
    };
    match known {
        Known::Gone => {
            let map = config_map(name, "turn", &turn.to_string());
            maps.create(&PostParams::default(), &map)
                .await
                .map(|map| at(&map))
        }
        Known::At(_) if turn.is_multiple_of(3) => maps
            .delete(name, &DeleteParams::default())
            .await
            .map(|_| Known::Gone),
        Known::At(_) => {
            let patch = Patch::Merge(json!({"data": {"turn": turn.to_string()}}));
            maps.patch(name, &PatchParams::default(), &patch)
                .await
                .map(|map| at(&map))
        }
        Known::Either => {
            // Applied, it is there afterwards, whatever was before.
            let patch = Patch::Apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"settled": turn.to_string()},
            }));
            let options = PatchParams::apply("settler").force();
            maps.patch(name, &options, &patch).await.map(|map| at(&map))
        }
    }
}

/// Follows the members, one after the other, until it has all. A lazy one watches again only once
/// history was forgotten.
async fn follow(clients: Vec<Client>, first: usize, lazy: bool, signs: Arc<Signs>) -> Checker {
    let mut checker = Checker::default();
    let mut member = first;
    loop {
        let client = &clients[member % clients.len()];
        member += 1;
        if checker.since.is_none() {
            let listed = tokio::time::timeout(PATIENCE, checker.list(client, PATH)).await;
            if !matches!(listed, Ok(Ok(()))) {
                tokio::task::yield_now().await;
                continue;
            }
        }
        let reached = |checker: &Checker| {
            let last = signs.last.load(Ordering::Acquire);
            last > 0 && checker.since >= Some(last)
        };
        if reached(&checker) {
            return checker;
        }
        let compactions = signs.compactions.load(Ordering::Acquire);
        // Longer than what a bookmark needs before the end.
        let watched = checker.watch(client, PATH, 3, reached);
        match tokio::time::timeout(PATIENCE, watched).await {
            Ok(Ok(End::Reached)) => return checker,
            Ok(Ok(End::Expired)) => drop(signs.expired.fetch_add(1, Ordering::Release)),
            Ok(Ok(End::Closed)) if lazy => {
                let forgotten = || async {
                    let done = signs.last.load(Ordering::Acquire) > 0
                        || signs.compactions.load(Ordering::Acquire) > compactions;
                    anyhow::ensure!(done, "nothing was forgotten");
                    Ok(())
                };
                let long = Duration::from_secs(120);
                eventually_async("a compaction", long, forgotten)
                    .await
                    .unwrap();
            }
            // Dead members are asked again, in turn.
            _ => tokio::task::yield_now().await,
        }
    }
}

/// The crate's own informer, with one member; its cache in the end.
fn reflect(
    client: Client,
    config: watcher::Config,
) -> (reflector::Store<ConfigMap>, tokio::task::JoinHandle<()>) {
    let (reader, writer) = reflector::store();
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let stream = watcher(maps, config).default_backoff().reflect(writer);
    let task = tokio::spawn(stream.for_each(|_| std::future::ready(())));
    (reader, task)
}

fn cache(store: &reflector::Store<ConfigMap>) -> BTreeMap<String, Version> {
    let objects = store.state().into_iter().map(|map| {
        let version = map.resource_version().unwrap().parse().unwrap();
        (map.name_any(), (map.uid().unwrap(), version))
    });
    objects.collect()
}

/// Kills and starts members, the leader every second time and each of the others in turn.
async fn kill_in_turn(cluster: &mut Cluster, signs: &Signs) -> usize {
    let until = Instant::now() + seconds();
    let mut killed = 0;
    let mut victims = [false; 3];
    while killed < KILLS_MAX
        && (victims.contains(&false)
            || Instant::now() < until
            || signs.expired.load(Ordering::Acquire) == 0)
    {
        let victim = match killed % 2 {
            0 => cluster.leader().await.unwrap(),
            _ => killed / 2 % 3,
        };
        victims[victim] = true;
        let before = signs.pace.load(Ordering::Relaxed);
        cluster.members[victim].kill().unwrap();
        let goes_on = || async {
            let done = signs.pace.load(Ordering::Relaxed) - before;
            anyhow::ensure!(done > 20, "{done} writes since a member was killed");
            Ok(())
        };
        eventually_async("writes go on", DEADLINE, goes_on)
            .await
            .unwrap();
        if killed % 3 == 2 {
            compact(cluster, (victim + 1) % 3).await;
            signs.compactions.fetch_add(1, Ordering::Release);
        }
        cluster.restart(victim).await.unwrap();
        killed += 1;
    }
    cluster.wait_all_ready().await.unwrap();
    killed
}

#[tokio::test]
async fn informers_miss_nothing_while_each_member_is_killed_in_turn() {
    let mut cluster = servers(3).await;
    let (mut clients, mut plain) = (Vec::new(), Vec::new());
    for member in 0..3 {
        clients.push(client(&cluster, member).await);
        plain.push(plain_client(&cluster, member).await);
    }
    namespace(&clients[0], NAMESPACE).await;
    let signs = Arc::new(Signs::default());

    let writer = |number| tokio::spawn(write(plain.clone(), number, Arc::clone(&signs)));
    let writers: Vec<_> = (0..2).map(writer).collect();
    // The last one is lazy.
    let checker =
        |first| tokio::spawn(follow(plain.clone(), first, first == 3, Arc::clone(&signs)));
    let checkers: Vec<_> = (0..4).map(checker).collect();
    let mut reflectors = Vec::new();
    for (member, client) in clients.iter().enumerate() {
        let config = match member {
            1 => watcher::Config::default().streaming_lists(),
            _ => watcher::Config::default().page_size(10),
        };
        reflectors.push(reflect(client.clone(), config));
    }

    let killed = kill_in_turn(&mut cluster, &signs).await;
    signs.stop.store(true, Ordering::Release);
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.unwrap());
    }

    // All members have the same objects, and of every object what was acknowledged last.
    let (objects, revision) = list(&plain[0], PATH).await.unwrap();
    for client in &plain[1..] {
        assert_eq!(list(client, PATH).await.unwrap().0, objects);
    }
    for (name, known) in written.iter().flat_map(|written| &written.state) {
        match known {
            Known::At(version) => assert_eq!(objects.get(name), Some(version), "{name}"),
            Known::Gone => assert_eq!(objects.get(name), None, "{name}"),
            Known::Either => {}
        }
    }
    // And every informer has them, and no other.
    signs.last.store(revision, Ordering::Release);
    let mut informers = Vec::new();
    for checker in checkers {
        let checker = tokio::time::timeout(2 * DEADLINE, checker).await;
        let checker = checker.expect("an informer comes to the end").unwrap();
        assert_eq!(checker.cache, objects);
        informers.push(checker);
    }
    for (store, task) in reflectors {
        let same = || async {
            anyhow::ensure!(cache(&store) == objects, "another cache");
            Ok(())
        };
        eventually_async("the crate's informer has all", 2 * DEADLINE, same)
            .await
            .unwrap();
        task.abort();
    }
    let versions = written.iter().flat_map(|written| &written.versions);
    told_all(&informers, &versions.collect::<Vec<_>>());

    let acknowledged: usize = written.iter().map(|written| written.acknowledged).sum();
    let unknown: usize = written.iter().map(|written| written.unknown).sum();
    println!("{killed} kills, {acknowledged} writes acknowledged, {unknown} unknown");
    for one in &informers {
        println!(
            "{} lists, {} expired, {} watches, {} events, {} bookmarks",
            one.lists, one.expired, one.watches, one.events, one.bookmarks
        );
    }
    assert!(acknowledged > 100, "{acknowledged}");
    assert!(informers.iter().any(|one| one.expired > 0));
    assert!(informers.iter().all(|one| one.bookmarks > 0));
}

/// Since it listed last, each informer was told of every acknowledged write, and all were told the
/// same.
fn told_all(informers: &[Checker], acknowledged: &[&(String, i64)]) {
    for one in informers {
        let told = one.told.iter().map(|(version, name, _)| (name, *version));
        let told: BTreeSet<_> = told.collect();
        for (name, version) in acknowledged {
            let known = *version <= one.listed || told.contains(&(name, *version));
            assert!(known, "never told of {name} at {version}");
        }
        for another in informers {
            let from = one.listed.max(another.listed);
            let since = |checker: &Checker| {
                let told = checker.told.iter().filter(|(version, ..)| *version > from);
                told.cloned().collect::<Vec<_>>()
            };
            assert_eq!(since(one), since(another));
        }
    }
}

#[tokio::test]
async fn the_crates_informer_lists_again_when_its_place_is_gone() {
    let mut cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    namespace(&client, NAMESPACE).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut events = Box::pin(watcher(maps.clone(), config).default_backoff());
        let mut inits = 0;
        while inits < 1 {
            if let watcher::Event::InitDone = events.try_next().await.unwrap().unwrap() {
                inits += 1;
            }
        }
        // While nobody watches, the object changes, and how it did is forgotten.
        cluster.members[0].kill().unwrap();
        cluster.restart(0).await.unwrap();
        maps.create(&PostParams::default(), &config_map("a", "b", "c"))
            .await
            .unwrap();
        maps.delete("a", &DeleteParams::default()).await.unwrap();
        compact(&cluster, 0).await;
        let mut expired = false;
        while inits < 2 {
            let next = tokio::time::timeout(DEADLINE, events.next()).await.unwrap();
            match next.unwrap() {
                Ok(watcher::Event::InitDone) => inits += 1,
                Ok(watcher::Event::InitApply(map)) => {
                    assert_eq!(map.name_any(), "kube-root-ca.crt")
                }
                Ok(watcher::Event::Init) => {}
                Err(watcher::Error::WatchError(status)) => {
                    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
                    expired = true;
                }
                // The broken connection.
                Err(_) => {}
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(expired);
    }
}

/// A token of a new account.
async fn token(client: &Client, name: &str) -> String {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let account = json!({"metadata": {"name": name}});
    let account = serde_json::from_value(account).unwrap();
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let request = serde_json::from_value(json!({"spec": {"audiences": []}})).unwrap();
    let post = PostParams::default();
    let answer = accounts.create_token_request(name, &post, &request);
    answer.await.unwrap().status.unwrap().token.unwrap()
}

/// Behind something that spreads requests over the members, each sees what was done through another.
#[tokio::test]
async fn what_one_member_acknowledged_the_next_knows_of() {
    const ROUNDS: usize = 60;
    let cluster = servers(3).await;
    let mut clients = Vec::new();
    for member in 0..3 {
        clients.push(plain_client(&cluster, member).await);
    }
    let maps = |at: usize| Api::<ConfigMap>::namespaced(clients[at % 3].clone(), "default");
    let set = |value: &str| Patch::Merge(json!({"data": {"value": value}}));
    let (none, post) = (PatchParams::default(), PostParams::default());
    for round in 0..ROUNDS {
        let name = format!("round-{round}");
        let (here, next, last) = (maps(round), maps(round + 1), maps(round + 2));
        here.create(&post, &config_map(&name, "value", "a"))
            .await
            .unwrap();
        next.patch(&name, &none, &set("b")).await.unwrap();
        // A member that still knows "a" would find nothing to change.
        let patched = last.patch(&name, &none, &set("a")).await.unwrap();
        assert_eq!(patched.data.unwrap()["value"], "a");
        assert_eq!(here.get(&name).await.unwrap().data.unwrap()["value"], "a");
        next.delete(&name, &DeleteParams::default()).await.unwrap();
        // Nor does one refuse a name that is free again, or take one that is not.
        let again = config_map(&name, "value", "c");
        last.create(&post, &again).await.unwrap();
        let refused = here.create(&post, &again).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 409));
        let space = format!("space-{round}");
        namespace(&clients[round % 3], &space).await;
        let inside = Api::<ConfigMap>::namespaced(clients[(round + 1) % 3].clone(), &space);
        inside.create(&post, &again).await.unwrap();
        let token = token(&clients[round % 3], &space).await;
        let review = serde_json::from_value(json!({"spec": {"token": token}})).unwrap();
        let reviews = Api::<TokenReview>::all(clients[(round + 1) % 3].clone());
        let status = reviews
            .create(&post, &review)
            .await
            .unwrap()
            .status
            .unwrap();
        assert_eq!(status.authenticated, Some(true), "{status:?}");
    }
}
