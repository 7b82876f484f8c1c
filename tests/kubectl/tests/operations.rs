//! What those see who run a server: health, metrics, limits, and what goes on without a quorum.

use anyhow::ensure;
use skerry_tests_harness::{eventually, eventually_async};
use skerry_tests_kubectl::{DEADLINE, Port, Servers};

/// The checks of a server with the API, as /readyz lists them.
const READY: &str = "\
[+]ping ok
[+]log ok
[+]etcd ok
[+]etcd-readiness ok
[+]informer-sync ok
[+]poststarthook/start-system-namespaces-controller ok
[+]poststarthook/rbac/bootstrap-roles ok
[+]poststarthook/bootstrap-controller ok
[+]data-dir ok
[+]shutdown ok
readyz check passed
";

fn ready(servers: &Servers) {
    servers.until(0, &["get", "--raw=/readyz"], |ended| ended.out == "ok");
}

#[tokio::test]
async fn health_is_told_check_by_check_as_upstream_tells_it() {
    let servers = Servers::start(1).await;
    ready(&servers);
    assert_eq!(servers.ok(&["get", "--raw=/readyz?verbose"]), READY);
    assert_eq!(
        servers.ok(&["get", "--raw=/livez?verbose"]),
        "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n"
    );
    for path in [
        "/livez",
        "/healthz",
        "/livez/ping",
        "/readyz/etcd",
        "/healthz/poststarthook/rbac/bootstrap-roles",
    ] {
        assert_eq!(
            servers.ok(&["get", &format!("--raw={path}")]),
            "ok",
            "{path}"
        );
    }
    let excluding = servers.ok(&["get", "--raw=/livez?verbose&exclude=etcd&exclude=x"]);
    assert_eq!(
        excluding,
        "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nlivez check passed\n"
    );
    let unknown = servers.fails(&["get", "--raw=/livez/none"]);
    assert!(unknown.contains("NotFound"), "{unknown}");
}

