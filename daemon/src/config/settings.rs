//! The typed settings of `skerry server` and their defaults.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use skerry_consensus::FlushPolicy;
use skerry_etcd::TokenOptions;
use skerry_kube::{NodePorts, ServiceNetwork};

use super::admission;
use super::audit::{self, AuditSettings};
use super::critical::Critical;
use super::datastore::{self, ForeignEtcd};
use super::file;
use super::layers::{self, LayerError, Layers, Origin, Value};
use super::parse;
use super::snapshots::{self, SnapshotSettings};
use super::{k3s, keys};

/// K3s's.
const SERVICE_CIDR: &str = "10.43.0.0/16";

/// Where settings are looked for when `--config` does not say.
const CONFIG_FILE: &str = "/etc/skerry/config.yaml";
/// A host name may be this long (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
/// K3s's names of what it can leave out.
const DISABLEABLE: [&str; 7] = [
    "coredns",
    "servicelb",
    "traefik",
    "local-storage",
    "metrics-server",
    "runtimes",
    "ccm",
];

/// What `skerry server` was asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Address that 6443, 2379 and 2380 listen on.
    pub(crate) bind: IpAddr,
    /// Address that others reach this node at.
    pub(crate) node_ip: IpAddr,
    /// Address that goes into the kubeconfig and the client URLs.
    pub(crate) advertise: IpAddr,
    pub(crate) node_name: String,
    pub(crate) https_port: u16,
    pub(crate) etcd_client_port: u16,
    pub(crate) etcd_peer_port: u16,
    pub(crate) etcd_metrics_port: u16,
    /// From `token` or `token-file`; none: the data directory's, or a new one.
    pub(crate) token: Option<String>,
    /// Servers to join, `https://host:port`, tried in turn.
    pub(crate) servers: Vec<String>,
    /// The foreign etcd that holds the state; none: this server is a member that does.
    pub(crate) foreign: Option<ForeignEtcd>,
    /// Join, whatever happened: move the data of a removed member aside, and form no cluster.
    pub(crate) rejoin: bool,
    /// Go on alone with what the disk holds.
    pub(crate) cluster_reset: bool,
    /// With a reset: go on with what this snapshot holds.
    pub(crate) restore_path: Option<PathBuf>,
    /// Take a snapshot that has no checksum.
    pub(crate) skip_hash_check: bool,
    /// What must be the same on every server.
    pub(crate) critical: Critical,
    /// Lines for the log about settings of K3s that have no effect.
    pub(crate) without_effect: Vec<String>,
    pub(crate) tls_san: Vec<String>,
    pub(crate) service_cidr: ServiceNetwork,
    pub(crate) node_ports: NodePorts,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) kubeconfig_mode: u32,
    pub(crate) disable_apiserver: bool,
    /// What is not deployed, by name.
    pub(crate) disable: Vec<String>,
    /// Bytes of state at which writes are refused.
    pub(crate) quota_bytes: u64,
    /// Bytes of memory that caches are sized from.
    pub(crate) memory_budget: u64,
    /// Bytes of memory at which requests are refused, where somebody has said so.
    pub(crate) memory_limit: Option<u64>,
    /// Bytes that may be written to the disk until it is worn.
    pub(crate) flash_endurance: Option<u64>,
    /// When the state is committed durably.
    pub(crate) flush: FlushPolicy,
    pub(crate) heartbeat: Duration,
    pub(crate) learner_stall: Duration,
    pub(crate) election: Duration,
    /// etcd's `--auth-token`.
    pub(crate) auth_token: TokenOptions,
    /// Where requests are recorded, if they are.
    pub(crate) audit: Option<AuditSettings>,
    /// Whether naming owners takes more than writing the object.
    pub(crate) guards_owners: bool,
    /// Resources that a new cluster encrypts in the datastore; none: it does not.
    pub(crate) encrypted: Vec<String>,
    pub(crate) snapshots: SnapshotSettings,
    pub(crate) debug: bool,
    /// As they were given, to tell what has changed since.
    pub(super) given: Layers,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Layers(#[from] LayerError),
    #[error("{origin}: '{name}': {what}")]
    Value {
        name: &'static str,
        origin: Origin,
        what: String,
    },
    #[error("cannot read the host name ({0}); give --node-name")]
    HostName(nix::errno::Errno),
}

