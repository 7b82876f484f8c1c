//! What has changed between the settings that a server runs with and those that stand there now.
//!
//! Knows nothing about how a change is carried out. Invariant: no secret is in a [`Change`].

use std::collections::BTreeSet;

use super::layers::Value;
use super::settings::Settings;

/// Those that are carried out while the server runs.
pub(super) const LIVE: [&str; 2] = ["debug", "tls-san"];
/// Those whose values nobody may read in a log.
const SECRET: [&str; 5] = [
    "etcd-s3-access-key",
    "etcd-s3-proxy",
    "etcd-s3-secret-key",
    "etcd-s3-session-token",
    "token",
];
const TOKEN: &str = "token";
const TOKEN_FILE: &str = "token-file";

/// One setting that is given otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) old: String,
    pub(crate) new: String,
    /// Whether it waits for the next start.
    pub(crate) needs_restart: bool,
}

/// All settings whose values differ, by name.
pub(crate) fn changes(old: &Settings, new: &Settings) -> Vec<Change> {
    let names: BTreeSet<&'static str> = old.given.keys().chain(new.given.keys()).copied().collect();
    let mut changes: Vec<Change> = names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (old.given.get(name), new.given.get(name));
            let values = |value: Option<&Value>| value.map(|value| value.values.clone());
            (values(before) != values(after)).then(|| Change {
                name,
                old: shown(name, before),
                new: shown(name, after),
                needs_restart: !LIVE.contains(&name),
            })
        })
        .collect();
    let is_told = changes
        .iter()
        .any(|change| [TOKEN, TOKEN_FILE].contains(&change.name));
    if old.token != new.token && !is_told {
        changes.push(Change {
            name: TOKEN_FILE,
            old: "one token".to_owned(),
            new: "another in the same file".to_owned(),
            needs_restart: true,
        });
    }
    changes
}

fn shown(name: &str, value: Option<&Value>) -> String {
    match value {
        None => "not given".to_owned(),
        Some(_) if SECRET.contains(&name) => "a secret".to_owned(),
        Some(value) => format!("'{}'", value.values.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &str) -> Settings {
        let flags = format!("--node-name n --node-ip 127.0.0.1 {flags}");
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        Settings::load(&words, std::iter::empty()).unwrap()
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let changes = changes(&settings(old), &settings(new));
        let line = |change: Change| {
            format!(
                "{} {} {} {}",
                change.name, change.old, change.new, change.needs_restart
            )
        };
        changes.into_iter().map(line).collect()
    }

    #[test]
    fn what_has_changed_is_told_with_both_values_and_what_waits_for_a_restart() {
        assert!(told("--tls-san a,b", "--tls-san a --tls-san b").is_empty());
        assert_eq!(
            told("--tls-san a", "--tls-san a,b --etcd-peer-port 3380"),
            [
                "etcd-peer-port not given '3380' true",
                "tls-san 'a' 'a,b' false",
            ]
        );
    }

    #[test]
    fn no_secret_is_told() {
        let told = told("--token old-secret", "--token new-secret");
        assert_eq!(told, ["token a secret a secret true"]);
    }

    #[test]
    fn another_token_in_the_same_file_is_a_change() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flags = format!("--token-file {}", file.path().display());
        std::fs::write(file.path(), "one").unwrap();
        let old = settings(&flags);
        std::fs::write(file.path(), "two").unwrap();
        let changes = changes(&old, &settings(&flags));
        assert_eq!(changes.len(), 1);
        assert!(changes[0].name == "token-file" && changes[0].needs_restart);
    }
}
