//! Runs one kind of fault test for as long as asked; CI runs short forms of the same.

// What a run did is told on standard output.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use skerry_faults::fleet::{Fleet, Plan};
use skerry_faults::limits::MEMBERS;
use skerry_faults::quorum::Loss;
use skerry_faults::storm::Storm;
use skerry_faults::{damage, lease, network, peers, power, quorum, slow, space, storm};
use skerry_tests_harness::Kind;

const USAGE: &str = "usage: skerry-faults storm|quorum|peers|lease|power|damage|space|slow [--peer skerry|etcd] [--seconds N] \
                     [--seed N] [--kills N] [--dir PATH] [--fault NAME] [--stale-reads] \
                     [--default-timeouts]";

struct Arguments {
    scenario: String,
    kind: Kind,
    seconds: u64,
    seed: u64,
    kills: usize,
    folder: Option<PathBuf>,
    stale_reads: bool,
    fault: String,
    default_timeouts: bool,
}

fn arguments() -> Result<Arguments> {
    let mut given = Arguments {
        scenario: String::new(),
        kind: Kind::Skerry,
        seconds: 80,
        seed: 1,
        kills: 20,
        folder: None,
        stale_reads: false,
        fault: String::new(),
        default_timeouts: false,
    };
    let mut parser = lexopt::Parser::from_env();
    let number = |value: OsString| -> Result<u64> {
        let text = value.to_string_lossy();
        text.parse()
            .with_context(|| format!("not a number: {text}"))
    };
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("peer") => {
                given.kind = match parser.value()?.to_str() {
                    Some("skerry") => Kind::Skerry,
                    Some("etcd") => Kind::Etcd,
                    _ => bail!("--peer is skerry or etcd\n{USAGE}"),
                }
            }
            lexopt::Arg::Long("seconds") => given.seconds = number(parser.value()?)?,
            lexopt::Arg::Long("seed") => given.seed = number(parser.value()?)?,
            lexopt::Arg::Long("kills") => given.kills = usize::try_from(number(parser.value()?)?)?,
            lexopt::Arg::Long("dir") => given.folder = Some(PathBuf::from(parser.value()?)),
            lexopt::Arg::Long("fault") => {
                given.fault = parser.value()?.to_string_lossy().into_owned();
            }
            lexopt::Arg::Long("default-timeouts") => given.default_timeouts = true,
            lexopt::Arg::Long("stale-reads") => given.stale_reads = true,
            lexopt::Arg::Value(value) if given.scenario.is_empty() => {
                given.scenario = value.to_string_lossy().into_owned();
            }
            _ => bail!("{}\n{USAGE}", argument.unexpected()),
        }
    }
    Ok(given)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let given = arguments()?;
    let plan = |members, namespaces| Plan {
        kind: given.kind,
        members,
        namespaces,
        default_timeouts: given.default_timeouts,
        folder: given.folder.clone(),
    };
    match given.scenario.as_str() {
        "storm" => {
            network::enter()?;
            let mut fleet = Fleet::start(&plan(MEMBERS, true)).await?;
            let duration = Duration::from_secs(given.seconds);
            let storm = Storm {
                seed: given.seed,
                duration,
                fault: given.fault,
                stale_reads: given.stale_reads,
            };
            let report = storm::run(&mut fleet, &storm).await?;
            println!("{report:#?}");
        }
        "quorum" => {
            network::enter()?;
            let mut fleet = Fleet::start(&plan(MEMBERS, true)).await?;
            let leader = fleet.cluster.leader().await?;
            quorum::run(&mut fleet, Loss::Killed, leader).await?;
            quorum::run(&mut fleet, Loss::Paused, 0).await?;
            let leader = fleet.cluster.leader().await?;
            quorum::run(&mut fleet, Loss::Isolated, leader).await?;
        }
        "peers" => {
            network::enter()?;
            peers::run().await?;
        }
        "lease" => {
            let mut fleet = Fleet::start(&plan(MEMBERS, false)).await?;
            lease::run(&mut fleet, given.seed).await?;
        }
        "power" => {
            let mut fleet = Fleet::start(&plan(1, false)).await?;
            power::run(&mut fleet, given.seed, given.kills).await?;
        }
        "damage" => {
            anyhow::ensure!(given.kind == Kind::Skerry, "the files are those of skerry");
            let mut fleet = Fleet::start(&plan(1, false)).await?;
            damage::run(&mut fleet, given.seed).await?;
        }
        "space" => {
            network::enter()?;
            space::run(&plan(1, true)).await?;
        }
        "slow" => {
            let mut fleet = Fleet::start(&plan(1, false)).await?;
            slow::run(&mut fleet).await?;
        }
        other => bail!("no such test: {other:?}\n{USAGE}"),
    }
    println!("passed");
    Ok(())
}
