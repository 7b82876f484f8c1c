//! `skerry doctor`: what is wrong, in plain words, with this node's server running or not.
//!
//! Changes nothing but for a file that it writes and removes to measure the disk. Invariant: each
//! line is one fact with its numbers, and the command fails where one of them is bad.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::{Value, json};
use skerry_consensus::Handle;
use skerry_pki::Clock;

use super::{footprint, print};
use crate::admin::{Client, Routes};
use crate::config::Settings;
use crate::doctor::disk;
use crate::doctor::peers::{self, Peer};
use crate::doctor::probe::{Probes, Service};
use crate::expiry::days_left;
use crate::succession;

const USAGE: &str = "\
usage:
  skerry doctor [flags]   what is wrong with this node's server and its cluster

The flags are those of `skerry server`; --data-dir and --node-ip say which server is asked. It need
not run. The exit code is 1 where something is wrong.
";

/// Below the administrators' routes.
pub(crate) const ROUTE: &str = "diagnosis";
/// Writes of one look at the disk.
const DISK_WRITES: usize = 10;
/// Certificates are renewed long before.
const DAYS_MIN: f64 = 30.0;
/// Entries that a member may be behind while others write.
const LAG_MAX: u64 = 1000;
/// Certificates are backdated by more; leases and people are not.
const CLOCK_SECONDS_MAX: u64 = 5;
/// The share of the quota, in percent, at which somebody should look.
const QUOTA_PERCENT_MAX: u64 = 80;

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let settings = Settings::load(words, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let findings = runtime.block_on(examine(&settings))?;
    print(&findings.text)?;
    match findings.bad {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        bad => bail!("{bad} things are wrong"),
    }
}

/// The server's side.
pub(crate) fn routes(routes: Routes, handle: &Handle, clock: &Arc<Clock>) -> Routes {
    let (handle, clock) = (handle.clone(), Arc::clone(clock));
    routes.at(Method::GET, ROUTE, move |_| {
        let status = handle.status();
        let reader = handle.reader();
        let used = reader.view().map(|view| view.size_in_use_bytes());
        let leader = status.members.iter();
        let leader = leader.clone().find(|(id, ..)| Some(*id) == status.leader);
        let answer = json!({
            "time": clock.system_now(),
            "status": super::status::answer(&status),
            "leader": leader.map(|(_, member, _)| member.name.as_str()),
            "used": used.unwrap_or_default(),
            "quota": reader.quota_bytes(),
            "peers": Peer::all(&status),
        });
        async move { Ok(answer) }
    })
}

#[derive(Default)]
struct Findings {
    text: String,
    bad: usize,
}

impl Findings {
    fn note(&mut self, is_well: bool, what: &str, says: &str) {
        self.bad += usize::from(!is_well);
        let mark = if is_well { "ok " } else { "BAD" };
        let _ = writeln!(self.text, "{mark}  {what:<14} {says}");
    }
}

