//! `differential`: runs scripts by seed, for a time, or replays a part of one.
//!
//! cargo run -p skerry-tests-differential -- [--profile NAME] [--seed N] [--steps N]
//!     [--keep 1,2,3] [--members N] [--seconds N] [--against-etcd]

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use anyhow::{Context, Result, bail};
use lexopt::{Arg, ValueExt};
use skerry_tests_differential::compare::{Coverage, Pair, run};
use skerry_tests_differential::generate::{Profile, script};
use skerry_tests_differential::script::Step;
use skerry_tests_differential::shrink::shrink;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Arguments {
    profiles: Vec<Profile>,
    seed: u64,
    steps: usize,
    keep: Option<Vec<usize>>,
    members: usize,
    seconds: u64,
    against_etcd: bool,
    shrink_seconds: u64,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments {
        profiles: Profile::ALL.to_vec(),
        seed: 1,
        steps: 200,
        keep: None,
        members: 1,
        seconds: 0,
        against_etcd: false,
        shrink_seconds: 60,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("profile") => parsed.profiles = vec![parser.value()?.string()?.parse()?],
            Arg::Long("seed") => parsed.seed = parser.value()?.parse()?,
            Arg::Long("steps") => parsed.steps = parser.value()?.parse()?,
            Arg::Long("members") => parsed.members = parser.value()?.parse()?,
            Arg::Long("seconds") => parsed.seconds = parser.value()?.parse()?,
            Arg::Long("shrink-seconds") => parsed.shrink_seconds = parser.value()?.parse()?,
            Arg::Long("against-etcd") => parsed.against_etcd = true,
            Arg::Long("keep") => {
                let list = parser.value()?.string()?;
                let indices = list.split(',').map(str::parse).collect::<Result<_, _>>();
                parsed.keep = Some(indices.context("--keep takes indices: 1,2,3")?);
            }
            other => bail!("{}", other.unexpected()),
        }
    }
    Ok(parsed)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match compare().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn compare() -> Result<()> {
    let arguments = arguments()?;
    let pair = if arguments.against_etcd {
        Pair::etcd(arguments.members)
    } else {
        Pair::skerry(arguments.members)
    };
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let (mut coverage, mut failures) = (Coverage::new(), 0);
    for seed in arguments.seed.. {
        for profile in &arguments.profiles {
            failures += usize::from(!one(*profile, seed, &arguments, &pair, &mut coverage).await?);
        }
        if Instant::now() >= until {
            break;
        }
    }
    for (kind, count) in &coverage {
        println!("{count:6} {kind}");
    }
    if failures > 0 {
        bail!("{failures} scripts were answered differently");
    }
    Ok(())
}

/// Whether both answered alike.
async fn one(
    profile: Profile,
    seed: u64,
    arguments: &Arguments,
    pair: &Pair,
    coverage: &mut Coverage,
) -> Result<bool> {
    let whole = script(profile, seed, arguments.steps);
    let part: Vec<Step> = match &arguments.keep {
        Some(keep) => keep
            .iter()
            .filter_map(|index| whole.get(*index).cloned())
            .collect(),
        None => whole.clone(),
    };
    println!("{} {seed}: {} steps", profile.name(), part.len());
    if arguments.keep.is_some() {
        for Step { user, request } in &part {
            println!("as {user:?}: {request:?}");
        }
    }
    let Some(difference) = run(pair, &part, coverage).await? else {
        return Ok(true);
    };
    if arguments.keep.is_some() || arguments.shrink_seconds == 0 {
        println!("{difference}");
        return Ok(false);
    }
    let budget = Duration::from_secs(arguments.shrink_seconds);
    let shrunk = shrink(pair, &whole, difference, budget).await?;
    let replay = format!(
        "cargo run -p skerry-tests-differential -- --profile {} --seed {seed} --steps {} --members {}{}",
        profile.name(),
        arguments.steps,
        arguments.members,
        if arguments.against_etcd {
            " --against-etcd"
        } else {
            ""
        }
    );
    println!("{}", shrunk.report(&whole, &replay));
    Ok(false)
}
