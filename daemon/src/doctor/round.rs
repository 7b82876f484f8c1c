//! The looks that a server takes by itself: at its peers and its disk, now and then and when
//! leaders change often.
//!
//! Invariant: what it says of one peer it says once, until it changes.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use skerry_consensus::Handle;
use skerry_kube::{EventNote, Local};

use super::disk::{self, Syncs};
use super::peers::{self, Peer};
use super::probe::{Probes, Service, Trouble};
use crate::config::Settings;
use crate::gauges::{self, Gauge};

/// Between two looks at the peers.
const PEERS_INTERVAL: Duration = Duration::from_secs(60);
/// Looks at the peers from one at the disk to the next: that is worn by them.
const DISK_ROUNDS: u32 = 10;
/// Writes of one look at the disk.
const DISK_WRITES: usize = 3;
/// So many changes of the leader in so long a time are too many.
const CHANGES_MAX: usize = 3;
const CHANGES_TIME: Duration = Duration::from_secs(600);

const REACHABLE: Gauge = Gauge {
    name: "skerry_peer_reachable",
    help: "Whether a port of another member could be reached at the last look.",
};
const CONNECT: Gauge = Gauge {
    name: "skerry_peer_connect_seconds",
    help: "How long connecting to a port of another member took at the last look.",
};
const SYNC: Gauge = Gauge {
    name: "skerry_disk_sync_worst_seconds",
    help: "The longest durable write of the last look at the disk.",
};
const CHANGES: Gauge = Gauge {
    name: "skerry_leader_changes_recently",
    help: "Changes of the leader that this server has seen in the last ten minutes.",
};

/// See the module.
pub(crate) struct Rounds {
    data_dir: PathBuf,
    node_name: String,
    heartbeat: Duration,
    api_port: u16,
    local: Option<Local>,
    probes: Probes,
    /// By name and port: what was wrong at the last look.
    troubles: BTreeMap<(String, &'static str), Trouble>,
    changes: VecDeque<Instant>,
    /// When somebody was told of them last.
    told: Option<Instant>,
}

impl Rounds {
    pub(crate) fn of(settings: &Settings, local: Option<Local>) -> anyhow::Result<Rounds> {
        Ok(Rounds {
            data_dir: settings.data_dir.clone(),
            node_name: settings.node_name.clone(),
            heartbeat: settings.heartbeat,
            api_port: settings.https_port,
            local,
            probes: Probes::of(&settings.data_dir)?,
            troubles: BTreeMap::new(),
            changes: VecDeque::new(),
            told: None,
        })
    }