impl Settings {
    /// Reads the words behind `skerry server`, the environment and the files.
    pub(crate) fn load(
        flags: &[String],
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::from_layers(&Given(layers::collect(
            flags,
            environment,
            Path::new(CONFIG_FILE),
        )?))
    }

    fn from_layers(given: &Given) -> Result<Self, ConfigError> {
        given.refuse_what_is_not_served()?;
        let bind = given.parsed("bind-address", address)?;
        let node_ip = match given.parsed("node-ip", address)? {
            Some(ip) => ip,
            // What others reach must be listened on.
            None => match bind.filter(|ip| !ip.is_unspecified()) {
                Some(ip) => ip,
                None => detected_address(),
            },
        };
        // Several servers on one machine differ by loopback address and keep their ports.
        let all_unless_loopback = if node_ip.is_loopback() {
            node_ip
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        let servers = given.list("server");
        given.check("server", || {
            servers.iter().try_for_each(|url| server_url(url))
        })?;
        given.check("disable", || {
            given.list("disable").iter().try_for_each(|name| {
                if DISABLEABLE.contains(&name.as_str()) {
                    return Ok(());
                }
                Err(parse::expected(
                    &format!("one of {}", DISABLEABLE.join(", ")),
                    name,
                ))
            })
        })?;
        given.check_cluster_network()?;
        let heartbeat = given
            .parsed("heartbeat-interval", parse::duration)?
            .unwrap_or(Duration::from_millis(500));
        let election = given
            .parsed("election-timeout", parse::duration)?
            .unwrap_or(Duration::from_millis(5000));
        given.check("election-timeout", || {
            if heartbeat.is_zero() || election < heartbeat * 5 || election > Duration::from_secs(50) {
                return Err(format!(
                    "must be at least 5 times the heartbeat interval ({heartbeat:?}) and at most 50s, not {election:?}"
                ));
            }
            Ok(())
        })?;
        let learner_stall = given
            .parsed("learner-timeout", parse::duration)?
            .unwrap_or(skerry_consensus::Config::LEARNER_STALL_DEFAULT);
        given.check("learner-timeout", || match learner_stall < election {
            true => Err(format!(
                "must be at least the election timeout ({election:?})"
            )),
            false => Ok(()),
        })?;
        let flush = FlushPolicy::default();
        Ok(Self {
            data_dir: given.path("data-dir", "/var/lib/skerry"),
            bind: bind.unwrap_or(all_unless_loopback),
            node_ip,
            advertise: given
                .parsed("advertise-address", address)?
                .unwrap_or(node_ip),
            node_name: match given.parsed("node-name", node_name)? {
                Some(name) => name,
                None => host_name()?,
            },
            https_port: given
                .parsed("https-listen-port", parse::port)?
                .unwrap_or(6443),
            etcd_client_port: given
                .parsed("etcd-client-port", parse::port)?
                .unwrap_or(2379),
            etcd_peer_port: given.parsed("etcd-peer-port", parse::port)?.unwrap_or(2380),
            etcd_metrics_port: given
                .parsed("etcd-metrics-port", parse::port)?
                .unwrap_or(2381),
            token: given.token()?,
            foreign: datastore::foreign(given, node_ip, &servers)?,
            servers,
            critical: Critical::of(given),
            without_effect: k3s::without_effect(&given.0, |name| keys::is_served(name).is_some()),
            tls_san: given.list("tls-san"),
            service_cidr: match given.parsed("service-cidr", parse::service_network)? {
                Some(network) => network,
                None => parse::service_network(SERVICE_CIDR).expect("the default is a network"),
            },
            node_ports: given
                .parsed("service-node-port-range", NodePorts::parse)?
                .unwrap_or_default(),
            kubeconfig: given.path("write-kubeconfig", "/etc/skerry/skerry.yaml"),
            kubeconfig_mode: given
                .parsed("write-kubeconfig-mode", parse::mode)?
                .unwrap_or(0o600),
            rejoin: given.switch("rejoin")?,
            cluster_reset: given.switch("cluster-reset")?,
            restore_path: given.restore_path()?,
            skip_hash_check: given.switch("skip-hash-check")?,
            disable_apiserver: given.switch("disable-apiserver")?,
            disable: given.list("disable"),
            encrypted: given.encrypted()?,
            snapshots: snapshots::snapshots(given)?,
            quota_bytes: given
                .parsed("quota-backend-bytes", parse::bytes)?
                // As etcd has it, 0 asks for the default.
                .filter(|bytes| *bytes > 0)
                .unwrap_or(2 << 30),
            memory_budget: given
                .parsed("memory-budget", parse::memory_budget)?
                .unwrap_or_else(crate::memory::planned),
            memory_limit: given.parsed("memory-budget", parse::memory_budget)?,
            flash_endurance: given.parsed("flash-endurance-tbw", parse::terabytes)?,
            flush: FlushPolicy {
                interval: given
                    .parsed("flush-interval", parse::duration)?
                    .unwrap_or(flush.interval),
                entries: given
                    .parsed("flush-entries", parse::count)?
                    .unwrap_or(flush.entries),
                bytes: given
                    .parsed("flush-bytes", parse::bytes)?
                    .unwrap_or(flush.bytes),
            },
            heartbeat,
            learner_stall,
            election,
            auth_token: given
                .parsed("auth-token", |text| {
                    text.parse().map_err(|error| format!("{error}"))
                })?
                .unwrap_or_default(),
            audit: audit::audit(given)?,
            guards_owners: admission::guards_owners(given)?,
            debug: given.switch("debug")?,
            given: given.0.clone(),
        })
    }

    /// These, with what [`super::changes`] says can change while the server runs as `read` has it.
    pub(crate) fn with_live(&self, read: &Settings) -> Settings {
        let mut given = self.given.clone();
        for name in super::changes::LIVE {
            match read.given.get(name) {
                Some(value) => given.insert(name, value.clone()),
                None => given.remove(name),
            };
        }
        Settings {
            tls_san: read.tls_san.clone(),
            debug: read.debug,
            given,
            ..self.clone()
        }
    }

    /// The address of a port that listens on the bind address.
    pub(crate) fn listen(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    /// Where metrics are served in plain text: never beyond this machine.
    pub(crate) fn metrics_listen(&self) -> SocketAddr {
        let ip = if self.bind.is_loopback() {
            self.bind
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        };
        SocketAddr::new(ip, self.etcd_metrics_port)
    }

    /// `https://<node-ip>:2380`
    pub(crate) fn peer_url(&self) -> String {
        format!(
            "https://{}",
            SocketAddr::new(self.node_ip, self.etcd_peer_port)
        )
    }

    /// Where other members may be found whose address has changed: at the servers that this one is
    /// told of, on the port that it has itself.
    pub(crate) fn peer_hints(&self) -> Vec<String> {
        let authorities = self.servers.iter().filter_map(|url| {
            let rest = url.strip_prefix("https://")?;
            rest.split('/').next()
        });
        let hosts = authorities.map(|authority| match authority.rsplit_once(':') {
            // Without a port, or the end of a bare IPv6 address in brackets.
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        });
        hosts
            .map(|host| format!("https://{host}:{}", self.etcd_peer_port))
            .collect()
    }

    /// `https://<advertise-address>:2379`
    pub(crate) fn client_url(&self) -> String {
        format!(
            "https://{}",
            SocketAddr::new(self.advertise, self.etcd_client_port)
        )
    }
}

pub(super) struct Given(Layers);

impl Given {
    fn value(&self, name: &'static str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.value(name)
            .and_then(|value| value.values.first())
            .map(String::as_str)
    }

    /// Where a setting was given, if it was.
    pub(super) fn origin(&self, name: &'static str) -> Option<&Origin> {
        self.value(name).map(|value| &value.origin)
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        self.value(name)
            .map(|value| value.values.clone())
            .unwrap_or_default()
    }

    fn path(&self, name: &'static str, default: &str) -> PathBuf {
        PathBuf::from(self.text(name).unwrap_or(default))
    }

    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.text(name)
            .map(parse)
            .transpose()
            .map_err(|what| self.error(name, what))
    }

    pub(super) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        Ok(self.parsed(name, parse::switch)?.unwrap_or(false))
    }

