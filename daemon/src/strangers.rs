//! Other clusters where this server's own should be: at the addresses of its list of servers and of
//! its fellow members.
//!
//! Asks, and tells whoever looks after the servers; a cluster that this server has formed alone and
//! that nobody has written to gives way. What is heard is proved by nobody, so nothing else is done
//! about it. Invariant: of two clusters at most one gives way to the other.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use skerry_consensus::Handle;
use skerry_kube::{EventNote, Local};
use skerry_pki::Clock;
use skerry_supervisor::{AboutCluster, ServerUrl, Supervisor, about_cluster};

use crate::admin::Routes;
use crate::alone::Alone;
use crate::config::Settings;
use crate::doctor::peers::Peer;
use crate::doctor::probe::Service;
use crate::forming::Roster;

/// Where the server answers what it has met, below the administrators' routes.
pub(crate) const ROUTE: &str = "other-clusters";
/// From the start to the first look.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The same, while a server of the list is no member.
const MISSING_INTERVAL: Duration = Duration::from_secs(10);
/// The same, while this server may give way: the sooner it hears of a cluster the better.
const UNTOUCHED_INTERVAL: Duration = Duration::from_secs(2);
/// What goes on is told again after this time.
const TELL_AGAIN: Duration = Duration::from_secs(600);
/// Servers that are asked in one look.
const SERVERS_MAX: usize = 64;

/// What was met at the last look, in words. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met(Arc<Mutex<Vec<String>>>);

impl Met {
    fn set(&self, met: Vec<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = met;
    }

    fn get(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// These routes and that of what was met.
pub(crate) fn routes(routes: Routes, met: &Met) -> Routes {
    let met = met.clone();
    routes.at(Method::GET, ROUTE, move |_| {
        let met = met.get();
        async move { Ok(json!(met)) }
    })
}

/// See the module.
pub(crate) struct Strangers<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a Arc<Clock>,
    pub(crate) handle: &'a Handle,
    pub(crate) supervisor: &'a Supervisor<Handle>,
    pub(crate) alone: &'a Alone,
    pub(crate) local: Option<Local>,
    pub(crate) met: Met,
}

impl Strangers<'_> {
    /// Looks for as long as the server runs; returns once its cluster gives way to another.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let listed = match Roster::of(self.settings).await {
            Ok(roster) => roster.others,
            Err(error) => {
                tracing::warn!(%error, "the list of servers is not looked at");
                Vec::new()
            }
        };
        let (mut known, mut told) = (Vec::new(), Instant::now());
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            let mut met = Vec::new();
            let members = self.members();
            if !members.is_empty() {
                self.alone.has_company();
            }
            let missing = listed.iter().any(|server| !members.contains(server));
            for server in servers(&listed, members) {
                let Some(other) = about_cluster(&server, self.clock).await else {
                    continue;
                };
                let own = self.supervisor.about_cluster();
                if other.cluster_id == own.cluster_id || own.cluster_id == 0 {
                    continue;
                }
                let may_give_way = listed.contains(&server) && gives_way(&own, &other);
                if may_give_way && self.alone.give_way()? {
                    tracing::warn!(
                        "{server} is of cluster {:x}; this server has formed cluster {:x} when it did not hear of it, and nobody has written to that: it is moved aside, and this server joins {:x}",
                        other.cluster_id,
                        own.cluster_id,
                        other.cluster_id
                    );
                    return Ok(());
                }
                met.push(words(&own, &other, &server, &self.settings.data_dir));
            }
            // Whoever reads the log finds the same where they ask.
            self.met.set(met.clone());
            if met != known || (!met.is_empty() && told.elapsed() >= TELL_AGAIN) {
                for line in &met {
                    self.tell(line).await;
                }
                told = Instant::now();
            }
            known = met;
            pause = match self.alone.is_untouched() {
                true => UNTOUCHED_INTERVAL,
                false if missing => MISSING_INTERVAL,
                false => LOOK_INTERVAL,
            };
        }
    }

    /// Where the other members are.
    fn members(&self) -> Vec<ServerUrl> {
        let peers = Peer::all(&self.handle.status());
        let port = self.settings.https_port;
        let addresses = peers
            .iter()
            .filter_map(|peer| peer.address(Service::Api, port));
        addresses
            .filter_map(|address| format!("https://{address}").parse().ok())
            .collect()
    }

    async fn tell(&self, line: &str) {
        tracing::error!("{line}");
        let note = EventNote {
            kind: "Node",
            namespace: "",
            name: &self.settings.node_name,
            reason: "OtherCluster",
            warning: true,
            message: line,
        };
        if let Some(local) = &self.local {
            local.event(&note).await;
        }
    }
}

