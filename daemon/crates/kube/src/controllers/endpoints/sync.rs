//! Makes what is written for one Service what it should be.
//!
//! Knows nothing about when. Invariant: what is as it should be is not written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::index::{Place, Selector, holds, needles, selector, selects};
use super::owner::{Owner, annotate, label, labels_of, slice_labels};
use super::pod::{Pod, texts};
use super::queue::Due;
use super::slices::{Rules, Step, plan};
use super::wanted::{Groups, Node, Wanted, is_headless};
use super::{
    ENDPOINTS, ENDPOINTS_MANAGED_BY, HEADLESS, MANAGED_BY, MIRROR, OVER_CAPACITY, SERVICE_NAME,
    SLICES, State, TRIGGER_TIME, ZONE, mirror, subsets,
};
use crate::decode;
use crate::engine::{self, Engine, Kept};
use crate::error::ApiError;
use crate::limits::{MIRRORED_ADDRESSES_MAX, SLICE_ENDPOINTS_MAX};
use crate::object;
use crate::registry;
use crate::storage;

/// Bytes of a Service's name that the names of its slices start with, whatever its length.
const NAME_BYTES: usize = 57;

impl Engine {
    pub(super) async fn sync_endpoints(
        &self,
        state: &mut State,
        place: &Place,
        due: &Due,
    ) -> Result<(), ApiError> {
        let (namespace, name) = (place.0.as_str(), place.1.as_str());
        let service = self.read(&state.kinds.services, namespace, name)?;
        let endpoints = self.read(&state.kinds.endpoints, namespace, name)?;
        let slices = self.slices_of(state, place)?;
        let (mirrors, slices): (Vec<Kept>, Vec<Kept>) = (slices.into_iter())
            .partition(|slice| label(&slice.object, MANAGED_BY) == Some(MIRROR));
        let Some(service) = service else {
            if let Some(endpoints) = endpoints.filter(|_| due.gone)
                && !is_leader(&endpoints.object)
            {
                self.drop_kept(state, &endpoints, "", "endpoints").await?;
            }
            // Slices have owners: they are collected.
            return self.drop_all(state, &mirrors).await;
        };
        let service = &service.object;
        let Some(selector) = selector(service) else {
            let is_external =
                service.pointer("/spec/type").and_then(Value::as_str) == Some("ExternalName");
            let has_selector = !texts(service.pointer("/spec/selector")).is_empty();
            let endpoints = endpoints.filter(|_| !(is_external && has_selector));
            return self.mirror(state, endpoints.as_ref(), &mirrors).await;
        };
        self.drop_all(state, &mirrors).await?;
        let wanted = self.gather(state, service, &selector).await?;
        for node in &wanted.missing_nodes {
            let waiting = state.nodeless.entry(node.clone()).or_default();
            waiting.insert(place.clone());
        }
        self.sync_subsets(state, service, endpoints.as_ref(), &wanted, due)
            .await?;
        let owner = Owner {
            object: service,
            kind: "Service",
            labels: slice_labels(service),
            annotations: None,
            trigger: due.trigger.as_deref(),
            endpoints_max: SLICE_ENDPOINTS_MAX,
            placeholder: true,
        };
        self.sync_slices(state, &owner, &slices, wanted.groups)
            .await
    }

