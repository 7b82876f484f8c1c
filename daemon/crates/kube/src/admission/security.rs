//! PodSecurity: judges pods, and what makes them, by the labels of their namespace.

use serde_json::Value;
use skerry_admission::pod_security::{self, Policy};

use super::forbidden;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::kind;

/// How many pods of a namespace are looked at when it becomes stricter: upstream's number.
const PODS_MAX: usize = 3000;

impl Engine {
    /// Refuses a pod that its namespace does not let in, and tells what it would rather not have.
    pub(super) fn judge_pod(&self, call: &Call, pod: &Value) -> Result<(), ApiError> {
        let Some(policy) = self.policy_of(&call.info.namespace)? else {
            return Ok(());
        };
        let judged = pod_security::pod(&policy, pod);
        if let Some(warning) = judged.map_err(|refused| forbidden(call, pod, &refused))? {
            call.warn(warning);
        }
        Ok(())
    }

    /// Tells whoever writes a Deployment or the like that its pods would not be let in.
    pub(super) fn judge_template(&self, call: &Call, object: &Value) -> Result<(), ApiError> {
        let (group, kind) = (&call.resource.group, &call.resource.kind);
        if !matches!(group.as_str(), "" | "apps" | "batch") || !call.resource.namespaced {
            return Ok(());
        }
        if let Some(policy) = self.policy_of(&call.info.namespace)?
            && let Some(warning) = pod_security::template(&policy, group, kind, object)
        {
            call.warn(warning);
        }
        Ok(())
    }

    /// Refuses labels that mean nothing, and tells which pods a stricter namespace would not have.
    pub(super) fn judge_namespace(
        &self,
        call: &Call,
        next: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let (policy, errors) = pod_security::policy(next);
        let before = old.map(pod_security::policy);
        let is_known = before.as_ref().is_some_and(|(_, known)| *known == errors);
        if !errors.is_empty() && !is_known {
            return Err(kind::invalid(&call.resource, next, &errors));
        }
        let Some((before, _)) = before else {
            return Ok(());
        };
        if policy.enforce == before.enforce {
            return Ok(());
        }
        let mut pods = self.all_of("", "pods", &call.info.name)?;
        let all = pods.len();
        pods.truncate(PODS_MAX);
        if all > PODS_MAX {
            call.warn(format!(
                "new PodSecurity enforce level only checked against the first {PODS_MAX} of {all} existing pods"
            ));
        }
        for warning in pod_security::stricter(&call.info.name, &policy, &before, &pods) {
            call.warn(warning);
        }
        Ok(())
    }

    /// What a namespace asks of its pods; none: nothing.
    fn policy_of(&self, namespace: &str) -> Result<Option<Policy>, ApiError> {
        let namespace = self.one_of("", "namespaces", "", namespace)?;
        let policy = namespace.map(|namespace| pod_security::policy(&namespace).0);
        Ok(policy.filter(|policy| !policy.is_open()))
    }
}
