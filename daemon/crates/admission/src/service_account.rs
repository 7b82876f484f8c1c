//! ServiceAccount: every pod runs as somebody, and finds its token where clients look for it.

use serde_json::{Value, json};

use crate::Refused;
use crate::value::{annotated, below, fields, items, list, text};

/// The account of pods that name none.
pub const DEFAULT: &str = "default";
const MIRROR: &str = "kubernetes.io/config.mirror";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
const ROOT_CA: &str = "kube-root-ca.crt";
/// An hour and seven seconds, by which kubelets know tokens that were not asked for.
const TOKEN_SECONDS: i64 = 60 * 60 + 7;
/// Only the secrets that the account lists may be mounted.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

/// Whether a pod is the copy of what a kubelet runs from a file.
#[must_use]
pub fn is_mirror(pod: &Value) -> bool {
    let annotations = pod.pointer("/metadata/annotations");
    annotations.is_some_and(|all| all.get(MIRROR).is_some())
}

/// The account that a pod runs as.
#[must_use]
pub fn account_of(pod: &Value) -> &str {
    match text(pod, "/spec/serviceAccountName") {
        "" => DEFAULT,
        name => name,
    }
}

/// Refuses a mirror pod that refers to what only the cluster has.
pub fn admit_mirror(pod: &Value) -> Result<(), Refused> {
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return Err(Refused(
            "a mirror pod may not reference service accounts".into(),
        ));
    }
    for volume in items(pod, "/spec/volumes") {
        let projected = items(volume, "/projected/sources");
        if projected
            .iter()
            .any(|source| source.get("serviceAccountToken").is_some())
        {
            return Err(Refused(
                "a mirror pod may not use ServiceAccountToken volume projections".into(),
            ));
        }
    }
    Ok(())
}

/// Gives a new pod its account, the account's pull secrets, and a token. `suffix` makes the name of
/// the token's volume its own.
pub fn admit(pod: &mut Value, account: &Value, suffix: &str) -> Result<(), Refused> {
    let name = text(account, "/metadata/name").to_owned();
    let spec = fields(below(pod, "spec"));
    for field in ["serviceAccountName", "serviceAccount"] {
        spec.insert(field.into(), name.clone().into());
    }
    if annotated(account, ENFORCE, "true") {
        only_listed_secrets(pod, account)?;
    }
    if mounts_token(pod, account) {
        mount_token(pod, suffix);
    }
    let pulls = account.get("imagePullSecrets").and_then(Value::as_array);
    if items(pod, "/spec/imagePullSecrets").is_empty()
        && let Some(pulls) = pulls.filter(|pulls| !pulls.is_empty())
    {
        let spec = fields(below(pod, "spec"));
        spec.insert("imagePullSecrets".into(), Value::Array(pulls.clone()));
    }
    Ok(())
}

fn mounts_token(pod: &Value, account: &Value) -> bool {
    const FIELD: &str = "automountServiceAccountToken";
    let of_pod = pod.get("spec").and_then(|spec| spec.get(FIELD)?.as_bool());
    let of_account = account.get(FIELD).and_then(Value::as_bool);
    of_pod.or(of_account).unwrap_or(true)
}

fn mount_token(pod: &mut Value, suffix: &str) {
    let is_token = |volume: &Value| text(volume, "/name").starts_with(VOLUME_PREFIX);
    let there = items(pod, "/spec/volumes").iter().find(|one| is_token(one));
    let there = there.map(|volume| text(volume, "/name").to_owned());
    let has_volume = there.is_some();
    let name = there.unwrap_or_else(|| format!("{VOLUME_PREFIX}{suffix}"));
    let mut mounted = false;
    for field in ["initContainers", "containers"] {
        if items(pod, &format!("/spec/{field}")).is_empty() {
            continue;
        }
        for container in list(below(pod, "spec"), field) {
            let taken = items(container, "/volumeMounts")
                .iter()
                .any(|mount| text(mount, "/mountPath") == MOUNT_PATH);
            if !taken && container.is_object() {
                list(container, "volumeMounts").push(json!({
                    "name": name,
                    "mountPath": MOUNT_PATH,
                    "readOnly": true,
                }));
                mounted = true;
            }
        }
    }
    if mounted && !has_volume {
        list(below(pod, "spec"), "volumes").push(token_volume(&name));
    }
}

