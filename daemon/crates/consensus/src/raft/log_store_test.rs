//! What openraft is told only once it is durable, and what it is never told.

use std::sync::Arc;

use futures_util::StreamExt;
use openraft::entry::RaftEntry;
use skerry_log::RealDisk;

use super::super::types::{LeaderId, Payload};
use super::*;
use crate::apply::Queue;

fn entry(index: u64) -> (u64, Bytes) {
    let leader = LeaderId {
        term: 1,
        node_id: 1,
    };
    let entry = Entry::new(LogId::new(leader, index), Payload::Blank);
    (index, record::encode_entry(&entry))
}

/// A log with entries 0 to 9 of which nothing is durable before its writer runs.
fn log_of_ten(dir: &std::path::Path) -> (LogStore, skerry_log::Writer) {
    let (log, _, writer) = Log::open(
        Arc::new(RealDisk::new()),
        dir,
        skerry_log::Options::default(),
    )
    .unwrap();
    log.append((0..10).map(entry).collect(), Box::new(|_| {}))
        .unwrap();
    (LogStore::new(log, StoreHandle::new(Queue::new(0))), writer)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn a_truncation_returns_only_once_it_is_durable() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, writer) = log_of_ten(&dir.path().join("log"));
        let log = store.log.clone();
        let kept = record::decode_entry(&entry(4).1).unwrap().log_id;
        let truncation = store.truncate_after(Some(kept));
        tokio::pin!(truncation);
        assert!(futures_util::poll!(&mut truncation).is_pending());
        assert_eq!(log.next_index(), 5, "readers see it at once");
        let thread = std::thread::spawn(move || writer.run(|| {}));
        truncation.await.unwrap();
        log.close();
        thread.join().unwrap().unwrap();
    });
}

#[test]
fn entries_that_are_gone_are_no_hole_for_a_follower_and_an_error_for_the_state() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _writer) = log_of_ten(&dir.path().join("log"));
        assert_eq!(store.limited_get_log_entries(2, 6).await.unwrap().len(), 4);
        let id = record::encode_log_id(&record::decode_entry(&entry(3).1).unwrap().log_id);
        store.log.purge_upto(3, id, Box::new(|_| {})).unwrap();
        assert!(
            store
                .limited_get_log_entries(2, 6)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(store.limited_get_log_entries(4, 6).await.unwrap().len(), 2);
        for (range, sound) in [(4..10, 6), (2..6, 0), (8..12, 2)] {
            let read: Vec<_> = store.entries_stream(range.clone()).await.collect().await;
            let whole = read.iter().all(Result::is_ok);
            assert_eq!(read.iter().filter(|one| one.is_ok()).count(), sound);
            assert_eq!(whole, range == (4..10), "{range:?}");
        }
    });
}
