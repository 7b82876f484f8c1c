//! What a pod, or a volume that it mounts, refers to.
//!
//! Pure. Whatever the shape of the object, the answer is yes or no.

use serde_json::Value;

/// Marks the copy of a pod that a kubelet runs from a file: it refers to nothing of the cluster.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

/// Where volumes and persistent volumes name secrets in an object of their own.
const REFERENCES: [&str; 6] = [
    "secretRef",
    "nodePublishSecretRef",
    "nodeStageSecretRef",
    "nodeExpandSecretRef",
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
];

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn spec(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let kinds = ["containers", "initContainers", "ephemeralContainers"];
    kinds.into_iter().flat_map(|kind| items(spec(pod), kind))
}

pub(super) fn is_bound(pod: &Value, node: &str) -> bool {
    text(spec(pod), "nodeName") == node
}

pub(super) fn is_mirror(pod: &Value) -> bool {
    let annotations = pod.pointer("/metadata/annotations");
    annotations.is_some_and(|all| all.get(MIRROR).is_some())
}

pub(super) fn account(pod: &Value) -> &str {
    text(spec(pod), "serviceAccountName")
}

/// Names of what containers take their environment from.
fn environment<'p>(
    pod: &'p Value,
    whole: &'static str,
    key: &'static str,
) -> impl Iterator<Item = &'p str> {
    containers(pod).flat_map(move |container| {
        let from = items(container, "envFrom").filter_map(move |from| from.get(whole));
        let single = items(container, "env");
        let single = single.filter_map(move |variable| variable.get("valueFrom")?.get(key));
        from.chain(single).map(|reference| text(reference, "name"))
    })
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value))
}

/// The sources of a volume, those of a projected one each by itself.
fn sources(pod: &Value) -> impl Iterator<Item = (&str, &Value)> {
    items(spec(pod), "volumes").flat_map(move |volume| {
        let own = fields(volume);
        let projected = volume.get("projected").into_iter();
        let parts = projected.flat_map(|projected| items(projected, "sources"));
        own.chain(parts.flat_map(fields))
    })
}

/// Whether a pod refers to a secret.
pub(super) fn secrets(pod: &Value, name: &str) -> bool {
    let pulls = items(spec(pod), "imagePullSecrets").map(|reference| text(reference, "name"));
    let mut named = pulls.chain(environment(pod, "secretRef", "secretKeyRef"));
    named.any(|one| one == name)
        || sources(pod).any(|(kind, source)| match kind {
            // Of a volume; of a part of a projected one.
            "secret" => text(source, "secretName") == name || text(source, "name") == name,
            "azureFile" => text(source, "secretName") == name,
            _ => references(source).any(|reference| text(reference, "name") == name),
        })
}

fn references(source: &Value) -> impl Iterator<Item = &Value> {
    REFERENCES.iter().filter_map(|field| source.get(*field))
}

/// Whether a pod refers to any secret at all.
pub(super) fn any_secret(pod: &Value) -> bool {
    let volumes = sources(pod).any(|(kind, source)| {
        kind == "secret" || kind == "azureFile" || references(source).next().is_some()
    });
    volumes
        || items(spec(pod), "imagePullSecrets").next().is_some()
        || environment(pod, "secretRef", "secretKeyRef")
            .next()
            .is_some()
}

/// Whether a pod refers to a ConfigMap.
pub(super) fn config_maps(pod: &Value, name: &str) -> bool {
    let mut variables = environment(pod, "configMapRef", "configMapKeyRef");
    variables.any(|one| one == name)
        || sources(pod).any(|(kind, map)| kind == "configMap" && text(map, "name") == name)
}

/// Whether a pod refers to any ConfigMap at all.
pub(super) fn any_config_map(pod: &Value) -> bool {
    sources(pod).any(|(kind, _)| kind == "configMap")
        || environment(pod, "configMapRef", "configMapKeyRef")
            .next()
            .is_some()
}

/// Whether a pod has a volume of this kind.
pub(super) fn has_source(pod: &Value, wanted: &str) -> bool {
    sources(pod).any(|(kind, _)| kind == wanted)
}

/// Whether a pod mounts a claim: by name, or as its own ephemeral volume.
pub(super) fn claims(pod: &Value, name: &str) -> bool {
    let pod_name = pod.pointer("/metadata/name").and_then(Value::as_str);
    items(spec(pod), "volumes").any(|volume| {
        let claim = volume.get("persistentVolumeClaim");
        let named = claim.is_some_and(|claim| text(claim, "claimName") == name);
        let own = volume.get("ephemeral").is_some()
            && name
                .strip_prefix(pod_name.unwrap_or_default())
                .and_then(|rest| rest.strip_prefix('-'))
                == Some(text(volume, "name"));
        named || own
    })
}

/// Whether a pod uses a ResourceClaim: by name, or one that was made for it.
pub(super) fn resource_claims(pod: &Value, name: &str) -> bool {
    let status = pod.get("status").unwrap_or(&Value::Null);
    let direct = items(spec(pod), "resourceClaims");
    let made = items(status, "resourceClaimStatuses");
    direct
        .chain(made)
        .any(|claim| text(claim, "resourceClaimName") == name)
}

/// The claim that a volume is bound to: namespace and name.
pub(super) fn claim_of(volume: &Value) -> Option<(&str, &str)> {
    let claim = spec(volume).get("claimRef")?;
    Some((text(claim, "namespace"), text(claim, "name")))
}

/// Whether a persistent volume needs a secret.
pub(super) fn volume_secret(volume: &Value, namespace: &str, name: &str) -> bool {
    let sources = spec(volume).as_object().into_iter().flatten();
    let claim_namespace = claim_of(volume).map_or("", |(namespace, _)| namespace);
    sources.into_iter().any(|(kind, source)| {
        let file = kind == "azureFile"
            && text(source, "secretName") == name
            && match text(source, "secretNamespace") {
                "" => claim_namespace == namespace,
                own => own == namespace,
            };
        file || references(source).any(|reference| {
            text(reference, "name") == name && text(reference, "namespace") == namespace
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_where_a_pod_names_a_secret_is_seen() {
        for spec in [
            json!({"imagePullSecrets": [{"name": "s"}]}),
            json!({"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}),
            json!({"initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}]}),
            json!({"ephemeralContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}]}),
            json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}),
            json!({"volumes": [{"name": "v", "csi": {"nodePublishSecretRef": {"name": "s"}}}]}),
        ] {
            let pod = json!({"spec": spec});
            assert!(secrets(&pod, "s") && any_secret(&pod), "{pod}");
            assert!(!secrets(&pod, "t"), "{pod}");
            assert!(!config_maps(&pod, "s"), "{pod}");
        }
    }

    #[test]
    fn odd_shapes_refer_to_nothing() {
        for pod in [
            json!(null),
            json!({"spec": "x"}),
            json!({"spec": {"volumes": [1, {"secret": []}]}}),
        ] {
            assert!(!secrets(&pod, "s") && !config_maps(&pod, "s") && !claims(&pod, "s"));
        }
    }

    #[test]
    fn an_ephemeral_volume_is_the_claim_of_pod_and_volume() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", "ephemeral": {}}]}});
        assert!(claims(&pod, "p-v"));
        assert!(!claims(&pod, "p-w") && !claims(&pod, "v") && !claims(&pod, "pv"));
    }
}
