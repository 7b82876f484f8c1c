//! Every setting of `skerry server`, by the one name it has as a flag, as a key of config.yaml
//! and, in upper case behind `SKERRY_`, as an environment variable.
//!
//! Names are K3s's where K3s has them.

use super::k3s;

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One text.
    Text,
    /// Several texts: repeated flags, a YAML list, or comma-separated.
    List,
    /// True or false; a flag without a value means true.
    Switch,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    /// One line for `--help`.
    pub(crate) help: &'static str,
}

pub(super) const fn text(name: &'static str, help: &'static str) -> Key {
    Key {
        name,
        short: None,
        kind: Kind::Text,
        help,
    }
}

const fn list(name: &'static str, help: &'static str) -> Key {
    Key {
        name,
        short: None,
        kind: Kind::List,
        help,
    }
}

pub(super) const fn switch(name: &'static str, help: &'static str) -> Key {
    Key {
        name,
        short: None,
        kind: Kind::Switch,
        help,
    }
}

/// All settings, in the order of `--help`.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "config",
        short: Some('c'),
        kind: Kind::Text,
        help: "YAML file with these settings [/etc/skerry/config.yaml]",
    },
    Key {
        name: "data-dir",
        short: Some('d'),
        kind: Kind::Text,
        help: "state, certificates and token [/var/lib/skerry]",
    },
    text(
        "bind-address",
        "address to listen on [0.0.0.0; a loopback --node-ip where that is given]",
    ),
    text(
        "node-ip",
        "address that other members reach this node at [detected]",
    ),
    text(
        "advertise-address",
        "address that clients are told to use [--node-ip]",
    ),
    text("node-name", "name of this node [host name]"),
    text(
        "https-listen-port",
        "port of the Kubernetes API and of joining [6443]",
    ),
    text("etcd-client-port", "port of the etcd v3 API [2379]"),
    text("etcd-peer-port", "port that members replicate over [2380]"),
    text(
        "etcd-metrics-port",
        "plain HTTP on loopback: /metrics and /health [2381]",
    ),
    text(
        "token",
        "secret shared by the servers: a password, or K10<hash>::server:<password> [generated]",
    ),
    text("token-file", "file that holds the token"),
    switch(
        "secrets-encryption",
        "encrypt Secrets in the datastore, from the cluster's start",
    ),
    list(
        "secrets-encryption-resources",
        "what --secrets-encryption encrypts: plurals, with their group [secrets]",
    ),
    list(
        "server",
        "URL of a server to join, such as https://host:6443; several are tried in turn",
    ),
    switch(
        "rejoin",
        "never form a cluster but join one; the data of a member that was removed, or was not there at a reset, is moved aside",
    ),
    switch(
        "cluster-init",
        "accepted: a server without --server forms a cluster of one",
    ),
    list(
        "tls-san",
        "further name or address for the serving certificates",
    ),
    text(
        "service-cidr",
        "addresses of Services, the same on every server [10.43.0.0/16]",
    ),
    text(
        "service-node-port-range",
        "ports on nodes that Services may have, the same on every server [30000-32767]",
    ),
    list(
        "cluster-cidr",
        "addresses of pods, the same on every server, for whoever runs them [10.42.0.0/16]",
    ),
    list(
        "cluster-dns",
        "address of the cluster's name server, the same on every server [10.43.0.10]",
    ),
    text(
        "cluster-domain",
        "domain of the cluster, cluster.local [cluster.local]",
    ),
    text(
        "write-kubeconfig",
        "where the admin's kubeconfig goes [/etc/skerry/skerry.yaml]",
    ),
    text("write-kubeconfig-mode", "its mode [0600]"),
    list(
        "disable",
        "component of K3s that is not wanted; Skerry has none of them",
    ),
    switch("disable-apiserver", "be a member of the datastore only"),
    text(
        "datastore-endpoint",
        "endpoints of the datastore [the embedded one]",
    ),
    text("datastore-cafile", "CA of that datastore"),
    text(
        "datastore-certfile",
        "client certificate for that datastore",
    ),
    text("datastore-keyfile", "key of that certificate"),
    switch(
        "cluster-reset",
        "forget all other members and become a cluster of one",
    ),
    text(
        "cluster-reset-restore-path",
        "snapshot to start the reset cluster from, of Skerry, K3s or etcd: a file, or a name that is listed",
    ),
    switch(
        "skip-hash-check",
        "restore a snapshot that has no checksum, as a copy of etcd's file has none",
    ),
    switch(
        "etcd-disable-snapshots",
        "take snapshots of the datastore by command only",
    ),
    text(
        "etcd-snapshot-name",
        "what the names of scheduled snapshots begin with [etcd-snapshot]",
    ),
    text(
        "etcd-snapshot-schedule-cron",
        "when they are taken, in UTC: five fields of cron, or @every 6h [0 */12 * * *]",
    ),
    text(
        "etcd-snapshot-retention",
        "how many of them are kept, 0 for all [5]",
    ),
    text(
        "etcd-snapshot-dir",
        "directory of snapshots; any but the default must be there [<data-dir>/snapshots]",
    ),
    switch("etcd-snapshot-compress", "compress snapshots, to zip files"),
    switch(
        "etcd-s3",
        "put snapshots into a bucket of an S3-compatible store too",
    ),
    text(
        "etcd-s3-endpoint",
        "the store's host or host:port [s3.amazonaws.com]",
    ),
    text(
        "etcd-s3-endpoint-ca",
        "file of the authorities that its certificate stems from, or they in base 64 [the system's]",
    ),
    switch(
        "etcd-s3-skip-ssl-verify",
        "take whatever certificate it has",
    ),
    switch("etcd-s3-insecure", "speak plain HTTP with it"),
    text(
        "etcd-s3-access-key",
        "id of the key to it [AWS_ACCESS_KEY_ID]",
    ),
    text(
        "etcd-s3-secret-key",
        "the key to it [AWS_SECRET_ACCESS_KEY]",
    ),
    text(
        "etcd-s3-session-token",
        "where the key is a passing one [AWS_SESSION_TOKEN]",
    ),
    text("etcd-s3-bucket", "the bucket, which must be there"),
    text(
        "etcd-s3-bucket-lookup-type",
        "how requests name the bucket: auto, dns or path [auto]",
    ),
    text("etcd-s3-region", "region that it is in [us-east-1]"),
    text("etcd-s3-folder", "folder in it"),
    text(
        "etcd-s3-retention",
        "how many scheduled ones are kept there, 0 for all [--etcd-snapshot-retention]",
    ),
    text(
        "etcd-s3-config-secret",
        "Secret in kube-system that has the settings of the bucket, where none is given but etcd-s3",
    ),
    text(
        "etcd-s3-proxy",
        "http://host:port to reach it through, or none",
    ),
    text(
        "etcd-s3-timeout",
        "longest time that one operation may take [5m]",
    ),
    text(
        "quota-backend-bytes",
        "size of the state at which writes are refused [2147483648]",
    ),
    text(
        "memory-budget",
        "memory that the server may use, such as 64M [half of what there is; caches: of 64M at most]",
    ),
    text(
        "flush-interval",
        "longest time between two durable commits of the state [5s]",
    ),
    text(
        "flush-entries",
        "applied entries after which the state is committed durably [5000]",
    ),
    text(
        "flush-bytes",
        "bytes of applied entries after which it is [4M]",
    ),
    text(
        "flash-endurance-tbw",
        "terabytes that may be written to the disk until it is worn [not known]",
    ),
    text(
        "heartbeat-interval",
        "time between a leader's heartbeats [500ms]",
    ),
    text(
        "election-timeout",
        "silence after which a new leader is elected [5000ms]",
    ),
    text(
        "learner-timeout",
        "time without progress after which a new member is removed [5m]",
    ),
    text(
        "auth-token",
        "etcd auth tokens: simple, or jwt,pub-key=..,priv-key=..,sign-method=..,ttl=.. [simple]",
    ),
    text(
        "audit-log-path",
        "file that requests to the API are recorded in, '-' for standard output [none]",
    ),
    text(
        "audit-policy-file",
        "audit.k8s.io/v1 Policy that says which are, and how much of them [nothing is recorded]",
    ),
    text(
        "audit-log-mode",
        "batch, blocking or blocking-strict: whether requests wait for their record [blocking]",
    ),
    text(
        "audit-log-maxsize",
        "megabytes at which another file is begun [10]",
    ),
    text(
        "audit-log-maxbackup",
        "older files that are kept, 0 for all [10]",
    ),
    text(
        "audit-log-maxage",
        "days that they are kept for, 0 for ever [30]",
    ),
    text(
        "enable-admission-plugins",
        "admission plugins besides those that always run: OwnerReferencesPermissionEnforcement",
    ),
    list(
        "kube-apiserver-arg",
        "the settings above as K3s has them, such as audit-log-path=/x",
    ),
    switch("debug", "log more"),
];

/// The setting of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    is_served(name).or_else(|| k3s::find(name))
}

/// The setting of that name, where it is not one that only K3s has.
pub(crate) fn is_served(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The setting of that short flag.
pub(crate) fn find_short(short: char) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.short == Some(short))
}

/// The known name that is nearest to a mistyped one, where one is near.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .chain(k3s::KEYS)
        .map(|key| (edit_distance(name, key.name), key.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .map(|(_, known)| known)
}

/// Levenshtein's distance, in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_answered_with_the_nearest_known_one() {
        assert_eq!(nearest("tls-sans"), Some("tls-san"));
        assert_eq!(nearest("etcd-cilent-port"), Some("etcd-client-port"));
        assert_eq!(nearest("xyzzy"), None);
    }

    #[test]
    fn every_key_has_one_name() {
        for key in KEYS {
            assert_eq!(
                KEYS.iter().filter(|other| other.name == key.name).count(),
                1,
                "{}",
                key.name
            );
        }
    }
}
