//! `skerry etcd-snapshot save|list|delete|prune|restore`: snapshots of the datastore on this node.
//!
//! The server takes them; what lies in the directory is listed, removed and restored without it, so
//! that a snapshot is found when no server starts any more.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::print;
use super::token::flag_takes_value;
use crate::admin::Client;
use crate::config::{BucketOf, Settings, base_name};
use crate::snapshots::folder::Found;
use crate::snapshots::{BUCKET_ROUTE, Folder, ROUTE, Remote, created};

const USAGE: &str = "\
usage:
  skerry etcd-snapshot save [--name NAME] [flags]        take one now, while the server runs
  skerry etcd-snapshot list [-o json] [flags]            those in this node's directory; also: ls
  skerry etcd-snapshot delete NAME... [flags]            remove these
  skerry etcd-snapshot prune [--name NAME] [flags]       remove the oldest of this name and node
  skerry etcd-snapshot restore NAME|FILE [flags]         begin a cluster of one with what it holds, as
                                                         server --cluster-reset with a restore path does

  --name NAME                    what the name begins with [on-demand]
  --dir, --etcd-snapshot-dir     the directory [<data-dir>/snapshots]
  --snapshot-compress, --etcd-snapshot-compress     save: as a zip file
  --snapshot-retention, --etcd-snapshot-retention   prune: how many are left [5]
  --s3, --s3-endpoint, --s3-bucket and all other --etcd-s3-...   in a bucket too

A snapshot is a file of etcd's own format: etcdutl reads it. It holds the cluster's authorities too,
sealed under the servers' token: keep the token with it.
The flags are those of `skerry server`; --data-dir and --node-ip say which server is meant.
";

/// K3s's shorter names for flags of the server's.
const SHORTER: [(&str, &str); 4] = [
    ("--dir", "--etcd-snapshot-dir"),
    ("--snapshot-compress", "--etcd-snapshot-compress"),
    ("--snapshot-retention", "--etcd-snapshot-retention"),
    ("--s3", "--etcd-s3"),
];

/// What stands behind the command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    /// Flags as the server knows them.
    flags: Vec<String>,
    name: Option<String>,
    output: Option<String>,
    names: Vec<String>,
}

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let Some((command, rest)) = words.split_first() else {
        bail!("etcd-snapshot wants a command\n{USAGE}");
    };
    if command == "restore" {
        let flags = Own::of(rest)?.reset()?;
        let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
        return crate::server::run(settings);
    }
    let run: fn(&Settings, &Own) -> anyhow::Result<String> = match command.as_str() {
        "save" => save,
        "list" | "ls" | "l" => list,
        "delete" => delete,
        "prune" => prune,
        other => bail!("etcd-snapshot has no command '{other}'\n{USAGE}"),
    };
    let own = Own::of(rest)?;
    if command != "delete"
        && let Some(word) = own.names.first()
    {
        bail!("etcd-snapshot {command} takes no {word:?}\n{USAGE}");
    }
    let settings = Settings::load(&own.flags, std::env::vars()).context("configuration")?;
    print(&run(&settings, &own)?)
}

impl Own {
    fn of(words: &[String]) -> anyhow::Result<Own> {
        let mut own = Own::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                own.names.push(word.clone());
                continue;
            }
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let place = match flag {
                "--name" => &mut own.name,
                "-o" | "--output" => &mut own.output,
                _ => {
                    let flag = longer(flag);
                    // A flag of the server's, and its value.
                    let takes = value.is_none() && flag_takes_value(&flag);
                    own.flags.push(match value {
                        Some(value) => format!("{flag}={value}"),
                        None => flag,
                    });
                    if takes {
                        own.flags.extend(words.next().cloned());
                    }
                    continue;
                }
            };
            let value = value.or_else(|| words.next().cloned());
            *place = Some(value.with_context(|| format!("{flag} wants a value"))?);
        }
        Ok(own)
    }

    /// The flags of a server that restores.
    fn reset(&self) -> anyhow::Result<Vec<String>> {
        let [name] = &self.names[..] else {
            bail!("etcd-snapshot restore wants one snapshot\n{USAGE}");
        };
        let mut flags = self.flags.clone();
        flags.push("--cluster-reset".into());
        flags.push(format!("--cluster-reset-restore-path={name}"));
        Ok(flags)
    }

    fn base(&self) -> anyhow::Result<String> {
        let base = self.name.as_deref().unwrap_or("on-demand");
        base_name(base).map_err(|error| anyhow::anyhow!("--name: {error}"))
    }
}