/// The list, and where the other members are.
fn servers(listed: &[ServerUrl], members: Vec<ServerUrl>) -> Vec<ServerUrl> {
    let more = members.into_iter().filter(|url| !listed.contains(url));
    let mut servers: Vec<ServerUrl> = listed.iter().cloned().chain(more).collect();
    servers.truncate(SERVERS_MAX);
    servers
}

/// Of two that may, the one with the larger id.
fn gives_way(own: &AboutCluster, other: &AboutCluster) -> bool {
    own.untouched && (!other.untouched || other.cluster_id < own.cluster_id)
}

/// What was met, and what is to be done about it.
fn words(own: &AboutCluster, other: &AboutCluster, server: &ServerUrl, data_dir: &Path) -> String {
    let (ours, theirs, dir) = (own.cluster_id, other.cluster_id, data_dir.display());
    let met = format!(
        "two clusters: this server is of cluster {ours:x} ({}), {server} is of cluster {theirs:x} ({})",
        members(own),
        members(other)
    );
    if other.untouched && !own.untouched {
        return format!(
            "{met}; that one has just formed, without data, and gives way by itself: nothing is to be done"
        );
    }
    let leave_here = format!(
        "stop this server, move {dir} to {dir}.{ours:x}, and start it with --rejoin: it joins {theirs:x}"
    );
    if own.formed_alone && !other.formed_alone {
        return format!(
            "{met}; this server has formed its own when no other answered, so {theirs:x} is the one that was there before: {leave_here}; what was written here since is then in {dir}.{ours:x} only"
        );
    }
    if other.formed_alone && !own.formed_alone {
        return format!(
            "{met}; {server} has formed its own when no other answered: stop it, move its data directory aside, and start it with --rejoin: it joins {ours:x}; what was written there since is then in the directory moved aside only"
        );
    }
    format!(
        "{met}; keep the one that has your data: to leave {theirs:x}, stop {server}, move its data directory aside, and start it with --rejoin; to leave {ours:x}, {leave_here}"
    )
}

fn members(about: &AboutCluster) -> String {
    match about.members {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(cluster_id: u64, formed_alone: bool, untouched: bool) -> AboutCluster {
        AboutCluster {
            cluster_id,
            members: 1,
            formed_alone,
            untouched,
        }
    }

    #[test]
    fn of_two_clusters_at_most_one_gives_way_and_never_one_that_was_written_to() {
        for (one, two) in [
            (about(1, true, true), about(2, true, true)),
            (about(1, true, true), about(2, true, false)),
            (about(1, true, false), about(2, false, false)),
        ] {
            assert!(!(gives_way(&one, &two) && gives_way(&two, &one)));
            for (own, other) in [(&one, &two), (&two, &one)] {
                assert!(own.untouched || !gives_way(own, other));
            }
            let any = one.untouched || two.untouched;
            assert_eq!(any, gives_way(&one, &two) || gives_way(&two, &one));
        }
    }

    #[test]
    fn both_sides_name_both_clusters_and_the_same_one_that_leaves() {
        let (old, new) = (about(0xa1, false, false), about(0xb2, true, false));
        let server: ServerUrl = "https://127.0.0.2:6443".parse().unwrap();
        let dir = Path::new("/d");
        let here = words(&new, &old, &server, dir);
        let there = words(&old, &new, &server, dir);
        for text in [&here, &there] {
            assert!(text.contains("cluster a1") && text.contains("cluster b2"));
            assert!(text.contains("--rejoin: it joins a1"), "{text}");
        }
        assert!(
            here.contains("stop this server, move /d to /d.b2"),
            "{here}"
        );
    }
}
