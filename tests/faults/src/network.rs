//! Three hosts on one switch, as network namespaces, and links between them that can be cut.
//!
//! The process must have a network namespace and a mount namespace of its own (see
//! [`enter`]): the switch is a bridge in it, each member gets a namespace behind a veth pair.
//! Cuts are nftables rules on the bridge, so that addresses, certificates and connections
//! stay what they are and packets just vanish. The client on the switch reaches every member
//! whatever is cut. All of it ends with the process.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Set in the environment of a process that [`enter`] has put into its own namespaces.
const INSIDE: &str = "SKERRY_FAULTS_INSIDE";

/// Packets of a hundred that get lost on a lossy network.
const LOSS_PERCENT: u32 = 25;

/// Starts this program again in namespaces of its own, unless that has happened already.
///
/// # Errors
/// Where `unshare` is missing or not allowed.
pub fn enter() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe().context("the path of this program")?;
    let error = unshare()
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error).context("start again under unshare (util-linux)")
}

/// Whether this machine lets a process have namespaces of its own.
#[must_use]
pub fn allowed() -> bool {
    let mut attempt = unshare();
    attempt.arg("true").stderr(Stdio::null());
    attempt.status().is_ok_and(|status| status.success())
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]);
    if !nix::unistd::Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

/// Which packets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All.
    Calm,
    /// None in the direction of these pairs, from the first to the second.
    Cut(Vec<(usize, usize)>),
    /// None of these members' own ports (2379, 2380) from the first to the second, nor the answers.
    PeersCut(Vec<(usize, usize)>),
    /// A quarter of those between members is lost.
    Lossy,
}

/// The switch and its hosts.
#[derive(Debug)]
pub struct Network {
    members: usize,
}

impl Network {
    /// Makes the bridge and one namespace a member.
    ///
    /// # Errors
    /// Where `ip` or `nft` are missing or refused.
    pub fn create(members: usize) -> Result<Self> {
        ensure!(
            std::env::var_os(INSIDE).is_some(),
            "not in a network namespace of its own"
        );
        // Names of namespaces live in a folder: a private one leaves none behind.
        std::fs::create_dir_all("/run/netns").context("make /run/netns")?;
        run("mount", &["-t", "tmpfs", "tmpfs", "/run/netns"])?;
        run("ip", &["link", "set", "lo", "up"])?;
        run("ip", &["link", "add", "switch", "type", "bridge"])?;
        run("ip", &["addr", "add", "10.99.0.254/24", "dev", "switch"])?;
        run("ip", &["link", "set", "switch", "up"])?;
        for index in 0..members {
            let (space, port) = (namespace(index), port(index));
            let address = format!("{}/24", host(index));
            run("ip", &["netns", "add", &space])?;
            run("ip", &["-n", &space, "link", "set", "lo", "up"])?;
            run(
                "ip",
                &[
                    "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space,
                ],
            )?;
            run("ip", &["link", "set", &port, "master", "switch", "up"])?;
            run(
                "ip",
                &["-n", &space, "addr", "add", &address, "dev", "eth0"],
            )?;
            run("ip", &["-n", &space, "link", "set", "eth0", "up"])?;
        }
        let network = Self { members };
        network.set(&Weather::Calm)?;
        Ok(network)
    }

    /// The members' addresses.
    #[must_use]
    pub fn hosts(&self) -> Vec<IpAddr> {
        (0..self.members).map(host).collect()
    }

    /// What goes before each member's command line.
    #[must_use]
    pub fn wrappers(&self) -> Vec<Vec<String>> {
        (0..self.members)
            .map(|index| {
                ["ip", "netns", "exec", &namespace(index)]
                    .map(str::to_owned)
                    .to_vec()
            })
            .collect()
    }

    /// Changes which packets pass, in one step.
    ///
    /// # Errors
    /// Where `nft` refuses the rules.
    pub fn set(&self, weather: &Weather) -> Result<()> {
        let mut rules = String::from(
            "add table bridge faults\n\
             flush table bridge faults\n\
             add chain bridge faults links { type filter hook forward priority 0; }\n",
        );
        match weather {
            Weather::Calm => {}
            Weather::Cut(pairs) => {
                for (from, to) in pairs {
                    rules += &format!(
                        "add rule bridge faults links iifname {} oifname {} drop\n",
                        port(*from),
                        port(*to)
                    );
                }
            }
            Weather::PeersCut(pairs) => {
                for (from, to) in pairs {
                    let (from, to) = (port(*from), port(*to));
                    for end in ["sport", "dport"] {
                        rules += &format!(
                            "add rule bridge faults links iifname {from} oifname {to} tcp {end} {{ 2379, 2380 }} drop\n"
                        );
                    }
                }
            }
            Weather::Lossy => {
                rules += &format!(
                    "add rule bridge faults links numgen random mod 100 < {LOSS_PERCENT} drop\n"
                );
            }
        }
        feed("nft", &["-f", "-"], &rules)
    }

    /// All links of one member to its peers, both ways.
    #[must_use]
    pub fn isolation_of(&self, member: usize) -> Weather {
        Weather::Cut(self.links_of(member))
    }

    /// As [`Network::isolation_of`], but the port of the Kubernetes API stays open.
    #[must_use]
    pub fn peers_cut_off(&self, member: usize) -> Weather {
        Weather::PeersCut(self.links_of(member))
    }

    fn links_of(&self, member: usize) -> Vec<(usize, usize)> {
        let others = (0..self.members).filter(|other| *other != member);
        others
            .flat_map(|other| [(member, other), (other, member)])
            .collect()
    }

    /// Whether one member's host can connect to a port of another's within so many seconds.
    #[must_use]
    pub fn connects(&self, from: usize, to: usize, port: u16, seconds: u32) -> bool {
        let seconds = seconds.to_string();
        let script = format!("exec 3<>/dev/tcp/{}/{port}", host(to));
        let space = namespace(from);
        let timed = [
            "ip", "netns", "exec", &space, "timeout", &seconds, "bash", "-c", &script,
        ];
        let mut command = Command::new(timed[0]);
        command.args(&timed[1..]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

fn namespace(index: usize) -> String {
    format!("member{index}")
}

fn port(index: usize) -> String {
    format!("port{index}")
}

fn host(index: usize) -> IpAddr {
    let last = u8::try_from(index + 1).expect("a cluster has few members");
    IpAddr::V4(Ipv4Addr::new(10, 99, 0, last))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    feed(program, arguments, "")
}

fn feed(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(OsStr::new(program))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program} (packages iproute2, nftables, mount)"))?;
    let mut stdin = child.stdin.take().context("the input was asked for")?;
    stdin
        .write_all(input.as_bytes())
        .with_context(|| format!("feed {program}"))?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}\n{input}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
