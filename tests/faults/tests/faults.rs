//! Short forms of the fault tests. The long forms are the program's own:
//! `cargo run -p skerry-faults -- storm --seconds 3600 --seed 7`.
//!
//! Each runs the program by itself, because it puts itself into network namespaces. They need
//! root or user namespaces, `ip`, `nft` and `unshare`; where those are refused, the tests say
//! so and pass. Real etcd goes through a short form of the same, to show that the judges judge.

// What a run did is told on standard output.
#![allow(clippy::print_stdout)]

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One at a time: elections are timed, and two storms would starve each other.
static ALONE: Mutex<()> = Mutex::new(());

fn passes(arguments: &[&str]) {
    if let Some((passed, failure)) = run(arguments) {
        assert!(passed, "skerry-faults {}:\n{failure}", arguments.join(" "));
    }
}

/// Whether it passed, and why not; `None`: this machine does not allow it.
fn run(arguments: &[&str]) -> Option<(bool, String)> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let namespaces = matches!(
        arguments.first(),
        Some(&"storm" | &"quorum" | &"peers" | &"space")
    );
    if namespaces && !skerry_faults::network::allowed() {
        println!("skipped: this machine does not allow network namespaces");
        return None;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_skerry-faults"))
        .args(arguments)
        .output()
        .expect("the program is built with its tests");
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    Some((
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn three_members_lose_nothing_while_killed_paused_and_cut_off() {
    passes(&["storm", "--seconds", "80", "--seed", "1"]);
}

#[test]
fn a_member_without_quorum_refuses_writes_in_time_serves_old_state_and_resumes() {
    passes(&["quorum"]);
}

#[test]
fn a_member_whose_peer_ports_are_cut_is_read_only_with_a_warning_and_comes_back_by_itself() {
    passes(&["peers"]);
}

#[test]
fn a_lone_member_killed_again_and_again_has_all_it_acknowledged() {
    passes(&["power", "--kills", "20", "--seed", "1"]);
}

#[test]
fn damaged_files_stop_a_member_and_a_torn_end_of_the_log_does_not() {
    passes(&["damage", "--seed", "1"]);
}

#[test]
fn a_member_whose_disk_ran_full_has_all_it_acknowledged_once_there_is_room() {
    passes(&["space"]);
}

#[test]
fn watchers_that_never_read_cost_no_memory_and_miss_nothing() {
    passes(&["slow"]);
}

#[test]
fn a_lease_never_expires_early_whatever_happens_to_the_leader() {
    passes(&["lease", "--seed", "1"]);
}

#[test]
fn real_etcd_passes_the_same_storm() {
    passes(&["storm", "--peer", "etcd", "--seconds", "20", "--seed", "1"]);
}

#[test]
fn real_etcd_passes_the_same_kills() {
    passes(&["power", "--peer", "etcd", "--kills", "3", "--seed", "1"]);
}

/// Whether a storm makes a stale read happen at all is up to the machine: on a quick one a follower
/// may never be seen behind. One storm after another is run until one was.
#[test]
fn reads_that_are_stale_do_not_pass_as_linearizable() {
    const STORMS_MAX: u32 = 12;
    for seed in 1..=STORMS_MAX {
        let seed = seed.to_string();
        let told = run(&[
            "storm",
            "--peer",
            "etcd",
            "--seconds",
            "5",
            "--seed",
            &seed,
            "--stale-reads",
        ]);
        let Some((passed, failure)) = told else {
            return;
        };
        if !passed {
            // Either judge may be the first to see it: the one of revisions, or the one of orders.
            let noticed = ["is stale: revision", "no order of the operations explains"];
            assert!(noticed.iter().any(|it| failure.contains(it)), "{failure}");
            return;
        }
    }
    panic!("stale reads were not noticed in {STORMS_MAX} storms");
}
