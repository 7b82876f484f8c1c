//! Who is let in: the rules of joining, as a function of what the cluster looks like.
//!
//! Knows nothing about HTTP or consensus. Invariant: one name, one member that has started; of those
//! that have not, the leader knows.

use skerry_consensus::{Member, Status};

use crate::message::JoinRequest;
use crate::refusal::Refusal;

/// What to do with a request that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// This learner was added before for the same place and has not shown up: the answer got
    /// lost, or the power did. It makes way for a new one: whether it had begun to receive the
    /// log cannot be known, and a member that comes back without its log must not come back under
    /// its id.
    Replace(u64),
    /// The place of a started member, under its name: a box that lost its disk, or one that was
    /// replaced, unless that member still runs.
    Displace(u64),
    /// A member is to be added.
    New,
}

pub(crate) fn admit(status: &Status, request: &JoinRequest) -> Result<Admission, Refusal> {
    if let Some(theirs) = request.cluster_id
        && theirs != status.cluster_id
    {
        return Err(Refusal::OtherCluster {
            ours: status.cluster_id,
            theirs,
        });
    }
    let same_urls = |urls: &[String]| {
        urls.len() == request.peer_urls.len()
            && urls.iter().all(|url| request.peer_urls.contains(url))
    };
    let mut before = None;
    for (id, member, learner) in &status.members {
        let started = !member.name.is_empty();
        let returns = !started && *learner && same_urls(&member.peer_urls);
        if started && member.name == request.name {
            if same_urls(&member.peer_urls) {
                return Ok(Admission::Displace(*id));
            }
            return Err(duplicate(request, *id, member));
        }
        if returns {
            before = Some(*id);
        }
    }
    Ok(before.map_or(Admission::New, Admission::Replace))
}

pub(crate) fn duplicate(request: &JoinRequest, id: u64, member: &Member) -> Refusal {
    Refusal::DuplicateName {
        name: request.name.clone(),
        id,
        urls: member.peer_urls.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::{member, status};
    use crate::message::tests::request;

    fn decide(members: &[(u64, &str, &str)]) -> Result<Admission, Refusal> {
        let members = members
            .iter()
            .map(|(id, name, url)| (*id, member(name, url), name.is_empty()))
            .collect();
        admit(&status(members), &request())
    }

    #[test]
    fn a_new_name_at_a_new_place_is_let_in() {
        assert_eq!(
            decide(&[(1, "one", "https://127.0.0.1:2380")]),
            Ok(Admission::New)
        );
    }

    #[test]
    fn one_that_was_let_in_and_never_showed_up_makes_way_for_itself() {
        let members = [
            (1, "one", "https://127.0.0.1:2380"),
            (7, "", "https://127.0.0.2:2380"),
        ];
        assert_eq!(decide(&members), Ok(Admission::Replace(7)));
    }

    #[test]
    fn a_voter_never_makes_way_even_if_it_has_not_told_its_name_yet() {
        let voter = vec![(7, member("", "https://127.0.0.2:2380"), false)];
        let admission = admit(&status(voter), &request());
        // Adding the member is then refused for its URLs.
        assert_eq!(admission, Ok(Admission::New));
    }

    #[test]
    fn the_name_of_a_started_member_is_taken_but_at_its_own_address() {
        let elsewhere = [(0xab, "two", "https://127.0.0.9:2380")];
        let refusal = decide(&elsewhere).unwrap_err().to_string();
        assert!(
            refusal
                .starts_with("duplicate node name found, please use a unique name for this node"),
            "{refusal}"
        );
        assert!(refusal.contains("skerry member remove ab"), "{refusal}");
        let there = [(0xab, "two", "https://127.0.0.2:2380")];
        assert_eq!(decide(&there), Ok(Admission::Displace(0xab)));
    }

    #[test]
    fn a_node_of_another_cluster_is_told_so() {
        let mut request = request();
        request.cluster_id = Some(99);
        let refusal = admit(&status(vec![]), &request).unwrap_err();
        assert!(
            matches!(refusal, Refusal::OtherCluster { theirs: 99, .. }),
            "{refusal}"
        );
        request.cluster_id = Some(status(vec![]).cluster_id);
        assert!(admit(&status(vec![]), &request).is_ok());
    }
}
