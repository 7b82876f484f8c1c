//! What is counted, and how Prometheus reads it: etcd's names where they mean the same.
//!
//! Counters are relaxed atomics: one addition on the way of a request. Everything else is asked
//! when somebody reads.

mod clients;

pub(crate) use skerry_metrics::{Counter, Gauge};
use skerry_metrics::{Text, Type};
use tonic::Code;

use crate::api::Api;
use crate::method::{Kind, Method};
use clients::ClientVersions;

/// gRPC's status codes, 0 to 16.
const CODES: usize = 17;

/// What one method has seen.
#[derive(Debug, Default)]
struct Calls {
    started: Counter,
    handled: [Counter; CODES],
}

/// All that is counted while serving.
#[derive(Debug)]
pub(crate) struct Metrics {
    calls: Vec<Calls>,
    clients: ClientVersions,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) proposals_pending: Gauge,
    pub(crate) proposals_failed: Counter,
    pub(crate) reads_failed: Counter,
    pub(crate) leader_changes: Counter,
    pub(crate) watch_streams: Gauge,
    pub(crate) watchers: Gauge,
    pub(crate) slow_watchers: Gauge,
    pub(crate) events_sent: Counter,
    pub(crate) health_success: Counter,
    pub(crate) health_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            calls: Method::ALL.iter().map(|_| Calls::default()).collect(),
            clients: ClientVersions::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            proposals_pending: Gauge::default(),
            proposals_failed: Counter::default(),
            reads_failed: Counter::default(),
            leader_changes: Counter::default(),
            watch_streams: Gauge::default(),
            watchers: Gauge::default(),
            slow_watchers: Gauge::default(),
            events_sent: Counter::default(),
            health_success: Counter::default(),
            health_failures: Counter::default(),
        }
    }
}

impl Metrics {
    /// A call has come in, from a client of this version.
    pub(crate) fn started(&self, method: Method, client: Option<&[u8]>) {
        self.calls[method as usize].started.increment();
        self.clients.count(method.kind(), client);
    }

    /// And was answered.
    pub(crate) fn handled(&self, method: Method, code: Code) {
        self.calls[method as usize].handled[code as usize].increment();
    }
}

/// Everything, as Prometheus's text format 0.0.4.
pub(crate) fn render(api: &Api) -> String {
    let mut text = Text::default();
    server(&mut text, api);
    store(&mut text, api);
    calls(&mut text, &api.metrics);
    skerry_metrics::process(&mut text);
    text.into_string()
}

