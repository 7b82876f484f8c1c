//! The settings that must be the same on every server, and where they were given.
//!
//! Names and defaults are K3s's.

use std::collections::BTreeMap;

use skerry_supervisor::CriticalValues;

use super::parse;
use super::settings::Given;

/// Name and default of each. Those without effect here are compared all the same: they say that two
/// servers were not meant to be of one cluster.
const CRITICAL: [(&str, &str); 16] = [
    ("cluster-cidr", "10.42.0.0/16"),
    ("cluster-dns", "10.43.0.10"),
    ("cluster-domain", "cluster.local"),
    ("disable-cloud-controller", "false"),
    ("disable-helm-controller", "false"),
    ("disable-kube-proxy", "false"),
    ("disable-network-policy", "false"),
    ("egress-selector-mode", "agent"),
    ("embedded-registry", "false"),
    ("flannel-backend", "vxlan"),
    ("flannel-external-ip", "false"),
    ("flannel-ipv6-masq", "false"),
    ("secrets-encryption", "false"),
    ("secrets-encryption-resources", "secrets"),
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
                value => as_compared(&value),
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

/// One text for what means the same: switches by their meaning, lists without spaces.
fn as_compared(value: &str) -> String {
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    match words[..] {
        [word] => parse::switch(word).map_or_else(|_| word.to_owned(), |on| on.to_string()),
        _ => words.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn values(flags: &str) -> CriticalValues {
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let settings = Settings::load(&words, std::iter::empty()).unwrap();
        settings.critical.values()
    }

    #[test]
    fn what_means_the_same_is_no_mismatch_and_every_one_that_differs_is_seen() {
        assert_eq!(values(""), values("--disable-helm-controller=False"));
        assert_eq!(
            values("--cluster-cidr=10.42.0.0/16 --cluster-cidr=fd00::/48"),
            values("--cluster-cidr=10.42.0.0/16,fd00::/48")
        );
        for (name, default) in CRITICAL {
            assert_eq!(values("").get(name), Some(default));
        }
        for flag in [
            "--flannel-backend=host-gw",
            "--embedded-registry",
            "--egress-selector-mode=disabled",
            "--secrets-encryption",
        ] {
            assert_ne!(values(""), values(flag), "{flag}");
        }
    }
}