    pub(super) fn check(
        &self,
        name: &'static str,
        check: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        check().map_err(|what| self.error(name, what))
    }

    pub(super) fn error(&self, name: &'static str, what: String) -> ConfigError {
        let origin = self
            .value(name)
            .map_or_else(|| Origin::Flag(name.into()), |v| v.origin.clone());
        ConfigError::Value { name, origin, what }
    }

    fn token(&self) -> Result<Option<String>, ConfigError> {
        if let Some(token) = self.text("token") {
            return match token.trim() {
                "" => Err(self.error("token", "must not be empty".into())),
                token => Ok(Some(token.to_owned())),
            };
        }
        self.parsed("token-file", |path| {
            let text = file::text(Path::new(path)).map_err(|error| error.to_string())?;
            match text.trim() {
                "" => Err(format!("{path}: holds no token")),
                token => Ok(token.to_owned()),
            }
        })
    }

    fn restore_path(&self) -> Result<Option<PathBuf>, ConfigError> {
        let name = "cluster-reset-restore-path";
        let path = self.text(name).filter(|path| !path.is_empty());
        if path.is_some() && !self.switch("cluster-reset")? {
            let words =
                "invalid flag use; --cluster-reset required with --cluster-reset-restore-path";
            return Err(self.error(name, words.into()));
        }
        Ok(path.map(PathBuf::from))
    }

