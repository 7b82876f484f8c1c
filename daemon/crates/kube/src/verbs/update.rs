//! update: another state of an object that is there, or of one of its subresources.

use std::sync::Arc;

use serde_json::Value;

use crate::admission::Asked;
use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::Call;
use crate::certificates;
use crate::devices;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::kind;
use crate::limits::CONFLICT_RETRIES_MAX;
use crate::nodes::Operation;
use crate::object;
use crate::options::WriteOptions;
use crate::policies;
use crate::registry;
use crate::verbs::create::place;

impl Engine {
    pub(crate) async fn update(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "UpdateOptions")?;
        let mut wanted = call.object(&self.registry.types, options.field_validation)?;
        if object::name(&wanted).is_empty() {
            return Err(ApiError::bad_request(
                "the name of the object (based on URL) was undeterminable: name must be provided",
            ));
        }
        place(call, &mut wanted)?;
        self.shape(call, &mut wanted)?;
        let seen = object::resource_version(&wanted)?;
        let encoder = Encoder::new(call.form, &call.resource);
        for _ in 0..CONFLICT_RETRIES_MAX {
            let info = &call.info;
            let Some(current) = self
                .read_as(&call.resource, &info.namespace, &info.name)
                .await?
            else {
                if !kind::creates_on_update(&call.resource) || !info.subresource.is_empty() {
                    return Err(ApiError::not_found(call.about()));
                }
                object::metadata_mut(&mut wanted).remove("resourceVersion");
                let created = self.create_object(call, wanted, &options).await?;
                return Ok(Answer::Object(201, encoder.object(created)));
            };
            if seen != 0 && seen != current.stored.revision {
                return Err(ApiError::modified(call.about()));
            }
            let next = wanted.clone();
            if let Some(updated) = self.replace(call, &current, next, &options).await? {
                return Ok(Answer::Object(200, encoder.object(updated)));
            }
            if seen != 0 {
                return Err(ApiError::modified(call.about()));
            }
        }
        Err(ApiError::modified(call.about()))
    }

    /// Puts another state in the place of the current one; nothing where that has changed
    /// meanwhile.
    pub(crate) async fn replace(
        &self,
        call: &Call,
        current: &Kept,
        mut next: Value,
        options: &WriteOptions,
    ) -> Result<Option<Value>, ApiError> {
        let old = &current.object;
        let info = &call.info;
        check_uid(call, &next, old)?;
        self.prepare(call, &mut next, current)?;
        self.restrict_node(call, Operation::Update(&next, old))?;
        self.note_manager(call, &mut next, Some(old), options)?;
        let asked = Asked::update(call, old, options);
        // What others are asked about a Scale they have been asked when there was one.
        let is_asked = info.subresource != "scale";
        if !is_asked {
            self.admit_changed(call, &mut next, old)?;
        } else if self.change_next(&asked, &mut next).await? {
            check_uid(call, &next, old)?;
            self.prepare(call, &mut next, current)?;
        }
        self.bound_configurations(call, &next)?;
        self.bound_policies(call, &next)?;
        let claims = self
            .give(call, &mut next, Some(old), options.dry_run)
            .await?;
        let valid = kind::validate_update(&call.resource, &info.subresource, &next, old)
            .and_then(|()| policies::check(call, &next, Some(old)))
            .and_then(|()| devices::check(call, &next, Some(old)));
        let valid = valid
            .or_else(|error| options.unchecked.then_some(()).ok_or(error))
            .and_then(|()| self.admit_certificate(call, &next, Some(old)))
            .and_then(|()| self.check_conditions(call, &next, Some(old)))
            .and_then(|()| self.guard_owners(call, &next, Some(old)));
        let valid = match valid {
            Ok(()) if is_asked => self.approve(&asked, Some(&next)).await,
            valid => valid,
        };
        if let Err(error) = valid {
            self.give_back(claims).await;
            return Err(error);
        }
        if info.subresource.is_empty() {
            call.warn_of(&next, Some(old));
        }
        let key = registry::key(&call.resource, &info.namespace, &info.name);
        if next == *old {
            let is_still = self.is_still(call, &key, current.stored.revision).await?;
            return Ok(is_still.then_some(next));
        }
        let goes = kind::goes_now(&call.resource, &next);
        if goes && options.dry_run {
            return Ok(Some(next));
        }
        if goes {
            let removed = self.remove(&key, current.stored.revision).await?;
            if removed.is_some() {
                self.take_back(&call.resource, old, None).await;
            }
            return Ok(removed.map(|revision| {
                object::set_resource_version(&mut next, revision);
                next
            }));
        }
        // What is told once more lives on from now.
        let lease = match self.lease_for(&call.resource, options).await? {
            0 => current.stored.lease,
            lease => lease,
        };
        let revision = current.stored.revision;
        let stored = self
            .store_charged(
                call,
                &key,
                Some((old, revision)),
                &mut next,
                lease,
                options.dry_run,
            )
            .await;
        let stored = match stored {
            Err(error) if error.code == 403 => {
                self.give_back(claims).await;
                return Err(error);
            }
            stored => stored?,
        };
        if options.dry_run {
            return Ok(Some(next));
        }
        match stored {
            true => self.take_back(&call.resource, old, Some(&next)).await,
            false => self.give_back(claims).await,
        }
        Ok(stored.then_some(next))
    }
}

impl Engine {
    /// Gives another state what it has from the one before.
    fn prepare(&self, call: &Call, next: &mut Value, current: &Kept) -> Result<(), ApiError> {
        let old = &current.object;
        keep_metadata(next, old);
        kind::prepare_update(&call.resource, &call.info.subresource, next, old);
        certificates::fill(call, next, Some(old));
        self.refuse_escalation(call, next, Some(old))?;
        object::set_resource_version(next, current.stored.revision);
        Ok(())
    }
}

fn check_uid(call: &Call, next: &Value, old: &Value) -> Result<(), ApiError> {
    let (said, is) = (object::uid(next), object::uid(old));
    if said.is_empty() || said == is {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {said}, UID in object meta: {is}");
    Err(ApiError::conflict(call.about(), &why))
}

/// What an update cannot change.
fn keep_metadata(next: &mut Value, old: &Value) {
    let old = object::metadata(old);
    let metadata = object::metadata_mut(next);
    metadata.remove("selfLink");
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ] {
        match old.get(field) {
            Some(value) => _ = metadata.insert(field.into(), value.clone()),
            None => _ = metadata.remove(field),
        }
    }
}
