//! What is told of the foreign datastore: to `skerry status` and `doctor`, the log and systemd.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::store::OnEtcd;
use crate::admin::Routes;
use crate::commands;
use crate::config::ForeignEtcd;
use crate::service_manager;

/// Between two looks at who leads.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// These routes and those of `status` and `doctor`.
pub(crate) fn routes(routes: Routes, store: &OnEtcd, etcd: &ForeignEtcd) -> Routes {
    let (store, endpoints) = (store.clone(), etcd.endpoints.join(","));
    let told = move || {
        let foreign = store.foreign();
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        json!({
            "time": time.map_or(0, |time| time.as_secs()),
            "peers": [],
            "foreign": {
                "endpoints": endpoints,
                "clusterID": format!("{:x}", foreign.cluster_id()),
                "reachable": foreign.is_reachable(),
                "revision": foreign.revision(),
                "leads": foreign.leads(),
                "servers": foreign.addresses(),
            },
        })
    };
    let diagnosed = told.clone();
    routes
        .at(Method::GET, commands::status::ROUTE, move |_| {
            let told = told();
            async move { Ok(told) }
        })
        .at(Method::GET, commands::doctor::ROUTE, move |_| {
            let told = diagnosed();
            async move { Ok(told) }
        })
}

/// For `skerry status`; none where the server that answered has a member.
pub(crate) fn table(answer: &Value) -> Option<String> {
    let (_, says) = finding(answer)?;
    let foreign = &answer["foreign"];
    let servers = foreign["servers"].as_array().map_or(&[][..], Vec::as_slice);
    let servers: Vec<&str> = servers.iter().filter_map(Value::as_str).collect();
    let leads = match foreign["leads"] == true {
        true => "this server runs the controllers",
        false => "another server runs the controllers",
    };
    Some(format!(
        "{says}\n{leads}; servers: {}\n",
        servers.join(", ")
    ))
}

/// For `skerry doctor`: whether all is well, and what there is to say.
pub(crate) fn finding(answer: &Value) -> Option<(bool, String)> {
    let foreign = answer.get("foreign")?;
    let is_well = foreign["reachable"] == true;
    let answers = match is_well {
        true => "answers",
        false => "does not answer: reads go on, writes are refused",
    };
    let says = format!(
        "the foreign etcd at {} (cluster {}, revision {}) {answers}",
        foreign["endpoints"].as_str().unwrap_or_default(),
        foreign["clusterID"].as_str().unwrap_or_default(),
        foreign["revision"],
    );
    Some((is_well, says))
}

/// Tells systemd, and the log, who leads whenever that changes. Never returns.
pub(crate) async fn report(store: &OnEtcd) {
    let mut told = "";
    loop {
        let foreign = store.foreign();
        let line = match (foreign.is_reachable(), foreign.leads()) {
            (false, _) => "the datastore does not answer: read-only",
            (true, true) => "on a foreign datastore, runs the controllers",
            (true, false) => "on a foreign datastore, another server runs the controllers",
        };
        if line != told {
            tracing::info!("{line}");
            service_manager::status(line);
            told = line;
        }
        sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datastore_that_does_not_answer_is_told_in_words() {
        let answer = |reachable: bool| {
            json!({"foreign": {
                "endpoints": "https://192.0.2.1:2379", "clusterID": "c1", "reachable": reachable,
                "revision": 7, "leads": true, "servers": ["192.0.2.8", "192.0.2.9"],
            }})
        };
        assert_eq!(
            table(&answer(true)).unwrap(),
            "the foreign etcd at https://192.0.2.1:2379 (cluster c1, revision 7) answers\n\
             this server runs the controllers; servers: 192.0.2.8, 192.0.2.9\n"
        );
        let (is_well, says) = finding(&answer(false)).unwrap();
        assert!(!is_well && says.contains("writes are refused"), "{says}");
        assert!(table(&json!({"members": []})).is_none());
    }
}
