//! The rows of what keeps pods running: deployments, sets, jobs.

use serde_json::{Value, json};

use super::{Row, names_and_images};
use crate::selector;
use crate::time::{human_duration, parse_ms, since};
use crate::value::{int, is_set, is_true, list, text};

fn containers(template: &Value) -> [Value; 2] {
    names_and_images(&template["spec"]["containers"])
}

fn wide(row: Row<'_>, mut cells: Vec<Value>, selector: Option<String>) -> Vec<Value> {
    cells.extend(containers(row.spec("template")));
    cells.extend(selector.map(Value::from));
    cells
}

pub(super) fn pod_template(row: Row<'_>) -> Vec<Value> {
    let template = &row.object["template"];
    let [names, images] = containers(template);
    let labels = selector::show_labels(&template["metadata"]["labels"]);
    vec![row.name(), names, images, json!(labels)]
}

pub(super) fn replication_controller(row: Row<'_>) -> Vec<Value> {
    let shown = selector::show_labels(row.spec("selector"));
    wide(row, replicas(row), Some(shown))
}

pub(super) fn replica_set(row: Row<'_>) -> Vec<Value> {
    wide(
        row,
        replicas(row),
        Some(selector::show(row.spec("selector"))),
    )
}

fn replicas(row: Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        json!(int(row.spec("replicas"))),
        json!(int(row.status("replicas"))),
        json!(int(row.status("readyReplicas"))),
        row.age(),
    ]
}

fn ready_of_desired(row: Row<'_>) -> Value {
    let ready = int(row.status("readyReplicas"));
    json!(format!("{ready}/{}", int(row.spec("replicas"))))
}

pub(super) fn daemon_set(row: Row<'_>) -> Vec<Value> {
    let count = |field: &str| json!(int(row.status(field)));
    let nodes = &row.spec("template")["spec"]["nodeSelector"];
    let cells = vec![
        row.name(),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        json!(selector::show_labels(nodes)),
        row.age(),
    ];
    wide(row, cells, Some(selector::show(row.spec("selector"))))
}

pub(super) fn stateful_set(row: Row<'_>) -> Vec<Value> {
    wide(
        row,
        vec![row.name(), ready_of_desired(row), row.age()],
        None,
    )
}

pub(super) fn deployment(row: Row<'_>) -> Vec<Value> {
    let cells = vec![
        row.name(),
        ready_of_desired(row),
        json!(int(row.status("updatedReplicas"))),
        json!(int(row.status("availableReplicas"))),
        row.age(),
    ];
    let shown = selector::requirements(row.spec("selector"));
    wide(
        row,
        cells,
        Some(shown.unwrap_or_else(|| "<invalid>".to_owned())),
    )
}

pub(super) fn controller_revision(row: Row<'_>) -> Vec<Value> {
    let owner = list(row.metadata("ownerReferences"))
        .iter()
        .find(|owner| is_true(&owner["controller"]));
    let owner = owner.map_or("<none>".to_owned(), |owner| {
        let group = text(&owner["apiVersion"])
            .split_once('/')
            .map(|(group, _)| group);
        let dot = if group.is_some() { "." } else { "" };
        let kind = format!("{}{dot}{}", text(&owner["kind"]), group.unwrap_or_default());
        format!("{}/{}", kind.to_lowercase(), text(&owner["name"]))
    });
    let revision = json!(int(&row.object["revision"]));
    vec![row.name(), json!(owner), revision, row.age()]
}

pub(super) fn job(row: Row<'_>) -> Vec<Value> {
    let done = int(row.status("succeeded"));
    let completions = match (
        row.spec("completions").as_i64(),
        int(row.spec("parallelism")),
    ) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{done}/1 of {parallelism}"),
        (None, _) => format!("{done}/1"),
    };
    let start = parse_ms(text(row.status("startTime")));
    let end = parse_ms(text(row.status("completionTime"))).unwrap_or(row.now_ms);
    let duration = start.map_or_else(String::new, |start| {
        human_duration(end.saturating_sub(start))
    });
    let cells = vec![
        row.name(),
        json!(job_status(row)),
        json!(completions),
        json!(duration),
        row.age(),
    ];
    wide(row, cells, Some(selector::show(row.spec("selector"))))
}

fn job_status(row: Row<'_>) -> &'static str {
    let has = |kind: &str| {
        list(row.status("conditions"))
            .iter()
            .find(|condition| condition["type"] == kind)
            .is_some_and(|condition| condition["status"] == "True")
    };
    match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if row.is_deleted() => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () => "Running",
    }
}

pub(super) fn cron_job(row: Row<'_>) -> Vec<Value> {
    let last = row.status("lastScheduleTime");
    let last = match is_set(last) {
        true => since(last, row.now_ms),
        false => "<none>".to_owned(),
    };
    let suspended = match row.spec("suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let job = &row.spec("jobTemplate")["spec"];
    let [names, images] = containers(&job["template"]);
    vec![
        row.name(),
        json!(text(row.spec("schedule"))),
        json!(row.spec("timeZone").as_str().unwrap_or("<none>")),
        json!(suspended),
        json!(list(row.status("active")).len()),
        json!(last),
        row.age(),
        names,
        images,
        json!(selector::show(&job["selector"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    #[test]
    fn a_deployment_shows_ready_of_desired_and_its_containers() {
        let object = json!({
            "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [
                    {"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2"}]}}},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        });
        let now = parse_ms("2026-01-03T00:00:00Z").expect("a time");
        assert_eq!(
            cells("apps", "Deployment", &object, now),
            [
                json!("web"),
                json!("2/3"),
                json!(3),
                json!(2),
                json!("2d"),
                json!("a,b"),
                json!("x:1,y:2"),
                json!("app=web")
            ]
        );
    }

    #[test]
    fn a_job_shows_how_it_stands_and_how_long_it_took() {
        let object = json!({
            "metadata": {"name": "j"},
            "spec": {"completions": 2, "parallelism": 1},
            "status": {"succeeded": 2, "startTime": "2026-01-01T00:00:00Z",
                "completionTime": "2026-01-01T00:00:42Z",
                "conditions": [{"type": "Complete", "status": "True"}]},
        });
        let shown = cells("batch", "Job", &object, 0);
        assert_eq!(shown[1..4], ["Complete", "2/2", "42s"]);
        let open = json!({"spec": {"parallelism": 4}});
        assert_eq!(
            cells("batch", "Job", &open, 0)[1..4],
            ["Running", "0/1 of 4", ""]
        );
    }

    #[test]
    fn a_revision_names_its_controller() {
        let object = json!({
            "metadata": {"name": "r", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true}]},
            "revision": 7,
        });
        let shown = cells("apps", "ControllerRevision", &object, 0);
        assert_eq!(shown[1..3], [json!("daemonset.apps/d"), json!(7)]);
    }

    #[test]
    fn a_cron_job_shows_its_schedule() {
        let object = json!({"spec": {"schedule": "*/5 * * * *", "suspend": false}});
        let shown = cells("batch", "CronJob", &object, 0);
        assert_eq!(shown[1..4], ["*/5 * * * *", "<none>", "False"]);
        assert_eq!(shown[5], "<none>");
    }
}
