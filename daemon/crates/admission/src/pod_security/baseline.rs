//! The checks of the baseline level: what leads to known ways out of a container.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pod::{Pod, context, named, plural, quoted, set_of, setters, texts};
use crate::value::{items, text};

pub(super) fn app_armor(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let bad = |value: Option<&Value>| {
        let kind = value.map(|value| value.as_str().unwrap_or_default().to_owned());
        kind.filter(|kind| !matches!(kind.as_str(), "RuntimeDefault" | "Localhost"))
    };
    let of_pod = bad(pod.context("/appArmorProfile/type"));
    let of = |container: &Value| bad(context(container, "/appArmorProfile/type"));
    let containers = pod.names(|container| of(container).is_some());
    let mut values: BTreeSet<String> = of_pod.iter().cloned().collect();
    values.extend(pod.containers().filter_map(of));
    let mut values: Vec<String> = values.into_iter().collect();
    let mut annotations: Vec<String> = pod
        .annotations()
        .filter(|(key, value)| {
            key.starts_with(PREFIX)
                && !(value.is_empty()
                    || *value == "runtime/default"
                    || value.starts_with("localhost/"))
        })
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    annotations.sort();
    let mut who: Vec<String> = setters(of_pod.is_some(), &containers).into_iter().collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).into());
        values.extend(annotations);
    }
    if who.is_empty() {
        return None;
    }
    let reason = plural(
        "forbidden AppArmor profile",
        "forbidden AppArmor profiles",
        values.len(),
    );
    let detail = format!(
        "{} must not set AppArmor profile type to {}",
        who.join(" and "),
        quoted(values.iter().map(String::as_str))
    );
    Some((reason, detail))
}

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn added(container: &Value) -> impl Iterator<Item = &str> {
    texts(items(container, "/securityContext/capabilities/add"))
}

pub(super) fn capabilities(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let odd = |capability: &&str| !CAPABILITIES.contains(capability);
    let bad = pod.names(|container| added(container).any(|one| odd(&one)));
    let found = set_of(pod.containers().flat_map(added).filter(odd));
    (!bad.is_empty()).then(|| {
        let detail = format!(
            "{} must not include {} in securityContext.capabilities.add",
            named(&bad),
            quoted(found)
        );
        ("non-default capabilities", detail)
    })
}

pub(super) fn host_namespaces(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"];
    let shared = shared
        .iter()
        .filter(|field| pod.spec.get(**field) == Some(&Value::Bool(true)));
    let shared: Vec<String> = shared.map(|field| format!("{field}=true")).collect();
    (!shared.is_empty()).then(|| ("host namespaces", shared.join(", ")))
}

pub(super) fn host_paths(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let volumes = items(pod.spec, "/volumes").iter();
    let bad = volumes.filter(|volume| volume.get("hostPath").is_some());
    let bad: Vec<&str> = bad.map(|volume| text(volume, "/name")).collect();
    (!bad.is_empty()).then(|| {
        let word = plural("volume", "volumes", bad.len());
        ("hostPath volumes", format!("{word} {}", quoted(bad)))
    })
}

pub(super) fn host_ports(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let ports = |container: &Value| -> Vec<String> {
        let ports = items(container, "/ports").iter();
        let ports = ports.filter_map(|port| port.get("hostPort")?.as_u64());
        ports
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect()
    };
    let bad = pod.names(|container| !ports(container).is_empty());
    let found: BTreeSet<String> = pod.containers().flat_map(ports).collect();
    (!bad.is_empty()).then(|| {
        let uses = plural("uses", "use", bad.len());
        let word = plural("hostPort", "hostPorts", found.len());
        let found: Vec<String> = found.into_iter().collect();
        let detail = format!("{} {uses} {word} {}", named(&bad), found.join(", "));
        ("hostPort", detail)
    })
}

pub(super) fn probe_hosts(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    const HANDLERS: [&str; 5] = [
        "/livenessProbe",
        "/readinessProbe",
        "/startupProbe",
        "/lifecycle/postStart",
        "/lifecycle/preStop",
    ];
    fn hosts(container: &Value) -> impl Iterator<Item = &str> {
        let handlers = HANDLERS.iter().filter_map(|path| container.pointer(path));
        let hosts = handlers.flat_map(|handler| {
            ["/httpGet/host", "/tcpSocket/host"].map(|path| text(handler, path))
        });
        hosts.filter(|host| !host.is_empty())
    }
    let mut bad = pod.names(|container| hosts(container).next().is_some());
    bad.sort_unstable();
    let found = set_of(pod.containers().flat_map(hosts));
    (!bad.is_empty()).then(|| {
        let uses = plural("uses", "use", bad.len());
        let words = ("probe or lifecycle host", "probe or lifecycle hosts");
        let word = plural(words.0, words.1, found.len());
        let detail = format!("{} {uses} {word} {}", named(&bad), quoted(found));
        ("probe or lifecycle host", detail)
    })
}

pub(super) fn privileged(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let bad = pod.names(|container| context(container, "/privileged") == Some(&Value::Bool(true)));
    (!bad.is_empty()).then(|| {
        let detail = format!(
            "{} must not set securityContext.privileged=true",
            named(&bad)
        );
        ("privileged", detail)
    })
}

pub(super) fn proc_mount(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    match minor >= 35 && pod.has_user_namespace() {
        true => None,
        false => any_proc_mount(pod, minor),
    }
}

