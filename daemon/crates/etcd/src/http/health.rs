//! Whether this member serves: /health as all of etcd 3 answers it, /livez and /readyz as of
//! 3.5.11.

use http::{Response, StatusCode};
use serde_json::json;
use skerry_proto::etcdserverpb as pb;
use tonic::Status;

use super::{TEXT, content, parameters, text};
use crate::api::Api;
use crate::grpc::Body;

/// One thing that /livez or /readyz looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

const LIVEZ: &[Check] = &[Check::SerializableRead];

const READYZ: &[Check] = &[
    Check::DataCorruption,
    Check::SerializableRead,
    Check::LinearizableRead,
    Check::NonLearner,
];

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    /// Why it failed, where it did.
    async fn run(self, api: &Api) -> Result<(), String> {
        match self {
            Check::DataCorruption => {
                let alarms = api.alarms().map_err(text_of)?;
                if alarms
                    .iter()
                    .any(|alarm| alarm.alarm() == pb::AlarmType::Corrupt)
                {
                    return Err("alarm activated: CORRUPT".to_owned());
                }
                Ok(())
            }
            Check::SerializableRead => probe(api, true).await.map_err(text_of),
            Check::LinearizableRead => probe(api, false).await.map_err(text_of),
            Check::NonLearner => {
                if api.is_learner(&api.status()) {
                    return Err("not supported for learner".to_owned());
                }
                Ok(())
            }
        }
    }
}

fn text_of(status: Status) -> String {
    status.message().to_owned()
}

/// Reads one key, as a client would.
async fn probe(api: &Api, serializable: bool) -> Result<(), Status> {
    if !serializable {
        api.linearize().await?;
    }
    let request = pb::RangeRequest {
        key: bytes::Bytes::from_static(b"\0"),
        limit: 1,
        keys_only: true,
        ..Default::default()
    };
    api.view()?
        .range(&request)
        .map_err(|error| crate::errors::query(&error))?;
    Ok(())
}

/// Answers /health.
pub(super) async fn health(api: &Api, query: &str) -> Response<Body> {
    let reason = unhealthy(api, query).await;
    let verdict = if reason.is_none() { "true" } else { "false" };
    let body = json!({ "health": verdict, "reason": reason.as_deref().unwrap_or("") }).to_string();
    if reason.is_none() {
        api.metrics.health_success.increment();
        content(StatusCode::OK, TEXT, body)
    } else {
        api.metrics.health_failures.increment();
        text(StatusCode::SERVICE_UNAVAILABLE, body + "\n")
    }
}

async fn unhealthy(api: &Api, query: &str) -> Option<String> {
    let alarms = match api.alarms() {
        Ok(alarms) => alarms,
        Err(status) => return Some(format!("RANGE ERROR:{}", status.message())),
    };
    for alarm in alarms {
        let name = alarm.alarm().as_str_name();
        if !parameters(query, "exclude").any(|excluded| excluded == name) {
            return Some(format!("ALARM {name}"));
        }
    }
    let serializable = parameters(query, "serializable").next() == Some("true");
    if !serializable && api.status().leader.is_none() {
        return Some("RAFT NO LEADER".to_owned());
    }
    let probed = probe(api, serializable).await;
    probed
        .err()
        .map(|status| format!("RANGE ERROR:{}", status.message()))
}

/// Answers /livez, /readyz and the single checks below them.
pub(super) async fn checks(api: &Api, path: &str, query: &str) -> Response<Body> {
    let (group, single) = match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["livez"] => (LIVEZ, None),
        ["readyz"] => (READYZ, None),
        ["livez", single] => (LIVEZ, Some(single)),
        ["readyz", single] => (READYZ, Some(single)),
        _ => return text(StatusCode::NOT_FOUND, "404 page not found\n"),
    };
    let chosen: Vec<Check> = match single {
        Some(single) => group
            .iter()
            .copied()
            .filter(|check| check.name() == single)
            .collect(),
        None => {
            let excluded: Vec<_> = parameters(query, "exclude").collect();
            let included = |check: &Check| !excluded.contains(&check.name());
            group.iter().copied().filter(included).collect()
        }
    };
    if single.is_some() && chosen.is_empty() {
        return text(StatusCode::NOT_FOUND, "404 page not found\n");
    }

    let mut report = String::new();
    let mut failed = false;
    for check in chosen {
        match check.run(api).await {
            Ok(()) => report.push_str(&format!("[+]{} ok\n", check.name())),
            Err(reason) => {
                failed = true;
                report.push_str(&format!("[-]{} failed: {reason}\n", check.name()));
            }
        }
    }
    if failed {
        return text(StatusCode::SERVICE_UNAVAILABLE, report + "\n");
    }
    let verbose = parameters(query, "verbose").next().is_some();
    text(
        StatusCode::OK,
        if verbose {
            report + "ok\n"
        } else {
            "ok\n".to_owned()
        },
    )
}