/// The server's name of a flag.
fn longer(flag: &str) -> String {
    let known = SHORTER.iter().find(|(short, _)| *short == flag);
    match (known, flag.strip_prefix("--s3-")) {
        (Some((_, long)), _) => (*long).to_owned(),
        (None, Some(rest)) => format!("--etcd-s3-{rest}"),
        (None, None) => flag.to_owned(),
    }
}

fn save(settings: &Settings, own: &Own) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut order = json!({ "name": own.base()? });
    // What is not asked for is as the server has it, which may have other settings than this.
    if let Some(dir) = &settings.snapshots.dir {
        order["dir"] = json!(dir);
    }
    if settings.snapshots.compress {
        order["compress"] = true.into();
    }
    if let Some(s3) = bucket(settings)? {
        order["s3"] = serde_json::to_value(s3)?;
    }
    let client = Client::of(settings)?;
    let path = format!("/v1-skerry/admin/{ROUTE}");
    let taken = runtime.block_on(client.post(&path, &order))?;
    let said = |field: &str| match &taken[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text = format!(
        "Snapshot {} saved: {}, {} bytes, revision {}.\n",
        said("name"),
        said("location"),
        said("size"),
        said("revision"),
    );
    if let Some(location) = taken["remote"].as_str() {
        let _ = writeln!(text, "Snapshot {} uploaded: {location}.", said("name"));
    }
    Ok(text)
}

/// A snapshot, and where it is.
struct Listed {
    found: Found,
    location: String,
    node: String,
}

fn remote(settings: &Settings) -> anyhow::Result<Option<Remote>> {
    bucket(settings)?.as_ref().map(Remote::open).transpose()
}

/// The bucket that is meant. What a Secret says of it the server is asked for.
fn bucket(settings: &Settings) -> anyhow::Result<Option<skerry_bucket::Settings>> {
    let secret = match &settings.snapshots.s3 {
        None => return Ok(None),
        Some(BucketOf::Settings(settings)) => return Ok(Some((**settings).clone())),
        Some(BucketOf::Secret(secret)) => secret,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let path = format!("/v1-skerry/admin/{BUCKET_ROUTE}");
    let asked = json!({ "name": secret.name });
    let said = runtime.block_on(Client::of(settings)?.post(&path, &asked))?;
    let mut said: skerry_bucket::Settings = serde_json::from_value(said)?;
    said.retention = secret.retention;
    Ok(Some(said))
}

fn list(settings: &Settings, own: &Own) -> anyhow::Result<String> {
    let folder = Folder::of(settings);
    let here = folder.list()?.into_iter().map(|found| Listed {
        location: location(&folder, &found),
        node: settings.node_name.clone(),
        found,
    });
    let mut listed: Vec<Listed> = here.collect();
    if let Some(remote) = remote(settings)? {
        let there = remote.list().inspect_err(|_| {
            // What is here is said all the same.
            let _ = print(&table(&listed));
        });
        listed.extend(there?.into_iter().map(|found| Listed {
            location: remote.location(&found.name),
            node: "s3".to_owned(),
            found,
        }));
    }
    match own.output.as_deref() {
        None | Some("table" | "standard") => Ok(table(&listed)),
        // What is JSON is YAML.
        Some("json" | "yaml") => {
            let items = Value::from_iter(listed.iter().map(as_json));
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            Ok(format!("{list}\n"))
        }
        Some(other) => bail!("invalid output format: {other}"),
    }
}

fn location(folder: &Folder, found: &Found) -> String {
    format!("file://{}", folder.path_of(&found.name).display())
}

fn table(listed: &[Listed]) -> String {
    let mut lines = vec![["Name", "Location", "Size", "Created"].map(str::to_owned)];
    lines.extend(listed.iter().map(
        |Listed {
             found, location, ..
         }| {
            [
                found.name.clone(),
                location.clone(),
                found.bytes.to_string(),
                created(found),
            ]
        },
    ));
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0) + 1
    };
    let widths: Vec<usize> = (0..3).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}");
        }
        let _ = writeln!(text, "{}", line[3]);
    }
    text
}

