//! Who a client certificate names, and what that name may do: on Skerry as on etcd.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::proto::authpb::Permission;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Authority, Client, Cluster, Kind, Options, connect_lazy};
use tonic::{Response, Status};

fn told<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> String {
    match result {
        Ok(_) => "answered".into(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// A client whose certificate has this common name.
fn named(cluster: &Cluster, name: &str) -> Client {
    let folder = cluster.folder().join(format!("certificate-of-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let authority = match cluster.kind {
        Kind::Skerry => Authority::of_data_dir(&cluster.members[0].data_dir, &folder),
        Kind::Etcd => Authority::load(&cluster.folder().join("tls"), &folder),
    };
    let credentials = authority.unwrap().issue("client", name, &[]).unwrap();
    let address = cluster.members[0].client_address;
    Client::new(connect_lazy(address, Some(&credentials)).unwrap())
}

/// Enables authentication with users root, alice and nobody else.
async fn administer(cluster: &Cluster) -> String {
    let mut client = cluster.client(0).unwrap();
    let mut text = String::new();
    for (name, options) in [("root", None), ("alice", Some(true))] {
        let request = pb::AuthUserAddRequest {
            name: name.into(),
            password: if options.is_none() {
                name.into()
            } else {
                String::new()
            },
            options: options.map(|no_password| {
                skerry_tests_harness::proto::authpb::UserAddOptions { no_password }
            }),
            ..Default::default()
        };
        text += &told(client.auth.user_add(request).await);
    }
    for (user, role) in [("root", "root"), ("alice", "reader")] {
        text += &told(
            client
                .auth
                .role_add(pb::AuthRoleAddRequest { name: role.into() })
                .await,
        );
        let grant = pb::AuthUserGrantRoleRequest {
            user: user.into(),
            role: role.into(),
        };
        text += &told(client.auth.user_grant_role(grant).await);
    }
    let perm = Permission {
        perm_type: 0,
        key: "a".into(),
        range_end: "b".into(),
    };
    let grant = pb::AuthRoleGrantPermissionRequest {
        name: "reader".into(),
        perm: Some(perm),
    };
    text += &told(client.auth.role_grant_permission(grant).await);
    text += &told(client.auth.auth_enable(pb::AuthEnableRequest {}).await);
    text
}

async fn requests(cluster: &Cluster) -> String {
    let mut text = administer(cluster).await;
    for name in ["alice", "root", "stranger"] {
        let mut client = named(cluster, name);
        let key = |key: &'static str| pb::RangeRequest {
            key: key.into(),
            ..Default::default()
        };
        let put = pb::PutRequest {
            key: "a".into(),
            ..Default::default()
        };
        let txn = pb::TxnRequest::default();
        let password = pb::AuthenticateRequest {
            name: "alice".into(),
            password: String::new(),
        };
        for (what, answer) in [
            ("range a", told(client.kv.range(key("a")).await)),
            ("range c", told(client.kv.range(key("c")).await)),
            ("put", told(client.kv.put(put).await)),
            ("txn", told(client.kv.txn(txn).await)),
            (
                "grant",
                told(
                    client
                        .lease
                        .lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 })
                        .await,
                ),
            ),
            (
                "users",
                told(client.auth.user_list(pb::AuthUserListRequest {}).await),
            ),
            (
                "defragment",
                told(
                    client
                        .maintenance
                        .defragment(pb::DefragmentRequest {})
                        .await,
                ),
            ),
            (
                "no password",
                told(client.auth.authenticate(password).await),
            ),
        ] {
            text += &format!("\n{name:?} {what}: {answer}");
        }
    }
    text
}

#[tokio::test]
async fn the_common_name_of_a_certificate_is_a_user() {
    let kind = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
        Some(_) => Kind::Etcd,
        None => Kind::Skerry,
    };
    let etcd = Cluster::start(Kind::Etcd, 1, &Options::default())
        .await
        .unwrap();
    let skerry = Cluster::start(kind, 1, &Options::default()).await.unwrap();
    let (one, two) = (requests(&etcd).await, requests(&skerry).await);
    let both = std::iter::zip(one.lines(), two.lines());
    let differ = both.filter(|(one, two)| one != two).collect::<Vec<_>>();
    assert!(
        differ.is_empty() && one.lines().count() == two.lines().count(),
        "{differ:#?}"
    );
}
