//! What clients notice of restarts and losses, with the times between members that a user gets.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{
    Client, Cluster, Credentials, Kind, Options, Signal, connect_lazy, eventually_async,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Anything that is waited for comes within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// A write that cannot be done is refused within 5 s; on a busy machine, within this time.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(10);
/// Writes work within 10 s once a quorum is back; on a busy machine, within this time.
const RETURN_TIME_MAX: Duration = Duration::from_secs(30);
/// A client asks the next server when one has said nothing for this long.
const PATIENCE: Duration = Duration::from_secs(10);

fn put(key: String) -> pb::PutRequest {
    pb::PutRequest {
        value: key.clone().into(),
        key: key.into(),
        ..Default::default()
    }
}

fn range(key: &str, serializable: bool) -> pb::RangeRequest {
    pb::RangeRequest {
        key: key.to_owned().into(),
        serializable,
        ..Default::default()
    }
}

/// A load of writes and reads, as clients with all three servers make it: whoever does not answer
/// is passed over, and a call fails when nobody answers.
struct Load {
    stop: Arc<AtomicBool>,
    /// Numbers of the writes that were confirmed.
    writer: JoinHandle<Vec<u64>>,
    /// Reads that were answered, and what the others were answered with.
    reader: JoinHandle<(u64, Vec<String>)>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let to: Vec<_> = cluster
            .members
            .iter()
            .map(|member| (member.client_address, member.credentials.clone()))
            .collect();
        let writer = {
            let (stop, to) = (Arc::clone(&stop), to.clone());
            beside(move || async move { write(&mut clients(&to), &stop).await })
        };
        let reader = {
            let stop = Arc::clone(&stop);
            beside(move || async move { read(&mut clients(&to), &stop).await })
        };
        Load {
            stop,
            writer,
            reader,
        }
    }

    /// Ends the load: what was confirmed, and what reads were answered with.
    fn end(self) -> (Vec<u64>, (u64, Vec<String>)) {
        self.stop.store(true, Ordering::Relaxed);
        (self.writer.join().unwrap(), self.reader.join().unwrap())
    }

    /// Ends the load; every confirmed write must be there, and every read have been answered.
    async fn finish(self, cluster: &Cluster) {
        let (confirmed, (answered, failed)) = self.end();
        assert!(failed.is_empty(), "of {answered} reads failed: {failed:?}");
        assert!(answered > 0);
        all_there(cluster, &confirmed).await;
        println!("{} writes confirmed, {answered} reads", confirmed.len());
    }
}

type Place = (SocketAddr, Option<Credentials>);

fn clients(to: &[Place]) -> Vec<Client> {
    let client = |(address, credentials): &Place| {
        Client::new(connect_lazy(*address, credentials.as_ref()).unwrap())
    };
    to.iter().map(client).collect()
}

/// A thread and a runtime of its own: what a test does with processes blocks the test's.
fn beside<T, F>(work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work())
    })
}

async fn write(clients: &mut [Client], stop: &AtomicBool) -> Vec<u64> {
    let (mut confirmed, mut longest) = (Vec::new(), Duration::ZERO);
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let client = &mut clients[number as usize % 3];
        let since = Instant::now();
        let call = client.kv.put(put(format!("load/{number}")));
        if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, call).await {
            confirmed.push(number);
        }
        longest = longest.max(since.elapsed());
    }
    println!("the longest write took {longest:?}");
    confirmed
}

async fn read(clients: &mut [Client], stop: &AtomicBool) -> (u64, Vec<String>) {
    let (mut answered, mut failed) = (0, Vec::new());
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        match read_from_any(clients, answered as usize).await {
            Ok(()) => answered += 1,
            Err(error) => failed.push(error),
        }
        longest = longest.max(since.elapsed());
    }
    println!("the longest read took {longest:?}");
    (answered, failed)
}

