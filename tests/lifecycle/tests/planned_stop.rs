//! What writers notice when the leader goes as planned: it stops, or it is removed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Client, Cluster, Kind, Options, eventually_async};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Anything that is waited for comes within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Elections that nobody would take for a hand-over.
const ELECTION: Duration = Duration::from_secs(10);
/// Writes stall for less than 100 ms; on a busy machine, for less than this, which an election
/// takes longer than.
const STALL_TIME_MAX: Duration = Duration::from_secs(5);

/// Writes through one member, one after the other.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    /// How long the longest write took.
    longest: JoinHandle<Duration>,
}

impl Writer {
    fn start(mut client: Client, name: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let (stops, counts) = (Arc::clone(&stop), Arc::clone(&written));
        let longest = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !stops.load(Ordering::Relaxed) {
                let number = counts.fetch_add(1, Ordering::Relaxed);
                let since = Instant::now();
                let put = pb::PutRequest {
                    key: format!("{name}/{number}").into(),
                    ..Default::default()
                };
                client.kv.put(put).await.unwrap();
                longest = longest.max(since.elapsed());
            }
            longest
        });
        Self {
            stop,
            written,
            longest,
        }
    }

    /// Waits until this many more writes were made.
    async fn goes_on(&self, more: u64) {
        let until = self.written.load(Ordering::Relaxed) + more;
        eventually_async("writes go on", DEADLINE, || async {
            let written = self.written.load(Ordering::Relaxed);
            anyhow::ensure!(written >= until, "{written} of {until}");
            Ok(())
        })
        .await
        .unwrap();
    }
}

struct Load(Vec<Writer>);

impl Load {
    /// Writes through every member but `leader`.
    async fn start(cluster: &Cluster, leader: usize) -> Self {
        let others = (0..cluster.members.len()).filter(|index| *index != leader);
        let load = Self(
            others
                .map(|index| Writer::start(cluster.client(index).unwrap(), index))
                .collect(),
        );
        load.goes_on().await;
        load
    }

    async fn goes_on(&self) {
        for writer in &self.0 {
            writer.goes_on(20).await;
        }
    }

    /// No write failed, and none waited for an election.
    async fn finish(self, what: &str) {
        self.goes_on().await;
        for writer in self.0 {
            writer.stop.store(true, Ordering::Relaxed);
            let longest = writer.longest.await.unwrap();
            println!("{what}: the longest write took {longest:?}");
            assert!(longest < STALL_TIME_MAX, "{longest:?}");
        }
    }
}

/// Waits for the end of a member, off this thread: the writers go on meanwhile.
async fn ended(cluster: &mut Cluster, member: usize) -> std::process::ExitStatus {
    let mut member = cluster.members.remove(member);
    let waiting = tokio::task::spawn_blocking(move || member.wait_for_exit(DEADLINE));
    waiting.await.unwrap().unwrap()
}

async fn three() -> (Cluster, usize) {
    let options = Options {
        flags: vec![format!("--election-timeout={}ms", ELECTION.as_millis())],
        ..Options::default()
    };
    let cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    let leader = cluster.leader().await.unwrap();
    (cluster, leader)
}

#[tokio::test]
async fn a_leader_that_is_stopped_hands_over_first_and_writes_hardly_wait() {
    let (mut cluster, leader) = three().await;
    let load = Load::start(&cluster, leader).await;
    let since = Instant::now();
    cluster.members[leader]
        .signal(skerry_tests_harness::Signal::SIGTERM)
        .unwrap();
    load.goes_on().await;
    ended(&mut cluster, leader).await;
    println!("the stop took {:?}", since.elapsed());
    load.finish("stopped").await;
}

#[tokio::test]
async fn a_leader_that_is_removed_hands_over_first_and_writes_hardly_wait() {
    let (mut cluster, leader) = three().await;
    let load = Load::start(&cluster, leader).await;
    let mut client = cluster.client(leader).unwrap();
    let status = client.maintenance.status(pb::StatusRequest {}).await;
    let id = status.unwrap().into_inner().leader;
    let mut through = cluster.client((leader + 1) % 3).unwrap();
    let since = Instant::now();
    let left = skerry_tests_lifecycle::remove(&mut through, id)
        .await
        .unwrap();
    println!("the removal took {:?}", since.elapsed());
    assert_eq!(left.members.len(), 2);
    assert_eq!(ended(&mut cluster, leader).await.code(), Some(1));
    load.finish("removed").await;
}
