//! The settings of a bucket that lie in a Secret of the cluster, under K3s's names.
//!
//! They are read anew for each use: who changes the Secret needs no restart. Invariant: no error
//! tells a value.

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use skerry_bucket::{Bucket, Settings};
use skerry_kube::Local;

use crate::config::{BucketSecret, of_secret};

const NAMESPACE: &str = "kube-system";

/// What the Secret says.
pub(super) async fn read(local: Option<&Local>, secret: &BucketSecret) -> anyhow::Result<Settings> {
    let name = &secret.name;
    let read = async {
        let local = local.context("runtime core not ready")?;
        let object = local.get("v1", "Secret", NAMESPACE, name).await?;
        let object = object.with_context(|| format!("secrets {name:?} not found"))?;
        anyhow::Ok((local, object))
    };
    let named = || format!("failed to get config from etcd-s3-config-secret {name:?}");
    let read = read.await.context("failed to get etcd S3 config secret");
    let (local, object) = read.with_context(named)?;
    let text = |key: &str| decoded(&object["data"][key]);
    let mut authorities = text("etcd-s3-endpoint-ca").unwrap_or_default();
    if let Some(map) = text("etcd-s3-endpoint-ca-name").filter(|map| !map.is_empty()) {
        match local.get("v1", "ConfigMap", NAMESPACE, &map).await {
            Ok(Some(map)) => add(&mut authorities, &map),
            Ok(None) => tracing::warn!("ConfigMap {map} of S3 config secret {name} is not there"),
            Err(error) => tracing::warn!(%error, "ConfigMap {map} of S3 config secret {name}"),
        }
    }
    let settings = of_secret(secret, text, authorities)
        .map_err(anyhow::Error::msg)
        .with_context(named)?;
    // What cannot be used names the Secret too.
    Bucket::open(&settings).with_context(named)?;
    Ok(settings)
}

/// All authorities that a ConfigMap has.
fn add(authorities: &mut String, map: &Value) {
    let values = |field: &str| map[field].as_object().into_iter().flatten();
    let plain = values("data").filter_map(|(_, text)| text.as_str().map(str::to_owned));
    for pem in plain.chain(values("binaryData").filter_map(|(_, text)| decoded(text))) {
        authorities.push('\n');
        authorities.push_str(&pem);
    }
}

fn decoded(value: &Value) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(value.as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}
