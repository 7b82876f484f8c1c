//! Applies the files of `<data-dir>/manifests` and of the folders below it: at the start, and when
//! they change.
//!
//! Every server applies its own files, as in K3s, in the name of `deploy@<node>`: what two servers
//! say of one object is both of theirs, and what is pruned by one stays while another has it.
//! Knows nothing about what the objects are. Invariant: a file that is taken away deletes nothing
//! but objects that ask for it.

mod apply;
mod folder;
mod limits;
mod notice;
mod prune;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use skerry_kube::{EventNote, Local};
use tokio::time::{Instant, sleep_until};

use crate::config::Settings;
use folder::Stamp;
use limits::RETRY_PAUSE_MIN;
use notice::Notice;
use record::{Record, Reference};

/// What is known of the files, for whoever asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report(Arc<Mutex<Value>>);

impl Report {
    /// `{"files": [{"path", "applied", "error"?}], "leftOut": [path], "unreadable": [{"path",
    /// "error"}]}`; null before the first look.
    pub(crate) fn get(&self) -> Value {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    fn set(&self, value: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// One file that is to be applied.
#[derive(Debug)]
struct File {
    stamp: Stamp,
    /// Of its objects by number: which are applied.
    done: BTreeSet<usize>,
    /// Those that may be deleted again; none as long as nobody could read it.
    prunable: Option<BTreeSet<Reference>>,
    /// Whether all is applied.
    applied: bool,
    /// What went wrong the last time.
    problem: Option<Problem>,
    attempts: u32,
    pause: Duration,
    /// When it is to be looked at again; none: once it changes.
    due: Option<Instant>,
}

/// Why a file is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// K3s's word for it.
    reason: &'static str,
    message: String,
    /// Whether trying again may help.
    passing: bool,
}

impl File {
    fn new(stamp: Stamp) -> File {
        File {
            stamp,
            done: BTreeSet::new(),
            prunable: None,
            applied: false,
            problem: None,
            attempts: 0,
            pause: RETRY_PAUSE_MIN,
            due: Some(Instant::now()),
        }
    }
}

/// See the module.
pub(crate) struct Manifests {
    folder: PathBuf,
    disabled: Vec<String>,
    local: Local,
    /// The field manager.
    manager: String,
    record: Record,
    files: BTreeMap<String, File>,
    left_out: Vec<String>,
    unreadable: Vec<(String, String)>,
    /// When pruning is to be tried again.
    prune_due: Option<Instant>,
    report: Report,
}

impl Manifests {
    /// Those of a server.
    pub(crate) fn of(settings: &Settings, local: Local, report: Report) -> Manifests {
        Manifests {
            folder: settings.data_dir.join("manifests"),
            disabled: settings.disable.clone(),
            local,
            manager: format!("deploy@{}", settings.node_name),
            record: Record::load(&settings.data_dir.join("manifests.json")),
            files: BTreeMap::new(),
            left_out: Vec::new(),
            unreadable: Vec::new(),
            prune_due: None,
            report,
        }
    }

    /// Applies what is there and what comes, for as long as the server runs.
    pub(crate) async fn run(mut self) {
        if let Err(error) = make_folder(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "there is no folder of manifests");
            return;
        }
        let mut notice = Notice::new();
        loop {
            self.look(&mut notice);
            self.apply_due().await;
            self.prune().await;
            self.report.set(self.status());
            let dues = self.files.values().filter_map(|file| file.due);
            let next = dues.chain(self.prune_due).min();
            let again = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = notice.changed() => {}
                () = again => {}
            }
        }
    }

    fn look(&mut self, notice: &mut Notice) {
        let found = folder::look(&self.folder, &self.disabled, |path| notice.watch(path));
        self.files
            .retain(|place, _| found.files.contains_key(place));
        for (place, stamp) in found.files {
            match self.files.get(&place) {
                Some(file) if file.stamp == stamp => {}
                _ => _ = self.files.insert(place, File::new(stamp)),
            }
        }
        for (place, why) in &found.unreadable {
            if !self.unreadable.iter().any(|(known, _)| known == place) {
                tracing::warn!(place, why, "a manifest is not applied");
            }
        }
        self.left_out = found.left_out;
        self.unreadable = found.unreadable;
    }

    fn status(&self) -> Value {
        let files = self.files.iter().map(|(place, file)| {
            let mut status = json!({"path": place, "applied": file.applied});
            if let Some(problem) = &file.problem {
                status["error"] = problem.message.as_str().into();
            }
            status
        });
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable.map(|(place, why)| json!({"path": place, "error": why}));
        json!({
            "files": files.collect::<Vec<_>>(),
            "leftOut": self.left_out,
            "unreadable": unreadable.collect::<Vec<_>>(),
        })
    }

    /// Tells of a file what has happened to it. Events are about an Addon, as in K3s, though
    /// there is no such object here.
    async fn tell(&self, place: &str, warning: bool, reason: &str, message: &str) {
        let note = EventNote {
            kind: "Addon",
            namespace: "kube-system",
            name: &addon(place),
            reason,
            warning,
            message,
        };
        self.local.event(&note).await;
    }
}

/// K3s's name of a file: what stands before the first dot, as far as objects may be called so.
fn addon(place: &str) -> String {
    let file = place.rsplit('/').next().unwrap_or(place);
    let stem = file.split('.').next().unwrap_or(file).to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let name: String = stem
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    match name.trim_matches('-') {
        "" => "manifest".to_owned(),
        name => name.chars().take(200).collect(),
    }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        _ => std::fs::DirBuilder::new().mode(0o700).create(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_k3s_calls_it_where_an_object_may_be_called_so() {
        for (place, name) in [
            ("traefik.yaml", "traefik"),
            ("apps/Cert_Manager.v1.yaml", "cert-manager"),
            ("_.yaml", "manifest"),
        ] {
            assert_eq!(addon(place), name);
        }
    }
}
