//! The parameters of a binding: objects that expressions see as `params`.
//!
//! They are read from the store when they are needed. Invariant: no more of them than
//! [`POLICY_PARAMS_MAX`] are used for one binding.

use std::sync::Arc;

use serde_json::Value;

use super::definition::{ParamKind, ParamRef, Policy};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::POLICY_PARAMS_MAX;
use crate::registry::{self, Resource};

impl Engine {
    /// The resource of what a policy has for parameters.
    ///
    /// # Errors
    /// Nothing of that kind is served.
    pub(super) fn param_resource(&self, policy: &Policy) -> Result<Option<Arc<Resource>>, String> {
        let Some(wanted) = &policy.param_kind else {
            return Ok(None);
        };
        let ParamKind {
            group,
            version,
            kind,
        } = wanted;
        let all = self.registry.all().into_iter();
        let mut fitting = all.filter(|one| {
            one.kind == *kind
                && one.group == *group
                && one.version == *version
                && !one.storage_prefix.is_empty()
        });
        fitting.next().map(Some).ok_or_else(|| {
            let version = match group.as_str() {
                "" => version.clone(),
                group => format!("{group}/{version}"),
            };
            format!("failed to find resource referenced by paramKind: '{version}, Kind={kind}'")
        })
    }

    /// What a policy is evaluated with, once for each; null where it has no parameters.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) fn params(
        &self,
        resource: Option<&Arc<Resource>>,
        wanted: Option<&ParamRef>,
        namespace: &str,
    ) -> Result<Vec<Value>, String> {
        let (Some(resource), Some(wanted)) = (resource, wanted) else {
            return Ok(vec![Value::Null]);
        };
        let namespace = match (resource.namespaced, wanted.namespace.as_str()) {
            (true, "") if namespace.is_empty() => {
                return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into());
            }
            (true, "") => namespace,
            (true, own) => own,
            (false, "") => "",
            (false, _) => {
                return Err(
                    "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                        .into(),
                );
            }
        };
        let params = match (&wanted.selector, wanted.name.as_str()) {
            (Some(_), name) if !name.is_empty() => {
                return Err("paramRef.name and paramRef.selector are mutually exclusive".into());
            }
            (Some(selector), _) => {
                let selector = selector.as_ref().map_err(Clone::clone)?;
                let fits = |object: &Value| selector.matches_object(object);
                self.params_of(resource, namespace, fits)
            }
            (None, "") => return Err("one of name or selector must be provided".into()),
            (None, name) => registry::check_segment(name)
                .and_then(|()| registry::check_segment(namespace))
                .and_then(|()| self.read(resource, namespace, name))
                .map(|found| found.map(|found| found.object).into_iter().collect()),
        };
        let params = params.map_err(|error| error.message)?;
        if params.is_empty() && wanted.denies_missing {
            return Err(
                "no params found for policy binding with `Deny` parameterNotFoundAction".into(),
            );
        }
        Ok(params)
    }

    fn params_of(
        &self,
        resource: &Resource,
        namespace: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, ApiError> {
        let mut listing = self.storage.list(registry::keys(resource, namespace), 0)?;
        let mut all = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(all);
            }
            for stored in chunk {
                let object = engine::present(resource, &stored)?;
                if fits(&object) {
                    if all.len() >= POLICY_PARAMS_MAX {
                        let why = format!("more than {POLICY_PARAMS_MAX} params were selected");
                        return Err(ApiError::bad_request(why));
                    }
                    all.push(object);
                }
            }
        }
    }
}
