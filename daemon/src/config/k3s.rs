//! K3s's settings that Skerry does not have: known by name, so that a configuration written for K3s
//! is answered with what becomes of each.
//!
//! Invariant: a setting of K3s is never an unknown one, and never silently without effect.

use super::keys::{Key, Kind, switch, text};
use super::layers::Layers;

/// Why settings have no effect.
const NO_PODS: &str = "no pods run on a server of Skerry";
const NO_NODE: &str = "a server of Skerry is no node of the cluster";
const NO_COMPONENT: &str = "Skerry has no such component";
const NO_AGENTS: &str = "agents do not join a server of Skerry";
const ALWAYS: &str = "it is always so";
const METRICS: &str = "metrics are on the loopback's --etcd-metrics-port";
const LOGS: &str = "the log goes to standard error, and more of it with --debug";
/// Said where going on would not be what was asked for.
const UNSERVED: &str = "not served by this version";

/// The names, and in the place of help why they have no effect.
pub(super) const KEYS: &[Key] = &[
    text("advertise-port", UNSERVED),
    text("agent-token", NO_AGENTS),
    text("agent-token-file", NO_AGENTS),
    text("airgap-extra-registry", NO_PODS),
    switch("alsologtostderr", LOGS),
    text("container-runtime-endpoint", NO_PODS),
    text("default-local-storage-path", NO_COMPONENT),
    text("default-runtime", NO_PODS),
    switch("disable-agent", ALWAYS),
    switch("disable-cloud-controller", ALWAYS),
    switch("disable-controller-manager", UNSERVED),
    switch("disable-default-registry-endpoint", NO_PODS),
    switch("disable-etcd", UNSERVED),
    switch("disable-helm-controller", ALWAYS),
    switch("disable-kube-proxy", ALWAYS),
    switch("disable-network-policy", ALWAYS),
    switch("disable-scheduler", ALWAYS),
    switch("docker", NO_PODS),
    text("egress-selector-mode", NO_AGENTS),
    switch("embedded-registry", NO_COMPONENT),
    switch("enable-pprof", NO_COMPONENT),
    list("etcd-arg", UNSERVED),
    switch("etcd-expose-metrics", METRICS),
    text("etcd-snapshot-reconcile-interval", NO_COMPONENT),
    text("flannel-backend", NO_PODS),
    text("flannel-cni-conf", NO_PODS),
    text("flannel-conf", NO_PODS),
    switch("flannel-external-ip", NO_PODS),
    text("flannel-iface", NO_PODS),
    switch("flannel-ipv6-masq", NO_PODS),
    text("helm-job-image", NO_COMPONENT),
    text("image-credential-provider-bin-dir", NO_PODS),
    text("image-credential-provider-config", NO_PODS),
    text("image-service-endpoint", NO_PODS),
    switch("kine-tls", UNSERVED),
    list("kube-cloud-controller-manager-arg", NO_COMPONENT),
    list("kube-controller-manager-arg", NO_COMPONENT),
    list("kube-proxy-arg", NO_PODS),
    list("kube-scheduler-arg", NO_COMPONENT),
    list("kubelet-arg", NO_PODS),
    text("lb-server-port", NO_AGENTS),
    text("log", LOGS),
    list("node-external-dns", NO_NODE),
    list("node-external-ip", NO_NODE),
    list("node-internal-dns", NO_NODE),
    list("node-label", NO_NODE),
    list("node-taint", NO_NODE),
    text("nonroot-devices", NO_PODS),
    text("pause-image", NO_PODS),
    switch("prefer-bundled-bin", NO_PODS),
    text("private-registry", NO_PODS),
    switch("protect-kernel-defaults", NO_PODS),
    text("resolv-conf", NO_PODS),
    switch("rootless", NO_PODS),
    text("secrets-encryption-provider", UNSERVED),
    switch("selinux", NO_PODS),
    text("servicelb-namespace", NO_COMPONENT),
    text("snapshotter", NO_PODS),
    switch("supervisor-metrics", METRICS),
    text("system-default-registry", NO_PODS),
    switch("tls-san-security", ALWAYS),
    text("v", LOGS),
    text("vmodule", LOGS),
    text("vpn-auth", NO_PODS),
    text("vpn-auth-file", NO_PODS),
    switch("with-node-id", NO_NODE),
    text("write-kubeconfig-group", UNSERVED),
];

/// Several texts.
const fn list(name: &'static str, help: &'static str) -> Key {
    Key {
        name,
        short: None,
        kind: Kind::List,
        help,
    }
}

/// The setting of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a setting must be refused.
pub(super) fn is_unserved(name: &str) -> bool {
    find(name).is_some_and(|key| key.help == UNSERVED)
}

/// A line for the log for each setting that was given and has no effect. What was asked for and is
/// so anyway is no news, nor is what was switched off and is not there.
pub(super) fn without_effect(layers: &Layers, served: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in layers {
        let Some(key) = find(name).filter(|_| !served(name)) else {
            continue;
        };
        let given = value.values.join(",");
        let news = match key.help {
            ALWAYS => given != "true",
            _ => key.kind != Kind::Switch || given != "false",
        };
        if news {
            lines.push(format!(
                "{}: '{name}' has no effect: {}",
                value.origin, key.help
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_in_order() {
        for pair in KEYS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
    }
}
