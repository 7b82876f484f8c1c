//! The bounds of the queue, without a store.

use super::*;
use skerry_store::Payload;

fn entries(from: u64, count: u64) -> Vec<Entry> {
    let log_id = |index| LogId {
        term: 1,
        node_id: 1,
        index,
    };
    (from..from + count)
        .map(|i| Entry {
            log_id: log_id(i),
            payload: Payload::Blank,
        })
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn who_hands_over_waits_while_the_queue_is_full_and_goes_on_when_it_is_worked_off() {
    block_on(async {
        let queue = Queue::new(0);
        let store = StoreHandle::new(Arc::clone(&queue));
        store
            .apply(entries(0, 1), APPLY_QUEUE_BYTES_MAX)
            .await
            .unwrap();
        let full = store.apply(entries(1, 1), 1);
        tokio::pin!(full);
        assert!(futures_util::poll!(&mut full).is_pending());
        let Next::Apply(taken, bytes) = queue.next(Duration::ZERO) else {
            panic!("no entries")
        };
        assert_eq!((taken.len(), bytes), (1, APPLY_QUEUE_BYTES_MAX));
        assert!(
            futures_util::poll!(&mut full).is_pending(),
            "applied is what counts, not taken"
        );
        queue.release(bytes);
        full.await.unwrap();
    });
}

#[test]
fn a_single_hand_over_larger_than_the_bound_is_taken() {
    block_on(async {
        let store = StoreHandle::new(Queue::new(0));
        store
            .apply(entries(0, 1), 2 * APPLY_QUEUE_BYTES_MAX)
            .await
            .unwrap();
    });
}

#[test]
fn a_transaction_takes_what_waits_but_no_more_than_its_bounds() {
    block_on(async {
        let queue = Queue::new(0);
        let store = StoreHandle::new(Arc::clone(&queue));
        let max = APPLY_BATCH_ENTRIES_MAX as u64;
        for (from, count, bytes) in [(0, 1, 1), (1, max - 1, 1), (max, 1, APPLY_BATCH_BYTES_MAX)] {
            store.apply(entries(from, count), bytes).await.unwrap();
        }
        store.apply(entries(max + 1, 1), 1).await.unwrap();
        let mut sizes = Vec::new();
        while let Next::Apply(taken, _) = queue.next(Duration::ZERO) {
            sizes.push(taken.len());
        }
        assert_eq!(sizes, [max as usize, 1, 1]);
    });
}

#[test]
fn jobs_keep_their_place_between_entries() {
    block_on(async {
        let queue = Queue::new(0);
        let store = StoreHandle::new(Arc::clone(&queue));
        store.apply(entries(0, 1), 1).await.unwrap();
        store.promote(1);
        store.apply(entries(1, 1), 1).await.unwrap();
        assert!(matches!(queue.next(Duration::ZERO), Next::Apply(..)));
        assert!(matches!(
            queue.next(Duration::ZERO),
            Next::Other(Job::Promote { .. })
        ));
        assert!(matches!(queue.next(Duration::ZERO), Next::Apply(..)));
        assert!(matches!(queue.next(Duration::ZERO), Next::Idle));
    });
}

#[test]
fn after_a_failure_everybody_learns_the_reason() {
    block_on(async {
        let queue = Queue::new(0);
        let store = StoreHandle::new(Arc::clone(&queue));
        let waiting = store.flush();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        queue.fail("the disk is gone");
        assert_eq!(waiting.await.unwrap_err().to_string(), "the disk is gone");
        let later = store.apply(entries(0, 1), 1).await.unwrap_err();
        assert_eq!(later.to_string(), "the disk is gone");
    });
}

#[test]
fn closing_works_off_what_waits_unless_it_is_abandoned() {
    block_on(async {
        for (how, applied) in [(Closing::Flush, true), (Closing::Abandon, false)] {
            let queue = Queue::new(0);
            let store = StoreHandle::new(Arc::clone(&queue));
            store.apply(entries(0, 1), 1).await.unwrap();
            store.close(how);
            assert!(store.flush().await.is_err());
            let next = queue.next(Duration::from_secs(60));
            assert_eq!(matches!(next, Next::Apply(..)), applied);
            assert!(matches!(queue.next(Duration::from_secs(60)), Next::End(end) if end == how));
        }
    });
}
