//! The other servers on the same foreign datastore: none has this one's name, and all have the
//! critical settings that this one has.
//!
//! Each server notes its settings in the datastore, under its lease. Invariant: of two servers that
//! differ, the one that starts later does not serve.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::bail;
use skerry_foreign::Neighbour;

use super::store::OnEtcd;
use crate::config::Settings;

/// What the others compare with.
pub(crate) fn notes(settings: &Settings) -> String {
    serde_json::to_string(&settings.critical.values()).unwrap_or_default()
}

/// Refuses to be a second server of one name, or one that differs.
pub(crate) fn compare(settings: &Settings, store: &OnEtcd) -> anyhow::Result<()> {
    for neighbour in store.foreign().neighbours() {
        let Neighbour {
            name,
            address,
            notes,
        } = neighbour;
        if name == settings.node_name {
            same_name(settings, address)?;
            // What this server was before it was started again.
            continue;
        }
        let theirs: BTreeMap<String, String> = serde_json::from_str(&notes).unwrap_or_default();
        let ours = settings.critical.values();
        for (key, theirs) in &theirs {
            let Some(ours) = ours.get(key).filter(|ours| ours != theirs) else {
                continue;
            };
            bail!(
                "{}: critical configuration value mismatch between servers: '{key}' is '{theirs}' \
                 on {name} ({address}) and '{ours}' on this server",
                settings.critical.place(key)
            );
        }
    }
    Ok(())
}

fn same_name(settings: &Settings, address: IpAddr) -> anyhow::Result<()> {
    if address != settings.advertise {
        bail!(
            "duplicate node name found, please use a unique name for this node: '{}' runs at \
             {address} on the same datastore, or did a few seconds ago",
            settings.node_name
        );
    }
    Ok(())
}
