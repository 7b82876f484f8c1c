//! Reads one file and applies its objects.
//!
//! Invariant: an object that cannot be applied keeps no other one back, and is tried again until
//! it is or the file changes.

use std::io::Read as _;
use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::Value;
use tokio::time::Instant;

use super::limits::{FILE_BYTES_MAX, RETRY_PAUSE_MAX};
use super::record::{Entry, Reference};
use super::{File, Manifests, Problem};

/// How often something goes wrong before somebody is told: what one file names is often made by
/// the next.
const QUIET_ATTEMPTS: u32 = 3;

/// An object with this annotation, set to `true`, is deleted once no file has it any more.
pub(super) const PRUNE: &str = "/metadata/annotations/skerry.io~1prune";

impl Manifests {
    pub(super) async fn apply_due(&mut self) {
        let now = Instant::now();
        let due = self.files.iter();
        let due = due.filter(|(_, file)| file.due.is_some_and(|due| due <= now));
        let due: Vec<String> = due.map(|(place, _)| place.clone()).collect();
        for place in due {
            // It is taken out while it is applied: nobody else looks at it.
            let Some(mut file) = self.files.remove(&place) else {
                continue;
            };
            let outcome = self.apply_file(&place, &mut file).await;
            self.settle(&place, &mut file, outcome.err()).await;
            self.files.insert(place, file);
        }
    }

    /// Notes what came of a file, and tells of it.
    async fn settle(&self, place: &str, file: &mut File, problem: Option<Problem>) {
        file.attempts = file.attempts.saturating_add(1);
        file.applied = problem.is_none();
        let passing = problem.as_ref().is_some_and(|problem| problem.passing);
        file.due = passing.then(|| Instant::now() + file.pause);
        file.pause = (file.pause * 2).min(RETRY_PAUSE_MAX);
        let is_new = problem != file.problem || file.attempts == QUIET_ATTEMPTS;
        file.problem = problem;
        if let Some(problem) = &file.problem
            && is_new
            && (!problem.passing || file.attempts >= QUIET_ATTEMPTS)
        {
            let Problem {
                reason, message, ..
            } = problem;
            tracing::warn!(file = place, reason, message, "a manifest is not applied");
            self.tell(place, true, reason, message).await;
        }
    }

    async fn apply_file(&mut self, place: &str, file: &mut File) -> Result<(), Problem> {
        let path = self.folder.join(place);
        let shown = path.display().to_string();
        let wrong = |reason, doing: &str, passing, why: String| Problem {
            reason,
            message: format!("{doing} manifest at {shown:?} failed: {why}"),
            passing,
        };
        let text = read(&path)
            .map_err(|(passing, why)| wrong("ReadManifestFailed", "Read", passing, why))?;
        let objects = skerry_kube::manifest(&text)
            .map_err(|error| wrong("ParseManifestFailed", "Parse", false, error.to_string()))?;
        let checksum = checksum(&text);
        drop(text);
        let prunable = objects.iter().filter(|one| may_be_pruned(one));
        let prunable: std::collections::BTreeSet<_> = prunable.map(Reference::of).collect();
        let mut entry = self.record.get(place);
        entry.prune.extend(prunable.iter().cloned());
        file.prunable = Some(prunable);
        self.keep(place, entry.clone());

        let mut objects: Vec<(usize, Value)> = objects.into_iter().enumerate().collect();
        objects.sort_by_key(|(_, object)| rank(object));
        let mut failed = Vec::new();
        for (number, object) in objects {
            if file.done.contains(&number) {
                continue;
            }
            match self.local.apply(&object, &self.manager, true).await {
                Ok(_) => _ = file.done.insert(number),
                Err(error) => {
                    let Reference { kind, name, .. } = Reference::of(&object);
                    failed.push(format!("{kind} {name}: {error}"));
                }
            }
        }
        if let Some(first) = failed.first() {
            let more = match failed.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let why = format!("{first}{more}");
            return Err(wrong("ApplyManifestFailed", "Applying", true, why));
        }
        if entry.checksum != checksum {
            tracing::info!(
                file = place,
                objects = file.done.len(),
                "applied a manifest"
            );
            let message = format!("Applied manifest at {shown:?}");
            self.tell(place, false, "AppliedManifest", &message).await;
            entry.checksum = checksum;
            self.keep(place, entry);
        }
        Ok(())
    }

    pub(super) fn keep(&mut self, place: &str, entry: Entry) {
        if let Err(error) = self.record.set(place, entry) {
            tracing::warn!(%error, "what was applied is not remembered");
        }
    }
}

/// What others need comes first.
fn rank(object: &Value) -> u8 {
    match object.get("kind").and_then(Value::as_str) {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition" | "PriorityClass" | "ServiceAccount") => 1,
        _ => 2,
    }
}

fn may_be_pruned(object: &Value) -> bool {
    object.pointer(PRUNE).and_then(Value::as_str) == Some("true")
}

/// The text of a file, or why not and whether that may pass.
fn read(path: &Path) -> Result<String, (bool, String)> {
    let open = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| (true, error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err((false, why));
    }
    String::from_utf8(bytes).map_err(|error| (false, error.to_string()))
}

fn checksum(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
