//! Deletes objects that asked for it and that no file has any more.
//!
//! Invariant: nothing is deleted while a file that may have it cannot be read, while another
//! server's file has it, or once it does not ask for it any more.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use skerry_kube::ApiError;
use tokio::time::Instant;

use super::Manifests;
use super::apply::PRUNE;
use super::limits::RETRY_PAUSE_MAX;
use super::record::{Entry, Reference};

impl Manifests {
    pub(super) async fn prune(&mut self) {
        self.prune_due = None;
        let unread = self.files.values().any(|file| file.prunable.is_none());
        if unread || !self.unreadable.is_empty() {
            return;
        }
        let wanted = self.files.values().flat_map(|file| &file.prunable);
        let wanted: BTreeSet<Reference> = wanted.flatten().cloned().collect();
        let known: Vec<(String, Entry)> = self
            .record
            .all()
            .map(|(place, entry)| (place.clone(), entry.clone()))
            .collect();
        for (place, mut entry) in known {
            if self.left_out.contains(&place) {
                continue;
            }
            let own = match self.files.get(&place) {
                Some(file) if !file.applied => continue,
                Some(file) => file.prunable.clone().unwrap_or_default(),
                None => {
                    entry.checksum.clear();
                    BTreeSet::new()
                }
            };
            for reference in std::mem::take(&mut entry.prune) {
                if own.contains(&reference) {
                    entry.prune.insert(reference);
                } else if !wanted.contains(&reference)
                    && let Err(error) = self.prune_one(&place, &reference).await
                {
                    let Reference { kind, name, .. } = &reference;
                    tracing::warn!(%error, kind, name, "an object is not pruned yet");
                    entry.prune.insert(reference);
                    self.prune_due = Some(Instant::now() + RETRY_PAUSE_MAX);
                }
            }
            self.keep(&place, entry);
        }
    }

    async fn prune_one(&self, place: &str, reference: &Reference) -> Result<(), ApiError> {
        let Reference {
            api_version,
            kind,
            namespace,
            name,
        } = reference;
        let live = self.local.get(api_version, kind, namespace, name).await;
        let live = match live {
            Ok(Some(live)) => live,
            Ok(None) => return Ok(()),
            // Its kind is gone, and it with that.
            Err(error) if error.code == 404 => return Ok(()),
            Err(error) => return Err(error),
        };
        if live.pointer(PRUNE).and_then(Value::as_str) != Some("true") {
            return Ok(());
        }
        if self.has_other_source(&live) {
            let mut nothing = json!({
                "apiVersion": api_version, "kind": kind, "metadata": {"name": name},
            });
            if !namespace.is_empty() {
                nothing["metadata"]["namespace"] = namespace.as_str().into();
            }
            self.local.apply(&nothing, &self.manager, true).await?;
            return Ok(());
        }
        self.local
            .delete(api_version, kind, namespace, name)
            .await?;
        tracing::info!(file = place, kind, name, "pruned an object");
        let message = format!("Pruned {kind} {name}: no manifest has it any more");
        self.tell(place, false, "PrunedObject", &message).await;
        Ok(())
    }

    /// Whether the file of another server has it too.
    fn has_other_source(&self, live: &Value) -> bool {
        let owners = live.pointer("/metadata/managedFields");
        let owners = owners.and_then(Value::as_array).into_iter().flatten();
        let text = |owner: &Value, field: &str| {
            let text = owner.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        owners
            .filter(|owner| text(owner, "operation") == "Apply")
            .map(|owner| text(owner, "manager"))
            .any(|manager| manager.starts_with("deploy@") && manager != self.manager)
    }
}
