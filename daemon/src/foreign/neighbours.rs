//! The other servers on the same foreign datastore: none has this one's name, and all have the
//! critical settings that this one has.
//!
//! Each server notes its settings in the datastore, under its lease. Invariant: of two servers that
//! differ, the one that is there for less long does not go on.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use skerry_foreign::Neighbour;
use tokio::time::sleep;

use super::store::OnEtcd;
use crate::config::Settings;

/// Between two looks at them.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// What the others compare with.
pub(crate) fn notes(settings: &Settings) -> String {
    serde_json::to_string(&settings.critical.values()).unwrap_or_default()
}

/// Looks at them for as long as the server runs; ends with the reason why it must not.
pub(crate) async fn watch(settings: &Settings, store: &OnEtcd) -> anyhow::Error {
    loop {
        sleep(LOOK_INTERVAL).await;
        if let Err(error) = look(settings, store) {
            return error;
        }
    }
}

/// Refuses to be a second server of one name, or one that differs from those that were first.
pub(crate) fn look(settings: &Settings, store: &OnEtcd) -> anyhow::Result<()> {
    compare(settings, &store.foreign().neighbours())
}

fn compare(settings: &Settings, all: &[Neighbour]) -> anyhow::Result<()> {
    let name = &settings.node_name;
    let own = all.iter().find(|neighbour| neighbour.name == *name);
    if let Some(own) = own
        && own.address != settings.advertise
    {
        bail!(
            "duplicate node name found, please use a unique name for this node: '{name}' runs at \
             {} on the same datastore, or did a few seconds ago",
            own.address
        );
    }
    // What this server was before it was started again counts.
    let since = own.map_or(i64::MAX, |own| own.since);
    let ours = settings.critical.values();
    for other in all.iter().filter(|other| other.since < since) {
        let theirs: BTreeMap<String, String> =
            serde_json::from_str(&other.notes).unwrap_or_default();
        for (key, theirs) in &theirs {
            let Some(ours) = ours.get(key).filter(|ours| ours != theirs) else {
                continue;
            };
            bail!(
                "{}: critical configuration value mismatch between servers: '{key}' is '{theirs}' \
                 on {} ({}) and '{ours}' on this server",
                settings.critical.place(key),
                other.name,
                other.address
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &str) -> Settings {
        let line = format!("--node-name one --node-ip 192.0.2.1 {flags}");
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::load(&words, std::iter::empty()).unwrap()
    }

    fn neighbour(name: &str, address: &str, since: i64, flags: &str) -> Neighbour {
        Neighbour {
            name: name.to_owned(),
            address: address.parse().unwrap(),
            notes: notes(&settings(flags)),
            since,
        }
    }

    #[test]
    fn of_two_servers_that_differ_the_later_one_does_not_go_on() {
        const OTHER: &str = "--service-cidr 10.99.0.0/16";
        let me = settings("");
        let old = neighbour("one", "192.0.2.1", 5, "");
        assert!(compare(&me, &[]).is_ok());
        assert!(compare(&me, &[neighbour("two", "192.0.2.2", 3, "")]).is_ok());
        let differs = neighbour("two", "192.0.2.2", 3, OTHER);
        for all in [vec![differs.clone()], vec![differs, old.clone()]] {
            let said = compare(&me, &all).unwrap_err().to_string();
            assert!(
                said.contains("mismatch") && said.contains("'10.99.0.0/16' on two (192.0.2.2)"),
                "{said}"
            );
        }
        assert!(compare(&me, &[neighbour("two", "192.0.2.2", 7, OTHER), old]).is_ok());
    }

    #[test]
    fn a_name_that_another_address_has_is_refused() {
        let taken = neighbour("one", "192.0.2.9", 5, "");
        let said = compare(&settings(""), &[taken]).unwrap_err().to_string();
        assert!(said.contains("duplicate node name"), "{said}");
    }
}
