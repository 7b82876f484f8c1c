//! create: a new object.

use std::sync::Arc;

use serde_json::Value;

use crate::admission::Asked;
use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::Call;
use crate::certificates;
use crate::devices;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::kind;
use crate::limits::NAME_TRIES_MAX;
use crate::nodes::Operation;
use crate::object;
use crate::options::WriteOptions;
use crate::policies;
use crate::registry;
use crate::time;

impl Engine {
    pub(crate) async fn create(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let mut object = call.object(&self.registry.types, options.field_validation)?;
        place(call, &mut object)?;
        let created = self.create_object(call, object, &options).await?;
        let encoder = Encoder::new(call.form, &call.resource);
        Ok(Answer::Object(201, encoder.object(created)))
    }

    /// Stores an object that is in its place, of the kind that it should be.
    pub(crate) async fn create_object(
        &self,
        call: &Call,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        if !object::text(&object, "resourceVersion").is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(500, "", message));
        }
        let base = object::text(&object, "generateName").to_owned();
        let makes_name = object::name(&object).is_empty() && !base.is_empty();
        self.admit_create(call, object::name(&object))?;
        self.restrict_node(call, Operation::Create(&object))?;
        new_metadata(&mut object);
        self.shape(call, &mut object)?;
        // Whoever sends an object owns its fields; what the server adds from here on nobody owns.
        self.note_manager(call, &mut object, None, options)?;
        let asked_name = object::name(&object).to_owned();
        let asked = Asked::create(call, &asked_name, options);
        // As upstream shows it: what the server makes up of an object comes after.
        for field in GIVEN {
            object::metadata_mut(&mut object).remove(field);
        }
        if self.change_new(&asked, &mut object).await? {
            place(call, &mut object)?;
        }
        self.bound_configurations(call, &object)?;
        self.bound_policies(call, &object)?;
        let makes_name = makes_name && object::name(&object).is_empty();
        new_metadata(&mut object);
        kind::prepare_create(&call.resource, &mut object);
        certificates::fill(call, &mut object, None);
        self.refuse_escalation(call, &object, None)?;
        let lease = self.lease_for(&call.resource, options).await?;
        for _ in 0..NAME_TRIES_MAX {
            if makes_name {
                let name = object::generated_name(&base);
                object::metadata_mut(&mut object).insert("name".into(), name.into());
            }
            let name = object::name(&object).to_owned();
            let claims = self.give(call, &mut object, None, options.dry_run).await?;
            let valid = kind::validate_create(&call.resource, &object)
                .and_then(|()| policies::check(call, &object, None))
                .and_then(|()| devices::check(call, &object, None))
                .or_else(|error| options.unchecked.then_some(()).ok_or(error))
                // Whatever the rules of a kind are: the name becomes part of a key.
                .and_then(|()| registry::check_segment(&name))
                .and_then(|()| self.admit_certificate(call, &object, None))
                .and_then(|()| self.check_conditions(call, &object, None))
                .and_then(|()| self.guard_owners(call, &object, None));
            let valid = match valid {
                Ok(()) => {
                    let asked = asked.named(&name);
                    self.approve(&asked, Some(&object)).await
                }
                refused => refused,
            };
            if let Err(error) = valid {
                self.give_back(claims).await;
                return Err(error);
            }
            call.warn_of(&object, None);
            let key = registry::key(&call.resource, &call.info.namespace, &name);
            if options.dry_run && self.storage.get(&key)?.is_some() {
                if makes_name {
                    continue;
                }
                return Err(self.exists(call, &name)?);
            }
            let stored = self
                .store_charged(call, &key, None, &mut object, lease, options.dry_run)
                .await;
            match stored {
                Ok(true) => return Ok(object),
                Ok(false) => self.give_back(claims).await,
                // Refused: nothing was stored.
                Err(error) if error.code == 403 => {
                    self.give_back(claims).await;
                    return Err(error);
                }
                // It may have been stored: the claims stay, and are looked at later.
                Err(error) => return Err(error),
            }
            if !makes_name {
                return Err(self.exists(call, &name)?);
            }
        }
        let about = registry::about(&call.resource, &base);
        Err(ApiError::generate_name_conflict(about, &base))
    }

    fn exists(&self, call: &Call, name: &str) -> Result<ApiError, ApiError> {
        let mut error = ApiError::already_exists(registry::about(&call.resource, name));
        let found = self.read(&call.resource, &call.info.namespace, name)?;
        if found.is_some_and(|found| object::is_terminating(&found.object)) {
            error.message = format!("object is being deleted: {}", error.message);
        }
        Ok(error)
    }
}

/// What an object is given when it is made.
const GIVEN: [&str; 2] = ["uid", "creationTimestamp"];

/// Puts an object where the path says, unless it says otherwise itself.
pub(crate) fn place(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let info = &call.info;
    let said = object::namespace(object);
    if said != info.namespace || !call.resource.namespaced {
        let wanted = match call.resource.namespaced {
            true => info.namespace.as_str(),
            false => "",
        };
        if !said.is_empty() && said != wanted {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        match wanted {
            "" => _ = object::metadata_mut(object).remove("namespace"),
            wanted => {
                object::metadata_mut(object).insert("namespace".into(), wanted.into());
            }
        }
    }
    let said = object::name(object);
    if !info.name.is_empty() && said != info.name {
        if said.is_empty() {
            object::metadata_mut(object).insert("name".into(), info.name.clone().into());
        } else {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({said}) does not match the name on the URL ({})",
                info.name
            )));
        }
    }
    Ok(())
}

/// What every new object gets, and what none may bring along.
fn new_metadata(object: &mut Value) {
    let metadata = object::metadata_mut(object);
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "resourceVersion",
        "generation",
    ] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), object::new_uid().into());
    let now = time::rfc3339(time::now());
    metadata.insert("creationTimestamp".into(), now.into());
}
