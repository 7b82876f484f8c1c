//! Priority and fairness: whoever asks for too much waits, and nobody else does.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::Value;
use skerry_tests_kubectl::{DEADLINE, Port, Servers};

const LEVELS: &str = "prioritylevelconfigurations";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";

/// Waits until what upstream starts with is there.
fn ready(servers: &Servers) {
    let schemas = ["get", "flowschemas", "--no-headers"];
    servers.until(0, &schemas, |ended| {
        let told = ended.out.lines().filter(|line| line.ends_with("False"));
        told.count() == 11
    });
}

/// A service account that may do everything.
fn account(servers: &Servers, name: &str) -> Port {
    servers.ok(&["create", "serviceaccount", name]);
    let of = format!("--serviceaccount=default:{name}");
    let role = "--clusterrole=cluster-admin";
    servers.ok(&["create", "clusterrolebinding", name, role, &of]);
    let token = servers.ok(&["create", "token", name]);
    let user = format!("--as=system:serviceaccount:default:{name}");
    servers.until(0, &["auth", "can-i", "*", "*", &user], |ended| ended.ok);
    Port::of(servers, 0, Some(token.trim()))
}

fn metric(servers: &Servers, line: &str) -> Option<f64> {
    let text = servers.ok(&["get", "--raw=/metrics"]);
    let found = text.lines().find_map(|found| found.strip_prefix(line))?;
    found.trim().parse().ok()
}

#[tokio::test]
async fn what_upstream_starts_with_is_made_and_kept() {
    let servers = Servers::start(1).await;
    ready(&servers);
    let levels = servers.ok(&["get", LEVELS, "--no-headers"]);
    let row = levels
        .lines()
        .find(|line| line.starts_with("workload-low "));
    let row: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!(
        row[..6],
        ["workload-low", "Limited", "100", "128", "6", "50"]
    );
    assert_eq!(levels.lines().count(), 8);

    // A mandatory one cannot be changed, and comes back.
    let precedence = r#"{"spec":{"matchingPrecedence":9999}}"#;
    let refused = servers.fails(&["patch", "flowschema", "catch-all", "-p", precedence]);
    assert!(
        refused.contains("spec of 'catch-all' must equal the fixed value"),
        "{refused}"
    );
    servers.ok(&["delete", "flowschema", "catch-all"]);
    servers.until(0, &["get", "flowschema", "catch-all"], |ended| ended.ok);

    // A suggested one is set right, until somebody takes it over.
    let shares = r#"{"spec":{"limited":{"nominalConcurrencyShares":7}}}"#;
    let is = |wanted: &str| {
        let path = "jsonpath={.spec.limited.nominalConcurrencyShares}";
        let asks = ["get", LEVELS, "workload-low", "-o", path];
        servers.until(0, &asks, |ended| ended.out == wanted);
    };
    servers.ok(&["patch", LEVELS, "workload-low", "-p", shares]);
    is("100");
    let taken = format!("{AUTO_UPDATE}=false");
    servers.ok(&["annotate", "--overwrite", LEVELS, "workload-low", &taken]);
    servers.ok(&["patch", LEVELS, "workload-low", "-p", shares]);
    servers.ok(&["annotate", "--overwrite", LEVELS, "system", "a=b"]);
    // Seven of the 152 shares that there are then, of 600 seats.
    let line = "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"workload-low\"}";
    let ends = Instant::now() + DEADLINE;
    while metric(&servers, line) != Some(28.0) {
        assert!(Instant::now() < ends, "{:?}", metric(&servers, line));
        tokio::task::yield_now().await;
    }
    is("7");

    let old = format!(
        r#"{{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{{"name":"old","annotations":{{"{AUTO_UPDATE}":"true"}}}},"spec":{{"priorityLevelConfiguration":{{"name":"none"}}}}}}"#
    );
    servers.ok_with(&["create", "-f", "-"], &old);
    servers.until(0, &["get", "flowschema", "old"], |ended| !ended.ok);
}

