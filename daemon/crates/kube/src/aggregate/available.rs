//! Whether those answer whom APIServices name: upstream's condition `Available`, with its texts.
//!
//! Invariant: nothing is written where nothing has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask::{self, NoWay};
use super::table::{self, Link, Service};
use super::text;
use super::{GROUP, PLURAL};
use crate::controllers::own_options;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::{ASKED_MAX, AVAILABILITY_INTERVAL, DISCOVERY_TIME_MAX};
use crate::object;
use crate::proxy::resolve;
use crate::registry;
use crate::storage::Change;
use crate::time;

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often an extension server is asked besides, where it has not answered: another of its
/// addresses may.
const OTHER_ATTEMPTS: usize = 4;

/// What is said of an APIService.
struct Verdict {
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn no(reason: &'static str, message: String) -> Verdict {
    Verdict {
        status: "False",
        reason,
        message,
    }
}

/// When an APIService is looked at again.
struct Next {
    at: Instant,
    failures: u32,
}

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "the availability of APIServices is looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let find = |group: &str, plural: &str| {
        let found = engine.registry.find(group, "v1", plural);
        found.cloned().ok_or_else(ApiError::no_such_path)
    };
    let services = find("", "services")?;
    let slices = find("discovery.k8s.io", "endpointslices")?;
    let from = engine.storage.view()?.revision() + 1;
    let watch =
        |resource: &registry::Resource| engine.storage.watch(registry::keys(resource, ""), from);
    let (mut of_services, mut of_slices) = (watch(&services)?, watch(&slices)?);
    let mut next: BTreeMap<String, Next> = BTreeMap::new();
    let mut known: BTreeMap<String, Option<Arc<Link>>> = BTreeMap::new();
    loop {
        let changed = engine.extensions.changed.notified();
        let mut changed = std::pin::pin!(changed);
        changed.as_mut().enable();
        let now = Instant::now();
        let all = engine.extensions.all();
        // What is new, or leads elsewhere by now, is looked at at once.
        for service in &all {
            let link = service
                .remote
                .as_ref()
                .map(|remote| Arc::clone(&remote.link));
            let is_new = match (known.get(&service.name), &link) {
                (Some(Some(before)), Some(link)) => !Arc::ptr_eq(before, link),
                (Some(None), None) => false,
                _ => true,
            };
            if is_new {
                next.insert(
                    service.name.clone(),
                    Next {
                        at: now,
                        failures: 0,
                    },
                );
                known.insert(service.name.clone(), link);
            }
        }
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        known.retain(|name, _| names.contains(name.as_str()));
        next.retain(|name, _| names.contains(name.as_str()));
        let mut looks = Vec::new();
        for service in &all {
            if next.get(&service.name).is_some_and(|next| next.at <= now) {
                looks.push(engine.judge_service(Arc::clone(service)));
            }
        }
        let mut looks = stream::iter(looks).buffer_unordered(ASKED_MAX);
        while let Some((service, looked)) = looks.next().await {
            let Some(entry) = next.get_mut(&service.name) else {
                continue;
            };
            let answers = looked.unwrap_or_else(|error| {
                tracing::warn!(name = service.name, %error, "an APIService is looked at again");
                false
            });
            if service.remote.is_none() && answers {
                next.remove(&service.name);
                continue;
            }
            entry.failures = if answers {
                0
            } else {
                entry.failures.saturating_add(1)
            };
            let pause = match entry.failures {
                0 => AVAILABILITY_INTERVAL,
                failures => (RETRY_INTERVAL * 2u32.saturating_pow(failures.min(6) - 1))
                    .min(AVAILABILITY_INTERVAL),
            };
            entry.at = Instant::now() + pause;
        }
        drop(looks);
        let first = next.values().map(|next| next.at).min();
        let until = first.unwrap_or_else(|| Instant::now() + AVAILABILITY_INTERVAL);
        let moved = tokio::select! {
            () = tokio::time::sleep_until(until) => Vec::new(),
            () = changed => Vec::new(),
            changes = of_services.next() => changes?,
            changes = of_slices.next() => changes?,
        };
        for change in &moved {
            for service in &all {
                if let Some(remote) = &service.remote
                    && is_about(change, &remote.link)
                {
                    next.insert(
                        service.name.clone(),
                        Next {
                            at: now,
                            failures: 0,
                        },
                    );
                }
            }
        }
    }
}

/// Whether a change of a Service or of a slice may be about this one.
fn is_about(change: &Change, link: &Link) -> bool {
    let key = String::from_utf8_lossy(&change.key);
    let mut parts = key.rsplit('/');
    let (name, namespace) = (parts.next(), parts.next());
    if namespace != Some(&link.namespace) {
        return false;
    }
    let of_name = name.is_some_and(|name| name.starts_with(&link.service));
    let value = change.now.as_ref().map(|stored| &stored.value);
    of_name
        || value.is_some_and(|value| memchr::memmem::find(value, link.service.as_bytes()).is_some())
}

impl Engine {
    async fn judge_service(&self, service: Arc<Service>) -> (Arc<Service>, Result<bool, ApiError>) {
        let looked = self.look_at(&service).await;
        (service, looked)
    }

    /// Whether somebody answers; says so in the APIService.
    async fn look_at(&self, service: &Service) -> Result<bool, ApiError> {
        let verdict = match &service.remote {
            None => Verdict {
                status: "True",
                reason: "Local",
                message: "Local APIServices are always available".into(),
            },
            Some(remote) => match self.found_at(service, &remote.link)? {
                Some(verdict) => verdict,
                None => self.answer_of(service, &remote.link).await,
            },
        };
        let answers = verdict.status == "True";
        self.say(&service.name, &verdict).await?;
        Ok(answers)
    }

