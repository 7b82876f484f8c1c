//! `/metrics` and `/metrics/slis`, piece by piece: names, labels and help are upstream's.
//!
//! Invariant: memory does not grow with what was counted.

use std::sync::Arc;

use bytes::Bytes;
use skerry_health::Count;
use skerry_metrics::{Text, Type};

pub(crate) use skerry_metrics::MEDIA_TYPE;

use super::requests::{BYTES, Row, SECONDS, SECONDS_NOT_SLI};
use super::{Metrics, USERS};
use crate::documents;
use crate::engine::Engine;
use crate::error;
use crate::registry::Resource;

/// Bytes of a piece, about.
const PIECE_BYTES: usize = 32 << 10;

/// One metric of requests: its name, its type, its help, and what a row says of it.
type Family = (&'static str, Type, &'static str, fn(&Row, &mut Text));

const FAMILIES: [Family; 6] = [
    (
        "apiserver_request_total",
        Type::Counter,
        "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
        |row, text| {
            for (code, count) in &row.codes {
                let code = code.to_string();
                let mut labels = dry_labels(row);
                labels.push(("code", &code));
                text.more("apiserver_request_total").value(&labels, *count);
            }
        },
    ),
    (
        "apiserver_request_duration_seconds",
        Type::Histogram,
        "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
        |row, text| {
            if row.seconds.count() > 0 {
                text.more("apiserver_request_duration_seconds").histogram(
                    &dry_labels(row),
                    SECONDS.into_iter().zip(row.seconds.up_to()),
                    row.seconds.count(),
                    row.seconds.sum(),
                );
            }
        },
    ),
    (
        "apiserver_request_sli_duration_seconds",
        Type::Histogram,
        "[ALPHA] Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.",
        |row, text| {
            if row.seconds.count() > 0 && row.seen.dry_run.is_empty() {
                let up_to = SECONDS.into_iter().zip(row.seconds.up_to());
                text.more("apiserver_request_sli_duration_seconds")
                    .histogram(
                        &labels(row),
                        up_to.skip(SECONDS_NOT_SLI),
                        row.seconds.count(),
                        row.seconds.sum(),
                    );
            }
        },
    ),
    (
        "apiserver_response_sizes",
        Type::Histogram,
        "[STABLE] Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.",
        |row, text| {
            if row.bytes.count() > 0 && row.seen.dry_run.is_empty() {
                text.more("apiserver_response_sizes").histogram(
                    &labels(row),
                    BYTES.into_iter().zip(row.bytes.up_to()),
                    row.bytes.count(),
                    row.bytes.sum(),
                );
            }
        },
    ),
    (
        "apiserver_longrunning_requests",
        Type::Gauge,
        "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.",
        |row, text| {
            if row.seen.is_long_running() && row.seen.dry_run.is_empty() {
                text.more("apiserver_longrunning_requests")
                    .value(&labels(row), row.long_running);
            }
        },
    ),
    (
        "apiserver_request_terminations_total",
        Type::Counter,
        "[ALPHA] Number of requests which apiserver terminated in self-defense.",
        |row, text| {
            if row.dropped > 0 && row.seen.dry_run.is_empty() {
                let mut labels = labels(row);
                labels.push(("code", "429"));
                text.more("apiserver_request_terminations_total")
                    .value(&labels, row.dropped);
            }
        },
    ),
];

fn labels(row: &Row) -> Vec<(&'static str, &str)> {
    let mut labels = vec![("verb", row.seen.verb)];
    labels.extend(row.seen.labels());
    labels
}

fn dry_labels(row: &Row) -> Vec<(&'static str, &str)> {
    let mut labels = labels(row);
    labels.insert(1, ("dry_run", row.seen.dry_run));
    labels
}

/// Somebody who reads them.
pub(crate) struct Reading {
    metrics: Arc<Metrics>,
    engine: Arc<Engine>,
    /// What comes first.
    head: Option<String>,
    family: usize,
    row: usize,
    /// Of those that follow: who may run.
    flow_family: usize,
}

impl Reading {
    pub(crate) async fn new(
        engine: &Arc<Engine>,
        metrics: &Arc<Metrics>,
        more: fn(&mut Text),
    ) -> Reading {
        let mut text = Text::default();
        build(&mut text);
        metrics.gauges(&mut text);
        metrics.admission.write(&mut text);
        metrics.webhooks.write(&mut text);
        let counts = metrics.objects.counts(engine).await;
        let mut family = text.labelled(
            "apiserver_storage_objects",
            Type::Gauge,
            "[STABLE] [DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.",
        );
        for (group, plural, count) in &counts {
            family.signed(&[("resource", &error::qualified(group, plural))], *count);
        }
        let mut family = text.labelled(
            "apiserver_resource_objects",
            Type::Gauge,
            "[ALPHA] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.",
        );
        for (group, plural, count) in &counts {
            family.signed(&[("group", group), ("resource", plural)], *count);
        }
        if let Ok(view) = engine.storage.view() {
            text.labelled(
                "apiserver_storage_size_bytes",
                Type::Gauge,
                "[STABLE] Size of the storage database file physically allocated in bytes.",
            )
            .value(&[("storage_cluster_id", "etcd-0")], view.size_bytes());
        }
        skerry_metrics::process(&mut text);
        more(&mut text);
        Reading {
            metrics: Arc::clone(metrics),
            engine: Arc::clone(engine),
            head: Some(text.into_string()),
            family: 0,
            row: 0,
            flow_family: 0,
        }
    }

