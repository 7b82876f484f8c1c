//! The row of a pod: how many of its containers are ready, and in one word how it does.

use serde_json::{Value, json};

use super::{Row, or_none};
use crate::time::{parse_ms, since};
use crate::value::{int, is_set, is_true, list, text};

pub(super) fn pod(row: Row<'_>) -> Vec<Value> {
    let inits = list(row.spec("initContainers"));
    let sidecars = inits.iter().filter(|c| is_sidecar(c)).count();
    let total = list(row.spec("containers")).len() + sidecars;
    let state = State::of(row);
    let restarts = match state.last_restart {
        Some(time) if state.restarts != 0 => {
            format!("{} ({} ago)", state.restarts, since(time, row.now_ms))
        }
        _ => state.restarts.to_string(),
    };
    let ip = match list(row.status("podIPs")) {
        [first, ..] => text(&first["ip"]),
        [] => text(row.status("podIP")),
    };
    vec![
        row.name(),
        json!(format!("{}/{total}", state.ready)),
        json!(state.reason),
        json!(restarts),
        row.age(),
        json!(or_none(ip)),
        json!(or_none(text(row.spec("nodeName")))),
        json!(or_none(text(row.status("nominatedNodeName")))),
        json!(readiness_gates(row)),
    ]
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// What is learnt by walking over the containers' statuses.
struct State<'v> {
    reason: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<&'v Value>,
}

impl<'v> State<'v> {
    fn of(row: Row<'v>) -> Self {
        let phase = text(row.status("phase"));
        let mut state = State {
            reason: phase.to_owned(),
            ready: 0,
            restarts: 0,
            last_restart: None,
        };
        if !text(row.status("reason")).is_empty() {
            state.reason = text(row.status("reason")).to_owned();
        }
        let is_gated = list(row.status("conditions"))
            .iter()
            .any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated");
        if is_gated {
            state.reason = "SchedulingGated".to_owned();
        }
        let sidecars = state.initialize(row);
        if let Some(sidecars) = sidecars {
            (state.restarts, state.last_restart) = sidecars;
            state.run(row);
        }
        if row.is_deleted() && row.status("reason") == "NodeLost" {
            state.reason = "Unknown".to_owned();
        } else if row.is_deleted() && phase != "Succeeded" && phase != "Failed" {
            state.reason = "Terminating".to_owned();
        }
        state
    }