#[tokio::test]
async fn anybody_may_ask_for_health_and_the_version_and_nothing_else() {
    let servers = Servers::start(1).await;
    ready(&servers);
    let port = Port::of(&servers, 0, None);
    for path in ["/livez", "/readyz?verbose", "/healthz", "/version"] {
        let answer = port.get(path, &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let live = port.get("/livez", &[]).await.unwrap();
    assert_eq!(live.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(live.header("x-content-type-options"), "nosniff");
    for path in [
        "/livez/ping",
        "/metrics",
        "/metrics/slis",
        "/api",
        "/api/v1/pods",
        "/",
    ] {
        assert_eq!(port.get(path, &[]).await.unwrap().status, 401, "{path}");
    }
}

#[tokio::test]
async fn metrics_count_what_kubectl_does_for_those_who_may_read_them() {
    let servers = Servers::start(1).await;
    ready(&servers);
    servers.ok(&["create", "secret", "generic", "a"]);
    servers.ok(&["get", "secret", "a"]);
    servers.ok(&["create", "secret", "generic", "b", "--dry-run=server"]);
    let watch = servers.background(&["get", "secrets", "-w"]);
    watch.line_with("a ");
    servers.ok(&["create", "secret", "generic", "c"]);
    watch.line_with("c ");
    let text = servers.ok(&["get", "--raw=/metrics"]);
    let labels = r#"dry_run="",group="",version="v1",resource="secrets",subresource="",scope="resource",component="apiserver""#;
    for line in [
        format!(r#"apiserver_request_total{{verb="POST",{labels},code="201"}} 2"#),
        format!(r#"apiserver_request_duration_seconds_bucket{{verb="GET",{labels},le="+Inf"}} 1"#),
        format!(r#"apiserver_request_duration_seconds_count{{verb="POST",{labels}}} 2"#),
        format!(
            r#"apiserver_request_total{{verb="POST",{},code="201"}} 1"#,
            labels.replace("dry_run=\"\"", "dry_run=\"All\"")
        ),
        r#"apiserver_longrunning_requests{verb="WATCH",group="",version="v1",resource="secrets",subresource="",scope="namespace",component="apiserver"} 1"#.into(),
        r#"apiserver_storage_objects{resource="namespaces"} 4"#.into(),
        r#"apiserver_resource_objects{group="apps",resource="deployments"} 0"#.into(),
        r#"apiserver_current_inflight_requests{request_kind="mutating"} 0"#.into(),
        "# TYPE apiserver_request_sli_duration_seconds histogram".into(),
        r#"apiserver_watch_events_total{group="",version="v1",resource="secrets"} 1"#.into(),
        "# TYPE process_resident_memory_bytes gauge".into(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains(r#"minor="36",platform="linux/"#), "{text}");
    // As Prometheus reads it: every line is a comment, or a name and a number.
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name.starts_with(|first: char| first.is_ascii_lowercase()));
    }
    let slis = servers.ok(&["get", "--raw=/metrics/slis"]);
    assert!(
        slis.contains(r#"kubernetes_healthcheck{name="etcd",type="readyz"} 1"#),
        "{slis}"
    );

    let refused = servers.fails(&["get", "--raw=/metrics", "--as=jane"]);
    assert!(
        refused.contains("User \"jane\" cannot get path \"/metrics\""),
        "{refused}"
    );
    servers.ok(&[
        "create",
        "clusterrole",
        "scrape",
        "--verb=get",
        "--non-resource-url=/metrics",
    ]);
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "s",
        "--clusterrole=scrape",
        "--user=jane",
    ]);
    servers.until(0, &["get", "--raw=/metrics", "--as=jane"], |ended| ended.ok);
    for absent in ["/debug/pprof/", "/logs/", "/metrics/none"] {
        let missing = servers.fails(&["get", &format!("--raw={absent}")]);
        assert!(missing.contains("NotFound"), "{absent}: {missing}");
    }
}

#[tokio::test]
async fn long_lists_are_compressed_for_those_who_take_it_and_watches_never() {
    let servers = Servers::start(1).await;
    let admin = Port::of(&servers, 0, Some(&servers.token_of_admin()));
    for name in ["a", "b", "c"] {
        let file = servers.cluster.folder().join(name);
        std::fs::write(&file, "words of one syllable. ".repeat(4_000)).unwrap();
        let from = format!("--from-file={}", file.display());
        servers.ok(&["create", "configmap", name, &from]);
    }
    let all = "/api/v1/namespaces/default/configmaps";
    let takes = [("accept-encoding", "gzip")];
    let plain = admin.get(all, &[]).await.unwrap();
    assert_eq!(plain.header("content-encoding"), "");
    let gzip = admin.get(all, &takes).await.unwrap();
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert!(gzip.header("vary").contains("Accept-Encoding"));
    assert!(gzip.body.len() * 10 < plain.body.len());
    assert_eq!(gzip.gunzipped(), plain.body);
    let one = admin.get(&format!("{all}/a"), &takes).await.unwrap();
    assert_eq!(one.header("content-encoding"), "", "short");
    let watch = format!("{all}?watch=1&timeoutSeconds=1");
    let watch = admin.get(&watch, &takes).await.unwrap();
    assert_eq!(watch.header("content-encoding"), "");
    assert!(watch.body.len() > 250_000);
}

#[tokio::test]
async fn writers_that_are_too_many_are_sent_away_and_nobody_else_is() {
    let servers = Servers::start(1).await;
    ready(&servers);
    servers.ok(&["create", "serviceaccount", "bot"]);
    servers.ok(&[
        "create",
        "rolebinding",
        "edits",
        "--clusterrole=edit",
        "--serviceaccount=default:bot",
    ]);
    let token = servers.ok(&["create", "token", "bot"]);
    let bot = Port::of(&servers, 0, Some(token.trim()));
    let maps = "/api/v1/namespaces/default/configmaps";
    eventually("the binding counts", DEADLINE, || {
        let ended = servers.run_on(
            0,
            &[
                "auth",
                "can-i",
                "create",
                "configmaps",
                "--as=system:serviceaccount:default:bot",
            ],
            "",
        );
        ensure!(ended.ok, "{ended:?}");
        Ok(())
    })
    .unwrap();

    // A level of its own: two of the 247 shares that there are then, of 600 seats.
    let level = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"bots"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":2,"borrowingLimitPercent":0,"limitResponse":{"type":"Reject"}}}}"#;
    let schema = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"bots"},"spec":{"matchingPrecedence":50,"priorityLevelConfiguration":{"name":"bots"},"rules":[{"subjects":[{"kind":"ServiceAccount","serviceAccount":{"name":"bot","namespace":"default"}}],"resourceRules":[{"verbs":["create"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}]}]}}"#;
    servers.ok_with(&["create", "-f", "-"], &format!("{level}\n---\n{schema}"));
    let current = "apiserver_flowcontrol_current_limit_seats{priority_level=\"bots\"} 5\n";
    servers.until(0, &["get", "--raw=/metrics"], |ended| {
        ended.out.contains(current)
    });

    // Each says how much it will send, and then takes its time.
    let body = r#"{"metadata":{"generateName":"slow-"}}"#;
    let mut slow = Vec::new();
    for _ in 0..5 {
        slow.push(bot.begin_post(maps, body.len()).await.unwrap());
    }
    let full = |text: &str| {
        text.contains("apiserver_flowcontrol_current_executing_seats{priority_level=\"bots\",flow_schema=\"bots\"} 5")
            && text.contains("apiserver_current_inflight_requests{request_kind=\"mutating\"} 5")
    };
    servers.until(0, &["get", "--raw=/metrics"], |ended| full(&ended.out));
    let refused = bot.post(maps, body).await.unwrap();
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    let said = "Too many requests, please try again later.\n";
    assert_eq!(refused.text(), said);
    assert!(refused.header("content-type").starts_with("text/plain"));

    assert_eq!(bot.get(maps, &[]).await.unwrap().status, 200, "who reads");
    servers.ok(&["create", "configmap", "of-an-administrator"]);
    assert_eq!(servers.ok(&["get", "--raw=/readyz"]), "ok");
    let text = servers.ok(&["get", "--raw=/metrics"]);
    assert!(
        text.contains("apiserver_request_terminations_total{verb=\"POST\""),
        "{text}"
    );
    let rejected = r#"apiserver_flowcontrol_rejected_requests_total{priority_level="bots",flow_schema="bots",reason="concurrency-limit"} 1"#;
    assert!(text.contains(rejected), "{text}");

    for one in slow {
        assert_eq!(one.finish(body).await.unwrap().status, 201);
    }
    assert_eq!(bot.post(maps, body).await.unwrap().status, 201);
}

#[tokio::test]
async fn without_a_quorum_reads_go_on_with_a_warning_and_writes_fail_at_once() {
    let mut servers = Servers::start(3).await;
    let token = servers.token_of_admin();
    servers.ok(&["create", "configmap", "a"]);
    for member in 0..3 {
        // Also of those that only forward it.
        let name = format!("of-{member}");
        let written = servers.run_on(member, &["create", "configmap", &name], "");
        assert!(written.ok, "{written:?}");
        servers.until(member, &["get", "--raw=/readyz?verbose"], |ended| {
            ended.out == READY
        });
    }
    servers.cluster.members[1].kill().unwrap();
    servers.cluster.members[2].kill().unwrap();
    let read = servers.until(0, &["get", "configmap", "a", "-o", "name"], |ended| {
        ended.err.contains("Warning: the cluster has no quorum")
    });
    assert!(read.ok && read.out == "configmap/a\n", "{read:?}");
    let listed = servers.run_on(0, &["get", "configmaps", "-o", "name"], "");
    assert!(listed.out.contains("configmap/of-2\n"), "{listed:?}");
    assert!(
        listed.err.starts_with("Warning: the cluster has no quorum"),
        "{listed:?}"
    );

    // At first there may be an election, for which clients wait; then they are not told to.
    let admin = Port::of(&servers, 0, Some(&token));
    let maps = "/api/v1/namespaces/default/configmaps";
    let body = r#"{"metadata":{"name":"b"}}"#;
    let refused = eventually_async("writers are sent away", DEADLINE, || async {
        let refused = admin.post(maps, body).await?;
        ensure!(refused.status == 503, "{refused:?}");
        ensure!(refused.header("retry-after").is_empty(), "{refused:?}");
        Ok(refused)
    });
    let refused = refused.await.unwrap();
    let status: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(status["reason"], "ServiceUnavailable");
    for write in [
        ["create", "configmap", "b"].as_slice(),
        &["delete", "configmap", "a"],
        &["label", "configmap", "a", "x=y"],
    ] {
        let begun = std::time::Instant::now();
        let refused = servers.fails(write);
        assert!(
            refused.contains("the cluster has no quorum: reads are served"),
            "{refused}"
        );
        assert!(begun.elapsed() < DEADLINE / 3, "{write:?}");
    }

    let port = Port::of(&servers, 0, None);
    assert_eq!(
        port.get("/livez", &[]).await.unwrap().status,
        200,
        "a restart would not help"
    );
    let unready = port.get("/readyz", &[]).await.unwrap();
    assert_eq!(unready.status, 500);
    assert_eq!(
        unready.text(),
        READY
            .replace(
                "[+]etcd-readiness ok",
                "[-]etcd-readiness failed: reason withheld"
            )
            .replace("passed", "failed")
    );
    let reads = port
        .get("/readyz?exclude=etcd-readiness", &[])
        .await
        .unwrap();
    assert_eq!(reads.status, 200);
    let components = servers.ok(&["get", "componentstatuses"]);
    assert!(
        components.contains("etcd-0               Unhealthy"),
        "{components}"
    );

    // The same process goes on once the others are back.
    servers.cluster.members[1].start().unwrap();
    servers.until(0, &["create", "configmap", "b"], |ended| ended.ok);
    let quiet = servers.until(0, &["get", "configmap", "b", "-o", "name"], |ended| {
        ended.ok
    });
    assert_eq!(quiet.err, "");
    servers.until(0, &["get", "--raw=/readyz?verbose"], |ended| {
        ended.out == READY
    });
}

#[tokio::test]
async fn components_are_listed_as_they_are() {
    let servers = Servers::start(1).await;
    let ended = servers.run_on(0, &["get", "componentstatuses"], "");
    assert_eq!(
        ended.err,
        "Warning: v1 ComponentStatus is deprecated in v1.19+\n"
    );
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 4, "{ended:?}");
    assert!(
        lines[0].starts_with("NAME                 STATUS"),
        "{ended:?}"
    );
    let (scheduler, manager) = (lines[1], lines[2]);
    assert!(scheduler.starts_with("scheduler            Unhealthy   Get \"https://127.0.0.1:10259/healthz\": dial tcp 127.0.0.1:10259: connect: connection refused"), "{ended:?}");
    assert!(
        manager.starts_with("controller-manager   Unhealthy"),
        "{ended:?}"
    );
    assert!(
        lines[3].starts_with("etcd-0               Healthy     ok"),
        "{ended:?}"
    );
    assert_eq!(
        servers.ok(&[
            "get",
            "cs",
            "etcd-0",
            "-o",
            "jsonpath={.conditions[0].status}"
        ]),
        "True"
    );
    let unknown = servers.fails(&["get", "cs", "none"]);
    assert!(unknown.contains("(NotFound)"), "{unknown}");
}

/// A pod with two containers, and one with none of its own node.
const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec: {containers: [{name: a, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec: {initContainers: [{name: i, image: x}], containers: [{name: a, image: x}, {name: b, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: lost}
spec: {nodeName: gone, containers: [{name: a, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: placed}
spec: {nodeName: here, containers: [{name: a, image: x}]}
---
apiVersion: v1
kind: Node
metadata: {name: here}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"#;

#[tokio::test]
async fn what_needs_a_kubelet_fails_as_it_does_where_none_answers() {
    let servers = Servers::start(1).await;
    servers.ok_with(&["apply", "-f", "-"], PODS);
    let said = |arguments: &[&str]| servers.fails(arguments).trim_end().to_owned();

    assert_eq!(servers.ok(&["logs", "waits"]), "", "nothing has run");
    assert_eq!(
        said(&["logs", "none"]),
        "error: error from server (NotFound): pods \"none\" not found in namespace \"default\""
    );
    assert_eq!(
        said(&["get", "--raw=/api/v1/namespaces/default/pods/two/log"]),
        "Error from server (BadRequest): a container name must be specified for pod two, choose one of: [i a b]"
    );
    assert_eq!(
        said(&[
            "get",
            "--raw=/api/v1/namespaces/default/pods/waits/log?container=x"
        ]),
        "Error from server (BadRequest): container x is not valid for pod waits"
    );
    let not_there = "Error from server (NotFound): nodes \"gone\" not found";
    assert_eq!(said(&["logs", "lost"]), not_there);
    // Versions of kubectl put different words before it.
    let streams = |arguments: &[&str], wanted: &str| {
        let found = said(arguments);
        assert!(found.ends_with(wanted), "{arguments:?}: {found}");
    };
    streams(&["exec", "lost", "--", "ls"], "nodes \"gone\" not found");
    for command in [
        ["exec", "waits", "--", "ls"].as_slice(),
        &["attach", "waits"],
    ] {
        streams(command, ": pod waits does not have a host assigned");
    }
    let no_address = "Error from server: no preferred addresses found; known addresses: []";
    assert_eq!(said(&["logs", "placed"]), no_address);
    let status = r#"{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":1}}}}"#;
    servers.ok(&[
        "patch",
        "node",
        "here",
        "--subresource=status",
        "-p",
        status,
    ]);
    assert_eq!(
        said(&["logs", "placed"]),
        "Error from server: Get \"https://127.0.0.1:1/containerLogs/default/placed/a\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
    streams(
        &["exec", "placed", "--", "ls"],
        "error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused",
    );

    let proxied = |path: &str| said(&["get", &format!("--raw=/api/v1/{path}")]);
    assert_eq!(
        proxied("namespaces/default/services/web/proxy/"),
        "Error from server (ServiceUnavailable): no endpoints available for service \"web\""
    );
    assert_eq!(
        proxied("namespaces/default/services/web:81/proxy/"),
        "Error from server (ServiceUnavailable): no service port 81 found for service \"web\""
    );
    let endpoints = r#"{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"web"}}"#;
    servers.ok_with(&["apply", "-f", "-"], endpoints);
    assert_eq!(
        proxied("namespaces/default/services/web:80/proxy/"),
        "Error from server (ServiceUnavailable): no endpoints available for service \"web\""
    );
    assert_eq!(
        proxied("namespaces/default/pods/waits/proxy/"),
        "Error from server (BadRequest): address not allowed"
    );
    assert_eq!(
        proxied("nodes/here/proxy/pods"),
        "Error from server (ServiceUnavailable): error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused"
    );
    assert_eq!(proxied("nodes/gone/proxy/"), not_there);
}
