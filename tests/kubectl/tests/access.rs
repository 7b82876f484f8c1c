//! Who may do what, and who is who.

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_kubectl::Servers;

#[tokio::test]
async fn a_service_account_may_do_what_its_roles_allow_and_nothing_else() {
    let servers = Servers::start(1).await;
    let who = servers.ok(&["auth", "whoami"]);
    assert!(
        who.contains("system:admin") && who.contains("system:masters"),
        "{who}"
    );

    servers.ok(&["create", "serviceaccount", "bot"]);
    let token = servers.ok(&["create", "token", "bot"]);
    let token = token.trim();
    let config = servers.kubeconfig(0);
    let ca = servers.cluster.folder().join("server-ca.crt");
    let server = format!("https://{}:6443", servers.cluster.addresses.hosts[0]);
    assert!(config.exists() && ca.exists());
    let empty = servers.cluster.folder().join("empty.kubeconfig");
    std::fs::write(&empty, "").unwrap();
    let as_bot = |arguments: &[&str]| {
        let mut all = vec![
            "--kubeconfig",
            empty.to_str().unwrap(),
            "--server",
            &server,
            "--certificate-authority",
            ca.to_str().unwrap(),
            "--token",
            token,
        ];
        all.extend(arguments);
        servers.run_on(0, &all, "")
    };
    let refused = as_bot(&["get", "configmaps"]);
    assert_eq!(
        refused.err,
        "Error from server (Forbidden): configmaps is forbidden: User \"system:serviceaccount:default:bot\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"\n"
    );
    servers.ok(&[
        "create",
        "rolebinding",
        "views",
        "--clusterrole=view",
        "--serviceaccount=default:bot",
    ]);
    skerry_tests_harness::eventually("the binding counts", skerry_tests_kubectl::DEADLINE, || {
        let ended = as_bot(&["get", "configmaps"]);
        anyhow::ensure!(ended.ok, "{ended:?}");
        Ok(())
    })
    .unwrap();
    assert!(!as_bot(&["create", "configmap", "a"]).ok);

    servers.ok(&["delete", "serviceaccount", "bot"]);
    let late = as_bot(&["get", "configmaps"]);
    assert!(late.err.contains("must be logged in"), "{late:?}");
}

#[tokio::test]
async fn acting_as_another_is_acting_with_their_rights() {
    let servers = Servers::start(1).await;
    let may = |arguments: &[&str]| {
        let mut all = vec!["auth", "can-i"];
        all.extend(arguments);
        servers.run_on(0, &all, "").out
    };
    assert_eq!(may(&["create", "pods"]), "yes\n");
    assert_eq!(may(&["create", "pods", "--as=bob"]), "no\n");
    let refused = servers.fails(&["get", "pods", "--as=bob"]);
    assert!(refused.contains("User \"bob\" cannot list"), "{refused}");
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "b",
        "--clusterrole=view",
        "--user=bob",
    ]);
    servers.until(0, &["get", "pods", "--as=bob"], |ended| ended.ok);
    let list = servers.ok(&["auth", "can-i", "--list", "--as=bob"]);
    assert!(list.contains("pods/log"), "{list}");
}

#[tokio::test]
async fn the_api_writes_also_where_users_of_the_datastore_need_permissions() {
    let servers = Servers::start(1).await;
    let mut client = servers.cluster.client(0).unwrap();
    let user = pb::AuthUserAddRequest {
        name: "root".into(),
        password: "secret".into(),
        ..pb::AuthUserAddRequest::default()
    };
    client.auth.user_add(user).await.unwrap();
    let role = pb::AuthRoleAddRequest {
        name: "root".into(),
    };
    client.auth.role_add(role).await.unwrap();
    let grant = pb::AuthUserGrantRoleRequest {
        user: "root".into(),
        role: "root".into(),
    };
    client.auth.user_grant_role(grant).await.unwrap();
    let enable = pb::AuthEnableRequest {};
    client.auth.auth_enable(enable).await.unwrap();
    let put = pb::PutRequest {
        key: "a".into(),
        ..pb::PutRequest::default()
    };
    assert!(client.kv.put(put).await.is_err());
    servers.ok(&["create", "configmap", "a"]);
    servers.ok(&["delete", "configmap", "a"]);
}
