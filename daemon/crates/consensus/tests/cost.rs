//! What a member costs: printed, for comparison; the bound is far above what it is.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::*;

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[test]
fn an_idle_member_takes_little_memory() {
    run(async {
        // The libraries' own tables are not the member's cost.
        drop(Authority::new());
        let before = resident_bytes();
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        settled(|| propose(&handle, put("k", "v"))).await;
        let after = resident_bytes();
        let cost = after.saturating_sub(before);
        println!("one idle member: {} KB resident", cost >> 10);
        assert!(cost < 16 << 20, "{cost} bytes");
        drop(handle);
        cluster.stop_all().await;
    });
}
