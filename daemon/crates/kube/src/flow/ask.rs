//! What a request asks, as schemas match it; and how wide a list is: by how many objects there are
//! of what it lists.
//!
//! Invariant: objects of a resource are counted once a minute at most, and only where they are
//! listed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use skerry_flow::{Asked, Listing, Target};
use skerry_rbac::User;
use tokio::time::Instant;

use super::Admission;
use crate::engine::Engine;
use crate::limits::OBJECT_COUNT_INTERVAL;
use crate::query::Query;
use crate::registry;
use crate::route::RequestInfo;

/// By where the objects are.
#[derive(Default)]
pub(crate) struct Counts(Mutex<HashMap<String, (Instant, u64)>>);

impl Engine {
    /// Finds a seat for a request.
    pub(crate) async fn find_seat(
        &self,
        info: &RequestInfo,
        query: &Query,
        user: &User,
    ) -> Admission {
        let asked = Asked {
            user: &user.name,
            groups: &user.groups,
            verb: info.verb,
            target: match info.is_resource {
                false => Target::Path(&info.path),
                true => Target::Resource {
                    group: &info.group,
                    resource: &info.resource,
                    subresource: &info.subresource,
                    namespace: &info.namespace,
                },
            },
        };
        self.flow.admit(&asked, || self.listed(info, query)).await
    }

    /// What a request lists; nothing where it is no list.
    fn listed(&self, info: &RequestInfo, query: &Query) -> Option<Listing> {
        let version = query.get("resourceVersion");
        let from_the_start = matches!(version, "" | "0") || query.switch("sendInitialEvents");
        match info.verb {
            "list" => {}
            "watch" if from_the_start => {}
            _ => return None,
        }
        let resource = self
            .registry
            .find(&info.group, &info.version, &info.resource)?;
        if resource.storage_prefix.is_empty() {
            return None;
        }
        let counts = &self.flow.counts.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.get(&resource.storage_prefix);
        let known = known.filter(|(at, _)| at.elapsed() < OBJECT_COUNT_INTERVAL);
        let objects = known.map(|(_, count)| *count).unwrap_or_else(|| {
            let count = self.storage.count(&registry::keys(resource, ""), 0);
            let count = count.ok().and_then(|count| u64::try_from(count).ok());
            let counted = (Instant::now(), count.unwrap_or(0));
            counts.insert(resource.storage_prefix.clone(), counted);
            counted.1
        });
        let has = |parameter: &str| !query.get(parameter).is_empty();
        Some(Listing {
            objects,
            limit: query.get("limit").parse().unwrap_or(0),
            selects: has("labelSelector") || has("fieldSelector"),
            single: !info.name.is_empty(),
        })
    }
}