    /// The next piece; nothing at the end.
    pub(crate) fn piece(&mut self) -> Option<Bytes> {
        if let Some(head) = self.head.take() {
            return Some(Bytes::from(head));
        }
        let mut text = Text::default();
        while let Some((name, kind, help, write)) = FAMILIES.get(self.family) {
            if self.row == 0 {
                text.labelled(name, *kind, help);
            }
            let ended = self.metrics.with_requests(|requests| {
                for row in requests.rows().iter().skip(self.row) {
                    if text.len() >= PIECE_BYTES {
                        return false;
                    }
                    write(row, &mut text);
                    self.row += 1;
                }
                true
            });
            if !ended {
                break;
            }
            self.family += 1;
            self.row = 0;
        }
        if text.is_empty() && self.engine.flow.metrics(self.flow_family, &mut text) {
            self.flow_family += 1;
        }
        (!text.is_empty()).then(|| Bytes::from(text.into_string()))
    }
}

fn build(text: &mut Text) {
    let said = documents::version();
    let word = |name: &str| {
        let word = said.get(name).and_then(serde_json::Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let names = [
        ("build_date", "buildDate"),
        ("compiler", "compiler"),
        ("git_commit", "gitCommit"),
        ("git_tree_state", "gitTreeState"),
        ("git_version", "gitVersion"),
        ("go_version", "goVersion"),
        ("major", "major"),
        ("minor", "minor"),
        ("platform", "platform"),
    ];
    let words = names.map(|(label, name)| (label, word(name)));
    let labels: Vec<(&str, &str)> = words
        .iter()
        .map(|(label, word)| (*label, word.as_str()))
        .collect();
    text.labelled(
        "kubernetes_build_info",
        Type::Gauge,
        "[ALPHA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
    )
    .value(&labels, 1);
}

impl Metrics {
    fn gauges(&self, text: &mut Text) {
        let mut family = text.labelled(
            "apiserver_current_inflight_requests",
            Type::Gauge,
            "[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
        );
        family.value(&[("request_kind", "mutating")], self.mutating.get());
        family.value(&[("request_kind", "readOnly")], self.read_only.get());
        let mut family = text.labelled(
            "authentication_attempts",
            Type::Counter,
            "[ALPHA] Counter of authenticated attempts.",
        );
        let attempts = &self.authentication;
        family.value(&[("result", "success")], attempts.passed.get());
        family.value(&[("result", "failure")], attempts.failed.get());
        family.value(&[("result", "error")], attempts.refused.get());
        let mut family = text.labelled(
            "authorization_attempts_total",
            Type::Counter,
            "[ALPHA] Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
        );
        family.value(&[("result", "allowed")], self.authorization.passed.get());
        family.value(&[("result", "no-opinion")], self.authorization.failed.get());
        let mut family = text.labelled(
            "authenticated_user_requests",
            Type::Counter,
            "[ALPHA] Counter of authenticated requests broken out by username.",
        );
        for (name, count) in USERS.iter().zip(&self.users) {
            family.value(&[("username", name)], count.get());
        }
        text.counter(
            "apiserver_audit_event_total",
            "[ALPHA] Counter of audit events generated and sent to the audit backend.",
            self.audit_events.get(),
        );
        let mut family = text.labelled(
            "apiserver_watch_events_total",
            Type::Counter,
            "[BETA] Number of events sent in watch clients",
        );
        self.with_requests(|requests| {
            for (resource, count) in requests.all_events() {
                family.value(&of(resource), count);
            }
        });
    }

    /// The counter of the events that watchers of a resource are sent.
    pub(crate) fn events(&self, resource: &Arc<Resource>) -> super::EventCounter {
        self.with_requests(|requests| requests.events(resource))
    }
}

fn of(resource: &Resource) -> [(&'static str, &str); 3] {
    [
        ("group", &resource.group),
        ("version", &resource.version),
        ("resource", &resource.plural),
    ]
}

/// `/metrics/slis`: what has come out of the health checks.
pub(crate) fn slis(counts: &[Count]) -> String {
    let mut text = Text::default();
    let mut family = text.labelled(
        "kubernetes_healthcheck",
        Type::Gauge,
        "[STABLE] This metric records the result of a single healthcheck.",
    );
    for count in counts {
        if let Some(last) = count.last {
            let labels = [("name", count.name), ("type", count.probe)];
            family.value(&labels, u64::from(last));
        }
    }
    let mut family = text.labelled(
        "kubernetes_healthchecks_total",
        Type::Counter,
        "[STABLE] This metric records the results of all healthcheck.",
    );
    for count in counts {
        for (status, number) in [("error", count.failed), ("success", count.passed)] {
            if number > 0 {
                let labels = [
                    ("name", count.name),
                    ("status", status),
                    ("type", count.probe),
                ];
                family.value(&labels, number);
            }
        }
    }
    text.into_string()
}
