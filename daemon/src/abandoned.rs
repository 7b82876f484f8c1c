//! Tells, as an event, of new members that the leader has given up.
//!
//! Invariant: it is told once, by the one that removed the member.

use std::time::Duration;

use skerry_consensus::{Abandoned, Handle};
use skerry_kube::{EventNote, Local};

/// Tells for as long as the server runs.
pub(crate) async fn tell(handle: Handle, local: Local, node_name: String, stall: Duration) {
    let mut abandoned = handle.watch_abandoned();
    while abandoned.changed().await.is_ok() {
        let Some(member) = abandoned.borrow_and_update().clone() else {
            continue;
        };
        let message = words(&member, stall);
        let note = EventNote {
            kind: "Node",
            namespace: "",
            name: &node_name,
            reason: "MemberRemoved",
            warning: true,
            message: &message,
        };
        local.event(&note).await;
    }
}

fn words(member: &Abandoned, stall: Duration) -> String {
    format!(
        "the new member {:x} at {} made no progress for {} s and was removed: see whether this server reaches it there; start it with --rejoin to have it join again",
        member.id,
        member.peer_urls.join(", "),
        stall.as_secs()
    )
}