    /// Looks for as long as the server runs.
    pub(crate) async fn run(mut self, handle: Handle) {
        let mut status = handle.watch_status();
        // What is known already counts as news.
        status.mark_changed();
        let (mut known, mut leader) = (None, None);
        let mut tick = tokio::time::interval(PEERS_INTERVAL);
        tick.reset();
        let mut round = 0;
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = status.borrow_and_update().clone();
                    let others = Peer::all(&now);
                    if known.as_ref() != Some(&others) && !now.members.is_empty() {
                        if let Err(error) = peers::save(&self.data_dir, &others) {
                            tracing::debug!(%error, "the peers are not noted");
                        }
                        known = Some(others);
                    }
                    if now.leader.is_some() && now.leader != leader {
                        if leader.is_some() {
                            self.changes.push_back(Instant::now());
                        }
                        leader = now.leader;
                        self.count_changes(known.as_deref().unwrap_or_default()).await;
                    }
                }
                _ = tick.tick() => {
                    self.look_at_peers(known.as_deref().unwrap_or_default()).await;
                    if round % DISK_ROUNDS == 0 {
                        self.look_at_disk().await;
                    }
                    round = round.wrapping_add(1);
                    self.count_changes(known.as_deref().unwrap_or_default()).await;
                }
            }
        }
    }

    async fn look_at_peers(&mut self, peers: &[Peer]) {
        gauges::clear(&REACHABLE);
        gauges::clear(&CONNECT);
        let mut troubles = BTreeMap::new();
        for peer in peers {
            for service in Service::ALL {
                let Some(address) = peer.address(service, self.api_port) else {
                    continue;
                };
                let port = service.port();
                let labels = [("peer", peer.name.as_str()), ("port", port)];
                match self.probes.reach(service, address).await {
                    Ok(took) => {
                        gauges::set(&REACHABLE, &labels, 1.0);
                        gauges::set(&CONNECT, &labels, took.as_secs_f64());
                    }
                    Err(trouble) => {
                        gauges::set(&REACHABLE, &labels, 0.0);
                        troubles.insert((peer.name.clone(), port), trouble);
                    }
                }
            }
        }
        let before = std::mem::replace(&mut self.troubles, troubles);
        for ((name, port), trouble) in &self.troubles {
            if before.get(&(name.clone(), *port)) != Some(trouble) {
                let message = format!("{name} cannot be reached on {port}: {trouble}");
                tracing::warn!("{message}");
                self.tell(true, "PeerUnreachable", &message).await;
            }
        }
        for (name, port) in before.keys() {
            if !self.troubles.contains_key(&(name.clone(), *port)) {
                let message = format!("{name} can be reached on {port} again");
                tracing::info!("{message}");
                self.tell(false, "PeerReachable", &message).await;
            }
        }
    }

    async fn look_at_disk(&self) -> Option<Syncs> {
        let folder = self.data_dir.clone();
        let looking = tokio::task::spawn_blocking(move || disk::measure(&folder, DISK_WRITES));
        let syncs = looking.await.ok()?.ok()?;
        gauges::set(&SYNC, &[], syncs.worst.as_secs_f64());
        let (is_well, words) = syncs.judged(self.heartbeat);
        if !is_well {
            tracing::warn!("the disk is slow: {words}");
            self.tell(true, "SlowDisk", &words).await;
        }
        Some(syncs)
    }

    /// Says why leaders change often, where they do.
    async fn count_changes(&mut self, peers: &[Peer]) {
        while self
            .changes
            .front()
            .is_some_and(|at| at.elapsed() > CHANGES_TIME)
        {
            self.changes.pop_front();
        }
        let count = self.changes.len();
        gauges::set(
            &CHANGES,
            &[],
            u32::try_from(count).map_or(f64::MAX, f64::from),
        );
        let is_told = self.told.is_some_and(|at| at.elapsed() < CHANGES_TIME);
        if count < CHANGES_MAX || is_told {
            return;
        }
        self.told = Some(Instant::now());
        self.look_at_peers(peers).await;
        let syncs = self.look_at_disk().await;
        let message = format!(
            "leaders changed {count} times in ten minutes: {}",
            cause(&self.troubles, syncs, self.heartbeat)
        );
        tracing::warn!("{message}");
        self.tell(true, "LeaderChanges", &message).await;
    }

    async fn tell(&self, warning: bool, reason: &str, message: &str) {
        let note = EventNote {
            kind: "Node",
            namespace: "",
            name: &self.node_name,
            reason,
            warning,
            message,
        };
        if let Some(local) = &self.local {
            local.event(&note).await;
        }
    }
}

/// What makes leaders change, most likely.
fn cause(
    troubles: &BTreeMap<(String, &'static str), Trouble>,
    syncs: Option<Syncs>,
    heartbeat: Duration,
) -> String {
    let disk = syncs.map(|syncs| syncs.judged(heartbeat));
    let peer = troubles
        .iter()
        .find(|((_, port), _)| *port == Service::Peer.port());
    match (peer, disk) {
        (Some(((name, port), trouble)), _) => {
            format!("most likely the link to {name}: {port} {trouble}")
        }
        (None, Some((false, words))) => format!("most likely the disk: {words}"),
        (None, Some((true, words))) => format!(
            "the links and the disk of this server are well now ({words}); look at the other members, and at the CPU"
        ),
        (None, None) => "the disk takes no durable write".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_cause_is_named_with_its_numbers() {
        let beat = Duration::from_millis(500);
        let syncs = |ms| {
            let worst = Duration::from_millis(ms);
            Some(Syncs {
                median: worst,
                worst,
            })
        };
        let mut troubles = BTreeMap::new();
        assert!(cause(&troubles, syncs(3), beat).contains("3.0 ms at worst"));
        let disk = cause(&troubles, syncs(900), beat);
        assert!(
            disk.contains("most likely the disk") && disk.contains("900.0 ms"),
            "{disk}"
        );
        troubles.insert(("m2".to_owned(), "6443"), Trouble::Refused);
        assert!(cause(&troubles, syncs(900), beat).contains("the disk"));
        troubles.insert(("m3".to_owned(), "2380"), Trouble::TimedOut);
        let link = cause(&troubles, syncs(900), beat);
        assert!(link.contains("the link to m3: 2380 timed out"), "{link}");
    }
}
