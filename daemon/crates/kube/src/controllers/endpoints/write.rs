//! Writes of the controller, whose revisions it remembers.
//!
//! Invariant: an object is written on the condition that it is as it was read.

use serde_json::Value;

use super::State;
use crate::call::{self, Call};
use crate::controllers::own_options;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::object;
use crate::options::DeleteOptions;
use crate::verbs::delete::Deleted;

impl Engine {
    fn call_of(
        &self,
        verb: &'static str,
        group: &str,
        plural: &str,
        object: &Value,
    ) -> Result<Call, ApiError> {
        let (namespace, name) = (object::namespace(object), object::name(object));
        let mut call = self.own_call(verb, group, "v1", plural, namespace, name)?;
        call.user_agent = "kube-controller-manager".into();
        Ok(call)
    }

    pub(super) async fn create_made(
        &self,
        state: &mut State,
        mut object: Value,
        group: &str,
        plural: &str,
    ) -> Result<(), ApiError> {
        let call = self.call_of("create", group, plural, &object)?;
        call::conform(&mut object, group, "v1", &call.resource.kind)?;
        let made = self.create_object(&call, object, &own_options()).await?;
        state.own.insert(object::resource_version(&made)?);
        Ok(())
    }

    pub(super) async fn write(
        &self,
        state: &mut State,
        live: &Kept,
        next: Value,
        group: &str,
        plural: &str,
    ) -> Result<(), ApiError> {
        let call = self.call_of("update", group, plural, &live.object)?;
        let written = self.replace(&call, live, next, &own_options()).await?;
        let written = written.ok_or_else(|| ApiError::modified(call.about()))?;
        let revision = object::resource_version(&written)?;
        if revision != live.stored.revision {
            state.own.insert(revision);
        }
        Ok(())
    }

    pub(super) async fn drop_kept(
        &self,
        state: &mut State,
        live: &Kept,
        group: &str,
        plural: &str,
    ) -> Result<(), ApiError> {
        let (namespace, name) = (object::namespace(&live.object), object::name(&live.object));
        let call = self.call_of("delete", group, plural, &live.object)?;
        let options = DeleteOptions {
            uid: Some(object::uid(&live.object).to_owned()),
            ..DeleteOptions::default()
        };
        match self.delete_object(&call, namespace, name, &options).await {
            Ok(Deleted::Gone(object)) => {
                state.own.insert(object::resource_version(&object)?);
                Ok(())
            }
            Ok(Deleted::Marked(_)) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) && !error.by_others => Ok(()),
            Err(error) => Err(error),
        }
    }
    pub(super) async fn drop_all(
        &self,
        state: &mut State,
        slices: &[Kept],
    ) -> Result<(), ApiError> {
        for slice in slices {
            self.drop_kept(state, slice, "discovery.k8s.io", "endpointslices")
                .await?;
        }
        Ok(())
    }
}
