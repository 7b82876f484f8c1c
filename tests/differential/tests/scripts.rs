//! Scripts by seed: Skerry answers as etcd does, and the comparison would notice if not.
//!
//! `SKERRY_DIFFERENTIAL_SECONDS` makes the run long; the seeds go on from where the short one
//! ends. A failing script is shortened and printed with the command that replays it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_differential::compare::{Coverage, Pair, run};
use skerry_tests_differential::generate::{Profile, script};
use skerry_tests_differential::shrink::shrink;
use std::time::{Duration, Instant};

const STEPS: usize = 150;
const SHRINK_BUDGET: Duration = Duration::from_secs(60);

/// Every profile with every seed; all failures are told, not the first alone.
async fn are_answered_alike(pair: &Pair, profiles: &[Profile], seeds: std::ops::Range<u64>) {
    let long = std::env::var("SKERRY_DIFFERENTIAL_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let until = Instant::now() + Duration::from_secs(long.unwrap_or(0));
    let mut reports = Vec::new();
    for seed in seeds.start.. {
        if seed >= seeds.end && Instant::now() >= until {
            break;
        }
        for profile in profiles {
            println!("{} {seed}", profile.name());
            let script = script(*profile, seed, STEPS);
            let found = run(pair, &script, &mut Coverage::new()).await.unwrap();
            let Some(difference) = found else { continue };
            let shrunk = shrink(pair, &script, difference, SHRINK_BUDGET)
                .await
                .unwrap();
            let replay = format!(
                "cargo run -p skerry-tests-differential -- --profile {} --seed {seed} \
                 --steps {STEPS} --members {}",
                profile.name(),
                pair.tested.1
            );
            reports.push(shrunk.report(&script, &replay));
        }
    }
    assert!(reports.is_empty(), "{}", reports.join("\n=====\n"));
}

#[tokio::test]
async fn one_member_answers_as_etcd_does() {
    are_answered_alike(&Pair::skerry(1), &Profile::ALL, 1..3).await;
}

#[tokio::test]
async fn three_members_answer_as_one_etcd_does() {
    // Membership differs by itself; the rest must not.
    let profiles = Profile::ALL
        .into_iter()
        .filter(|p| *p != Profile::Maintenance && *p != Profile::Malformed);
    are_answered_alike(&Pair::skerry(3), &profiles.collect::<Vec<_>>(), 11..12).await;
}

#[tokio::test]
async fn two_etcds_answer_alike() {
    are_answered_alike(
        &Pair::etcd(1),
        &[Profile::Kv, Profile::Watch, Profile::Auth],
        1..2,
    )
    .await;
}

#[tokio::test]
async fn a_server_with_another_limit_is_told_apart() {
    let mut pair = Pair::etcd(1);
    pair.tested_flags.push("--max-txn-ops=3".into());
    let script = script(Profile::Txn, 1, STEPS);
    let difference = run(&pair, &script, &mut Coverage::new())
        .await
        .unwrap()
        .unwrap();
    assert!(
        difference.tested.0.contains("too many operations"),
        "{difference}"
    );
}

#[tokio::test]
async fn a_server_that_lost_a_write_is_told_apart_and_the_script_is_shortened() {
    let mut pair = Pair::etcd(1);
    let script = script(Profile::Kv, 1, STEPS);
    pair.lost_key = Some("dir/a");
    let difference = run(&pair, &script, &mut Coverage::new())
        .await
        .unwrap()
        .unwrap();
    let shrunk = shrink(&pair, &script, difference, Duration::from_secs(20))
        .await
        .unwrap();
    println!("{}", shrunk.report(&script, "replay"));
    assert!(shrunk.kept.len() <= 4, "{:?}", shrunk.kept);
}