    /// The slices that were made for a Service.
    fn slices_of(&self, state: &State, place: &Place) -> Result<Vec<Kept>, ApiError> {
        let (namespace, name) = (&place.0, &place.1);
        let resource = &state.kinds.slices;
        let start = name.get(..NAME_BYTES).unwrap_or(name);
        let keys = storage::below(&registry::key(resource, namespace, start));
        let needle = format!("{}:{}", json!(SERVICE_NAME), json!(name)).into_bytes();
        let mut listing = self.storage.list(keys, 0)?;
        let mut found = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(found);
            }
            for stored in chunk {
                if !holds(&stored.value, &needle) {
                    continue;
                }
                let kept = engine::kept(resource, stored)?;
                let ours = matches!(label(&kept.object, MANAGED_BY), Some(SLICES | MIRROR));
                let of_service = label(&kept.object, SERVICE_NAME) == Some(name);
                if ours && of_service && !object::is_terminating(&kept.object) {
                    found.push(kept);
                }
            }
        }
    }

    /// What the Pods of a Service's namespace make of it.
    async fn gather(
        &self,
        state: &State,
        service: &Value,
        selector: &Selector,
    ) -> Result<Wanted, ApiError> {
        let mut wanted = Wanted::new(service);
        let mut nodes: BTreeMap<String, Option<Node>> = BTreeMap::new();
        let needles = needles(selector);
        let keys = registry::keys(&state.kinds.pods, object::namespace(service));
        let mut listing = self.storage.list(keys, 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(wanted);
            }
            for stored in chunk {
                if !needles.iter().all(|needle| holds(&stored.value, needle)) {
                    continue;
                }
                let pod = decode::stored(&stored.value)?;
                let read = Pod::read(&pod);
                if !selects(selector, &read.labels) {
                    continue;
                }
                if !nodes.contains_key(&read.node) {
                    let node = self.node(state, &read.node)?;
                    nodes.insert(read.node.clone(), node);
                }
                let node = nodes.get(&read.node).and_then(Option::as_ref);
                wanted.add(&pod, &read, node);
            }
            tokio::task::yield_now().await;
        }
    }

    fn node(&self, state: &State, name: &str) -> Result<Option<Node>, ApiError> {
        if name.is_empty() {
            return Ok(None);
        }
        let node = self.read(&state.kinds.nodes, "", name)?;
        Ok(node.map(|node| Node {
            zone: label(&node.object, ZONE).unwrap_or_default().to_owned(),
        }))
    }

    async fn sync_subsets(
        &self,
        state: &mut State,
        service: &Value,
        live: Option<&Kept>,
        wanted: &Wanted,
        due: &Due,
    ) -> Result<(), ApiError> {
        let (subsets, truncated) = subsets::subsets(wanted);
        let mut labels = labels_of(service);
        labels.remove(HEADLESS);
        if is_headless(service) {
            labels.insert(HEADLESS.into(), "".into());
        }
        labels.insert(ENDPOINTS_MANAGED_BY.into(), ENDPOINTS.into());
        let mut next = match live {
            Some(live) => live.object.clone(),
            None => json!({
                "metadata": {"name": object::name(service), "namespace": object::namespace(service)},
            }),
        };
        let over = Value::from("truncated");
        let annotations = object::metadata(&next).get("annotations");
        let said = annotations.and_then(|all| all.get(OVER_CAPACITY));
        let same_subsets = match next.get("subsets") {
            None | Some(Value::Null) => subsets.is_empty(),
            Some(Value::Array(live)) => *live == subsets,
            Some(_) => false,
        };
        let same = same_subsets && labels_of(&next) == labels && said == truncated.then_some(&over);
        if live.is_some() && same {
            return Ok(());
        }
        match subsets.is_empty() {
            true => _ = next.as_object_mut().map(|fields| fields.remove("subsets")),
            false => next["subsets"] = subsets.into(),
        }
        let metadata = object::metadata_mut(&mut next);
        metadata.insert("labels".into(), labels.into());
        annotate(metadata, TRIGGER_TIME, due.trigger.as_deref());
        annotate(metadata, OVER_CAPACITY, truncated.then_some("truncated"));
        match live {
            Some(live) => self.write(state, live, next, "", "endpoints").await,
            None if object::is_terminating(service) => Ok(()),
            None => self.create_made(state, next, "", "endpoints").await,
        }
    }

    async fn mirror(
        &self,
        state: &mut State,
        endpoints: Option<&Kept>,
        mirrors: &[Kept],
    ) -> Result<(), ApiError> {
        let wanted = endpoints.filter(|endpoints| mirror::is_wanted(&endpoints.object));
        let Some(endpoints) = wanted else {
            return self.drop_all(state, mirrors).await;
        };
        let endpoints = &endpoints.object;
        let mut labels = labels_of(endpoints);
        labels.insert(SERVICE_NAME.into(), object::name(endpoints).into());
        labels.insert(MANAGED_BY.into(), MIRROR.into());
        let (groups, skipped) = mirror::groups(endpoints);
        if skipped > 0 {
            let (namespace, name) = (object::namespace(endpoints), object::name(endpoints));
            tracing::warn!(namespace, name, skipped, "too many addresses to mirror");
        }
        let owner = Owner {
            object: endpoints,
            kind: "Endpoints",
            labels,
            annotations: Some(mirror::annotations(endpoints)),
            trigger: None,
            endpoints_max: MIRRORED_ADDRESSES_MAX,
            placeholder: false,
        };
        self.sync_slices(state, &owner, mirrors, groups).await
    }

    async fn sync_slices(
        &self,
        state: &mut State,
        owner: &Owner<'_>,
        existing: &[Kept],
        mut wanted: BTreeMap<&'static str, Groups>,
    ) -> Result<(), ApiError> {
        let uid = object::uid(owner.object);
        let rules = Rules {
            owned: &|slice| {
                let owners = super::pod::list(slice, "/metadata/ownerReferences");
                let mut uids = owners.filter_map(|owner| owner.get("uid")?.as_str());
                uids.any(|owner| owner == uid)
            },
            labelled: &|slice| owner.labelled(slice),
            endpoints_max: owner.endpoints_max,
            placeholder: owner.placeholder,
        };
        for family in ["IPv4", "IPv6"] {
            let all = existing.iter().enumerate();
            let of_family: Vec<(usize, &Value)> = all
                .map(|(place, slice)| (place, &slice.object))
                .filter(|(_, slice)| slice.get("addressType").is_some_and(|one| one == family))
                .collect();
            // A family that the Service does not have gets no placeholder either.
            let rules = Rules {
                placeholder: rules.placeholder && wanted.contains_key(family),
                ..rules
            };
            let groups = wanted.remove(family).unwrap_or_default();
            for step in plan(&of_family, groups, &rules) {
                self.take_step(state, owner, existing, family, step).await?;
            }
        }
        Ok(())
    }

    async fn take_step(
        &self,
        state: &mut State,
        owner: &Owner<'_>,
        existing: &[Kept],
        family: &str,
        step: Step,
    ) -> Result<(), ApiError> {
        const GROUP: &str = "discovery.k8s.io";
        match step {
            Step::Create(_) if object::is_terminating(owner.object) => Ok(()),
            Step::Create(content) => {
                let slice = owner.slice(family, content);
                self.create_made(state, slice, GROUP, "endpointslices")
                    .await
            }
            Step::Update(place, content) => {
                let Some(live) = existing.get(place) else {
                    return Ok(());
                };
                let mut next = live.object.clone();
                owner.dress(&mut next, content);
                self.write(state, live, next, GROUP, "endpointslices").await
            }
            Step::Delete(place) => match existing.get(place) {
                Some(live) => self.drop_kept(state, live, GROUP, "endpointslices").await,
                None => Ok(()),
            },
        }
    }
}

fn is_leader(endpoints: &Value) -> bool {
    let annotations = object::metadata(endpoints).get("annotations");
    annotations.is_some_and(|all| all.get(mirror::LEADER).is_some())
}
