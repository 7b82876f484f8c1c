//! lease, lock and elect.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Both;

skerry_tests_etcdctl::with_one_and_with_three_members! {
    lease_commands_print_what_they_print_with_etcd,
    lease_keep_alive_goes_on_until_it_is_stopped,
    lock_runs_a_command_while_it_holds_the_lock_and_gives_it_back,
    elect_campaigns_and_observes,
}

async fn lease_commands_print_what_they_print_with_etcd(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    both.same("lease list");
    both.grant_lease(600);
    both.grant_lease(700);
    for command in [
        "put k v --lease=LEASE-0",
        "lease list",
        "put k2 v --lease=LEASE-0",
        "lease timetolive LEASE-0",
        "lease timetolive LEASE-0 --keys",
        "lease timetolive LEASE-1 --keys -w fields",
        "lease keep-alive --once LEASE-0",
        "lease keep-alive --once LEASE-0 -w json",
        "lease revoke LEASE-0",
        "lease revoke LEASE-0",
        "lease timetolive LEASE-0",
        "lease keep-alive --once LEASE-0",
        "get k",
        "lease grant x",
        "lease grant 99999999999",
        "lease revoke zzz",
    ] {
        both.same(command);
    }
    // Both leases are listed with -w json in the order of their ends.
    both.ends_the_same("lease list -w json");
    both.ends_the_same("lease grant 0");
    both.conclude();
}

async fn lease_keep_alive_goes_on_until_it_is_stopped(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    both.grant_lease(20);
    let background = both
        .start_background("lease keep-alive LEASE-0", "")
        .unwrap();
    both.finish(background, |text| text.contains("keepalived with TTL(20)"))
        .unwrap();
    both.conclude();
}

async fn lock_runs_a_command_while_it_holds_the_lock_and_gives_it_back(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    both.same("lock name -- echo held");
    // The exit code of the command is that of etcdctl.
    both.same("lock name -- sh -c 'exit 3'");
    both.same("get name --prefix");

    // Given somebody who holds it, another one waits until it is free.
    let mut holder = both.start_background("lock queue", "").unwrap();
    holder.wait_for(|text| text.contains("queue/")).unwrap();
    let mut waiting = both.start_background("lock queue -- echo now", "").unwrap();
    for side in [0, 1] {
        let owners = skerry_tests_harness::eventually(
            "two stand in line",
            std::time::Duration::from_secs(20),
            || {
                let owners = both.run(side, "get queue/ --prefix --keys-only", "").stdout;
                anyhow::ensure!(owners.split_whitespace().count() == 2, "{owners}");
                Ok(owners)
            },
        );
        owners.unwrap();
    }
    drop_and_wait(holder, &mut waiting);
    both.conclude();
}

fn drop_and_wait(
    holder: skerry_tests_etcdctl::Background,
    waiting: &mut skerry_tests_etcdctl::Background,
) {
    holder.interrupt().unwrap();
    waiting.wait_for(|text| text.contains("now")).unwrap();
}

async fn elect_campaigns_and_observes(members: usize) {
    let both = Both::start(members, [&[], &[]]).await.unwrap();
    let mut leader = both.start_background("elect name first", "").unwrap();
    leader.wait_for(|text| text.contains("first")).unwrap();
    let mut observer = both.start_background("elect -l name", "").unwrap();
    observer.wait_for(|text| text.contains("first")).unwrap();
    leader.interrupt().unwrap();
    let mut next = both.start_background("elect name second", "").unwrap();
    next.wait_for(|text| text.contains("second")).unwrap();
    observer.wait_for(|text| text.contains("second")).unwrap();
    observer.interrupt().unwrap();
    next.interrupt().unwrap();
    both.conclude();
}
