//! Promises of the Watch service.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Member, delete, in_time, prefix_end, put};
use skerry_etcd::Options;
use skerry_etcd::limits::{MESSAGE_BYTES_MAX, WATCH_MAIL_MAX, WATCHERS_MAX};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::watch_create_request::FilterType;
use skerry_proto::etcdserverpb::watch_request::RequestUnion;
use skerry_proto::mvccpb::event::EventType;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// One watch stream of a client.
struct Stream {
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Stream {
    async fn open(member: &Member) -> Stream {
        let (requests, receiver) = mpsc::channel(16);
        let responses = member
            .watch()
            .await
            .watch(ReceiverStream::new(receiver))
            .await;
        Stream {
            requests,
            responses: responses.unwrap().into_inner(),
        }
    }

    async fn send(&self, request: RequestUnion) {
        let request = pb::WatchRequest {
            request_union: Some(request),
        };
        self.requests.send(request).await.unwrap();
    }

    /// Creates a watcher and returns the answer.
    async fn create(&mut self, request: pb::WatchCreateRequest) -> pb::WatchResponse {
        self.send(RequestUnion::CreateRequest(request)).await;
        let response = self.next().await;
        assert!(response.created);
        response
    }

    async fn next(&mut self) -> pb::WatchResponse {
        in_time(self.responses.message())
            .await
            .unwrap()
            .expect("the stream goes on")
    }

    async fn end(&mut self) -> Status {
        loop {
            match in_time(self.responses.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }

    /// Keys and revisions of so many events, which must all be of one watcher.
    async fn events(&mut self, watch_id: i64, count: usize) -> Vec<(String, i64)> {
        let mut events = Vec::new();
        while events.len() < count {
            let response = self.next().await;
            assert_eq!(response.watch_id, watch_id);
            assert!(!response.canceled, "{response:?}");
            for event in response.events {
                let kv = event.kv.unwrap();
                events.push((String::from_utf8(kv.key.to_vec()).unwrap(), kv.mod_revision));
            }
        }
        events
    }

    /// Waits for the answer to a question about progress.
    async fn progress(&mut self) -> i64 {
        self.send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {}))
            .await;
        let response = self.next().await;
        assert_eq!((response.watch_id, response.events.len()), (-1, 0));
        response.header.unwrap().revision
    }
}

fn key(key: &str) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest {
        key: key.as_bytes().to_vec().into(),
        ..Default::default()
    }
}

fn prefix(prefix: &str) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest {
        range_end: prefix_end(prefix).into(),
        ..key(prefix)
    }
}

async fn put_some(member: &Member, keys: &[&str]) -> Vec<(String, i64)> {
    let mut kv = member.kv().await;
    let mut revisions = Vec::new();
    for key in keys {
        let response = kv.put(put(key, "v")).await.unwrap().into_inner();
        revisions.push(((*key).to_owned(), response.header.unwrap().revision));
    }
    revisions
}

