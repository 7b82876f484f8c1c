//! A server of little memory and clients who want all of it: they are refused, and it lives on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options, eventually_async};
use skerry_tests_kubectl::{Port, Servers, Stream, Streams};

use super::{MAPS, map, port};

const GROUP_BYTES: usize = 48 << 20;
/// What is planned with in such a group; given where none can be made.
const BUDGET: &str = "--memory-budget=24M";

/// Of 8 KiB each.
const OBJECTS: usize = 100;
/// gRPC's code.
const RESOURCE_EXHAUSTED: i32 = 8;
/// How long the flood may rise.
const FLOOD_TIME_MAX: Duration = Duration::from_secs(60);

/// A control group that has no more memory; its folder goes with it.
struct Group(PathBuf);

impl Group {
    /// Nothing where this machine, or this user, has no memory controller.
    fn make() -> Option<Group> {
        let mounts = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        mounts.into_iter().find_map(|(mount, file)| {
            let path = PathBuf::from(mount).join(format!("skerry-test-{}", std::process::id()));
            std::fs::create_dir(&path).ok()?;
            let group = Group(path);
            let limited = std::fs::OpenOptions::new()
                .write(true)
                .open(group.0.join(file))
                .and_then(|mut file| {
                    std::io::Write::write_all(&mut file, GROUP_BYTES.to_string().as_bytes())
                });
            limited.ok().map(|()| group)
        })
    }

    /// What starts a server in it.
    fn wrapper(&self) -> Vec<String> {
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

async fn watch(streams: &mut Streams) -> Option<Stream> {
    let path = format!("{MAPS}?watch=true&fieldSelector=metadata.name%3Dnews");
    streams.ask("GET", &path, String::new()).await.ok()
}

/// Bodies that are much, or become much: every one is refused in one way or another.
async fn bodies(port: &Port) {
    let long = map("long", &"x".repeat(2_900_000));
    let fields: Vec<String> = (0..200_000).map(|n| format!("\"{n}\":\"\"")).collect();
    let wide = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"wide"}},"data":{{{}}}}}"#,
        fields.join(",")
    );
    // One alone would take more than there is.
    let answer = port.post(MAPS, &wide).await.unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    let asked = (0..10).map(|n| port.post(MAPS, if n % 2 == 0 { &long } else { &wide }));
    for answer in join_all(asked).await {
        // Who is refused while still sending may see no more than the end of the connection.
        let status = answer.map_or(429, |answer| answer.status);
        assert!([413, 422, 429].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn a_flood_of_lists_bodies_watches_and_connections_ends_no_small_server() {
    let group = Group::make();
    let mut options = Options {
        kubernetes: true,
        ..Options::default()
    };
    match &group {
        Some(group) => options.wrappers = vec![group.wrapper()],
        None => options.flags.push(BUDGET.into()),
    }
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let mut servers = Servers::of(cluster);
    servers.until(0, &["get", "clusterrolebinding/cluster-admin"], |ended| {
        ended.ok
    });
    servers.until(0, &["get", "serviceaccount/default"], |ended| ended.ok);
    let port = port(&servers);
    let mut writer = port.streams().await.unwrap();
    let text = "x".repeat(8 << 10);
    for n in 0..OBJECTS {
        let made = writer.ask("POST", MAPS, map(&format!("m{n}"), &text)).await;
        assert_eq!(made.unwrap().status(), 201);
    }

    // Lists of megabytes that nobody reads, and bodies beside them.
    let mut lists = Vec::new();
    for _ in 0..20 {
        // Where memory is short already, a connection may be refused.
        let Ok(mut streams) = port.streams().await else {
            break;
        };
        lists.push(streams.ask("GET", MAPS, String::new()).await);
    }
    bodies(&port).await;
    drop(lists);

    // Watches until no more are taken; there are always fewer than of memory for so many.
    let (mut connections, mut watches) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let refused = 'all: loop {
        assert!(begun.elapsed() < FLOOD_TIME_MAX, "nothing is refused");
        let Ok(mut streams) = port.streams().await else {
            continue;
        };
        for _ in 0..200 {
            match watch(&mut streams).await {
                Some(stream) if stream.status() == 200 => watches.push(stream),
                Some(stream) => break 'all Some(stream),
                None => break 'all None,
            }
        }
        connections.push(streams);
    };
    if let Some(refused) = refused {
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.header("retry-after"), "1");
    }
    println!("{} watches", watches.len());
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(port.silent().await);
    }
    drop((silent, watches, connections));

    // Everything is as it was, once the server has seen them go.
    eventually_async("requests are answered", FLOOD_TIME_MAX, || async {
        let answer = port.get(&format!("{MAPS}/m1"), &[]).await?;
        anyhow::ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    })
    .await
    .unwrap();
    assert!(servers.cluster.members[0].is_running());
    servers.until(0, &["create", "configmap", "after"], |ended| ended.ok);
    servers.until(0, &["get", "configmaps", "-o", "name"], |ended| {
        ended.ok && ended.out.lines().count() >= OBJECTS
    });
    let mut client = servers.cluster.client(0).unwrap();
    let request = pb::RangeRequest {
        key: "/registry/configmaps/".into(),
        range_end: "/registry/configmaps0".into(),
        ..pb::RangeRequest::default()
    };
    match client.kv.range(request).await {
        Ok(answer) => assert!(answer.into_inner().count >= OBJECTS as i64),
        Err(refused) => assert_eq!(refused.code() as i32, RESOURCE_EXHAUSTED),
    }
    // The group goes after the server.
    drop(servers);
    drop(group);
}