    fn refuse_what_is_not_served(&self) -> Result<(), ConfigError> {
        for (name, value) in &self.0 {
            let asked = value.values != ["false"] && keys::is_served(name).is_none();
            if asked && k3s::is_unserved(name) {
                return Err(self.error(name, "not served by this version".into()));
            }
        }
        Ok(())
    }

    /// What a new cluster encrypts in the datastore.
    fn encrypted(&self) -> Result<Vec<String>, ConfigError> {
        let resources = self.list("secrets-encryption-resources");
        Ok(match self.switch("secrets-encryption")? {
            true if resources.is_empty() => vec!["secrets".to_owned()],
            true => resources,
            false => Vec::new(),
        })
    }

    /// What is only passed on must be understood all the same.
    fn check_cluster_network(&self) -> Result<(), ConfigError> {
        self.check("cluster-domain", || match self.text("cluster-domain") {
            None | Some("cluster.local") => Ok(()),
            Some(other) => Err(parse::expected("cluster.local", other)),
        })?;
        self.check("cluster-cidr", || {
            self.list("cluster-cidr").iter().try_for_each(|network| {
                let bits = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
                let fits = network.split_once('/').is_some_and(|(ip, length)| {
                    let ip = ip.parse::<IpAddr>().ok();
                    ip.zip(length.parse().ok())
                        .is_some_and(|(ip, length): (_, u8)| length <= bits(ip))
                });
                fits.then_some(())
                    .ok_or_else(|| parse::expected("a network such as 10.42.0.0/16", network))
            })
        })?;
        self.check("cluster-dns", || {
            let servers = self.list("cluster-dns");
            servers.iter().try_for_each(|ip| address(ip).map(drop))
        })
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| parse::expected("an IP address", text))
}

fn node_name(text: &str) -> Result<String, String> {
    let name = text.to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edges = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.len() <= NAME_BYTES_MAX
        && name.chars().all(fits)
        && edges(name.chars().next())
        && edges(name.chars().last())
    {
        return Ok(name);
    }
    Err(parse::expected(
        "a DNS name of letters, digits, '-' and '.'",
        text,
    ))
}

fn host_name() -> Result<String, ConfigError> {
    let name = nix::unistd::gethostname().map_err(ConfigError::HostName)?;
    let name = name.to_string_lossy().to_lowercase();
    node_name(&name).map_err(|what| ConfigError::Value {
        name: "node-name",
        origin: Origin::Environment("host name".into()),
        what,
    })
}

fn server_url(url: &str) -> Result<(), String> {
    match url.strip_prefix("https://") {
        Some(_) if host_of(url).is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err(parse::expected("a URL such as https://host:6443", url)),
    }
}