fn token_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }]}},
            ],
        },
    })
}

fn only_listed_secrets(pod: &Value, account: &Value) -> Result<(), Refused> {
    let listed = |field: &str, wanted: &str| {
        let names = items(account, &format!("/{field}")).iter();
        names.map(|it| text(it, "/name")).any(|name| name == wanted)
    };
    let who = text(account, "/metadata/name");
    let refuse = |what: String, name: &str| -> Result<(), Refused> {
        Err(format!(
            "{what} is not allowed because service account {who} does not reference that secret {name:?}"
        )
        .into())
    };
    for volume in items(pod, "/spec/volumes") {
        let name = text(volume, "/secret/secretName");
        if !name.is_empty() && !listed("secrets", name) {
            return Err(format!(
                "volume with secret.secretName={name:?} is not allowed because service account {who} does not reference that secret"
            )
            .into());
        }
    }
    for field in ["initContainers", "containers"] {
        for container in items(pod, &format!("/spec/{field}")) {
            for variable in items(container, "/env") {
                let name = text(variable, "/valueFrom/secretKeyRef/name");
                if !name.is_empty() && !listed("secrets", name) {
                    let what = format!(
                        "container {} with envVar {}",
                        text(container, "/name"),
                        text(variable, "/name")
                    );
                    return refuse(what, name);
                }
            }
        }
    }
    for pull in items(pod, "/spec/imagePullSecrets") {
        let name = text(pull, "/name");
        if !listed("imagePullSecrets", name) {
            return Err(format!(
                "imagePullSecrets[{name:?}] is not allowed because service account {who} does not reference that imagePullSecret"
            )
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_gets_account_token_and_pull_secrets() {
        let account = json!({"metadata": {"name": "bot"}, "imagePullSecrets": [{"name": "r"}]});
        let mut pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"mountPath": MOUNT_PATH, "name": "own"}]}]}});
        admit(&mut pod, &account, "abcde").unwrap();
        let spec = &pod["spec"];
        assert_eq!(spec["serviceAccountName"], "bot");
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "r"}]));
        assert_eq!(spec["volumes"][0]["name"], "kube-api-access-abcde");
        assert_eq!(
            spec["containers"][0]["volumeMounts"][0]["mountPath"],
            MOUNT_PATH
        );
        assert_eq!(spec["containers"][1]["volumeMounts"][0]["name"], "own");
    }

    #[test]
    fn a_pod_that_wants_no_token_gets_none() {
        let account =
            json!({"metadata": {"name": "default"}, "automountServiceAccountToken": false});
        let mut pod = json!({"spec": {"containers": [{"name": "a"}]}});
        admit(&mut pod, &account, "x").unwrap();
        assert!(pod["spec"].get("volumes").is_none());
        let mut wants =
            json!({"spec": {"automountServiceAccountToken": true, "containers": [{"name": "a"}]}});
        admit(&mut wants, &account, "x").unwrap();
        assert_eq!(items(&wants, "/spec/volumes").len(), 1);
    }

    #[test]
    fn an_account_may_allow_only_its_own_secrets() {
        let account = json!({"metadata": {"name": "bot", "annotations": {ENFORCE: "true"}}, "secrets": [{"name": "s"}]});
        let with = |name: &str| json!({"spec": {"volumes": [{"name": "v", "secret": {"secretName": name}}]}});
        assert!(admit(&mut with("s"), &account, "x").is_ok());
        assert_eq!(
            admit(&mut with("t"), &account, "x").unwrap_err().0,
            "volume with secret.secretName=\"t\" is not allowed because service account bot does not reference that secret"
        );
    }
}
