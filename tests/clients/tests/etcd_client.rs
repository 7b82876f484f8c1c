//! The `etcd-client` crate: every service it has.
#![allow(clippy::unwrap_used)]

use etcd_client::{
    AlarmAction, AlarmType, Compare, CompareOp, DeleteOptions, Error, EventType, GetOptions,
    LockOptions, Permission, PutOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse,
    WatchOptions,
};
use skerry_tests_clients::{client, cluster, connect};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn keys_are_put_read_sorted_compared_compacted_and_deleted() {
    let cluster = cluster(1).await;
    let mut client = client(&cluster, 0, None).await;
    for (key, value) in [("k/1", "c"), ("k/2", "b"), ("k/3", "a")] {
        client.put(key, value, None).await.unwrap();
    }
    let options = PutOptions::new().with_prev_key();
    let put = client.put("k/1", "d", Some(options)).await.unwrap();
    assert_eq!(put.prev_key().unwrap().value_str().unwrap(), "c");

    let options = GetOptions::new()
        .with_prefix()
        .with_sort(SortTarget::Value, SortOrder::Descend)
        .with_limit(2);
    let got = client.get("k/", Some(options)).await.unwrap();
    let values = got
        .kvs()
        .iter()
        .map(|kv| kv.value_str().unwrap())
        .collect::<Vec<_>>();
    assert_eq!((values, got.more(), got.count()), (vec!["d", "b"], true, 3));

    let old = put.header().unwrap().revision() - 1;
    let got = client
        .get("k/1", Some(GetOptions::new().with_revision(old)))
        .await
        .unwrap();
    assert_eq!(got.kvs()[0].value_str().unwrap(), "c");

    let txn = Txn::new()
        .when([
            Compare::value("k/1", CompareOp::Equal, "d"),
            Compare::version("k/2", CompareOp::Less, 2),
        ])
        .and_then([
            TxnOp::put("k/4", "new", None),
            TxnOp::txn(Txn::new().and_then([TxnOp::get("k/4", None)])),
        ])
        .or_else([TxnOp::delete("k/1", None)]);
    let done = client.txn(txn).await.unwrap();
    assert!(done.succeeded());
    let responses = done.op_responses();
    let TxnOpResponse::Txn(nested) = &responses[1] else {
        panic!("{responses:?}")
    };
    let nested = nested.op_responses();
    let TxnOpResponse::Get(read) = &nested[0] else {
        panic!("{nested:?}")
    };
    assert_eq!(read.kvs()[0].value_str().unwrap(), "new");

    client.compact(old + 1, None).await.unwrap();
    let error = client
        .get("k/1", Some(GetOptions::new().with_revision(old)))
        .await
        .unwrap_err();
    let Error::GRpcStatus(status) = error else {
        panic!("{error}")
    };
    assert_eq!(
        status.message(),
        "etcdserver: mvcc: required revision has been compacted"
    );

    let options = DeleteOptions::new().with_prefix().with_prev_key();
    let deleted = client.delete("k/", Some(options)).await.unwrap();
    assert_eq!((deleted.deleted(), deleted.prev_kvs().len()), (4, 4));
}