/// As K3s's resource of a snapshot.
fn as_json(listed: &Listed) -> Value {
    let found = &listed.found;
    json!({
        "apiVersion": "k3s.cattle.io/v1",
        "kind": "ETCDSnapshotFile",
        "metadata": {"name": found.name},
        "spec": {
            "snapshotName": found.name,
            "nodeName": listed.node,
            "location": listed.location,
        },
        "status": {
            "size": found.bytes.to_string(),
            "creationTime": created(found),
            "readyToUse": true,
        },
    })
}

fn delete(settings: &Settings, own: &Own) -> anyhow::Result<String> {
    if own.names.is_empty() {
        bail!("no snapshots given for removal\n{USAGE}");
    }
    let folder = Folder::of(settings);
    let remote = remote(settings)?;
    let (mut said, mut missing) = (String::new(), Vec::new());
    for name in &own.names {
        // The bucket first: what fails there is tried again with the same words.
        let was_there = match &remote {
            Some(remote) => remote.delete(name)?,
            None => false,
        };
        match folder.delete(name)? || was_there {
            true => _ = writeln!(said, "Snapshot {name} deleted."),
            false => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(said);
    }
    print(&said)?;
    bail!(
        "{}: no such snapshot: {}",
        folder.path().display(),
        missing.join(", ")
    )
}

fn prune(settings: &Settings, own: &Own) -> anyhow::Result<String> {
    let keep = settings.snapshots.retention;
    let base = own.base()?;
    let mut removed = Folder::of(settings).prune(&base, &settings.node_name, keep)?;
    if let Some(remote) = remote(settings)? {
        let keep = remote.retention();
        removed.extend(remote.prune(&base, &settings.node_name, keep)?);
    }
    let lines = removed.iter();
    Ok(lines
        .map(|name| format!("Snapshot {name} deleted.\n"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_k3s_are_told_from_names_of_snapshots() {
        let words = [
            "--name",
            "before",
            "--dir",
            "/d",
            "a",
            "--snapshot-compress",
            "--snapshot-retention=3",
            "-o=json",
            "--s3-bucket=b",
            "c",
        ];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let own = Own::of(&words).unwrap();
        let flags = [
            "--etcd-snapshot-dir",
            "/d",
            "--etcd-snapshot-compress",
            "--etcd-snapshot-retention=3",
            "--etcd-s3-bucket=b",
        ];
        assert_eq!(own.flags, flags);
        assert_eq!(own.names, ["a", "c"]);
        assert_eq!(own.name.as_deref(), Some("before"));
        assert_eq!(own.output.as_deref(), Some("json"));
        assert!(Own::of(&["--name".to_owned()]).is_err());
    }

    #[test]
    fn the_list_is_that_of_k3s() {
        let folder = Folder::at("/d".into());
        let found = Found {
            name: "on-demand-n-0".into(),
            bytes: 7,
            time: 0,
        };
        let listed = [Listed {
            location: location(&folder, &found),
            node: "n".into(),
            found,
        }];
        assert_eq!(
            table(&listed),
            "Name          Location                Size Created\n\
             on-demand-n-0 file:///d/on-demand-n-0 7    1970-01-01T00:00:00Z\n"
        );
        let item = as_json(&listed[0]);
        assert_eq!(item["spec"]["location"], "file:///d/on-demand-n-0");
        assert_eq!(item["status"]["creationTime"], "1970-01-01T00:00:00Z");
    }
}
