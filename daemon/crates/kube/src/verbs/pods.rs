//! The subresources of pods that are not the pod: binding and eviction.

use std::sync::Arc;

use serde_json::{Value, json};
use skerry_selector::labels::Selector;

use crate::admission::Asked;
use crate::answer::Answer;
use crate::call::Call;
use crate::engine::{self, Engine};
use crate::error::{About, ApiError};
use crate::limits::CONFLICT_RETRIES_MAX;
use crate::nodes::Operation;
use crate::object;
use crate::options::{DeleteOptions, WriteOptions};
use crate::registry;
use crate::time;

impl Engine {
    /// `binding`: the node that a pod is to run on.
    pub(crate) async fn bind(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let mut binding = call.object(&self.registry.types, options.field_validation)?;
        let asked = Asked::create(call, &call.info.name, &options);
        self.pass(&asked, Some(&mut binding)).await?;
        let target = binding.pointer("/target/name").and_then(Value::as_str);
        let target = target.unwrap_or_default();
        if target.is_empty() {
            let about = About {
                group: "",
                resource: "Binding",
                name: &call.info.name,
            };
            let cause = ("FieldValueRequired", "Required value", "target.name");
            let (reason, message, field) = cause;
            let cause = (reason.to_owned(), message.to_owned(), field.to_owned());
            return Err(ApiError::invalid(about, &[cause]));
        }
        let info = &call.info;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let current = self.must_read(&call.resource, &info.namespace, &info.name)?;
            let mut pod = current.object.clone();
            if object::is_terminating(&pod) {
                let why = format!(
                    "pod {} is being deleted, cannot be assigned to a host",
                    info.name
                );
                return Err(ApiError::conflict(binding_of(call), &why));
            }
            let assigned = node_of(&pod);
            if !assigned.is_empty() {
                let why = format!("pod {} is already assigned to node {assigned:?}", info.name);
                return Err(ApiError::conflict(binding_of(call), &why));
            }
            object::fields_of(&mut pod, "spec").insert("nodeName".into(), target.into());
            let scheduled = json!({
                "type": "PodScheduled",
                "status": "True",
                "lastProbeTime": null,
                "lastTransitionTime": time::rfc3339(time::now()),
            });
            let status = object::fields_of(&mut pod, "status");
            let conditions = status.entry("conditions").or_insert_with(|| json!([]));
            if let Value::Array(conditions) = conditions {
                conditions.retain(|condition| condition.get("type") != scheduled.get("type"));
                conditions.push(scheduled);
            }
            if options.dry_run {
                return Ok(Answer::Object(201, success()));
            }
            let key = registry::key(&call.resource, &info.namespace, &info.name);
            let revision = current.stored.revision;
            if self
                .store(&key, revision, &mut pod, current.stored.lease)
                .await?
            {
                return Ok(Answer::Object(201, success()));
            }
        }
        Err(ApiError::modified(call.about()))
    }

    /// A Binding that was posted by itself is one to the pod of its own name: upstream's old way.
    pub(crate) fn bind_by_name(&self, call: &mut Call) -> Result<(), ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let binding = call.object(&self.registry.types, options.field_validation)?;
        object::name(&binding).clone_into(&mut call.info.name);
        registry::check_segment(&call.info.name)?;
        let pods = self.registry.find("", "v1", "pods");
        call.resource = Arc::clone(pods.ok_or_else(ApiError::no_such_path)?);
        call.info.resource = "pods".to_owned();
        call.info.subresource = "binding".to_owned();
        Ok(())
    }

    /// `eviction`: a deletion that disruption budgets have a say in.
    pub(crate) async fn evict(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let mut eviction = call.object(&self.registry.types, options.field_validation)?;
        let asked = Asked::create(call, &call.info.name, &options);
        self.pass(&asked, Some(&mut eviction)).await?;
        let mut deletion = DeleteOptions::parse(&call.query, eviction.get("deleteOptions"))?;
        deletion.dry_run |= options.dry_run;
        let info = &call.info;
        let pod = self.must_read(&call.resource, &info.namespace, &info.name)?;
        self.restrict_node(call, Operation::Delete(&pod.object))?;
        let phase = pod.object.pointer("/status/phase").and_then(Value::as_str);
        let counts = !matches!(phase, Some("Succeeded" | "Failed" | "Pending"))
            && !object::is_terminating(&pod.object);
        if counts {
            self.take_disruption(call, &pod.object, deletion.dry_run)
                .await?;
        }
        // Whoever has a say in evictions has had it: that of a deletion is not asked for.
        self.delete_unasked(call, &info.namespace, &info.name, &deletion)
            .await?;
        Ok(Answer::Object(201, success()))
    }

    /// Takes one disruption from the budget of a pod, where it has one.
    async fn take_disruption(
        &self,
        call: &Call,
        pod: &Value,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let Some(resource) = self.registry.find("policy", "v1", "poddisruptionbudgets") else {
            return Ok(());
        };
        let resource = Arc::clone(resource);
        let namespace = &call.info.namespace;
        let mut budgets = Vec::new();
        let mut listing = self.storage.list(registry::keys(&resource, namespace), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let kept = engine::kept(&resource, stored)?;
                let selector = kept.object.pointer("/spec/selector");
                let selector = selector.and_then(|selector| Selector::from_object(selector).ok());
                if selector.is_some_and(|selector| selector.matches_object(pod)) {
                    budgets.push(kept);
                }
            }
        }
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
            [one] => one,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(ApiError::new(500, "", message));
            }
        };
        let status = budget.object.get("status");
        let left = status.and_then(|status| status.get("disruptionsAllowed")?.as_i64());
        let left = left.unwrap_or(0);
        if left <= 0 {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let error = ApiError::new(429, "TooManyRequests", message);
            let name = object::name(&budget.object);
            return Err(error.with_causes(json!([{
                "reason": "DisruptionBudget",
                "message": format!("The disruption budget {name} does not allow evicting pods currently."),
            }])));
        }
        if dry_run {
            return Ok(());
        }
        let mut next = budget.object.clone();
        let status = object::fields_of(&mut next, "status");
        status.insert("disruptionsAllowed".into(), (left - 1).into());
        let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
        if let Value::Object(disrupted) = disrupted {
            let now = time::rfc3339(time::now());
            disrupted.insert(call.info.name.clone(), now.into());
        }
        let key = registry::key(&resource, namespace, object::name(&budget.object));
        let stored = &budget.stored;
        match self
            .store(&key, stored.revision, &mut next, stored.lease)
            .await?
        {
            true => Ok(()),
            false => {
                let mut error = ApiError::too_many_requests();
                error.message = "the disruption budget has changed, please try again".into();
                Err(error)
            }
        }
    }
}

fn node_of(pod: &Value) -> &str {
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str);
    node.unwrap_or_default()
}

fn binding_of(call: &Call) -> About<'_> {
    About {
        group: "",
        resource: "pods/binding",
        name: &call.info.name,
    }
}

fn success() -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    })
}
