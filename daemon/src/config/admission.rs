//! Which admission plugins run that do not by default, under kube-apiserver's name for it.
//!
//! Invariant: a plugin that does not exist here is an error that names it: what is asked for and
//! not done would be worse than none.

use super::parse;
use super::settings::{ConfigError, Given};

pub(super) const ENABLED: &str = "enable-admission-plugins";
const OWNERS: &str = "OwnerReferencesPermissionEnforcement";
/// Those that run whether they are named or not.
const ALWAYS: [&str; 21] = [
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "DefaultIngressClass",
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "LimitRanger",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "NamespaceLifecycle",
    "NodeRestriction",
    "PersistentVolumeClaimResize",
    "PodSecurity",
    "Priority",
    "ResourceQuota",
    "RuntimeClass",
    "ServiceAccount",
    "TaintNodesByCondition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// Whether OwnerReferencesPermissionEnforcement is asked for.
pub(super) fn guards_owners(given: &Given) -> Result<bool, ConfigError> {
    let Some((place, text)) = super::audit::said(given, ENABLED) else {
        return Ok(false);
    };
    let mut guards = false;
    for name in text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match name {
            OWNERS => guards = true,
            name if ALWAYS.contains(&name) => {}
            name => {
                let wanted = format!("{OWNERS} or a plugin that always runs");
                return Err(given.error(place, parse::expected(&wanted, name)));
            }
        }
    }
    Ok(guards)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;

    fn load(line: &str) -> Result<bool, String> {
        let words = format!("--node-name n --node-ip 127.0.0.1 {line}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let settings = Settings::load(&words, std::iter::empty());
        settings
            .map(|settings| settings.guards_owners)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_plugin_runs_when_it_is_named_and_only_one_that_there_is() {
        assert_eq!(load(""), Ok(false));
        let own = "--enable-admission-plugins NodeRestriction,OwnerReferencesPermissionEnforcement";
        assert_eq!(load(own), Ok(true));
        let argument =
            "--kube-apiserver-arg enable-admission-plugins=OwnerReferencesPermissionEnforcement";
        assert_eq!(load(argument), Ok(true));
        assert_eq!(
            load("--enable-admission-plugins NodeRestriction"),
            Ok(false)
        );
        assert!(load("--enable-admission-plugins AlwaysPullImages").is_err());
    }
}