#[tokio::test]
async fn a_schema_is_told_whether_its_level_is_there_and_answers_say_which_was_chosen() {
    let servers = Servers::start(1).await;
    ready(&servers);
    let bot = account(&servers, "bot");
    let schema = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"bots"},"spec":{"matchingPrecedence":50,"priorityLevelConfiguration":{"name":"bots"},"rules":[{"subjects":[{"kind":"ServiceAccount","serviceAccount":{"name":"bot","namespace":"default"}}],"resourceRules":[{"verbs":["list"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}]}]}}"#;
    servers.ok_with(&["create", "-f", "-"], schema);
    let condition = "jsonpath={.status.conditions[*].message}";
    let message = ["get", "flowschema", "bots", "-o", condition];
    servers.until(0, &message, |ended| {
        ended.out
            == "This FlowSchema references the PriorityLevelConfiguration object named \"bots\" \
                but there is no such object"
    });
    let chosen = bot.get(MAPS, &[]).await.unwrap();
    let uid_of = |kind: &str, name: &str| {
        servers.json(&["get", kind, name, "-o", "json"])["metadata"]["uid"].clone()
    };
    let header = |answer: &skerry_tests_kubectl::Answer, what: &str| {
        Value::from(answer.header(&format!("x-kubernetes-pf-{what}-uid")))
    };
    assert_eq!(
        header(&chosen, "flowschema"),
        uid_of("flowschema", "service-accounts")
    );

    let level = r#"{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"bots"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"limitResponse":{"type":"Reject"}}}}"#;
    servers.ok_with(&["create", "-f", "-"], level);
    servers.until(0, &message, |ended| ended.out.ends_with("and it exists"));
    let (of_schema, of_level) = (uid_of("flowschema", "bots"), uid_of(LEVELS, "bots"));
    let ends = Instant::now() + DEADLINE;
    loop {
        let chosen = bot.get(MAPS, &[]).await.unwrap();
        if header(&chosen, "flowschema") == of_schema {
            assert_eq!(header(&chosen, "prioritylevel"), of_level);
            break;
        }
        assert!(Instant::now() < ends);
    }
    let dump = "--raw=/debug/api_priority_and_fairness/dump_priority_levels";
    assert!(servers.ok(&["get", dump]).contains("\nbots,"));
}

#[tokio::test]
async fn hundreds_of_lists_of_one_client_do_not_keep_another_from_its_gets() {
    let servers = Servers::start(1).await;
    ready(&servers);
    let greedy = account(&servers, "greedy");
    let modest = account(&servers, "modest");
    let data = format!("--from-literal=a={}", "words ".repeat(2000));
    let mut maps = String::new();
    for number in 0..400 {
        let words = "words ".repeat(200);
        maps.push_str(&format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"m-{number}\"}},\"data\":{{\"a\":\"{words}\"}}}}\n---\n"
        ));
    }
    servers.ok(&["create", "configmap", "own", &data]);
    servers.ok_with(&["create", "-f", "-"], &maps);
    let mut lists = Vec::new();
    for _ in 0..10 {
        let streams = greedy.streams().await.unwrap();
        for _ in 0..40 {
            let mut streams = streams.clone();
            lists.push(tokio::spawn(async move {
                let mut list = streams.ask("GET", MAPS, String::new()).await.unwrap();
                while list.piece().await.unwrap().is_some() {}
                list.status()
            }));
        }
    }
    let own = format!("{MAPS}/own");
    let mut streams = modest.streams().await.unwrap();
    let mut slowest = Duration::ZERO;
    let mut under_way = 0;
    for _ in 0..10 {
        let start = Instant::now();
        let mut answer = streams.ask("GET", &own, String::new()).await.unwrap();
        assert_eq!(answer.status(), 200);
        while answer.piece().await.unwrap().is_some() {}
        slowest = slowest.max(start.elapsed());
        let lists = lists.iter().filter(|list| !list.is_finished());
        under_way = under_way.max(lists.count());
    }
    let mut codes = std::collections::BTreeMap::new();
    for list in lists {
        *codes.entry(list.await.unwrap()).or_insert(0) += 1;
    }
    println!("slowest get {slowest:?} beside {under_way} lists: {codes:?}");
    assert!(under_way > 100, "{under_way} lists under way");
    assert!(codes[&200] > 100, "{codes:?}");
    assert!(
        codes.keys().all(|code| [200, 429].contains(code)),
        "{codes:?}"
    );
    let line = "apiserver_flowcontrol_dispatched_requests_total{priority_level=\"workload-low\",flow_schema=\"service-accounts\"}";
    assert!(metric(&servers, line).unwrap() > 100.0);
}
