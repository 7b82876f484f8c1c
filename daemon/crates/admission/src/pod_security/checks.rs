//! Which checks of the Pod Security Standards hold at which level of which version.

use super::pod::Pod;
use super::{Level, Standard, Violation, baseline as base, restricted as strict};

/// Looks at a pod by the rules of a minor version: in short and in detail what is wrong.
type Run = fn(&Pod<'_>, u32) -> Option<(&'static str, String)>;

/// A check of a level.
struct Check {
    level: Level,
    /// The first minor version that has it.
    since: u32,
    /// The first version whose restricted level has it in a stricter form, instead of this one.
    replaced: u32,
    run: Run,
}

const NEVER: u32 = u32::MAX;

const fn baseline(since: u32, replaced: u32, run: Run) -> Check {
    Check {
        level: Level::Baseline,
        since,
        replaced,
        run,
    }
}

const fn restricted(since: u32, run: Run) -> Check {
    Check {
        level: Level::Restricted,
        since,
        replaced: NEVER,
        run,
    }
}

/// In upstream's order.
const CHECKS: [Check; 19] = [
    baseline(0, NEVER, base::app_armor),
    baseline(0, 22, base::capabilities),
    baseline(0, NEVER, base::host_namespaces),
    baseline(0, 0, base::host_paths),
    baseline(0, NEVER, base::host_ports),
    baseline(34, NEVER, base::probe_hosts),
    baseline(0, NEVER, base::privileged),
    baseline(0, 35, base::proc_mount),
    baseline(0, NEVER, base::selinux),
    baseline(0, 19, base::seccomp),
    baseline(0, NEVER, base::sysctls),
    baseline(0, NEVER, base::windows_host_process),
    restricted(8, strict::privilege_escalation),
    restricted(22, strict::dropped_capabilities),
    restricted(35, base::any_proc_mount),
    restricted(0, strict::volumes),
    restricted(0, strict::non_root),
    restricted(23, strict::root_user),
    restricted(19, strict::seccomp_set),
];

/// What the newest version is called inside.
const LATEST: u32 = 1_000_000;

/// All violations of a standard.
pub(super) fn all(standard: Standard, pod: &Pod<'_>) -> Vec<Violation> {
    let minor = standard.minor.unwrap_or(LATEST);
    let is_restricted = standard.level == Level::Restricted;
    let applies = |check: &&Check| {
        standard.level != Level::Privileged
            && check.level <= standard.level
            && check.since <= minor
            && !(is_restricted && check.replaced <= minor)
    };
    let checks = CHECKS.iter().filter(applies);
    let found = checks.filter_map(|check| (check.run)(pod, minor));
    found
        .map(|(reason, detail)| Violation {
            reason: reason.to_owned(),
            detail,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(level: Level, minor: Option<u32>, spec: Value) -> Vec<String> {
        let metadata = json!({});
        let pod = Pod {
            metadata: &metadata,
            spec: &spec,
        };
        let found = all(Standard { level, minor }, &pod);
        found
            .into_iter()
            .map(|one| format!("{} ({})", one.reason, one.detail))
            .collect()
    }

    #[test]
    fn the_baseline_names_every_way_out_of_a_container() {
        let container =
            |context: Value| json!({"containers": [{"name": "a", "securityContext": context}]});
        for (spec, words) in [
            (
                container(json!({"privileged": true})),
                "privileged (container \"a\" must not set securityContext.privileged=true)",
            ),
            (
                container(json!({"capabilities": {"add": ["SYS_ADMIN", "KILL"]}})),
                "non-default capabilities (container \"a\" must not include \"SYS_ADMIN\" in securityContext.capabilities.add)",
            ),
            (
                container(json!({"procMount": "Unmasked"})),
                "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
            ),
            (
                container(json!({"seccompProfile": {"type": "Unconfined"}})),
                "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
            ),
            (
                container(json!({"seLinuxOptions": {"type": "x_t", "user": "u"}})),
                "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type \"x_t\"; user may not be set)",
            ),
            (
                container(json!({"appArmorProfile": {"type": "Unconfined"}})),
                "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
            ),
            (
                container(json!({"windowsOptions": {"hostProcess": true}})),
                "hostProcess (container \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
            ),
            (
                json!({"hostIPC": true, "hostPID": true}),
                "host namespaces (hostPID=true, hostIPC=true)",
            ),
            (
                json!({"volumes": [{"name": "v", "hostPath": {}}]}),
                "hostPath volumes (volume \"v\")",
            ),
            (
                json!({"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 443}]}]}),
                "hostPort (container \"a\" uses hostPorts 443, 80)",
            ),
            (
                json!({"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "h"}}}]}),
                "probe or lifecycle host (container \"a\" uses probe or lifecycle host \"h\")",
            ),
            (
                json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}),
                "forbidden sysctls (kernel.msgmax)",
            ),
        ] {
            assert_eq!(said(Level::Baseline, None, spec.clone()), [words], "{spec}");
            assert!(said(Level::Privileged, None, spec).is_empty());
        }
    }

    #[test]
    fn a_version_is_judged_as_it_was() {
        let probe =
            json!({"containers": [{"name": "a", "livenessProbe": {"tcpSocket": {"host": "h"}}}]});
        assert!(said(Level::Baseline, Some(33), probe).is_empty());
        let sysctl = json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}});
        assert_eq!(said(Level::Baseline, Some(31), sysctl.clone()).len(), 1);
        assert!(said(Level::Baseline, Some(32), sysctl).is_empty());
    }

    #[test]
    fn restricted_says_the_same_thing_once() {
        let spec = json!({"volumes": [{"name": "v", "hostPath": {}}]});
        assert_eq!(
            said(Level::Restricted, None, spec),
            ["restricted volume types (volume \"v\" uses restricted volume type \"hostPath\")"]
        );
    }

    #[test]
    fn odd_shapes_are_judged_without_a_panic() {
        for spec in [
            json!(null),
            json!([]),
            json!({"containers": [1, {"securityContext": "x"}], "volumes": ["v"]}),
        ] {
            let _ = said(Level::Restricted, None, spec);
        }
    }
}
