//! The ConfigMap that tells extension servers whom to believe: upstream's
//! `extension-apiserver-authentication`.
//!
//! Invariant: only what is this server's to say is changed in it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::controllers::own_options;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::DISCOVERY_INTERVAL;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// After something could not be done.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(engine: &Engine) {
    let Some(wanted) = wanted(engine) else {
        return;
    };
    loop {
        let pause = match settle(engine, &wanted).await {
            Ok(()) => DISCOVERY_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "extension servers are not told yet whom to believe");
                RETRY_INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn wanted(engine: &Engine) -> Option<Map<String, Value>> {
    let outgoing = engine.outgoing.as_ref()?;
    let list = |one: &str| json!([one]).to_string();
    let data = [
        ("client-ca-file", outgoing.client_authority()),
        (
            "requestheader-allowed-names",
            list(outgoing.front_proxy_name()),
        ),
        (
            "requestheader-client-ca-file",
            outgoing.front_proxy_authority(),
        ),
        (
            "requestheader-extra-headers-prefix",
            list("X-Remote-Extra-"),
        ),
        ("requestheader-group-headers", list("X-Remote-Group")),
        ("requestheader-uid-headers", list("X-Remote-Uid")),
        ("requestheader-username-headers", list("X-Remote-User")),
    ];
    let data = data.into_iter();
    Some(
        data.map(|(key, value)| (key.to_owned(), value.into()))
            .collect(),
    )
}

async fn settle(engine: &Engine, wanted: &Map<String, Value>) -> Result<(), ApiError> {
    let call = engine.own_call("update", "", "v1", "configmaps", NAMESPACE, NAME)?;
    let Some(live) = engine.read(&call.resource, NAMESPACE, NAME)? else {
        let map = json!({"metadata": {"name": NAME}, "data": wanted});
        return engine.make("", "v1", "configmaps", NAMESPACE, map).await;
    };
    let mut next = live.object.clone();
    let data = crate::object::fields_of(&mut next, "data");
    data.extend(wanted.clone());
    if next != live.object {
        engine.replace(&call, &live, next, &own_options()).await?;
    }
    Ok(())
}
