//! auth, user and role.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Both;

skerry_tests_etcdctl::with_one_and_with_three_members! {
    users_roles_and_permissions_are_managed_as_with_etcd,
}

async fn users_roles_and_permissions_are_managed_as_with_etcd(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for command in [
        "auth status",
        "auth enable",
        "user add root:rootpw",
        "user add root:again",
        "user add alice:pw",
        "user add certificate --no-password",
        "role add reader",
        "role add reader",
        "role grant-permission reader read k",
        "role grant-permission reader readwrite dir/ --prefix",
        "role grant-permission reader write a z",
        "role grant-permission reader read m --from-key",
        "role grant-permission missing read k",
        "role get reader",
        "role get reader -w json",
        "role get reader -w fields",
        "role get missing",
        "role list",
        "role revoke-permission reader a z",
        "role revoke-permission reader never",
        "user grant-role alice reader",
        "user grant-role alice missing",
        "user grant-role missing reader",
        "user get alice",
        "user get alice --detail",
        "user get missing",
        "user list",
        "user list -w json",
    ] {
        both.same(command);
    }
    both.same_with_input("user passwd alice --interactive=false", "newpw\n");
    both.same("auth enable");
    both.same("auth status -w json");

    // Nobody, the wrong password, root, and a user with a role.
    both.same("put k v");
    both.with(&["--user=root:wrong"]);
    both.same("put k v");
    both.with(&["--user=root:rootpw"]);
    for command in [
        "put k v",
        "put other v",
        "put dir/a v",
        "auth status",
        "user list",
        "role list",
    ] {
        both.same(command);
    }
    both.with(&["--user=alice:newpw"]);
    for command in [
        "get k",
        "put k w",
        "get other",
        "put dir/b w",
        "get dir/ --prefix",
        "get d --prefix",
        "del dir/a",
        "user list",
        "user get alice",
        "user get root",
        "auth disable",
        "compaction 3",
        "member list",
        "lease list",
        "alarm list",
    ] {
        both.same(command);
    }
    both.ask_one();
    both.same("endpoint hashkv");
    both.same("defrag");
    both.ask_all();
    both.with(&["--user=root:rootpw"]);
    for command in [
        "user revoke-role alice reader",
        "user revoke-role alice reader",
        "user delete alice",
        "user delete root",
        "role delete reader",
        "role delete root",
        "auth disable",
    ] {
        both.same(command);
    }
    both.with(&[]);
    for command in ["auth status", "user list", "role list", "get k"] {
        both.same(command);
    }
    both.conclude();
}
