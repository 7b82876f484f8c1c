//! Events as upstream's recorder writes them: what is said again is counted, what is said of one
//! object in ever new words is gathered, and who says too much is not heard.
//!
//! Invariant: however often something is told, one object gets [`BURST`] new or counted events at
//! once and then one each [`REFILL`]; the table of what was told has a size.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Local, path_of};
use crate::error::ApiError;
use crate::limits::{NOTE_BYTES_MAX, NOTES_MAX};
use crate::object;
use crate::time;

/// Events of one object that are written at once: upstream's.
const BURST: u32 = 25;
/// After that one each so long: upstream's.
const REFILL: Duration = Duration::from_secs(300);
/// Events of one object and reason that may differ in their words: upstream's.
const SIMILAR_MAX: u32 = 10;
/// For how long they count as similar: upstream's.
const SIMILAR_TIME: Duration = Duration::from_secs(600);

/// What is told of an object.
#[derive(Debug, Clone, Copy)]
pub struct EventNote<'a> {
    /// A built-in one: `Node`.
    pub kind: &'a str,
    /// Empty where the kind has none.
    pub namespace: &'a str,
    /// The object need not be there.
    pub name: &'a str,
    /// A word for programs: `MemberRemoved`.
    pub reason: &'a str,
    /// Whether somebody should look.
    pub warning: bool,
    /// A sentence for people.
    pub message: &'a str,
}

/// What was told.
#[derive(Default)]
pub(super) struct Notes(Mutex<HashMap<Subject, Told>>);

/// An object, with the reason; of the object itself where that is empty.
type Subject = (String, String, String, String);

struct Told {
    at: Instant,
    /// How many of them there were, of which the last counts.
    similar: u32,
    since: Instant,
    message: String,
    /// The event that says it.
    event: Option<(String, u64)>,
    /// What may still be said of the object.
    left: u32,
    filled: Instant,
}

/// What is to be written.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Create(String),
    /// The event of that name says it for the so manieth time.
    Count(String, u64),
}

impl Notes {
    fn next(&self, note: &EventNote<'_>, now: Instant) -> (Step, String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = note.message.floor_char_boundary(NOTE_BYTES_MAX);
        let mut message = note.message[..end].to_owned();
        let object = subject(note, "");
        let budget = told.entry(object).or_insert_with(|| Told::new(now));
        budget.at = now;
        let refills = now.duration_since(budget.filled).as_secs() / REFILL.as_secs();
        if let Ok(refills @ 1..) = u32::try_from(refills) {
            budget.left = budget.left.saturating_add(refills).min(BURST);
            budget.filled = now;
        }
        if budget.left == 0 {
            return (Step::Nothing, message);
        }
        budget.left -= 1;
        let similar = told
            .entry(subject(note, note.reason))
            .or_insert_with(|| Told::new(now));
        similar.at = now;
        if now.duration_since(similar.since) > SIMILAR_TIME {
            *similar = Told::new(now);
        }
        let known = similar.message == message && similar.event.is_some();
        if !known {
            similar.similar += 1;
        }
        if similar.similar > SIMILAR_MAX {
            let combined = similar.message.starts_with(COMBINED);
            message.insert_str(0, COMBINED);
            if !combined {
                similar.event = None;
            }
        } else if !known {
            similar.event = None;
        }
        similar.message.clone_from(&message);
        let step = match &mut similar.event {
            Some((name, count)) => {
                *count += 1;
                Step::Count(name.clone(), *count)
            }
            None => {
                let name = format!("{}.{:x}", note.name, time::now().as_nanos());
                similar.event = Some((name.clone(), 1));
                Step::Create(name)
            }
        };
        forget(&mut told);
        (step, message)
    }

    /// The event that was to be counted is not there any more.
    fn lost(&self, note: &EventNote<'_>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(&subject(note, note.reason));
    }
}

const COMBINED: &str = "(combined from similar events): ";

impl Told {
    fn new(now: Instant) -> Told {
        Told {
            at: now,
            similar: 0,
            since: now,
            message: String::new(),
            event: None,
            left: BURST,
            filled: now,
        }
    }
}

fn subject(note: &EventNote<'_>, reason: &str) -> Subject {
    let EventNote {
        kind,
        namespace,
        name,
        ..
    } = note;
    let owned = |text: &str| text.to_owned();
    (owned(kind), owned(namespace), owned(name), owned(reason))
}

/// Makes room for the next.
fn forget(told: &mut HashMap<Subject, Told>) {
    while told.len() > NOTES_MAX {
        let oldest = told.iter().min_by_key(|(_, told)| told.at);
        let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) else {
            return;
        };
        told.remove(&oldest);
    }
}

