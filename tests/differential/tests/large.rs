//! Values near the limit: answers and watch responses of many megabytes, whole and in fragments.
#![allow(clippy::unwrap_used)]

use skerry_tests_differential::compare::{Coverage, Pair, run};
use skerry_tests_differential::script::{Request, Step, Watching};
use skerry_tests_harness::proto::etcdserverpb as pb;

fn put(n: u8, size: usize) -> Request {
    Request::Put(pb::PutRequest {
        key: vec![b'k', n].into(),
        value: vec![n; size].into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn megabytes_come_back_as_they_went_in() {
    const VALUE_BYTES: usize = 1_000_000;
    let mut requests = (0..12).map(|n| put(n, VALUE_BYTES)).collect::<Vec<_>>();
    let range = |limit| {
        Request::Range(pb::RangeRequest {
            key: "k".into(),
            range_end: "l".into(),
            limit,
            ..Default::default()
        })
    };
    requests.extend([range(0), range(3)]);
    for fragment in [false, true] {
        let create = |prev_kv| pb::WatchCreateRequest {
            key: "k".into(),
            range_end: "l".into(),
            start_revision: 1,
            prev_kv,
            fragment,
            ..Default::default()
        };
        requests.push(Request::Watch(Watching {
            creates: vec![create(false), create(true)],
            cancel: vec![],
            // Twice as much in one event, with the value before.
            writes: vec![put(1, VALUE_BYTES + 1), put(2, VALUE_BYTES + 2)],
        }));
    }
    requests.push(Request::DeleteRange(pb::DeleteRangeRequest {
        key: "k".into(),
        range_end: "l".into(),
        prev_kv: true,
    }));
    let script = requests
        .into_iter()
        .map(|request| Step {
            user: None,
            request,
        })
        .collect::<Vec<_>>();
    let pair = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
        Some(_) => Pair::etcd(1),
        None => Pair::skerry(1),
    };
    let difference = run(&pair, &script, &mut Coverage::new()).await.unwrap();
    if let Some(difference) = difference {
        panic!(
            "{}",
            difference
                .to_string()
                .chars()
                .take(20_000)
                .collect::<String>()
        );
    }
}
