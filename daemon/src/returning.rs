//! A server that was removed, or that was not there when its cluster was reset, comes back as a new
//! member, when it is told to with `--rejoin`; one whose cluster has given way to another joins that.
//!
//! Knows nothing of how a cluster is joined. Invariants: only the data of a removed member, of one
//! that never had any, or of a cluster that was reset or gave way, is moved, and none of it is deleted; the mark
//! goes last, so that a start that was cut short goes on where it was; whoever returns never forms a
//! cluster.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use skerry_supervisor::about_cluster;

use crate::config::Settings;
use crate::forming::Roster;
use crate::identity::{Identity, Stage};
use crate::{alone, data_dir, farewell, node_password};

/// Of what a removed member has, what a new one makes anew; the one with the mark last.
const LEFT_BEHIND: [&str; 2] = ["tls", "db"];
/// The servers' token, below the data directory.
const TOKEN: &str = "token";
/// Folders of one kind that may lie in one data directory.
const KEPT_MAX: u32 = 1_000;

/// Moves the data of a removed member aside, where the settings say that it shall return, and that
/// of a cluster that gave way.
pub(crate) async fn prepare(settings: &mut Settings) -> anyhow::Result<()> {
    let gave_way = alone::gave_way(&settings.data_dir)?;
    if !settings.rejoin && !gave_way {
        return Ok(());
    }
    settings.rejoin = true;
    if settings.servers.is_empty() {
        bail!("rejoin: joining a cluster again needs a server of it: give --server");
    }
    let data_dir = settings.data_dir.clone();
    let is_given = settings.token.is_some();
    if !is_given {
        settings.token = token(&data_dir)?;
    }
    let is_none = gave_way || farewell::is_marked(&data_dir)? || has_only_asked(&data_dir)?;
    if !is_none && !is_left_behind(settings).await? {
        return Ok(());
    }
    if settings.token.is_none() {
        bail!("rejoin: joining a cluster again needs its token: give --token or --token-file");
    }
    let kind = if gave_way { "formed-alone" } else { "removed" };
    let aside = aside(&data_dir, kind)?;
    // The cluster's token may be another by now.
    let token = is_given.then_some(TOKEN);
    // A node that formed a cluster alone had lost its password, and made one that nobody knows.
    let password = gave_way.then_some(node_password::FILE);
    let moved = token
        .into_iter()
        .chain(password)
        .chain(LEFT_BEHIND)
        .try_for_each(|name| set_aside(&data_dir.join(name), &aside))
        .and_then(|()| File::open(&data_dir)?.sync_all());
    moved.with_context(|| format!("cannot move what is in {} aside", data_dir.display()))?;
    data_dir::make(&data_dir)?;
    let why = match gave_way {
        true => "the cluster that this server has formed gives way to another, which it joins",
        false => "this server is no member of its cluster any more and joins as a new one",
    };
    tracing::warn!("{why}; what it held is kept in {}", aside.display());
    Ok(())
}

/// Whether this server has joined, and was not seen to hold anything of the cluster: it may have been
/// given up meanwhile, and cannot know.
fn has_only_asked(data_dir: &Path) -> anyhow::Result<bool> {
    let identity = Identity::load(data_dir)?;
    Ok(identity.is_some_and(|identity| identity.stage == Stage::Joining))
}

/// Whether the servers that are to be joined are of another cluster than this member, and none of
/// its own: theirs was reset, and this member was not there.
async fn is_left_behind(settings: &Settings) -> anyhow::Result<bool> {
    let Some(identity) = Identity::load(&settings.data_dir)? else {
        return Ok(false);
    };
    let clock = Arc::new(crate::clock::of(&settings.data_dir));
    let mut others = false;
    for server in Roster::of(settings).await?.others {
        match about_cluster(&server, &clock).await {
            Some(about) if about.cluster_id == identity.cluster_id => return Ok(false),
            Some(_) => others = true,
            None => {}
        }
    }
    Ok(others)
}

fn token(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let path = data_dir.join(TOKEN);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The folder for this member's data: the first that has no other's.
fn aside(data_dir: &Path, kind: &str) -> anyhow::Result<PathBuf> {
    for number in 1..=KEPT_MAX {
        let folder = data_dir.join(format!("{kind}-{number}"));
        if !folder.join("db").exists() {
            return Ok(folder);
        }
    }
    bail!(
        "rejoin: {} is full of the data of earlier members; delete some of it",
        data_dir.display()
    )
}

fn set_aside(from: &Path, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = from.file_name().unwrap_or_default();
    match std::fs::rename(from, folder.join(name)) {
        // A start that was cut short has moved it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_removed_member_has_a_folder_and_one_that_was_cut_short_goes_on_in_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let one = aside(directory.path(), "removed").unwrap();
        std::fs::create_dir(directory.path().join("tls")).unwrap();
        set_aside(&directory.path().join("tls"), &one).unwrap();
        assert_eq!(aside(directory.path(), "removed").unwrap(), one);
        assert!(one.join("tls").exists());

        std::fs::create_dir(directory.path().join("db")).unwrap();
        for name in LEFT_BEHIND {
            set_aside(&directory.path().join(name), &one).unwrap();
        }
        assert!(one.join("db").exists() && one.join("tls").exists());
        assert_ne!(aside(directory.path(), "removed").unwrap(), one);
    }
}