impl Local {
    pub(super) async fn tell(&self, note: &EventNote<'_>) -> Result<(), ApiError> {
        let (step, message) = self.notes.next(note, Instant::now());
        match step {
            Step::Nothing => Ok(()),
            Step::Create(name) => self.tell_first(note, &name, &message).await,
            Step::Count(name, count) => {
                let events = self.path("v1", "Event", place(note), &name)?;
                let change = json!({
                    "count": count,
                    "lastTimestamp": time::rfc3339(time::now()),
                    "message": message,
                });
                let merge = "application/merge-patch+json";
                let counted = self.send(Method::PATCH, &events, merge, Some(&change));
                match counted.await {
                    Err(error) if error.code == 404 => {
                        self.notes.lost(note);
                        let (step, message) = self.notes.next(note, Instant::now());
                        match step {
                            Step::Create(name) => self.tell_first(note, &name, &message).await,
                            _ => Ok(()),
                        }
                    }
                    counted => counted.map(|_| ()),
                }
            }
        }
    }

    async fn tell_first(
        &self,
        note: &EventNote<'_>,
        name: &str,
        message: &str,
    ) -> Result<(), ApiError> {
        let mut about = json!({"kind": note.kind, "name": note.name});
        if let Some(resource) = self.resource(|one| one.kind == note.kind) {
            about["apiVersion"] = resource.api_version().into();
            let path = path_of(&resource, note.namespace, note.name);
            let object = self.ask(Method::GET, &path, None).await;
            if let Ok(object) = object {
                about["uid"] = object::uid(&object).into();
            }
        }
        if !note.namespace.is_empty() {
            about["namespace"] = note.namespace.into();
        }
        let at = time::rfc3339(time::now());
        let event: Value = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": place(note)},
            "involvedObject": about,
            "reason": note.reason,
            "message": message,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": if note.warning { "Warning" } else { "Normal" },
        });
        self.create(&event).await.map(|_| ())
    }
}

/// Where the event of an object is.
fn place<'a>(note: &EventNote<'a>) -> &'a str {
    match note.namespace {
        "" => "default",
        namespace => namespace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note<'a>(reason: &'a str, message: &'a str) -> EventNote<'a> {
        EventNote {
            kind: "Node",
            namespace: "",
            name: "n1",
            reason,
            warning: true,
            message,
        }
    }

    #[test]
    fn what_is_said_again_is_counted_and_what_is_new_is_an_event_of_its_own() {
        let (notes, now) = (Notes::default(), Instant::now());
        let (first, _) = notes.next(&note("A", "a"), now);
        let Step::Create(name) = first else {
            panic!("{first:?}");
        };
        let (again, _) = notes.next(&note("A", "a"), now);
        assert_eq!(again, Step::Count(name, 2));
        for other in [note("A", "b"), note("B", "b")] {
            let (step, _) = notes.next(&other, now);
            assert!(matches!(step, Step::Create(_)), "{step:?}");
        }
    }

    #[test]
    fn ever_new_words_of_one_object_end_in_one_event_and_then_in_silence() {
        let (notes, now) = (Notes::default(), Instant::now());
        let mut created = 0;
        let mut counted = 0;
        for round in 0..100 {
            let (step, message) = notes.next(&note("A", &format!("{round}")), now);
            match step {
                Step::Create(_) => created += 1,
                Step::Count(..) => {
                    assert!(message.starts_with(COMBINED));
                    counted += 1;
                }
                Step::Nothing => {}
            }
        }
        assert_eq!(
            (created, counted),
            (SIMILAR_MAX + 1, BURST - SIMILAR_MAX - 1)
        );
        let later = now + REFILL;
        let (step, _) = notes.next(&note("A", "later"), later);
        assert!(matches!(step, Step::Count(..)), "{step:?}");
        let (step, _) = notes.next(&note("A", "later"), later);
        assert_eq!(step, Step::Nothing);
    }

    #[test]
    fn the_table_of_what_was_told_has_a_size() {
        let (notes, now) = (Notes::default(), Instant::now());
        for round in 0..2 * NOTES_MAX {
            let name = format!("n{round}");
            let (step, _) = notes.next(
                &EventNote {
                    name: &name,
                    ..note("A", "a")
                },
                now,
            );
            assert!(matches!(step, Step::Create(_)), "{step:?}");
        }
        assert!(notes.0.lock().unwrap().len() <= NOTES_MAX);
    }
}
