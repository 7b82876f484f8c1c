//! delete and deletecollection: at once, or a mark and whatever has to happen first.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::admission::Asked;
use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::Call;
use crate::decode;
use crate::engine::{self, Engine, Kept};
use crate::error::ApiError;
use crate::filter::Filter;
use crate::kind;
use crate::limits::{BODY_BYTES_MAX, CONFLICT_RETRIES_MAX};
use crate::nodes::Operation;
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::registry;
use crate::time;

/// What became of an object.
pub(crate) enum Deleted {
    /// It is gone; this is what it was.
    Gone(Value),
    /// It is marked, and something has to happen before it goes.
    Marked(Value),
}

/// Held by what is to leave its dependents alone.
pub(crate) const ORPHAN: &str = "orphan";
/// Held by what waits for its dependents to go.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

impl Engine {
    pub(crate) async fn delete(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = self.delete_options(call)?;
        let info = &call.info;
        self.admit_delete(call, &info.name)?;
        let deleted = self.delete_object(call, &info.namespace, &info.name, &options);
        let encoder = Encoder::new(call.form, &call.resource);
        Ok(match deleted.await? {
            Deleted::Marked(object) => Answer::Object(200, encoder.object(object)),
            Deleted::Gone(object) if kind::answers_with_deleted(&call.resource) => {
                Answer::Object(200, encoder.object(object))
            }
            Deleted::Gone(object) => Answer::Object(200, success(call, &object)),
        })
    }

    pub(crate) fn delete_options(&self, call: &Call) -> Result<DeleteOptions, ApiError> {
        let body = match call.body.is_empty() {
            true => None,
            false => {
                let body = decode::decode_as(&call.media_type, &call.body, "v1", "DeleteOptions");
                Some(body?.value)
            }
        };
        DeleteOptions::parse(&call.query, body.as_ref())
    }

    /// Deletes an object, or marks it.
    pub(crate) async fn delete_object(
        &self,
        call: &Call,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        self.delete_or_mark(call, namespace, name, options, true)
            .await
    }

    /// As [`Engine::delete_object`], of which nobody is asked what they think.
    pub(crate) async fn delete_unasked(
        &self,
        call: &Call,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        self.delete_or_mark(call, namespace, name, options, false)
            .await
    }

    async fn delete_or_mark(
        &self,
        call: &Call,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        is_asked: bool,
    ) -> Result<Deleted, ApiError> {
        let about = registry::about(&call.resource, name);
        let key = registry::key(&call.resource, namespace, name);
        for _ in 0..CONFLICT_RETRIES_MAX {
            let Kept { mut object, stored } =
                self.must_read_as(&call.resource, namespace, name).await?;
            self.restrict_node(call, Operation::Delete(&object))?;
            check_preconditions(call, name, &object, options)?;
            let before = object.clone();
            let goes = mark(call, &mut object, options);
            // What is marked already, and stays as it is, was agreed to when it was marked.
            if is_asked && (goes || object != before) {
                // Of a collection upstream names none: the object says which it is.
                let is_one = call.info.verb != "deletecollection";
                let shown = if is_one { name } else { "" };
                let asked = Asked::delete(call, namespace, shown, &before, options);
                self.pass(&asked, None).await?;
            }
            if goes {
                if options.dry_run {
                    return Ok(Deleted::Gone(object));
                }
                if let Some(revision) = self.remove(&key, stored.revision).await? {
                    self.take_back(&call.resource, &before, None).await;
                    object::set_resource_version(&mut object, revision);
                    return Ok(Deleted::Gone(object));
                }
            } else {
                let revision = stored.revision;
                let is_done = match options.dry_run || object == before {
                    true => self.is_still(call, &key, revision).await?,
                    false => {
                        self.store_marked(call, &key, revision, &mut object, stored.lease)
                            .await?
                    }
                };
                if is_done {
                    return Ok(Deleted::Marked(object));
                }
            }
            if options.resource_version.is_some() {
                break;
            }
        }
        Err(ApiError::modified(about))
    }

    /// Stores an object that has been marked for deletion, in the version that it is kept in.
    async fn store_marked(
        &self,
        call: &Call,
        key: &str,
        expected: i64,
        object: &mut Value,
        lease: i64,
    ) -> Result<bool, ApiError> {
        let Some(mut kept) = self.in_storage_version(&call.resource, object).await? else {
            return self.store(key, expected, object, lease).await;
        };
        let done = self.store(key, expected, &mut kept, lease).await?;
        if done {
            let revision = object::text(&kept, "resourceVersion");
            object::set_resource_version(object, object::parse_resource_version(revision)?);
        }
        Ok(done)
    }

