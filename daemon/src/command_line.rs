//! `skerry <command> [flags]`: which command runs, and what `--help` and `--version` say.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, bail};

use crate::commands;
use crate::config::{KEYS, Kind, Settings};

const USAGE: &str = "\
Skerry: a highly available Kubernetes control plane for edge boxes

usage:
  skerry server [flags]               run a server
  skerry certificate check|rotate|rotate-ca
                                      how long certificates are good, and new ones
  skerry member list|remove|promote   the members of the cluster
  skerry alarm list|disarm            whether the quota of the datastore is used up
  skerry defrag [flags]               give free space of the datastore back to the disk
  skerry etcd-snapshot save|list|delete|prune|restore
                                      snapshots of the datastore
  skerry status [flags]               who leads, and how far this server has come
  skerry footprint [flags]            where it has its memory, and what it has written
  skerry token COMMAND [flags]        bootstrap tokens and the tokens of users
  skerry secrets-encrypt status|enable|disable|rotate-keys|reencrypt [flags]
                                      encryption of Secrets in the datastore
  skerry ready [--wait SECONDS] [flags]
                                      whether this node's server takes reads and writes
  skerry doctor [flags]               what is wrong, with the server running or not
  skerry check-config [flags]         whether this host can run the server
  skerry update apply FILE | status   another root for the appliance, on trial
  skerry completion bash|zsh|fish     a script that completes commands and flags
  skerry --version
  skerry server --help
";

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let (command, rest) = match words.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => bail!("no command\n{USAGE}"),
    };
    match command {
        "--version" | "-V" | "version" => say(&version()),
        "--help" | "-h" | "help" => say(USAGE),
        "server" if rest.iter().any(|word| word == "--help" || word == "-h") => say(&server_help()),
        "server" => {
            let settings = Settings::load(rest, std::env::vars()).context("configuration")?;
            crate::server::run(settings)
        }
        "certificate" => commands::certificate::run(rest),
        "doctor" => commands::doctor::run(rest),
        "etcd-snapshot" => commands::etcd_snapshot::run(rest),
        "footprint" => commands::footprint::run(rest),
        "member" => commands::member::run(rest),
        "alarm" => commands::maintenance::alarm(rest),
        "defrag" => commands::maintenance::defrag(rest),
        "token" => commands::token::run(rest),
        "secrets-encrypt" => commands::secrets_encrypt::run(rest),
        "ready" => commands::ready::run(rest),
        "status" => commands::status::run(rest),
        "update" => commands::update::run(rest),
        "check-config" => commands::check_config::run(rest),
        "completion" => commands::completion::run(rest, USAGE),
        other => bail!("unknown command '{other}'\n{USAGE}"),
    }
}

/// `skerry 0.1.0 (abc1234, aarch64-unknown-linux-musl)`
pub(crate) fn version() -> String {
    format!(
        "skerry {} ({}, {})\n",
        env!("CARGO_PKG_VERSION"),
        env!("SKERRY_COMMIT"),
        env!("SKERRY_TARGET")
    )
}

fn server_help() -> String {
    let mut text =
        String::from("skerry server: every flag is also a key of config.yaml and SKERRY_<KEY>\n\n");
    for key in KEYS {
        let short = key
            .short
            .map_or_else(|| "    ".to_owned(), |c| format!("-{c}, "));
        let value = match key.kind {
            Kind::Switch => "",
            Kind::Text => " VALUE",
            Kind::List => " VALUE,...",
        };
        let flag = format!("{short}--{}{value}", key.name);
        let _ = writeln!(text, "  {flag:<46} {}", key.help);
    }
    text
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("standard output")
}