#[tokio::test]
async fn a_watch_sees_past_and_present_and_ends_when_it_is_cancelled() {
    let cluster = cluster(1).await;
    let mut client = client(&cluster, 0, None).await;
    let first = client
        .put("w", "1", None)
        .await
        .unwrap()
        .header()
        .unwrap()
        .revision();
    client.put("w", "2", None).await.unwrap();

    let options = WatchOptions::new()
        .with_start_revision(first)
        .with_prev_key();
    let mut stream = client.watch("w", Some(options)).await.unwrap();
    client.delete("w", None).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let response = timeout(PATIENCE, stream.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        for event in response.events() {
            let previous = event.prev_kv().map(|kv| kv.value_str().unwrap().to_owned());
            seen.push((event.event_type() == EventType::Delete, previous));
        }
    }
    let previous = |value: &str| Some(value.to_owned());
    assert_eq!(
        seen,
        [(false, None), (false, previous("1")), (true, previous("2"))]
    );

    stream.request_progress().await.unwrap();
    let progress = timeout(PATIENCE, stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(progress.events().is_empty());
    assert!(progress.header().unwrap().revision() >= first + 2);
    stream.cancel(progress.watch_id().max(0)).await.unwrap();
    let last = timeout(PATIENCE, stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(last.canceled());
}

#[tokio::test]
async fn a_lease_keeps_its_keys_while_it_is_kept_alive_and_takes_them_with_it() {
    let cluster = cluster(1).await;
    let mut client = client(&cluster, 0, None).await;
    let lease = client.lease_grant(600, None).await.unwrap().id();
    client
        .put("leased", "v", Some(PutOptions::new().with_lease(lease)))
        .await
        .unwrap();
    let (mut keeper, mut kept) = client.lease_keep_alive(lease).await.unwrap();
    keeper.keep_alive().await.unwrap();
    let response = timeout(PATIENCE, kept.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!((response.id(), response.ttl()), (lease, 600));
    let options = etcd_client::LeaseTimeToLiveOptions::new().with_keys();
    let time = client
        .lease_time_to_live(lease, Some(options))
        .await
        .unwrap();
    assert_eq!(
        (time.granted_ttl(), time.keys()),
        (600, &[b"leased".to_vec()][..])
    );
    assert_eq!(client.leases().await.unwrap().leases().len(), 1);
    client.lease_revoke(lease).await.unwrap();
    assert_eq!(client.get("leased", None).await.unwrap().count(), 0);
}

#[tokio::test]
async fn a_lock_passes_from_one_client_to_the_next() {
    let cluster = cluster(3).await;
    // Two members: the lock is the cluster's, not the server's.
    let (mut one, mut two) = (
        client(&cluster, 0, None).await,
        client(&cluster, 2, None).await,
    );
    let first = one.lock("lock", None).await.unwrap();
    let lease = two.lease_grant(600, None).await.unwrap().id();
    let options = LockOptions::new().with_lease(lease);
    let waiting = tokio::spawn(async move {
        two.lock("lock", Some(options))
            .await
            .unwrap()
            .key()
            .to_vec()
    });
    // Both stand in line.
    skerry_tests_harness::eventually_async("two stand in line", PATIENCE, || {
        let mut one = one.clone();
        async move {
            let options = GetOptions::new().with_prefix().with_count_only();
            let count = one.get("lock/", Some(options)).await?.count();
            anyhow::ensure!(count == 2, "{count}");
            Ok(())
        }
    })
    .await
    .unwrap();
    assert!(!waiting.is_finished());
    one.unlock(first.key()).await.unwrap();
    let second = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_ne!(second, first.key());
    one.unlock(second).await.unwrap();
}

#[tokio::test]
async fn an_election_has_one_leader_whom_observers_see() {
    let cluster = cluster(1).await;
    let mut client = client(&cluster, 0, None).await;
    let lease = client.lease_grant(600, None).await.unwrap().id();
    let won = client.campaign("election", "first", lease).await.unwrap();
    let key = won.leader().unwrap().clone();
    let leader = client.leader("election").await.unwrap();
    assert_eq!(leader.kv().unwrap().value_str().unwrap(), "first");

    let mut observed = client.observe("election").await.unwrap();
    let seen = timeout(PATIENCE, observed.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(seen.kv().unwrap().value_str().unwrap(), "first");
    let options = etcd_client::ProclaimOptions::new().with_leader(key.clone());
    client.proclaim("second", Some(options)).await.unwrap();
    let seen = timeout(PATIENCE, observed.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(seen.kv().unwrap().value_str().unwrap(), "second");
    client
        .resign(Some(etcd_client::ResignOptions::new().with_leader(key)))
        .await
        .unwrap();
    client.leader("election").await.unwrap_err();
}

#[tokio::test]
async fn users_may_do_what_their_roles_allow() {
    let cluster = cluster(1).await;
    let mut admin = client(&cluster, 0, None).await;
    admin.user_add("root", "secret", None).await.unwrap();
    admin.role_add("root").await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.user_add("alice", "pw", None).await.unwrap();
    admin.role_add("reader").await.unwrap();
    admin
        .role_grant_permission("reader", Permission::read("public/").with_prefix())
        .await
        .unwrap();
    admin.user_grant_role("alice", "reader").await.unwrap();
    admin.auth_enable().await.unwrap();

    let mut root = client(&cluster, 0, Some(("root", "secret"))).await;
    root.put("public/a", "1", None).await.unwrap();
    let mut alice = client(&cluster, 0, Some(("alice", "pw"))).await;
    let read = alice
        .get("public/", Some(GetOptions::new().with_prefix()))
        .await
        .unwrap();
    assert_eq!(read.count(), 1);
    for refused in [
        alice.put("public/a", "2", None).await.map(drop),
        alice.get("private", None).await.map(drop),
        alice.user_list().await.map(drop),
    ] {
        let Err(Error::GRpcStatus(status)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(status.message(), "etcdserver: permission denied");
    }
    let Err(Error::GRpcStatus(status)) = connect(&cluster, 0, Some(("alice", "wrong"))).await
    else {
        panic!("a wrong password was taken")
    };
    assert_eq!(
        status.message(),
        "etcdserver: authentication failed, invalid user ID or password"
    );
    assert_eq!(root.user_get("alice").await.unwrap().roles(), ["reader"]);
    assert_eq!(
        root.role_get("reader").await.unwrap().permissions().len(),
        1
    );
    root.auth_disable().await.unwrap();
    admin.put("public/a", "3", None).await.unwrap();
}

#[tokio::test]
async fn maintenance_answers_and_a_snapshot_streams_to_its_end() {
    let cluster = cluster(3).await;
    let mut client = client(&cluster, 1, None).await;
    for n in 0..100 {
        client
            .put(format!("k{n}"), vec![n; 10_000], None)
            .await
            .unwrap();
    }
    let status = client.status().await.unwrap();
    assert!(status.version().starts_with("3.5."), "{}", status.version());
    assert!(status.db_size() > 0 && status.leader() != 0 && status.raft_term() > 0);
    let alarms = client
        .alarm(AlarmAction::Get, AlarmType::None, None)
        .await
        .unwrap();
    assert!(alarms.alarms().is_empty());
    client.defragment().await.unwrap();
    let revision = client
        .get("k0", None)
        .await
        .unwrap()
        .header()
        .unwrap()
        .revision();
    let mut hashes = Vec::new();
    for member in 0..3 {
        let mut client = skerry_tests_clients::client(&cluster, member, None).await;
        client.get("k0", None).await.unwrap();
        hashes.push(client.hash_kv(revision).await.unwrap().hash());
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");

    let mut stream = client.snapshot().await.unwrap();
    let (mut bytes, mut remaining) = (0, u64::MAX);
    while let Some(part) = timeout(PATIENCE, stream.message()).await.unwrap().unwrap() {
        bytes += part.blob().len();
        assert!(part.remaining_bytes() <= remaining);
        remaining = part.remaining_bytes();
    }
    assert_eq!(remaining, 0);
    // All values and the SHA-256 at the end.
    assert!(bytes > 100 * 10_000, "{bytes}");
    let members = client.member_list().await.unwrap();
    assert_eq!(members.members().len(), 3);
    assert!(
        members
            .members()
            .iter()
            .all(|member| !member.client_urls().is_empty())
    );
}