    pub(crate) async fn delete_collection(
        self: &Arc<Engine>,
        call: &Call,
    ) -> Result<Answer, ApiError> {
        let options = self.delete_options(call)?;
        let filter = Filter::parse(&call.query, &call.resource)?;
        self.freshen_for(call).await;
        let all = registry::keys(&call.resource, &call.info.namespace);
        let mut listing = self.storage.list(self.narrowed(call, &filter, &all), 0)?;
        let revision = listing.revision();
        let encoder = Encoder::new(call.form, &call.resource);
        let (mut items, mut bytes) = (Vec::new(), 0);
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let object = engine::present(&call.resource, &stored)?;
                if !filter.matches(&object) {
                    continue;
                }
                let name = object::name(&object).to_owned();
                if self.admit_delete(call, &name).is_err() {
                    continue;
                }
                let namespace = object::namespace(&object).to_owned();
                let deleted = self.delete_object(call, &namespace, &name, &options);
                match deleted.await {
                    Ok(Deleted::Gone(object) | Deleted::Marked(object)) => {
                        bytes += stored.value.len();
                        if bytes <= BODY_BYTES_MAX {
                            items.push(encoder.item(object));
                        }
                    }
                    // Somebody else was faster.
                    Err(error) if error.code == 404 => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if bytes > BODY_BYTES_MAX {
            // Too much to hold: that it was done is all that is told.
            return Ok(Answer::Object(200, success(call, &Value::Null)));
        }
        let (mut text, tail) = encoder.list_frame();
        let items: Vec<String> = items.iter().map(Value::to_string).collect();
        text.extend(items.join(",").into_bytes());
        text.extend(tail);
        text.extend(format!("{{\"resourceVersion\":\"{revision}\"}}}}").into_bytes());
        let list = serde_json::from_slice(&text).map_err(ApiError::internal)?;
        Ok(Answer::Object(200, list))
    }
}

fn check_preconditions(
    call: &Call,
    name: &str,
    object: &Value,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    let pairs = [
        ("UID", &options.uid, object::uid(object)),
        (
            "ResourceVersion",
            &options.resource_version,
            object::text(object, "resourceVersion"),
        ),
    ];
    for (what, wanted, is) in pairs {
        if let Some(wanted) = wanted
            && wanted != is
        {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}"
            );
            return Err(ApiError::conflict(
                registry::about(&call.resource, name),
                &why,
            ));
        }
    }
    Ok(())
}

/// Marks an object; true where nothing stands in the way of its going at once.
fn mark(call: &Call, object: &mut Value, options: &DeleteOptions) -> bool {
    let propagation = options
        .propagation
        .or_else(|| kind::default_propagation(&call.resource));
    let finalizers = wanted_finalizers(object, propagation);
    object::set_finalizers(object, finalizers.clone());
    let was_marked = object::is_terminating(object);
    let mut grace = kind::grace_seconds(&call.resource, object, options.grace_period_seconds);
    if was_marked {
        let left = object::metadata(object)
            .get("deletionGracePeriodSeconds")
            .and_then(Value::as_i64);
        // A second wish can only shorten the time.
        grace = grace.min(left.unwrap_or(0));
    }
    let stays = !finalizers.is_empty() || kind::holds_on(&call.resource, object);
    if grace == 0 && !stays {
        return true;
    }
    let shorter = object::metadata(object)
        .get("deletionGracePeriodSeconds")
        .and_then(Value::as_i64)
        .is_none_or(|left| grace < left);
    if !was_marked || shorter {
        let at = time::now() + Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        let generation = object::generation(object);
        let metadata = object::metadata_mut(object);
        metadata.insert("deletionTimestamp".into(), time::rfc3339(at).into());
        metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
        if generation > 0 && !was_marked {
            metadata.insert("generation".into(), (generation + 1).into());
        }
        kind::begin_deletion(&call.resource, object);
    }
    false
}

fn wanted_finalizers(object: &Value, propagation: Option<Propagation>) -> Vec<String> {
    let mut finalizers = object::finalizers(object);
    let Some(propagation) = propagation else {
        return finalizers;
    };
    finalizers.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND);
    match propagation {
        Propagation::Orphan => finalizers.push(ORPHAN.into()),
        Propagation::Foreground => finalizers.push(FOREGROUND.into()),
        Propagation::Background => {}
    }
    finalizers
}

fn success(call: &Call, object: &Value) -> Value {
    let mut details = Map::new();
    let resource = &call.resource;
    for (key, value) in [
        ("name", object::name(object)),
        ("group", &resource.group),
        ("kind", &resource.plural),
        ("uid", object::uid(object)),
    ] {
        if !value.is_empty() {
            details.insert(key.into(), value.into());
        }
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
