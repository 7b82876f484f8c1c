//! `skerry member list|remove|promote`: the members of the cluster, asked of this server's etcd port with
//! the client certificate of its data directory.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use skerry_etcd::rpc::etcdserverpb::cluster_client::ClusterClient;
use skerry_proto::etcdserverpb as pb;
use tonic::transport::Channel;

use super::print;
use crate::client_channel;
use crate::config::Settings;

const USAGE: &str = "\
usage:
  skerry member list [flags]             id, state, name, peer URLs, client URLs, learner
  skerry member remove ID|NAME [flags]   take a member out of the cluster
  skerry member promote ID|NAME [flags]  give a learner its vote

The flags are those of `skerry server`; --data-dir and --node-ip say which server is asked.
";

/// How long the cluster may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    match words.split_first() {
        Some((command, flags)) if command == "list" => runtime.block_on(async {
            let members = list(&mut connect(flags).await?).await?;
            print(&table(&members))
        }),
        Some((command, rest)) if command == "remove" || command == "promote" => {
            let (whom, flags) = rest
                .split_first()
                .filter(|(whom, _)| !whom.starts_with('-'))
                .with_context(|| format!("which member? Its id or name comes first\n{USAGE}"))?;
            runtime.block_on(async {
                let mut client = connect(flags).await?;
                let members = list(&mut client).await?;
                let member = find(&members, whom)?;
                match command.as_str() {
                    "remove" => remove(&mut client, &members, member).await,
                    _ => promote(&mut client, member).await,
                }
            })
        }
        _ => bail!("member wants list, remove or promote\n{USAGE}"),
    }
}

async fn connect(flags: &[String]) -> anyhow::Result<ClusterClient<Channel>> {
    let settings = Settings::load(flags, std::env::vars()).context("configuration")?;
    crate::foreign::refuse_command(&settings)?;
    let tls = client_channel::credentials(&settings.data_dir)
        .context("this node has no certificates of a cluster; give the --data-dir of a server")?;
    let address = std::net::SocketAddr::new(settings.node_ip, settings.etcd_client_port);
    let channel = client_channel::connect(address, tls, ANSWER_TIME_MAX).await?;
    Ok(ClusterClient::new(channel))
}

async fn list(client: &mut ClusterClient<Channel>) -> anyhow::Result<Vec<pb::Member>> {
    let answer = client
        .member_list(pb::MemberListRequest { linearizable: true })
        .await;
    let mut members = answer.map_err(refused)?.into_inner().members;
    members.sort_unstable_by_key(|member| member.id);
    Ok(members)
}

fn find<'a>(members: &'a [pb::Member], whom: &str) -> anyhow::Result<&'a pb::Member> {
    let id = u64::from_str_radix(whom, 16).ok();
    let found: Vec<&pb::Member> = members
        .iter()
        .filter(|member| Some(member.id) == id || member.name == whom)
        .collect();
    match found.as_slice() {
        [member] => Ok(*member),
        [] => bail!(
            "no member has the id or name '{whom}'; the members are:\n{}",
            table(members)
        ),
        _ => bail!(
            "'{whom}' is more than one member's; use the id:\n{}",
            table(members)
        ),
    }
}

async fn remove(
    client: &mut ClusterClient<Channel>,
    members: &[pb::Member],
    member: &pb::Member,
) -> anyhow::Result<()> {
    let removed = client
        .member_remove(pb::MemberRemoveRequest { id: member.id })
        .await;
    removed.map_err(
        |status| match not_removable(status.message(), members, member) {
            Some(why) => anyhow::anyhow!("{}: {why}", status.message()),
            None => refused(status),
        },
    )?;
    print(&format!(
        "member {:x} ({}) removed\n",
        member.id, member.name
    ))
}

async fn promote(client: &mut ClusterClient<Channel>, member: &pb::Member) -> anyhow::Result<()> {
    client
        .member_promote(pb::MemberPromoteRequest { id: member.id })
        .await
        .map_err(refused)?;
    print(&format!("member {:x} ({}) votes\n", member.id, member.name))
}

/// What etcd's words mean for whoever wants to remove this member.
fn not_removable(said: &str, members: &[pb::Member], member: &pb::Member) -> Option<String> {
    let others = members.iter().filter(|one| one.id != member.id);
    let name = &member.name;
    if !others.clone().any(|one| !one.is_learner) {
        return Some(format!(
            "'{name}' is the last member that votes; without it there is no cluster"
        ));
    }
    if said.contains("not enough started members") {
        let waiting: Vec<&str> = others
            .filter(|one| one.name.is_empty())
            .flat_map(|one| one.peer_ur_ls.iter().map(String::as_str))
            .collect();
        return Some(format!(
            "without '{name}' the members that have started would be no majority; start those at {} first",
            waiting.join(", ")
        ));
    }
    said.contains("unhealthy cluster").then(|| {
        format!(
            "without '{name}' the members that can be reached would be no majority, and the cluster would lose its quorum; start another member, or remove one that is gone, first"
        )
    })
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

fn table(members: &[pb::Member]) -> String {
    let mut text = String::new();
    for member in members {
        let state = if member.name.is_empty() {
            "unstarted"
        } else {
            "started"
        };
        let _ = writeln!(
            text,
            "{:x}, {state}, {}, {}, {}, {}",
            member.id,
            member.name,
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner
        );
    }
    text
}