/// The host in `https://host:port/path`, without the brackets of IPv6.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority
            .rsplit_once(':')
            .map_or(Some(authority), |(host, _)| Some(host)),
    }
}

/// The address that this machine uses towards the world. Connecting a UDP socket sends nothing: it
/// only asks the routing table. A machine without a route is reached on loopback alone.
fn detected_address() -> IpAddr {
    let towards = |from: &str, to: &str| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket
            .local_addr()
            .ok()
            .map(|address| address.ip())
            .filter(|ip| !ip.is_unspecified())
    };
    // Documentation addresses (RFC 5737, RFC 3849): routed like any other, owned by nobody.
    towards("0.0.0.0:0", "192.0.2.1:9")
        .or_else(|| towards("[::]:0", "[2001:db8::1]:9"))
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(line: &str) -> Result<Settings, ConfigError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::load(&words, std::iter::empty())
    }

    fn error(line: &str) -> String {
        load(line).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let settings = load("--node-name n --node-ip 192.0.2.7").unwrap();
        assert_eq!(settings.data_dir, Path::new("/var/lib/skerry"));
        assert_eq!(settings.bind.to_string(), "0.0.0.0");
        assert_eq!(
            (settings.https_port, settings.etcd_client_port),
            (6443, 2379)
        );
        assert_eq!(
            (settings.etcd_peer_port, settings.etcd_metrics_port),
            (2380, 2381)
        );
        assert_eq!(settings.quota_bytes, 2_147_483_648);
        assert_eq!(settings.peer_url(), "https://192.0.2.7:2380");
        assert_eq!(settings.metrics_listen().to_string(), "127.0.0.1:2381");
    }

    #[test]
    fn a_loopback_node_listens_on_its_own_address_only() {
        let settings = load("--node-name n --node-ip 127.0.0.2").unwrap();
        assert_eq!(settings.listen(6443).to_string(), "127.0.0.2:6443");
        assert_eq!(settings.metrics_listen().to_string(), "127.0.0.2:2381");
    }

    #[test]
    fn a_quota_of_zero_is_the_default_as_in_etcd() {
        let settings = load("--node-name n --quota-backend-bytes 0").unwrap();
        assert_eq!(settings.quota_bytes, 2_147_483_648);
    }

    #[test]
    fn what_only_k3s_has_is_told_by_name_and_place() {
        let settings = load(
            "--node-name n --kubelet-arg max-pods=1,x=y --disable-kube-proxy --tls-san-security=false --docker=false -d /x",
        )
        .unwrap();
        assert_eq!(
            settings.without_effect,
            [
                "flag --kubelet-arg: 'kubelet-arg' has no effect: no pods run on a server of Skerry",
                "flag --tls-san-security: 'tls-san-security' has no effect: it is always so",
            ]
        );
        assert!(error("--kubelet-args=x").contains("did you mean 'kubelet-arg'?"));
    }

    #[test]
    fn every_bad_value_is_refused_by_name_and_origin() {
        for (flags, words) in [
            (
                "--node-ip here",
                "flag --node-ip: 'node-ip': expected an IP address, not 'here'",
            ),
            (
                "--https-listen-port 0",
                "'https-listen-port': expected a port",
            ),
            ("--server http://x", "'server': expected a URL"),
            ("--disable everything", "'disable': expected one of"),
            (
                "--cluster-domain x",
                "'cluster-domain': expected cluster.local",
            ),
            (
                "--cluster-cidr 10.42.0.0/33",
                "'cluster-cidr': expected a network",
            ),
            (
                "--cluster-dns here",
                "'cluster-dns': expected an IP address",
            ),
            (
                "--disable-etcd",
                "'disable-etcd': not served by this version",
            ),
            ("--node-name -x-", "'node-name'"),
            ("--election-timeout 100ms", "at least 5 times"),
            ("--write-kubeconfig-mode 999", "octal"),
            ("--auth-token jwt,sign-method=none", "'auth-token'"),
            ("--cluster-reset-restore-path x", "--cluster-reset required"),
            ("--token-file /nonexistent", "/nonexistent"),
        ] {
            assert!(error(flags).contains(words), "{flags}: {}", error(flags));
        }
    }
}
