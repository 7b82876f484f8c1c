//! The same entries give the same state on every member, however they come and whatever each
//! member does for itself in between.

use skerry_proto::command::command::Operation;
use skerry_store::{Entry, Payload, Store, View};

use crate::model::Model;
use crate::model_test::refused;
use crate::random::Random;
use crate::script::Script;
use crate::support::{entry, log_id, rounds, store};

/// The entries of a script, commands of all kinds and what comes between them.
fn entries(seed: u64, count: u64) -> Vec<Entry> {
    let mut script = Script::new(seed);
    let mut model = Model::new();
    let mut entries = Vec::new();
    for index in 0..count {
        entries.push(match script.random.below(30) {
            0 => Entry {
                log_id: log_id(index),
                payload: Payload::Blank,
            },
            1 => Entry {
                log_id: log_id(index),
                payload: Payload::Membership(index.to_be_bytes().to_vec().into()),
            },
            2 => crate::support::raw_entry(index, b"not a command".to_vec().into()),
            _ => {
                let operation: Operation = script.operation(model.revision);
                let _answer = model.apply(&operation);
                entry(index, operation)
            }
        });
    }
    entries
}

/// Applies all entries in batches of any size, with durable commits and compaction in between.
fn apply(store: &mut Store, entries: &[Entry], random: &mut Random) -> Vec<String> {
    let mut answers = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let count = 1 + random.below(rest.len().min(40) as u64) as usize;
        let (batch, later) = rest.split_at(count);
        rest = later;
        let applied = store.apply(batch).expect("the store works");
        answers.extend(applied.applied.iter().map(|answer| format!("{answer:?}")));
        if random.one_in(2) {
            store.compact_step().expect("the store works");
        }
        if random.one_in(4) {
            store.commit_durable().expect("the store works");
        }
    }
    answers
}

fn hash(view: &View) -> u32 {
    view.hash().expect("the store works")
}

#[test]
fn batches_commits_and_compaction_do_not_show_in_answers_or_hashes() {
    for seed in 0..40 * rounds() {
        let entries = entries(seed, 300);
        let (mut one, mut other) = (store(), store());
        let answers = apply(&mut one, &entries, &mut Random::new(seed));
        let again = apply(&mut other, &entries, &mut Random::new(seed + 1_000));
        assert_eq!(answers, again, "seed {seed}");
        let (one, other) = (one.reader(), other.reader());
        let (one, other) = (one.view().expect("a view"), other.view().expect("a view"));
        assert_eq!(hash(&one), hash(&other), "seed {seed}");
        for revision in 0..=one.revision() + 1 {
            let hashes = (
                refused(one.hash_kv(revision)),
                refused(other.hash_kv(revision)),
            );
            assert_eq!(hashes.0, hashes.1, "seed {seed} revision {revision}");
        }
        assert_eq!(one.applied(), Some(log_id(299)));
        assert_eq!(
            one.membership().expect("a view"),
            other.membership().expect("a view")
        );
    }
}

#[test]
fn the_physical_compaction_changes_no_hash_and_gives_back_space() {
    let entries = entries(5, 400);
    let mut store = store();
    store.apply(&entries).expect("the store works");
    let reader = store.reader();
    let before = reader.view().expect("a view");
    assert!(before.compact_revision() > 1);
    let mut steps = 0;
    while store.compact_step().expect("the store works") {
        steps += 1;
        assert!(steps < 10_000);
    }
    let after = reader.view().expect("a view");
    assert_eq!(hash(&before), hash(&after));
    assert_eq!(refused(before.hash_kv(0)), refused(after.hash_kv(0)));
    assert!(after.size_in_use_bytes() < before.size_in_use_bytes());
}

#[test]
fn a_hash_shows_any_difference() {
    let entries = entries(9, 200);
    let mut whole = store();
    whole.apply(&entries).expect("the store works");
    let mut shorter = store();
    shorter.apply(&entries[..199]).expect("the store works");
    let (whole, shorter) = (whole.reader(), shorter.reader());
    let (whole, shorter) = (
        whole.view().expect("a view"),
        shorter.view().expect("a view"),
    );
    assert_ne!(hash(&whole), hash(&shorter));
}

#[test]
fn entries_that_were_applied_are_skipped_and_change_nothing() {
    for seed in 0..10 {
        let entries = entries(seed, 120);
        let mut store = store();
        store.apply(&entries[..80]).expect("the store works");
        let before = hash(&store.reader().view().expect("a view"));
        let again = store.apply(&entries[..80]).expect("the store works");
        assert!(again.applied.is_empty() && again.events.is_empty());
        assert_eq!(hash(&store.reader().view().expect("a view")), before);
        // A batch that begins with entries from before goes on with the new ones.
        let overlapping = store.apply(&entries[40..]).expect("the store works");
        let first = overlapping.applied.first().expect("new answers");
        assert!(first.log_id.index >= 80);
        let mut straight = crate::support::store();
        straight.apply(&entries).expect("the store works");
        let straight = straight.reader();
        let reached = hash(&store.reader().view().expect("a view"));
        assert_eq!(
            reached,
            hash(&straight.view().expect("a view")),
            "seed {seed}"
        );
    }
}
