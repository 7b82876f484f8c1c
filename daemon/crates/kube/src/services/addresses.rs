//! Claims the cluster addresses of Services: each is an `IPAddress` object, as upstream's.
//!
//! Invariant: an address is claimed before the Service that has it is stored.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{Claims, Owner, about, address_key};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::CLAIM_TRIES_MAX;
use crate::object;
use crate::time;

/// Upstream's label of an `IPAddress` that was given to a Service.
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";

impl Engine {
    pub(super) async fn claim_any_address(
        &self,
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<String, ApiError> {
        let network = self.services;
        for _ in 0..CLAIM_TRIES_MAX {
            let address = network
                .any(u32::from_ne_bytes(object::random()))
                .to_string();
            if self
                .claim(
                    &address_key(&address),
                    address_object(&address, owner),
                    dry_run,
                    claims,
                )
                .await?
            {
                return Ok(address);
            }
        }
        Err(ApiError::internal(
            "failed to allocate a serviceIP: range is full",
        ))
    }

    pub(super) async fn claim_address(
        &self,
        chosen: &str,
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let network = self.services;
        let refuse = |why: &str| {
            let message =
                format!("Invalid value: [{chosen:?}]: failed to allocate IP {chosen}: {why}");
            let cause = (
                "FieldValueInvalid".to_owned(),
                message,
                "spec.clusterIPs".to_owned(),
            );
            ApiError::invalid(about(&owner.1), &[cause])
        };
        let address: Option<Ipv4Addr> = chosen.parse().ok();
        if !address.is_some_and(|address| network.contains(address)) {
            return Err(refuse(&format!(
                "the provided IP ({chosen}) is not in the valid range. The range of valid IPs is {network}"
            )));
        }
        match self
            .claim(
                &address_key(chosen),
                address_object(chosen, owner),
                dry_run,
                claims,
            )
            .await?
        {
            true => Ok(()),
            false => Err(refuse("provided IP is already allocated")),
        }
    }
}

fn address_object(address: &str, owner: &Owner) -> Value {
    let now = time::rfc3339(time::now());
    let (namespace, name) = owner;
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "uid": object::new_uid(),
            "creationTimestamp": now,
            "labels": {"ipaddress.kubernetes.io/ip-family": "IPv4", MANAGED_BY: "ipallocator.k8s.io"},
        },
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}},
    })
}
