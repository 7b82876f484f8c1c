//! What upstream's admission plugins do, in upstream's order: finds what each one judges by.
//!
//! The plugins themselves are pure (`skerry_admission`). Nothing is kept in memory: classes, limits
//! and accounts are read when an object that needs them comes. Invariant: what the server makes on
//! its own behalf goes the same way.

mod connections;
mod hooks;
mod owners;
mod quotas;
mod security;
mod versions;

pub(crate) use hooks::{Asked, Operation};
pub(crate) use versions::{Shown, Versions};

use std::time::Duration;

use serde_json::Value;
use skerry_admission::{
    Refused, default_class, limit_ranger, pod_security, priority, runtime_class, service_account,
    tolerations,
};
use tokio::time::{Instant, sleep};

use crate::call::Call;
use crate::decode;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::object;
use crate::registry;

/// How long a pod waits for its namespace's default account, which comes just after the namespace.
const ACCOUNT_WAIT: Duration = Duration::from_secs(1);
const ACCOUNT_LOOK_INTERVAL: Duration = Duration::from_millis(20);

impl Engine {
    /// Fills in what a new object leaves to the cluster, and refuses what that does not allow.
    pub(crate) async fn admit_new(&self, call: &Call, object: &mut Value) -> Result<(), ApiError> {
        let resource = &call.resource;
        let namespace = call.info.namespace.as_str();
        let admitted = match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => return self.admit_pod(call, object).await,
            ("", "PersistentVolumeClaim") => {
                if default_class::claim_wants_class(object) {
                    let classes = self.all_of("storage.k8s.io", "storageclasses", "")?;
                    default_class::claim(object, &classes);
                }
                let ranges = self.all_of("", "limitranges", namespace)?;
                limit_ranger::check_claim(object, &ranges)
            }
            ("networking.k8s.io", "Ingress") => {
                if default_class::ingress_wants_class(object) {
                    let classes = self.all_of("networking.k8s.io", "ingressclasses", "")?;
                    default_class::ingress(object, &classes);
                }
                Ok(())
            }
            ("scheduling.k8s.io", "PriorityClass") => self.only_default(object)?,
            ("", "Namespace") => return self.judge_namespace(call, object, None),
            _ => return self.judge_template(call, object),
        };
        admitted.map_err(|refused| forbidden(call, object, &refused))
    }

    /// As [`Engine::admit_new`], for another state of an object that is there.
    pub(crate) fn admit_changed(
        &self,
        call: &Call,
        next: &mut Value,
        old: &Value,
    ) -> Result<(), ApiError> {
        let resource = &call.resource;
        let is_pod = resource.group.is_empty() && resource.kind == "Pod";
        match call.info.subresource.as_str() {
            "" => {}
            "ephemeralcontainers" | "resize" if is_pod => {
                return match pod_security::is_significant(next, old) {
                    true => self.judge_pod(call, next),
                    false => Ok(()),
                };
            }
            _ => return Ok(()),
        }
        let admitted = match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => {
                priority::keep(next, old);
                tolerations::admit(next);
                if pod_security::is_significant(next, old) {
                    self.judge_pod(call, next)?;
                }
                Ok(())
            }
            ("", "PersistentVolumeClaim") => {
                let ranges = self.all_of("", "limitranges", &call.info.namespace)?;
                let class = default_class::class_of(next);
                let class = self.one_of("storage.k8s.io", "storageclasses", "", class)?;
                limit_ranger::check_claim(next, &ranges)
                    .and_then(|()| default_class::resize(next, old, class.as_ref()))
            }
            ("scheduling.k8s.io", "PriorityClass") => self.only_default(next)?,
            ("", "Namespace") => return self.judge_namespace(call, next, Some(old)),
            _ => return self.judge_template(call, next),
        };
        admitted.map_err(|refused| forbidden(call, next, &refused))
    }

    async fn admit_pod(&self, call: &Call, pod: &mut Value) -> Result<(), ApiError> {
        let about = object::name(pod).to_owned();
        let judge = |admitted: Result<(), Refused>| {
            let about = registry::about(&call.resource, &about);
            admitted.map_err(|refused| ApiError::forbidden(about, &refused.0))
        };
        let ranges = self.all_of("", "limitranges", &call.info.namespace)?;
        limit_ranger::fill_in(pod, &ranges);
        judge(match service_account::is_mirror(pod) {
            true => service_account::admit_mirror(pod),
            false => {
                let account = self.account_for(call, pod).await?;
                service_account::admit(pod, &account, &object::generated_name(""))
            }
        })?;
        let class = self.priority_class_of(pod)?;
        judge(priority::admit(pod, class.as_ref()))?;
        tolerations::admit(pod);
        let spec = pod.get("spec");
        let class = spec.and_then(|spec| spec.get("runtimeClassName")?.as_str());
        let class = self.one_of(
            "node.k8s.io",
            "runtimeclasses",
            "",
            class.unwrap_or_default(),
        )?;
        judge(runtime_class::admit(pod, class.as_ref()))?;
        judge(limit_ranger::check_pod(pod, &ranges))?;
        self.judge_pod(call, pod)
    }

    /// The account that a new pod is to run as.
    async fn account_for(&self, call: &Call, pod: &Value) -> Result<Value, ApiError> {
        let namespace = call.info.namespace.as_str();
        let name = service_account::account_of(pod);
        let until = Instant::now() + ACCOUNT_WAIT;
        loop {
            if let Some(account) = self.one_of("", "serviceaccounts", namespace, name)? {
                return Ok(account);
            }
            if name != service_account::DEFAULT || Instant::now() >= until {
                let why = format!(
                    "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
                );
                let about = registry::about(&call.resource, object::name(pod));
                return Err(ApiError::forbidden(about, &why));
            }
            sleep(ACCOUNT_LOOK_INTERVAL).await;
        }
    }

    /// The class that a pod names, or else the default.
    fn priority_class_of(&self, pod: &Value) -> Result<Option<Value>, ApiError> {
        const GROUP: &str = "scheduling.k8s.io";
        let spec = pod.get("spec");
        let named = spec.and_then(|spec| spec.get("priorityClassName")?.as_str());
        match named.unwrap_or_default() {
            "" => {
                let classes = self.all_of(GROUP, "priorityclasses", "")?;
                let mut defaults = classes.into_iter().filter(priority::is_default);
                let first = defaults.next();
                // Two can be made at the same time: the lower one counts.
                Ok(defaults.fold(first, |low, other| {
                    let value = |class: &Value| class.get("value").and_then(Value::as_i64);
                    match &low {
                        Some(class) if value(class) <= value(&other) => low,
                        _ => Some(other),
                    }
                }))
            }
            name => self.one_of(GROUP, "priorityclasses", "", name),
        }
    }

    fn only_default(&self, class: &Value) -> Result<Result<(), Refused>, ApiError> {
        if !priority::is_default(class) {
            return Ok(Ok(()));
        }
        let all = self.all_of("scheduling.k8s.io", "priorityclasses", "")?;
        let name = object::name(class);
        let others = all.iter().filter(|other| object::name(other) != name);
        Ok(priority::only_default(class, others))
    }

    fn one_of(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ApiError> {
        if name.is_empty() || registry::check_segment(name).is_err() {
            return Ok(None);
        }
        let resource = self.registry.find(group, "v1", plural);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let found = self.read(resource, namespace, name)?;
        Ok(found.map(|found| found.object))
    }

    /// All objects of a kind of which there are few.
    fn all_of(&self, group: &str, plural: &str, namespace: &str) -> Result<Vec<Value>, ApiError> {
        let resource = self.registry.find(group, "v1", plural);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let mut listing = self.storage.list(registry::keys(resource, namespace), 0)?;
        let mut all = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(all);
            }
            for stored in chunk {
                all.push(decode::stored(&stored.value)?);
            }
        }
    }
}

fn forbidden(call: &Call, object: &Value, refused: &Refused) -> ApiError {
    let about = About {
        name: object::name(object),
        ..registry::about(&call.resource, "")
    };
    ApiError::forbidden(about, &refused.0)
}
