//! `skerry alarm list|disarm` and `skerry defrag`: what an administrator does once the quota of the
//! datastore is used up.
//!
//! Asks the etcd port of this server with the client certificate of its data directory. Reads and
//! deletes go on meanwhile; a member that is down keeps nobody from anything.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use skerry_etcd::rpc::etcdserverpb::maintenance_client::MaintenanceClient;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::alarm_request::AlarmAction;
use tonic::transport::Channel;

use crate::client_channel;
use crate::config::Settings;

const USAGE: &str = "\
usage:
  skerry alarm list [flags]     alarms that are raised: by which member, and why
  skerry alarm disarm [flags]   lowers them; one that is raised again at once has its cause still
  skerry defrag [flags]         gives free space of this member's datastore back to the disk

When the quota is used up (NOSPACE), writes are refused and reads and deletes go on: delete what is
not needed, then `skerry alarm disarm`. The flags are those of `skerry server`; --data-dir and
--node-ip say which server is asked.
";

/// How long alarms may take to answer.
const ALARM_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a copy of the state may take: gigabytes, to slow flash.
const DEFRAG_TIME_MAX: Duration = Duration::from_secs(1800);

/// Runs `skerry alarm`.
pub(crate) fn alarm(words: &[String]) -> anyhow::Result<()> {
    let (action, flags) = match words.split_first() {
        Some((word, _)) if word == "--help" || word == "-h" => return super::print(USAGE),
        Some((word, flags)) if word == "list" => (AlarmAction::Get, flags),
        Some((word, flags)) if word == "disarm" => (AlarmAction::Deactivate, flags),
        _ => bail!("alarm wants list or disarm\n{USAGE}"),
    };
    in_runtime(async {
        let mut client = connect(flags, ALARM_TIME_MAX).await?;
        let raised = ask(&mut client, AlarmAction::Get, &pb::AlarmMember::default()).await?;
        if action == AlarmAction::Deactivate {
            for alarm in &raised {
                ask(&mut client, action, alarm).await?;
            }
        }
        super::print(&lines(&raised, action))
    })
}

/// Runs `skerry defrag`.
pub(crate) fn defrag(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return super::print(USAGE);
    }
    in_runtime(async {
        let mut client = connect(words, DEFRAG_TIME_MAX).await?;
        let before = size(&mut client).await?;
        let done = client.defragment(pb::DefragmentRequest {}).await;
        done.map_err(refused)?;
        let after = size(&mut client).await?;
        super::print(&format!("{before} bytes before, {after} after\n"))
    })
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

async fn connect(
    flags: &[String],
    time_max: Duration,
) -> anyhow::Result<MaintenanceClient<Channel>> {
    let settings = Settings::load(flags, std::env::vars()).context("configuration")?;
    crate::foreign::refuse_command(&settings)?;
    let tls = client_channel::credentials(&settings.data_dir)
        .context("this node has no certificates of a cluster; give the --data-dir of a server")?;
    let address = std::net::SocketAddr::new(settings.node_ip, settings.etcd_client_port);
    let channel = client_channel::connect(address, tls, time_max).await?;
    Ok(MaintenanceClient::new(channel))
}

async fn ask(
    client: &mut MaintenanceClient<Channel>,
    action: AlarmAction,
    alarm: &pb::AlarmMember,
) -> anyhow::Result<Vec<pb::AlarmMember>> {
    let request = pb::AlarmRequest {
        action: action.into(),
        member_id: alarm.member_id,
        alarm: alarm.alarm,
    };
    let answer = client.alarm(request).await.map_err(refused)?;
    Ok(answer.into_inner().alarms)
}

async fn size(client: &mut MaintenanceClient<Channel>) -> anyhow::Result<i64> {
    let status = client.status(pb::StatusRequest {}).await.map_err(refused)?;
    Ok(status.into_inner().db_size)
}

/// A line an alarm, as etcdctl prints it.
fn lines(alarms: &[pb::AlarmMember], action: AlarmAction) -> String {
    let mut text = String::new();
    for alarm in alarms {
        let done = match action {
            AlarmAction::Deactivate => " disarmed",
            _ => "",
        };
        let _ = writeln!(
            text,
            "memberID:{:x} alarm:{}{done}",
            alarm.member_id,
            alarm.alarm().as_str_name()
        );
    }
    text
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message().to_owned())
}