fn server(text: &mut Text, api: &Api) {
    let metrics = &api.metrics;
    let status = api.status();
    let member = format!("{:x}", status.member_id);
    text.labelled(
        "etcd_server_id",
        Type::Gauge,
        "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    )
    .value(&[("server_id", &member)], 1);
    text.labelled(
        "etcd_server_version",
        Type::Gauge,
        "Which version is running. 1 for 'server_version' label with current version.",
    )
    .value(&[("server_version", crate::version::SERVER)], 1);
    text.labelled(
        "etcd_cluster_version",
        Type::Gauge,
        "Which version is running. 1 for 'cluster_version' label with current cluster version",
    )
    .value(&[("cluster_version", crate::version::CLUSTER_SHORT)], 1);
    text.gauge(
        "etcd_server_has_leader",
        "Whether or not a leader exists. 1 is existence, 0 is not.",
        u64::from(status.leader.is_some()),
    );
    text.gauge(
        "etcd_server_is_leader",
        "Whether or not this member is a leader. 1 if is, 0 otherwise.",
        u64::from(status.leader == Some(status.member_id)),
    );
    text.gauge(
        "etcd_server_is_learner",
        "Whether or not this member is a learner. 1 if is, 0 otherwise.",
        u64::from(api.is_learner(&status)),
    );
    text.counter(
        "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.",
        metrics.leader_changes.get(),
    );
    text.gauge(
        "etcd_server_proposals_committed_total",
        "The total number of consensus proposals committed.",
        api.handle.committed_index(),
    );
    text.gauge(
        "etcd_server_proposals_applied_total",
        "The total number of consensus proposals applied.",
        api.handle.applied_index(),
    );
    text.gauge(
        "etcd_server_proposals_pending",
        "The current number of pending proposals to commit.",
        metrics.proposals_pending.get(),
    );
    text.counter(
        "etcd_server_proposals_failed_total",
        "The total number of failed proposals seen.",
        metrics.proposals_failed.get(),
    );
    text.counter(
        "etcd_server_read_indexes_failed_total",
        "The total number of failed read indexes seen.",
        metrics.reads_failed.get(),
    );
    text.counter(
        "etcd_server_health_success",
        "The total number of successful health checks",
        metrics.health_success.get(),
    );
    text.counter(
        "etcd_server_health_failures",
        "The total number of failed health checks",
        metrics.health_failures.get(),
    );
    text.gauge(
        "etcd_server_quota_backend_bytes",
        "Current backend storage quota size in bytes.",
        api.options.quota_bytes,
    );
    metrics.clients.render(text);
    (api.options.more_metrics)(text);
    text.counter(
        "etcd_network_client_grpc_received_bytes_total",
        "The total number of bytes received from grpc clients.",
        metrics.received_bytes.get(),
    );
    text.counter(
        "etcd_network_client_grpc_sent_bytes_total",
        "The total number of bytes sent to grpc clients.",
        metrics.sent_bytes.get(),
    );
}

fn store(text: &mut Text, api: &Api) {
    let metrics = &api.metrics;
    text.gauge(
        "etcd_debugging_mvcc_watch_stream_total",
        "Total number of watch streams.",
        metrics.watch_streams.get(),
    );
    text.gauge(
        "etcd_debugging_mvcc_watcher_total",
        "Total number of watchers.",
        metrics.watchers.get(),
    );
    text.gauge(
        "etcd_debugging_mvcc_slow_watcher_total",
        "Total number of unsynced slow watchers.",
        metrics.slow_watchers.get(),
    );
    text.counter(
        "etcd_debugging_mvcc_events_total",
        "Total number of events sent by this member.",
        metrics.events_sent.get(),
    );
    let Ok(view) = api.view() else {
        return;
    };
    text.gauge(
        "etcd_debugging_mvcc_current_revision",
        "The current revision of store.",
        view.revision().unsigned_abs(),
    );
    text.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "The revision of the last compaction in store.",
        view.compact_revision().unsigned_abs(),
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_bytes",
        "Total size of the underlying database physically allocated in bytes.",
        view.size_bytes(),
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "Total size of the underlying database logically in use in bytes.",
        view.size_in_use_bytes(),
    );
}

fn calls(text: &mut Text, metrics: &Metrics) {
    let labels = |method: &Method| {
        [
            ("grpc_method", method.name()),
            ("grpc_service", method.service()),
            ("grpc_type", method.kind().name()),
        ]
    };
    let mut started = text.labelled(
        "grpc_server_started_total",
        Type::Counter,
        "Total number of RPCs started on the server.",
    );
    for (method, calls) in Method::ALL.iter().zip(&metrics.calls) {
        started.value(&labels(method), calls.started.get());
    }
    let mut handled = text.labelled(
        "grpc_server_handled_total",
        Type::Counter,
        "Total number of RPCs completed on the server, regardless of success or failure.",
    );
    for (method, calls) in Method::ALL.iter().zip(&metrics.calls) {
        for (code, count) in calls.handled.iter().enumerate() {
            let count = count.get();
            if count > 0 || code == Code::Ok as usize {
                let [method, service, kind] = labels(method);
                handled.value(
                    &[("grpc_code", CODE_NAMES[code]), method, service, kind],
                    count,
                );
            }
        }
    }
}

/// As grpc-go spells them.
const CODE_NAMES: [&str; CODES] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// As etcd's metrics call them.
fn client_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Unary => "unary",
        Kind::ServerStream | Kind::BidiStream => "stream",
    }
}
