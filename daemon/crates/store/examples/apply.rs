//! What applying, reading and opening cost: CPU microseconds an entry by batch size, microseconds
//! a read, bytes written an entry. A benchmark, not a test: it asserts nothing.
//!
//! `cargo run --profile bench-dev -p skerry-store --example apply -- [directory] [entries]`

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use skerry_proto::command::{Command, command::Operation};
use skerry_proto::etcdserverpb as pb;
use skerry_store::{Entry, KeyRange, LogId, Options, Payload, Store};

const KEYS: u64 = 20_000;
const VALUE_BYTES: usize = 1_024;
const DURABLE_EVERY: u64 = 5_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let entries = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60_000);
    println!("batch  us CPU/entry  us wall/entry  bytes written/entry  what");
    for batch in [1, 8, 64] {
        apply(&dir, entries, batch, "new keys, then updates");
    }
    read(&dir, entries);
}

fn put(index: u64) -> Entry {
    let put = pb::PutRequest {
        key: Bytes::from(format!("/registry/pods/default/pod-{:08}", index % KEYS)),
        value: Bytes::from(vec![index as u8; VALUE_BYTES]),
        ..pb::PutRequest::default()
    };
    let command = Command {
        operation: Some(Operation::Put(put)),
        ..Command::default()
    };
    Entry {
        log_id: LogId {
            term: 1,
            node_id: 1,
            index,
        },
        payload: Payload::Command(Bytes::from(command.encode_to_vec())),
    }
}

fn fresh(dir: &Path) -> PathBuf {
    let path = dir.join("apply-example.redb");
    let _absent = std::fs::remove_file(&path);
    path
}

fn apply(dir: &Path, entries: u64, batch: u64, what: &str) {
    let path = fresh(dir);
    let mut store = Store::open(&path, Options::default()).expect("a store");
    let (mut cpu, began) = (0.0, Instant::now());
    for first in (0..entries).step_by(batch as usize) {
        let last = (first + batch).min(entries);
        let made: Vec<Entry> = (first..last).map(put).collect();
        let before = cpu_seconds();
        store.apply(&made).expect("applied");
        if first / DURABLE_EVERY != last / DURABLE_EVERY {
            store.commit_durable().expect("durable");
        }
        cpu += cpu_seconds() - before;
    }
    let wall = began.elapsed().as_secs_f64();
    let (written, _) = store.reader().view().expect("a view").wear();
    let each = |total: f64| total / entries as f64;
    println!(
        "{batch:>5}  {:>12.1}  {:>13.1}  {:>19.0}  {what}",
        each(cpu * 1e6),
        each(wall * 1e6),
        each(written as f64),
    );
}

fn read(dir: &Path, entries: u64) {
    let path = dir.join("apply-example.redb");
    let began = Instant::now();
    let store = Store::open(&path, Options::default()).expect("a store");
    println!("open: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    drop(store);
    skerry_store::mark_for_check(&path).expect("a mark");
    let began = Instant::now();
    let mut store = Store::open(&path, Options::default()).expect("a store");
    let full = began.elapsed().as_secs_f64() * 1e3;
    println!("open with a full check: {full:.1} ms");
    let reader = store.reader();
    let view = reader.view().expect("a view");
    println!(
        "file {} MB, in use {} MB",
        view.size_bytes() >> 20,
        view.size_in_use_bytes() >> 20
    );
    drop(view);

    let mut next = entries;
    timed(
        "a view after a batch of one (with the batch)",
        2_000,
        || {
            store.apply(&[put(next)]).expect("applied");
            next += 1;
            reader.view().expect("a view");
        },
    );
    timed("a batch of one", 2_000, || {
        store.apply(&[put(next)]).expect("applied");
        next += 1;
    });
    timed("a view that is shared", 100_000, || {
        reader.view().expect("a view");
    });
    let view = reader.view().expect("a view");
    let mut at = 0;
    timed("get one key", 50_000, || {
        at = (at + 7_919) % KEYS;
        let request = pb::RangeRequest {
            key: Bytes::from(format!("/registry/pods/default/pod-{at:08}")),
            ..pb::RangeRequest::default()
        };
        view.range(&request).expect("a range");
    });
    let thousand = |revision: i64, keys_only: bool| pb::RangeRequest {
        key: Bytes::from_static(b"/registry/pods/default/pod-00005000"),
        range_end: Bytes::from_static(b"/registry/pods/default/pod-00006000"),
        revision,
        keys_only,
        ..pb::RangeRequest::default()
    };
    timed("range of 1,000 keys", 200, || {
        view.range(&thousand(0, false)).expect("a range");
    });
    timed("range of 1,000 keys, keys only", 200, || {
        view.range(&thousand(0, true)).expect("a range");
    });
    timed("range of 1,000 keys, an old revision", 200, || {
        let revision = view.revision() - KEYS as i64;
        view.range(&thousand(revision, false)).expect("a range");
    });
    timed("count of all keys", 20, || {
        let request = pb::RangeRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            count_only: true,
            ..pb::RangeRequest::default()
        };
        view.range(&request).expect("a range");
    });
    timed("4 MB of history", 20, || {
        view.events(2, &KeyRange::all(), 4 << 20).expect("history");
    });
    timed("hash of everything", 3, || {
        view.hash().expect("a hash");
    });
    let compaction = pb::CompactionRequest {
        revision: view.revision(),
        physical: false,
    };
    let command = Command {
        operation: Some(Operation::Compaction(compaction)),
        ..Command::default()
    };
    let mut entry = put(next);
    entry.payload = Payload::Command(Bytes::from(command.encode_to_vec()));
    store.apply(&[entry]).expect("applied");
    drop(view);
    let (began, mut steps) = (Instant::now(), 0);
    while store.compact_step().expect("a step") {
        steps += 1;
    }
    let each = began.elapsed().as_secs_f64() * 1e3 / f64::from(steps.max(1));
    println!("compaction: {steps} steps, {each:.2} ms each");
}

fn timed(what: &str, times: u32, mut action: impl FnMut()) {
    let began = Instant::now();
    for _ in 0..times {
        action();
    }
    let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(times);
    println!("{what}: {each:.2} us");
}

/// CPU time of this thread, from the kernel's own account.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("procfs");
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
