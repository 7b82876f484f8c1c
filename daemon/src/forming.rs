//! Who forms the cluster, where every server has the same list of servers: the first of it, once it
//! knows that there is none yet.
//!
//! Knows nothing of how a cluster is formed or joined. Invariant: a server that hears of a cluster
//! never forms one, and only the first of the list forms one at all.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use skerry_pki::Clock;
use skerry_supervisor::{Intent, ServerUrl, Standing};
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::service_manager;

/// The first of the list forms a cluster without having heard of the others after this time.
///
/// Long enough for servers that were switched on together, short enough for whoever starts them one
/// after the other. A first server that lost its disk and is back before all others of its cluster
/// forms a second one: see `alone`.
const ALONE_AFTER: Duration = Duration::from_secs(10);
/// Between two rounds of questions.
const ROUND_PAUSE: Duration = Duration::from_millis(250);

/// The servers of the list, and which of them is this one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// This server, where the list names it.
    pub(crate) me: Option<ServerUrl>,
    pub(crate) others: Vec<ServerUrl>,
    pub(crate) is_first: bool,
}

impl Roster {
    /// Reads the list of servers; names are looked up to see whether they are this node's.
    pub(crate) async fn of(settings: &Settings) -> anyhow::Result<Roster> {
        let mut roster = Roster {
            me: None,
            others: Vec::new(),
            is_first: false,
        };
        for (at, url) in settings.servers.iter().enumerate() {
            let url: ServerUrl = url.parse().context("server")?;
            if is_me(settings, &url).await {
                roster.is_first |= at == 0 && !settings.rejoin;
                roster.me = Some(url);
            } else {
                roster.others.push(url);
            }
        }
        Ok(roster)
    }

    /// What this server will do unless it hears of a cluster.
    pub(crate) fn intent(&self) -> Intent {
        if self.is_first {
            Intent::Form
        } else {
            Intent::Join
        }
    }
}

async fn is_me(settings: &Settings, url: &ServerUrl) -> bool {
    if url.port() != settings.https_port {
        return false;
    }
    let is_mine =
        |ip: IpAddr| ip == settings.node_ip || ip == settings.advertise || ip == settings.bind;
    if let Ok(ip) = url.host().parse::<IpAddr>() {
        return is_mine(ip);
    }
    // The name of the node needs no name server, which may come up later than this.
    if url.host().eq_ignore_ascii_case(&settings.node_name) {
        return true;
    }
    match tokio::net::lookup_host((url.host(), url.port())).await {
        Ok(mut found) => found.any(|address| is_mine(address.ip())),
        Err(error) => {
            tracing::warn!(server = %url, %error, "a server's name cannot be looked up");
            false
        }
    }
}

/// What one round of questions means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// There is a cluster.
    Join,
    /// Nobody has one.
    Form,
    /// So it is, unless one of those who are away has one.
    FormAlone(BTreeSet<String>),
    /// Somebody may have one, or is about to form one.
    Wait(String),
}

/// What the first of the list has heard of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is one.
    Cluster,
    /// Nobody has one.
    Nothing,
    /// Nobody has one of those who are there.
    NotFromAll,
}

/// Waits until it is known whether there is a cluster. Only for the first of the list.
pub(crate) async fn is_there_a_cluster(
    roster: &Roster,
    clock: &Arc<Clock>,
) -> anyhow::Result<Heard> {
    let me = roster.me.as_ref().map(ToString::to_string);
    let me = me.unwrap_or_default();
    service_manager::status("asking the other servers whether there is a cluster");
    let mut alone_since = None;
    let mut told = String::new();
    loop {
        let why = match verdict(&me, &round(&roster.others, clock).await?) {
            Verdict::Join => return Ok(Heard::Cluster),
            Verdict::Form => {
                tracing::info!(
                    servers = roster.others.len(),
                    "no other server has a cluster"
                );
                return Ok(Heard::Nothing);
            }
            Verdict::FormAlone(away) => {
                let since = *alone_since.get_or_insert_with(Instant::now);
                let away = Vec::from_iter(away).join(", ");
                if since.elapsed() >= ALONE_AFTER {
                    tracing::warn!(
                        away,
                        "forms a cluster without having heard of all servers of the list"
                    );
                    return Ok(Heard::NotFromAll);
                }
                format!("nothing is heard of {away}")
            }
            Verdict::Wait(why) => {
                alone_since = None;
                why
            }
        };
        if why != told {
            tracing::info!("waits before it forms a cluster: {why}");
            told = why;
        }
        tokio::time::sleep(ROUND_PAUSE).await;
    }
}