async fn examine(settings: &Settings) -> anyhow::Result<Findings> {
    let client = Client::of(settings)?;
    let probes = Probes::of(&settings.data_dir)?;
    let mut findings = Findings::default();
    let own = client.get(&format!("/v1-skerry/admin/{ROUTE}")).await;
    let peers = match &own {
        Ok(answer) => {
            about_cluster(&mut findings, answer);
            serde_json::from_value(answer["peers"].clone()).unwrap_or_default()
        }
        Err(error) => {
            let why = format!("{error:#}; what follows is from its files");
            findings.note(false, "server", &why);
            peers::load(&settings.data_dir)
        }
    };
    for peer in &peers {
        about_peer(
            &mut findings,
            settings,
            &client,
            &probes,
            peer,
            own.as_ref().ok(),
        )
        .await;
    }
    match disk::measure(&settings.data_dir, DISK_WRITES) {
        Ok(syncs) => {
            let (is_well, says) = syncs.judged(settings.heartbeat);
            findings.note(is_well, "disk", &says);
        }
        Err(error) => findings.note(false, "disk", &format!("it cannot be written: {error}")),
    }
    about_certificates(&mut findings, &settings.data_dir.join("tls"));
    if own.is_ok() {
        let footprint = client
            .get(&format!("/v1-skerry/admin/{}", footprint::ROUTE))
            .await
            .unwrap_or_default();
        if let Some((is_well, says)) = footprint::about_flash(&footprint) {
            findings.note(is_well, "flash", &says);
        }
        let manifests = client.get("/v1-skerry/admin/manifests").await;
        about_manifests(&mut findings, &manifests.unwrap_or_default());
        for line in super::status::other_clusters(&client).await {
            findings.note(false, "cluster", &line);
        }
    }
    Ok(findings)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn about_cluster(findings: &mut Findings, answer: &Value) {
    if let Some((is_well, says)) = crate::foreign::finding(answer) {
        findings.note(true, "server", "it runs, without a member");
        return findings.note(is_well, "datastore", &says);
    }
    let status = &answer["status"];
    let members = status["members"].as_array().map_or(0, Vec::len);
    let role = status["role"].as_str().unwrap_or_default();
    let says = format!("it runs, as {role} of {members} members");
    findings.note(true, "server", &says);
    match answer["leader"].as_str() {
        Some(name) => {
            let says = format!("{name} leads, in term {}", status["term"]);
            findings.note(true, "leader", &says);
        }
        None => {
            let says = "nobody leads: reads go on, writes are refused until a majority is there";
            findings.note(false, "leader", says);
        }
    }
    let behind = number(&status["committedIndex"]).saturating_sub(number(&status["appliedIndex"]));
    if behind > LAG_MAX {
        findings.note(
            false,
            "lag",
            &format!("this server is {behind} entries behind"),
        );
    }
    let (used, quota) = (number(&answer["used"]), number(&answer["quota"]).max(1));
    let percent = used.saturating_mul(100) / quota;
    let mut says = format!(
        "{} MB of {} MB are used ({percent} %)",
        used >> 20,
        quota >> 20
    );
    if percent > QUOTA_PERCENT_MAX {
        says.push_str(
            ": at 100 % writes are refused; delete something, or raise --quota-backend-bytes",
        );
    }
    findings.note(percent <= QUOTA_PERCENT_MAX, "quota", &says);
}

async fn about_peer(
    findings: &mut Findings,
    settings: &Settings,
    client: &Client,
    probes: &Probes,
    peer: &Peer,
    own: Option<&Value>,
) {
    let what = format!("peer {}", peer.name);
    let mut api: Option<SocketAddr> = None;
    let mut reached = Vec::new();
    for service in Service::ALL {
        let Some(address) = peer.address(service, settings.https_port) else {
            continue;
        };
        match probes.reach(service, address).await {
            Ok(took) => {
                let ms = took.as_secs_f64() * 1e3;
                reached.push(format!("{} in {ms:.0} ms", address.port()));
                if service == Service::Api {
                    api = Some(address);
                }
            }
            Err(trouble) => findings.note(false, &what, &format!("{address}: {trouble}")),
        }
    }
    if !reached.is_empty() {
        let says = format!("reached on {}", reached.join(", "));
        findings.note(true, &what, &says);
    }
    let Some(api) = api else {
        return;
    };
    let answer = match client
        .to(api)
        .get(&format!("/v1-skerry/admin/{ROUTE}"))
        .await
    {
        Ok(answer) => answer,
        Err(error) => {
            findings.note(
                false,
                &what,
                &format!("its server does not say how it is: {error:#}"),
            );
            return;
        }
    };
    let off = number(&answer["time"]).abs_diff(now());
    if off > CLOCK_SECONDS_MAX {
        let which = match number(&answer["time"]) > now() {
            true => "ahead of",
            false => "behind",
        };
        let says = format!("its clock is {off} s {which} this node's");
        findings.note(false, &what, &says);
    }
    let committed = own.map_or(0, |own| number(&own["status"]["committedIndex"]));
    let behind = committed.saturating_sub(number(&answer["status"]["appliedIndex"]));
    if behind > LAG_MAX {
        findings.note(false, &what, &format!("it lags: {behind} entries behind"));
    }
    if let Some(own) = own
        && own["leader"] != answer["leader"]
    {
        let says = format!("it says that {} leads", answer["leader"]);
        findings.note(false, &what, &says);
    }
}

fn about_certificates(findings: &mut Findings, tls: &Path) {
    let mut first: Option<(f64, String)> = None;
    for folder in [tls.to_owned(), tls.join("etcd")] {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.extension().is_none_or(|end| end != "crt") {
                continue;
            }
            let place = path.display();
            let end = std::fs::read(&path).map_err(|error| error.to_string());
            match end.and_then(|pem| skerry_pki::examine_certificates(&pem)) {
                Ok(end) => {
                    let left = days_left(u64::try_from(end).unwrap_or(0), now());
                    if left < DAYS_MIN {
                        let says = format!("{place} has {left:.0} days left");
                        findings.note(false, "certificates", &says);
                    }
                    if first.as_ref().is_none_or(|(least, _)| left < *least) {
                        first = Some((left, place.to_string()));
                    }
                }
                Err(error) => findings.note(false, "certificates", &format!("{place}: {error}")),
            }
        }
    }
    if tls.join(succession::NEXT).exists() {
        findings.note(false, "certificates", succession::RESTART);
    }
    match first {
        Some((left, place)) if left >= DAYS_MIN => {
            let says = format!("the first to end has {left:.0} days left: {place}");
            findings.note(true, "certificates", &says);
        }
        Some(_) => {}
        None => findings.note(false, "certificates", "there are none"),
    }
}

fn about_manifests(findings: &mut Findings, manifests: &Value) {
    for part in ["files", "unreadable"] {
        let all = manifests[part].as_array().into_iter().flatten();
        for file in all.filter(|file| file["error"].is_string()) {
            let text = |field: &str| file[field].as_str().unwrap_or_default().to_owned();
            let says = format!("{}: {}", text("path"), text("error"));
            findings.note(false, "manifests", &says);
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
