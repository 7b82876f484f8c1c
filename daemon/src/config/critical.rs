//! The settings that must be the same on every server, and where they were given.
//!
//! Names and defaults are K3s's.

use std::collections::BTreeMap;

use skerry_supervisor::CriticalValues;

use super::settings::Given;

/// Name and default of each.
const CRITICAL: [(&str, &str); 11] = [
    ("cluster-cidr", "10.42.0.0/16"),
    ("cluster-dns", "10.43.0.10"),
    ("cluster-domain", "cluster.local"),
    ("disable-cloud-controller", "false"),
    ("disable-helm-controller", "false"),
    ("disable-kube-proxy", "false"),
    ("disable-network-policy", "false"),
    ("egress-selector-mode", "agent"),
    ("secrets-encryption", "false"),
    ("service-cidr", "10.43.0.0/16"),
    ("service-node-port-range", "30000-32767"),
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Critical(BTreeMap<&'static str, (String, String)>);

impl Critical {
    pub(super) fn of(given: &Given) -> Critical {
        let critical = CRITICAL.into_iter().map(|(name, default)| {
            let value = match given.list(name).join(",") {
                none if none.is_empty() => default.to_owned(),
                value => value,
            };
            let place = given
                .origin(name)
                .map_or_else(|| "its default".to_owned(), ToString::to_string);
            (name, (value, place))
        });
        Critical(critical.collect())
    }

    /// As a server that joins tells them.
    pub(crate) fn values(&self) -> CriticalValues {
        let pair = |(name, (value, _)): (&&str, &(String, String))| ((*name).into(), value.clone());
        self.0.iter().map(pair).collect()
    }

    /// `file:line`, flag or variable that gave one of them.
    pub(crate) fn place(&self, name: &str) -> String {
        self.0
            .get(name)
            .map_or_else(|| name.to_owned(), |(_, place)| place.clone())
    }
}