async fn round(
    servers: &[ServerUrl],
    clock: &Arc<Clock>,
) -> anyhow::Result<Vec<(String, Standing)>> {
    let mut questions = JoinSet::new();
    for server in servers {
        let (server, clock) = (server.clone(), Arc::clone(clock));
        questions.spawn(async move {
            let standing = skerry_supervisor::standing(&server, &clock).await;
            standing.map(|standing| (server.to_string(), standing))
        });
    }
    let answers = questions.join_all().await;
    answers
        .into_iter()
        .map(|answer| answer.context("cannot ask the other servers"))
        .collect()
}

fn verdict(me: &str, heard: &[(String, Standing)]) -> Verdict {
    if heard
        .iter()
        .any(|(_, standing)| *standing == Standing::Serves)
    {
        return Verdict::Join;
    }
    let mut away = BTreeSet::new();
    for (server, standing) in heard {
        match standing {
            Standing::Serves | Standing::Waits(Intent::Join) => {}
            // Lists that differ in their order make two first ones: one of them gives way.
            Standing::Waits(Intent::Form) if server.as_str() < me => {
                return Verdict::Wait(format!(
                    "{server} is the first of its own list; give all servers the same list"
                ));
            }
            Standing::Waits(Intent::Form) => {}
            Standing::Mute(reason) => {
                return Verdict::Wait(format!("{server} may be of a cluster: {reason}"));
            }
            Standing::Away(_) => _ = away.insert(server.clone()),
        }
    }
    if away.is_empty() {
        Verdict::Form
    } else {
        Verdict::FormAlone(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "https://b:6443";

    fn heard(standings: &[Standing]) -> Verdict {
        let names = ["https://a:6443", "https://c:6443"];
        let heard: Vec<(String, Standing)> = names
            .iter()
            .map(ToString::to_string)
            .zip(standings.iter().cloned())
            .collect();
        verdict(ME, &heard)
    }

    fn away() -> Standing {
        Standing::Away("refused".into())
    }

    fn mute() -> Standing {
        Standing::Mute("silence".into())
    }

    const WAITS: Standing = Standing::Waits(Intent::Join);

    #[test]
    fn one_server_of_a_cluster_is_enough_to_join_it() {
        for other in [WAITS, away(), mute(), Standing::Serves] {
            assert_eq!(heard(&[other, Standing::Serves]), Verdict::Join);
        }
    }

    #[test]
    fn a_cluster_is_formed_at_once_where_all_others_wait_for_it() {
        assert_eq!(heard(&[WAITS, WAITS]), Verdict::Form);
        assert!(matches!(heard(&[WAITS, away()]), Verdict::FormAlone(_)));
    }

    #[test]
    fn a_server_that_does_not_say_what_it_is_may_be_of_a_cluster() {
        for other in [WAITS, away(), mute()] {
            assert!(matches!(heard(&[other, mute()]), Verdict::Wait(_)));
        }
    }

    #[test]
    fn of_two_that_are_first_in_their_lists_one_gives_way() {
        let forms = Standing::Waits(Intent::Form);
        assert!(matches!(heard(&[forms.clone(), WAITS]), Verdict::Wait(_)));
        assert_eq!(heard(&[WAITS, forms]), Verdict::Form);
    }

    async fn roster(flags: &str) -> Roster {
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let settings = Settings::load(&words, std::iter::empty()).unwrap();
        Roster::of(&settings).await.unwrap()
    }

    #[tokio::test]
    async fn a_server_finds_itself_in_the_list_by_address_or_name() {
        let servers = "--node-name two --server https://127.0.0.1:6443,https://127.0.0.2,https://TWO:6443,https://127.0.0.2:7443";
        let found = roster(&format!("{servers} --node-ip 127.0.0.2")).await;
        assert!(found.me.is_some() && !found.is_first);
        let others: Vec<String> = found.others.iter().map(ToString::to_string).collect();
        assert_eq!(others, ["https://127.0.0.1:6443", "https://127.0.0.2:7443"]);
        let found = roster(&format!("{servers} --bind-address 127.0.0.1")).await;
        assert!(found.is_first);
        let found = roster("--node-ip 127.0.0.3 --server https://127.0.0.1:6443").await;
        assert!(found.me.is_none() && !found.is_first);
    }
}