    /// What the Service and its endpoints say; nothing where they are as they should be.
    fn found_at(&self, _: &Service, link: &Link) -> Result<Option<Verdict>, ApiError> {
        let (name, namespace, port) = (&link.service, &link.namespace, link.port);
        let service = match self.service(namespace, name) {
            Err(error) if error.code == 404 => {
                let message = format!("service/{name} in {namespace:?} is not present");
                return Ok(Some(no("ServiceNotFound", message)));
            }
            service => service?,
        };
        let kind = service.pointer("/spec/type").and_then(Value::as_str);
        if !matches!(kind, None | Some("ClusterIP")) {
            return Ok(None);
        }
        let Some(port_name) = resolve::port_name(&service, port) else {
            let message =
                format!("service/{name} in {namespace:?} is not listening on port {port}");
            return Ok(Some(no("ServicePortError", message)));
        };
        let slices = self.slices_behind(namespace, name)?;
        if slices.is_empty() {
            let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
            return Ok(Some(no("EndpointsNotFound", message)));
        }
        let serves = slices.iter().any(|slice| {
            let endpoints = slice.get("endpoints").and_then(Value::as_array);
            let ready = endpoints.is_some_and(|all| all.iter().any(resolve::is_ready));
            ready && resolve::port_of(slice, port_name).is_some()
        });
        Ok((!serves).then(|| {
            no(
                "MissingEndpoints",
                format!(
                    "endpointslices for service/{name} in {namespace:?} have no addresses with \
                     port name {port_name:?}"
                ),
            )
        }))
    }

    /// Whether it has what it is to answer for.
    async fn answer_of(&self, service: &Service, link: &Link) -> Verdict {
        let mut last = self.attempt(service, link).await.err();
        if last.is_some() {
            let mut others = Vec::new();
            for _ in 0..OTHER_ATTEMPTS {
                others.push(self.attempt(service, link));
            }
            let mut others = stream::iter(others).buffer_unordered(OTHER_ATTEMPTS);
            while let Some(attempt) = others.next().await {
                last = attempt.err();
                if last.is_none() {
                    break;
                }
            }
        }
        match last {
            Some(why) => no("FailedDiscoveryCheck", why),
            None => Verdict {
                status: "True",
                reason: "Passed",
                message: "all checks passed".into(),
            },
        }
    }

    async fn attempt(&self, service: &Service, link: &Link) -> Result<(), String> {
        let upstream = match self.way_to(link) {
            Ok(upstream) => upstream,
            Err(NoWay::Address(error)) => return Err(error.message),
            Err(NoWay::Trust(why)) => return Err(why),
        };
        let path = match service.group.as_str() {
            "" => format!("/api/{}", service.version),
            group => format!("/apis/{group}/{}", service.version),
        };
        let url = format!("https://{}{path}", upstream.destination);
        let failing = format!("failing or missing response from {url}");
        match ask::status(&upstream, &path, DISCOVERY_TIME_MAX).await {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(format!("{failing}: bad status from {url}: {status}")),
            Err(crate::proxy::ProxyError::Timeout) => Err(format!(
                "{failing}: Get {url:?}: context deadline exceeded (Client.Timeout exceeded while \
                 awaiting headers)"
            )),
            Err(error) => Err(format!("{failing}: Get {url:?}: {error}")),
        }
    }

    /// Writes a verdict into an APIService that says otherwise.
    async fn say(&self, name: &str, verdict: &Verdict) -> Result<(), ApiError> {
        let mut call = self.own_call("update", GROUP, "v1", PLURAL, "", name)?;
        call.info.subresource = "status".into();
        let Some(live) = self.read(&call.resource, "", name)? else {
            return Ok(());
        };
        let before = table::available(&live.object);
        let said = |field: &str| before.map_or("", |one| text(one, field));
        if (said("status"), said("reason"), said("message"))
            == (verdict.status, verdict.reason, verdict.message.as_str())
        {
            return Ok(());
        }
        let since = match said("lastTransitionTime") {
            since if !since.is_empty() && said("status") == verdict.status => since.to_owned(),
            _ => time::rfc3339(time::now()),
        };
        let condition = json!({
            "type": "Available",
            "status": verdict.status,
            "lastTransitionTime": since,
            "reason": verdict.reason,
            "message": verdict.message,
        });
        tracing::debug!(
            name,
            status = verdict.status,
            reason = verdict.reason,
            message = verdict.message,
            "an APIService"
        );
        let mut next = live.object.clone();
        let status = object::fields_of(&mut next, "status");
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        let Some(conditions) = conditions.as_array_mut() else {
            return Ok(());
        };
        conditions.retain(|one| text(one, "type") != "Available");
        conditions.push(condition);
        // Changed meanwhile: then there is another look.
        self.replace(&call, &live, next, &own_options()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::local;
    use super::*;

    #[test]
    fn local_ones_are_said_to_be_so_in_the_same_words_from_the_start() {
        let made = json!({"status": local::local_status("2026-01-01T00:00:00Z")});
        let condition = table::available(&made).unwrap();
        assert_eq!(text(condition, "reason"), "Local");
        assert_eq!(
            text(condition, "message"),
            "Local APIServices are always available"
        );
    }
}