pub(super) fn any_proc_mount(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    fn odd(container: &Value) -> Option<&str> {
        let mount = context(container, "/procMount")?.as_str()?;
        (mount != "Default").then_some(mount)
    }
    let bad = pod.names(|container| odd(container).is_some());
    let found = set_of(pod.containers().filter_map(odd));
    (!bad.is_empty()).then(|| {
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            named(&bad),
            quoted(found)
        );
        ("procMount", detail)
    })
}

pub(super) fn selinux(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    let allowed = |kind: &str| {
        let always = ["", "container_t", "container_init_t", "container_kvm_t"];
        always.contains(&kind) || (minor >= 31 && kind == "container_engine_t")
    };
    let is_bad = |options: &Value| {
        !allowed(text(options, "/type"))
            || !text(options, "/user").is_empty()
            || !text(options, "/role").is_empty()
    };
    let of_pod = pod
        .context("/seLinuxOptions")
        .filter(|options| is_bad(options));
    let of = |container: &Value| context(container, "/seLinuxOptions").is_some_and(is_bad);
    let containers = pod.names(of);
    let who = setters(of_pod.is_some(), &containers)?;
    let all = pod
        .containers()
        .filter_map(|one| context(one, "/seLinuxOptions"));
    let bad: Vec<&Value> = of_pod
        .into_iter()
        .chain(all.filter(|one| is_bad(one)))
        .collect();
    let types = bad.iter().map(|options| text(options, "/type"));
    let types = set_of(types.filter(|kind| !allowed(kind)));
    let sets = |path: &str| bad.iter().any(|options| !text(options, path).is_empty());
    let mut what = Vec::new();
    if !types.is_empty() {
        let word = plural("type", "types", types.len());
        what.push(format!("{word} {}", quoted(types)));
    }
    if sets("/user") {
        what.push("user may not be set".into());
    }
    if sets("/role") {
        what.push("role may not be set".into());
    }
    let detail = format!(
        "{who} set forbidden securityContext.seLinuxOptions: {}",
        what.join("; ")
    );
    Some(("seLinuxOptions", detail))
}

fn seccomp_type(profile: Option<&Value>) -> Option<&str> {
    Some(text(profile?, "/type"))
}

fn is_confined(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

pub(super) fn seccomp(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    if minor < 19 {
        return seccomp_annotations(pod);
    }
    let bad = |kind: Option<&str>| kind.is_some_and(|kind| !is_confined(kind));
    let of_pod = seccomp_type(pod.context("/seccompProfile"));
    fn of(container: &Value) -> Option<&str> {
        seccomp_type(context(container, "/seccompProfile"))
    }
    let containers = pod.names(|container| bad(of(container)));
    let who = setters(bad(of_pod), &containers)?;
    let kinds = pod.containers().filter_map(of).chain(of_pod);
    let found = set_of(kinds.filter(|kind| !is_confined(kind)));
    let detail = format!(
        "{who} must not set securityContext.seccompProfile.type to {}",
        quoted(found)
    );
    Some(("seccompProfile", detail))
}

fn seccomp_annotations(pod: &Pod<'_>) -> Option<(&'static str, String)> {
    const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
    let names: BTreeSet<&str> = pod.containers().map(|one| text(one, "/name")).collect();
    let concerns = |key: &str| {
        let container = key.strip_prefix(CONTAINER);
        key == POD || container.is_some_and(|name| names.contains(name))
    };
    let confined = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let bad = pod
        .annotations()
        .filter(|(key, value)| concerns(key) && !confined(value));
    let bad: BTreeSet<String> = bad.map(|(key, value)| format!("{key}={value:?}")).collect();
    (!bad.is_empty()).then(|| {
        let word = plural("annotation", "annotations", bad.len());
        let bad: Vec<String> = bad.into_iter().collect();
        (
            "seccompProfile",
            format!("forbidden {word} {}", bad.join(", ")),
        )
    })
}

/// Which sysctls are harmless, since which version.
const SYSCTLS: [(u32, &[&str]); 5] = [
    (
        0,
        &[
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range",
            "net.ipv4.ip_unprivileged_port_start",
        ],
    ),
    (27, &["net.ipv4.ip_local_reserved_ports"]),
    (
        29,
        &[
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
        ],
    ),
    (32, &["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"]),
    (
        37,
        &[
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_notsent_lowat",
        ],
    ),
];
/// The latest version that this server is.
const NEWEST_SYSCTLS: u32 = 36;

pub(super) fn sysctls(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    let minor = minor.min(NEWEST_SYSCTLS);
    let allowed = |name: &str| {
        let mut known = SYSCTLS.iter().filter(|(since, _)| *since <= minor);
        known.any(|(_, names)| names.contains(&name))
    };
    let names = items(pod.spec, "/securityContext/sysctls").iter();
    let names = names.map(|sysctl| text(sysctl, "/name"));
    let bad: Vec<&str> = names.filter(|name| !allowed(name)).collect();
    (!bad.is_empty()).then(|| ("forbidden sysctls", bad.join(", ")))
}

pub(super) fn windows_host_process(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    const PATH: &str = "/windowsOptions/hostProcess";
    let yes = Some(&Value::Bool(true));
    let containers = pod.names(|container| context(container, PATH) == yes);
    let who = setters(pod.context(PATH) == yes, &containers)?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(("hostProcess", detail))
}