    /// Walks over the init containers up to the first that is not done. Gives the restarts of
    /// the sidecars where the other containers count.
    fn initialize(&mut self, row: Row<'v>) -> Option<(i64, Option<&'v Value>)> {
        let inits = list(row.spec("initContainers"));
        let mut sidecar_restarts = 0;
        let mut sidecar_last = None;
        let mut is_initializing = false;
        for (i, status) in list(row.status("initContainerStatuses")).iter().enumerate() {
            let is_sidecar = inits
                .iter()
                .any(|c| c["name"] == status["name"] && is_sidecar(c));
            self.restarts = self.restarts.saturating_add(int(&status["restartCount"]));
            self.last_restart = later(self.last_restart, last_end(status));
            if is_sidecar {
                sidecar_restarts += int(&status["restartCount"]);
                sidecar_last = later(sidecar_last, last_end(status));
            }
            let terminated = &status["state"]["terminated"];
            if is_set(terminated) && int(&terminated["exitCode"]) == 0 {
                continue;
            }
            if is_sidecar && is_true(&status["started"]) {
                self.ready += usize::from(is_true(&status["ready"]));
                continue;
            }
            let waiting = text(&status["state"]["waiting"]["reason"]);
            self.reason = if is_set(terminated) {
                format!("Init:{}", end_reason(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{i}/{}", inits.len())
            };
            is_initializing = true;
            break;
        }
        let is_initialized = list(row.status("conditions"))
            .iter()
            .find(|c| c["type"] == "Initialized")
            .is_some_and(|c| c["status"] == "True");
        (!is_initializing || is_initialized).then_some((sidecar_restarts, sidecar_last))
    }

    /// Walks over the containers; the first has the last word.
    fn run(&mut self, row: Row<'v>) {
        let mut has_running = false;
        for status in list(row.status("containerStatuses")).iter().rev() {
            self.restarts = self.restarts.saturating_add(int(&status["restartCount"]));
            self.last_restart = later(self.last_restart, last_end(status));
            let waiting = text(&status["state"]["waiting"]["reason"]);
            let terminated = &status["state"]["terminated"];
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if is_set(terminated) {
                self.reason = end_reason(terminated);
            } else if is_true(&status["ready"]) && is_set(&status["state"]["running"]) {
                has_running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && has_running {
            let is_ready = list(row.status("conditions"))
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True");
            self.reason = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

fn end_reason(terminated: &Value) -> String {
    match (text(&terminated["reason"]), int(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", int(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn last_end(status: &Value) -> &Value {
    &status["lastState"]["terminated"]["finishedAt"]
}

fn later<'v>(a: Option<&'v Value>, b: &'v Value) -> Option<&'v Value> {
    let ms = |time: &Value| parse_ms(text(time));
    match ms(b) {
        Some(b_ms) if a.and_then(ms).is_none_or(|a_ms| a_ms < b_ms) => Some(b),
        _ => a,
    }
}

fn readiness_gates(row: Row<'_>) -> String {
    let gates = list(row.spec("readinessGates"));
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = list(row.status("conditions"));
    let open = gates.iter().filter(|gate| {
        conditions
            .iter()
            .find(|c| c["type"] == gate["conditionType"])
            .is_some_and(|c| c["status"] == "True")
    });
    format!("{}/{}", open.count(), gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    fn shown(object: &Value) -> Vec<String> {
        let now = parse_ms("2026-01-01T01:00:00Z").expect("a time");
        let cells = cells("", "Pod", object, now);
        cells[1..4].iter().map(|c| text(c).to_owned()).collect()
    }

    fn pod_with(spec: Value, status: Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": spec, "status": status})
    }

    #[test]
    fn a_running_pod_counts_ready_containers_and_restarts() {
        let object = pod_with(
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"phase": "Running", "containerStatuses": [
                {"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}},
                 "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}},
                {"name": "b", "ready": false, "restartCount": 1, "state": {"running": {}}},
            ]}),
        );
        assert_eq!(shown(&object), ["1/2", "Running", "3 (5m ago)"]);
    }

    #[test]
    fn the_status_is_what_the_containers_say() {
        let one = json!({"containers": [{"name": "a"}]});
        let containers = |state: Value| json!({"phase": "Running", "containerStatuses": [{"name": "a", "state": state}]});
        for (state, word) in [
            (
                json!({"waiting": {"reason": "CrashLoopBackOff"}}),
                "CrashLoopBackOff",
            ),
            (
                json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}}),
                "OOMKilled",
            ),
            (json!({"terminated": {"exitCode": 3}}), "ExitCode:3"),
            (
                json!({"terminated": {"exitCode": 0, "signal": 9}}),
                "Signal:9",
            ),
        ] {
            assert_eq!(shown(&pod_with(one.clone(), containers(state)))[1], word);
        }
    }

    #[test]
    fn a_pod_that_initializes_says_how_far_it_is() {
        let spec = json!({
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
            "containers": [{"name": "a"}],
        });
        let waiting = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "state": {"running": {}}}]});
        assert_eq!(
            shown(&pod_with(spec.clone(), waiting)),
            ["0/2", "Init:0/2", "0"]
        );
        let failed = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 2}}}]});
        assert_eq!(
            shown(&pod_with(spec.clone(), failed)),
            ["0/2", "Init:ExitCode:2", "4"]
        );
        let running = json!({"phase": "Running",
            "initContainerStatuses": [
                {"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}},
                {"name": "s", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}],
            "containerStatuses": [{"name": "a", "ready": true, "state": {"running": {}}}]});
        assert_eq!(shown(&pod_with(spec, running)), ["2/2", "Running", "1"]);
    }

    #[test]
    fn a_pod_that_is_deleted_terminates_unless_it_has_ended() {
        let mut object = pod_with(json!({}), json!({"phase": "Running"}));
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(shown(&object)[1], "Terminating");
        object["status"]["reason"] = json!("NodeLost");
        assert_eq!(shown(&object)[1], "Unknown");
        object["status"] = json!({"phase": "Succeeded"});
        assert_eq!(shown(&object)[1], "Succeeded");
    }

    #[test]
    fn a_gated_pod_says_so_and_open_gates_are_counted() {
        let mut object = pod_with(
            json!({"readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]}),
            json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"},
                {"type": "x", "status": "True"}]}),
        );
        assert_eq!(shown(&object)[1], "SchedulingGated");
        object["status"]["podIPs"] = json!([{"ip": "10.0.0.9"}]);
        let all = cells("", "Pod", &object, 0);
        assert_eq!(all[5..], ["10.0.0.9", "<none>", "<none>", "1/2"]);
    }
}
