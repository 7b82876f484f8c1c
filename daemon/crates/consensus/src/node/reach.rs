//! Whether this member has connections to enough voters for a quorum.
//!
//! Raft learns of a lost quorum by silence, an election timeout of it, and that is long on slow
//! flash. Connections that are closed or refused tell earlier, and for sure: whoever is alone can
//! neither lead nor elect, so nobody has to wait for that. Knows nothing about what is refused
//! then. Invariant: members that are merely slow, or have no leader just now, are in reach.

use std::time::Duration;

use tokio::time::Instant;

use super::Node;
use crate::peer::Class;

/// How long connections may be missing before it counts: a member that restarts is back by then,
/// or its place is taken by others that are there.
const OUT_OF_REACH: Duration = Duration::from_secs(2);

/// What the last looks have shown.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    lost: Option<Instant>,
}

impl Reach {
    /// Looks again. Told to the view, and to those who wait for what cannot come.
    pub(crate) fn look(&mut self, node: &Node) {
        let now = Instant::now();
        let out = self.judge(reaches_quorum(node), now);
        node.view.set_out_of_reach(out);
        if out {
            node.dispatch.give_up();
        }
    }

    fn judge(&mut self, reaches: bool, now: Instant) -> bool {
        let lost = (!reaches).then(|| self.lost.unwrap_or(now));
        self.lost = lost;
        lost.is_some_and(|lost| now.duration_since(lost) >= OUT_OF_REACH)
    }
}

fn reaches_quorum(node: &Node) -> bool {
    let view = &node.view;
    // A follower has nothing to do with the other followers while it hears of its leader.
    if !view.leads() && view.leader().is_some() && view.heard_lately(node.timing.heartbeat * 3) {
        return true;
    }
    let membership = view.membership();
    let configs = membership.membership().get_joint_config();
    configs.iter().all(|voters| {
        let there = voters.iter().filter(|voter| {
            **voter == view.member_id || node.links.get(**voter, Class::Control).is_connected()
        });
        voters.is_empty() || there.count() > voters.len() / 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_out_of_reach_once_its_connections_were_missing_for_a_while() {
        let mut reach = Reach::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert!(!reach.judge(false, start));
        assert!(!reach.judge(false, start + second));
        assert!(reach.judge(false, start + OUT_OF_REACH));
        assert!(!reach.judge(true, start + 3 * second), "back at once");
        assert!(
            !reach.judge(false, start + 4 * second),
            "from the beginning"
        );
        assert!(reach.judge(false, start + 4 * second + OUT_OF_REACH));
    }
}
