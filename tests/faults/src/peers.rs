//! The ports among members are cut while the Kubernetes API's port stays open: whoever is cut off is
//! read-only within seconds and says so, the others go on, and all is well again without a hand.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use skerry_tests_harness::{Addresses, Cluster, Kind, Options, eventually};
use skerry_tests_kubectl::{Ended, Servers};

use crate::limits::{MEMBERS, RECOVERY_DEADLINE};
use crate::network::{Network, Weather};

/// A write that cannot be made is refused within this time.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(5);
const WARNING: &str = "Warning: the cluster has no quorum";

/// Cuts the leader off, and heals it.
///
/// # Errors
/// The first promise that was broken.
pub async fn run() -> Result<()> {
    let network = Network::create(MEMBERS)?;
    let options = Options {
        kubernetes: true,
        flags: ["--heartbeat-interval=100ms", "--election-timeout=1s"]
            .map(str::to_owned)
            .to_vec(),
        addresses: Some(Addresses::standard(network.hosts())),
        wrappers: network.wrappers(),
        ..Options::default()
    };
    let cluster = Cluster::start(Kind::Skerry, MEMBERS, &options).await?;
    let cut = cluster.leader().await?;
    let other = (cut + 1) % MEMBERS;
    let servers = Servers::of(cluster);
    let get = |member: usize, name: &str| servers.run_on(member, &["get", "configmap", name], "");
    let make =
        |member: usize, name: &str| servers.run_on(member, &["create", "configmap", name], "");
    until("the first write", || make(cut, "before"), |made| made.ok)?;

    network.set(&network.peers_cut_off(cut))?;
    let since = Instant::now();
    let warned = |got: &Ended| got.ok && got.err.contains(WARNING);
    until(
        "the one that is cut off warns",
        || get(cut, "before"),
        warned,
    )?;
    println!("read-only after {:?}", since.elapsed());
    ensure!(
        network.connects(other, cut, 6443, 20) && network.connects(cut, other, 6443, 20),
        "the API's port is open between members"
    );
    for port in [2379, 2380] {
        ensure!(!network.connects(other, cut, port, 2), "{port} is cut");
    }
    let asked = Instant::now();
    let refused = make(cut, "refused");
    let took = asked.elapsed();
    ensure!(!refused.ok, "a write without a quorum: {refused:?}");
    ensure!(took < REFUSAL_TIME_MAX, "refused only after {took:?}");
    println!("a write is refused after {took:?}: {}", refused.err.trim());
    until(
        "the others go on",
        || make(other, "meanwhile"),
        |made| made.ok,
    )?;
    let old = get(cut, "meanwhile");
    ensure!(
        old.err.contains("NotFound") && old.err.contains(WARNING),
        "it shows what it had, and says so: {old:?}"
    );

    network.set(&Weather::Calm)?;
    let since = Instant::now();
    let is_well = |got: &Ended| got.ok && !got.err.contains("Warning");
    until("it knows what it missed", || get(cut, "meanwhile"), is_well)?;
    until("it writes again", || make(cut, "after"), |made| made.ok)?;
    println!("back after {:?}", since.elapsed());
    ensure!(!get(cut, "refused").ok, "what was refused was not made");
    Ok(())
}

fn until(
    what: &str,
    mut run: impl FnMut() -> Ended,
    wanted: impl Fn(&Ended) -> bool,
) -> Result<Ended> {
    eventually(what, RECOVERY_DEADLINE, || {
        let ended = run();
        ensure!(wanted(&ended), "{ended:?}");
        Ok(ended)
    })
}
