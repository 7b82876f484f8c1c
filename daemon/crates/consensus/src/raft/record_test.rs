//! What is written is read back, and everything else is refused.

use super::*;
use crate::Member;

fn id(term: u64, node_id: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id }, index)
}

fn membership() -> Membership {
    let peer = |name: &str, auto_promote| Peer {
        member: Member {
            name: name.into(),
            peer_urls: vec![format!("https://{name}:2380")],
            client_urls: vec![],
        },
        auto_promote,
    };
    let nodes = BTreeMap::from([
        (1, peer("a", false)),
        (2, peer("b", false)),
        (7, peer("c", true)),
    ]);
    Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).unwrap()
}

fn samples() -> Vec<Entry> {
    vec![
        Entry::new(id(1, 1, 0), Payload::Membership(membership())),
        Entry::new(id(2, 3, 1), Payload::Blank),
        Entry::new(
            id(u64::MAX, u64::MAX, u64::MAX),
            Payload::Normal(Data(Bytes::from_static(b"x"))),
        ),
        Entry::new(id(2, 3, 4), Payload::Normal(Data(Bytes::new()))),
    ]
}

#[test]
fn entries_votes_and_log_ids_are_read_back_as_they_were_written() {
    for entry in samples() {
        assert_eq!(decode_entry(&encode_entry(&entry)).unwrap(), entry);
        let id = entry.log_id();
        assert_eq!(decode_log_id(&encode_log_id(&id)).unwrap(), id);
    }
    for committed in [false, true] {
        let vote = Vote {
            leader_id: LeaderId {
                term: 7,
                node_id: 9,
            },
            committed,
        };
        assert_eq!(decode_vote(&encode_vote(&vote)).unwrap(), vote);
    }
    let stored = StoredMembership::new(Some(id(1, 2, 3)), membership());
    assert_eq!(
        decode_stored_membership(&encode_stored_membership(&stored)).unwrap(),
        stored
    );
}

#[test]
fn a_truncated_membership_is_refused() {
    let bytes = encode_entry(&samples()[0]);
    for cut in 0..bytes.len() {
        assert!(decode_entry(&bytes.slice(..cut)).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_membership_with_more_text_or_members_than_allowed_is_refused() {
    let long = Peer {
        member: Member {
            name: "n".repeat(MEMBER_TEXT_BYTES_MAX + 1),
            ..Member::default()
        },
        auto_promote: false,
    };
    let membership =
        Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, long)])).unwrap();
    let entry = Entry::new(id(1, 1, 0), Payload::Membership(membership));
    assert_eq!(
        decode_entry(&encode_entry(&entry)),
        Err(Malformed("membership"))
    );

    let many: BTreeMap<u64, Peer> = (0..=MEMBERS_MAX as u64)
        .map(|id| (id, Peer::default()))
        .collect();
    let membership = Membership::new(vec![BTreeSet::from([1])], many).unwrap();
    let entry = Entry::new(id(1, 1, 0), Payload::Membership(membership));
    assert!(decode_entry(&encode_entry(&entry)).is_err());
}