#[tokio::test]
async fn a_watcher_sees_what_comes_after_it_and_nothing_before() {
    let member = Member::start().await;
    let before = put_some(&member, &["a", "a"]).await;
    let mut stream = Stream::open(&member).await;
    let created = stream.create(key("a")).await;
    assert_eq!(created.watch_id, 0);
    assert_eq!(created.header.unwrap().revision, before[1].1);
    let after = put_some(&member, &["a", "b", "a"]).await;
    assert_eq!(
        stream.events(0, 2).await,
        [after[0].clone(), after[2].clone()]
    );
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_from_the_past_reads_history_and_goes_on() {
    let member = Member::start().await;
    let mut expected = put_some(&member, &["a", "b", "a"]).await;
    let mut stream = Stream::open(&member).await;
    let start_revision = expected[0].1;
    stream
        .create(pb::WatchCreateRequest {
            start_revision,
            ..prefix("a")
        })
        .await;
    expected.remove(1);
    assert_eq!(stream.events(0, 2).await, expected);
    let more = put_some(&member, &["ab"]).await;
    assert_eq!(stream.events(0, 1).await, more);
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_of_the_future_sees_nothing_until_then() {
    let member = Member::start().await;
    let before = put_some(&member, &["a"]).await;
    let mut stream = Stream::open(&member).await;
    let start_revision = before[0].1 + 3;
    stream
        .create(pb::WatchCreateRequest {
            start_revision,
            ..key("a")
        })
        .await;
    let after = put_some(&member, &["a", "a", "a"]).await;
    assert_eq!(stream.events(0, 1).await, after[2..]);
    member.stop().await;
}

/// Clients that write at once.
const WRITERS: usize = 56;

#[tokio::test]
async fn a_watcher_that_lags_reads_history_and_loses_nothing() {
    let member = Member::start().await;
    let mut slow = Stream::open(&member).await;
    slow.create(prefix("k")).await;
    // More than the mailbox, the ring and the windows of HTTP/2 hold together.
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut kv = member.kv().await;
        writers.spawn(async move {
            let mut written = Vec::new();
            for _ in 0..(WATCH_MAIL_MAX + 1000) / WRITERS {
                let key = format!("k{writer}");
                let response = kv
                    .put(put(&key, vec![b'v'; 2048]))
                    .await
                    .unwrap()
                    .into_inner();
                written.push((key, response.header.unwrap().revision));
            }
            written
        });
    }
    let mut expected: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    expected.sort_unstable_by_key(|(_, revision)| *revision);
    let count = expected.len();
    assert_eq!(slow.events(0, count).await, expected);
    let more = put_some(&member, &["k1"]).await;
    assert_eq!(slow.events(0, 1).await, more);
    member.stop().await;
}

#[tokio::test]
async fn watchers_of_one_stream_catch_up_together_each_from_its_own_revision() {
    let member = Member::start().await;
    let keys: Vec<String> = (0..200).map(|number| format!("k{}", number % 10)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let written = put_some(&member, &keys).await;
    let mut stream = Stream::open(&member).await;
    let mut expected = Vec::new();
    for watcher in 0..50 {
        let start_revision = written[watcher * 3].1;
        let wanted = format!("k{}", watcher % 10);
        let request = pb::WatchCreateRequest {
            start_revision,
            ..key(&wanted)
        };
        stream.send(RequestUnion::CreateRequest(request)).await;
        expected.push(
            written[watcher * 3..]
                .iter()
                .filter(|(key, _)| *key == wanted)
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    let mut seen = vec![Vec::new(); 50];
    while seen != expected {
        let response = stream.next().await;
        for event in response.events {
            let kv = event.kv.unwrap();
            let watcher = &mut seen[usize::try_from(response.watch_id).unwrap()];
            watcher.push((String::from_utf8(kv.key.to_vec()).unwrap(), kv.mod_revision));
        }
    }
    member.stop().await;
}

#[tokio::test]
async fn a_thousand_watchers_of_one_stream_each_see_their_own_key() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    for watcher in 0..1000 {
        let created = stream.create(key(&format!("k{watcher}"))).await;
        assert_eq!(created.watch_id, watcher);
    }
    for watcher in [7, 999, 0] {
        let key = format!("k{watcher}");
        let written = put_some(&member, &[&key]).await;
        assert_eq!(stream.events(watcher, 1).await, written);
    }
    member.stop().await;
}

#[tokio::test]
async fn ids_are_chosen_by_the_server_or_by_the_client_and_never_given_twice() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    let chosen = |watch_id| pb::WatchCreateRequest {
        watch_id,
        ..key("a")
    };
    assert_eq!(stream.create(key("a")).await.watch_id, 0);
    assert_eq!(stream.create(chosen(1)).await.watch_id, 1);
    assert_eq!(stream.create(key("a")).await.watch_id, 2);
    let refused = stream.create(chosen(2)).await;
    assert_eq!((refused.watch_id, refused.canceled), (-1, true));
    assert_eq!(
        refused.cancel_reason,
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
    let empty = pb::WatchCreateRequest {
        range_end: "a".into(),
        ..key("b")
    };
    let refused = stream.create(empty).await;
    assert_eq!((refused.watch_id, refused.canceled), (-1, true));
    assert_eq!(refused.cancel_reason, "mvcc: watcher range is empty");
    let past = stream
        .create(pb::WatchCreateRequest {
            start_revision: -1,
            ..key("a")
        })
        .await;
    assert_eq!((past.watch_id, past.canceled), (-1, true));
    assert_eq!(
        past.cancel_reason,
        "etcdserver: mvcc: required revision has been compacted"
    );
    member.stop().await;
}

#[tokio::test]
async fn a_cancelled_watcher_is_told_so_and_one_of_the_same_id_sees_only_its_own_time() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    let chosen = pb::WatchCreateRequest {
        watch_id: 5,
        ..key("a")
    };
    stream.create(chosen.clone()).await;
    let cancel = RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 5 });
    stream.send(cancel).await;
    let response = stream.next().await;
    assert!(response.canceled && !response.created);
    assert_eq!((response.watch_id, response.compact_revision), (5, 0));
    put_some(&member, &["a"]).await;
    stream.create(chosen).await;
    let after = put_some(&member, &["a"]).await;
    assert_eq!(stream.events(5, 1).await, after);
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_of_compacted_history_is_cancelled_with_the_revision_to_go_on_from() {
    let member = Member::start().await;
    let written = put_some(&member, &["a", "a", "a"]).await;
    let revision = written[2].1;
    let request = pb::CompactionRequest {
        revision,
        physical: false,
    };
    member.kv().await.compact(request).await.unwrap();
    let mut stream = Stream::open(&member).await;
    let start_revision = written[0].1;
    stream
        .create(pb::WatchCreateRequest {
            start_revision,
            ..key("a")
        })
        .await;
    let response = stream.next().await;
    assert!(response.canceled);
    assert_eq!(
        (response.watch_id, response.compact_revision),
        (0, revision)
    );
    stream
        .create(pb::WatchCreateRequest {
            start_revision: revision,
            ..key("a")
        })
        .await;
    assert_eq!(stream.events(1, 1).await, written[2..]);
    member.stop().await;
}

#[tokio::test]
async fn progress_is_told_when_asked_for_once_all_before_is_sent() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    stream.create(key("a")).await;
    stream.create(key("b")).await;
    let written = put_some(&member, &["c", "c", "c"]).await;
    assert_eq!(stream.progress().await, written[2].1);
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_that_asked_for_it_hears_that_nothing_has_happened() {
    let member = Member::start_with(Options {
        progress_notify_interval: Duration::from_millis(100),
        ..Options::default()
    })
    .await;
    let mut stream = Stream::open(&member).await;
    stream
        .create(pb::WatchCreateRequest {
            progress_notify: true,
            ..key("a")
        })
        .await;
    stream.create(key("a")).await;
    let written = put_some(&member, &["b"]).await;
    // The first may have been under way before the put.
    loop {
        let response = stream.next().await;
        assert_eq!((response.watch_id, response.events.len()), (0, 0));
        if response.header.unwrap().revision == written[0].1 {
            break;
        }
    }
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_is_not_shown_what_it_filtered_out() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    let filters = |filter: FilterType| pb::WatchCreateRequest {
        filters: vec![filter.into()],
        ..key("a")
    };
    stream.create(filters(FilterType::Noput)).await;
    stream.create(filters(FilterType::Nodelete)).await;
    let mut kv = member.kv().await;
    kv.put(put("a", "1")).await.unwrap();
    let deleted = kv
        .delete_range(delete("a"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap();
    let first = stream.next().await;
    assert_eq!(first.watch_id, 1);
    assert_eq!(first.events[0].r#type(), EventType::Put);
    let second = stream.next().await;
    assert_eq!((second.watch_id, second.events.len()), (0, 1));
    assert_eq!(second.events[0].r#type(), EventType::Delete);
    assert_eq!(second.header.unwrap().revision, deleted.revision);
    member.stop().await;
}

#[tokio::test]
async fn a_watcher_that_asked_for_it_is_shown_what_was_before() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    stream
        .create(pb::WatchCreateRequest {
            prev_kv: true,
            ..key("a")
        })
        .await;
    let mut kv = member.kv().await;
    kv.put(put("a", "1")).await.unwrap();
    kv.put(put("a", "2")).await.unwrap();
    kv.delete_range(delete("a")).await.unwrap();
    let mut before = Vec::new();
    while before.len() < 3 {
        for event in stream.next().await.events {
            before.push(event.prev_kv.map(|kv| kv.value.to_vec()));
        }
    }
    assert_eq!(before, [None, Some(b"1".to_vec()), Some(b"2".to_vec())]);
    member.stop().await;
}

#[tokio::test]
async fn all_events_of_a_revision_come_together_unless_fragments_are_wanted() {
    let member = Member::start().await;
    let mut written = Vec::new();
    let mut kv = member.kv().await;
    for number in 0..40 {
        let key = format!("k{number:02}");
        kv.put(put(&key, vec![b'v'; 100_000])).await.unwrap();
        written.push(key);
    }
    let mut stream = Stream::open(&member).await;
    for fragment in [false, true] {
        stream
            .create(pb::WatchCreateRequest {
                fragment,
                prev_kv: true,
                ..prefix("k")
            })
            .await;
    }
    let all = pb::DeleteRangeRequest {
        range_end: prefix_end("k").into(),
        ..delete("k")
    };
    kv.delete_range(all).await.unwrap();

    let keys = |response: &pb::WatchResponse| -> Vec<String> {
        let keys = response
            .events
            .iter()
            .map(|event| event.kv.as_ref().unwrap().key.to_vec());
        keys.map(|key| String::from_utf8(key).unwrap()).collect()
    };
    let (mut whole, mut fragments) = (Vec::new(), Vec::new());
    while whole.is_empty()
        || fragments
            .last()
            .is_none_or(|last: &pb::WatchResponse| last.fragment)
    {
        let response = stream.next().await;
        match response.watch_id {
            0 => whole.push(response),
            _ => fragments.push(response),
        }
    }
    assert_eq!(whole.len(), 1);
    assert_eq!(keys(&whole[0]), written);
    assert!(fragments.len() > 1);
    assert_eq!(fragments.iter().flat_map(keys).collect::<Vec<_>>(), written);
    let longest = fragments
        .iter()
        .map(prost::Message::encoded_len)
        .max()
        .unwrap();
    assert!(longest <= MESSAGE_BYTES_MAX, "{longest}");
    member.stop().await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let member = Member::start().await;
    let mut stream = Stream::open(&member).await;
    stream.create(key("a")).await;
    let ended = tokio::spawn(async move { stream.end().await });
    member.stop().await;
    let status = in_time(ended).await.unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "etcdserver: server stopped")
    );
}

#[tokio::test]
async fn there_is_room_for_so_many_watchers_and_again_once_some_are_gone() {
    let member = Member::start().await;
    let mut crowd = Stream::open(&member).await;
    let sender = crowd.requests.clone();
    let creating = tokio::spawn(async move {
        for watcher in 0..WATCHERS_MAX {
            let request = RequestUnion::CreateRequest(key(&format!("k{watcher}")));
            let request = pb::WatchRequest {
                request_union: Some(request),
            };
            sender.send(request).await.unwrap();
        }
    });
    for _ in 0..WATCHERS_MAX {
        assert!(!crowd.next().await.canceled);
    }
    in_time(creating).await.unwrap();
    let mut late = Stream::open(&member).await;
    let refused = late.create(key("a")).await;
    assert!(refused.canceled);
    assert_eq!(refused.cancel_reason, "etcdserver: too many requests");
    drop(crowd);
    in_time(async { while late.create(key("a")).await.canceled {} }).await;
    member.stop().await;
}