/// Asks one server after the other. Whose leader changes in that moment says so, as in etcd, and is
/// asked again, as etcd's own client does.
async fn read_from_any(clients: &mut [Client], first: usize) -> Result<(), String> {
    let since = Instant::now();
    loop {
        let (mut said, mut changed) = (String::new(), false);
        for turn in 0..clients.len() {
            let client = &mut clients[(first + turn) % 3];
            let call = client.kv.range(range("kept", false));
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(Ok(answer)) if answer.get_ref().kvs.len() == 1 => return Ok(()),
                other => {
                    let words = format!("{other:?}; ");
                    changed |= words.contains("etcdserver: leader changed");
                    said.push_str(&words);
                }
            }
        }
        if !changed || since.elapsed() > PATIENCE {
            return Err(said);
        }
    }
}

/// Every one of these writes is there, on every member.
async fn all_there(cluster: &Cluster, confirmed: &[u64]) {
    assert!(!confirmed.is_empty());
    for index in 0..3 {
        let request = pb::RangeRequest {
            key: "load/".into(),
            range_end: "load0".into(),
            keys_only: true,
            ..Default::default()
        };
        let answer = cluster.client(index).unwrap().kv.range(request).await;
        let keys: std::collections::BTreeSet<String> = answer
            .unwrap()
            .into_inner()
            .kvs
            .into_iter()
            .map(|kv| String::from_utf8_lossy(&kv.key).into_owned())
            .collect();
        for number in confirmed {
            let key = format!("load/{number}");
            assert!(keys.contains(&key), "m{}: {key} is lost", index + 1);
        }
    }
}

async fn three() -> Cluster {
    let cluster = Cluster::start(Kind::Skerry, 3, &Options::default())
        .await
        .unwrap();
    let mut client = cluster.client(0).unwrap();
    client.kv.put(put("kept".into())).await.unwrap();
    cluster
}

#[tokio::test]
async fn a_rolling_restart_under_load_fails_no_read_and_loses_no_write() {
    let mut cluster = three().await;
    let load = Load::start(&cluster);
    for index in 0..3 {
        cluster.members[index].terminate(DEADLINE).unwrap();
        cluster.restart(index).await.unwrap();
    }
    load.finish(&cluster).await;
}

#[tokio::test]
async fn all_three_killed_at_once_under_load_come_back_with_all_that_was_confirmed() {
    let mut cluster = three().await;
    let load = Load::start(&cluster);
    eventually_async("the load runs", DEADLINE, || async {
        let answer = cluster.client(1)?.kv.range(range("load/50", false)).await?;
        anyhow::ensure!(answer.get_ref().kvs.len() == 1);
        Ok(())
    })
    .await
    .unwrap();
    for member in &cluster.members {
        member.signal(Signal::SIGKILL).unwrap();
    }
    for member in &mut cluster.members {
        member.wait_for_exit(DEADLINE).unwrap();
    }
    let since = Instant::now();
    for member in &mut cluster.members {
        member.start().unwrap();
    }
    cluster.wait_all_ready().await.unwrap();
    println!("all three serve again after {:?}", since.elapsed());
    // Reads had nobody to answer them for a while.
    let (confirmed, _) = load.end();
    all_there(&cluster, &confirmed).await;
}

#[tokio::test]
async fn with_two_of_three_stopped_reads_go_on_and_writes_fail_fast_until_they_are_back() {
    let mut cluster = three().await;
    for index in [0, 1] {
        cluster.members[index].terminate(DEADLINE).unwrap();
    }
    let mut client = cluster.client(2).unwrap();
    let since = Instant::now();
    let refused = client.kv.put(put("x".into())).await.err().unwrap();
    let took = since.elapsed();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    assert!(
        refused.message().starts_with("etcdserver: "),
        "{}",
        refused.message()
    );
    assert!(took < REFUSAL_TIME_MAX, "{took:?}");
    println!("refused after {took:?}: {}", refused.message());
    let answer = client.kv.range(range("kept", true)).await.unwrap();
    assert_eq!(answer.get_ref().kvs.len(), 1);

    let since = Instant::now();
    for index in [0, 1] {
        cluster.members[index].start().unwrap();
    }
    eventually_async("writes work", RETURN_TIME_MAX, || async {
        cluster.client(2)?.kv.put(put("back".into())).await?;
        Ok(())
    })
    .await
    .unwrap();
    println!("writes work after {:?}", since.elapsed());
    cluster.wait_all_ready().await.unwrap();
}
