//! Claims the node ports of Services: those of their ports, and the one that tells load balancers
//! which nodes have endpoints.
//!
//! Invariant: a port is claimed before the Service that has it is stored.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{Claims, Owner, about, port_key, text};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::{NODE_PORT_MAX, NODE_PORT_MIN};
use crate::object;
use crate::time;

/// The ports on nodes that Services may have: `30000-32767`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePorts {
    first: u16,
    last: u16,
}

impl Default for NodePorts {
    fn default() -> Self {
        NodePorts {
            first: NODE_PORT_MIN,
            last: NODE_PORT_MAX,
        }
    }
}

impl NodePorts {
    /// As upstream reads it: `first-last`, `first+more`, or a single port.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, in upstream's words where it has some.
    pub fn parse(range: &str) -> Result<NodePorts, String> {
        let range = range.trim();
        let unreadable = || format!("unable to parse port range: {range}");
        let number = |text: &str| text.parse::<u32>().map_err(|_| unreadable());
        let (first, last) = match (range.split_once('-'), range.split_once('+')) {
            (Some((first, last)), None) => (number(first)?, number(last)?),
            (None, Some((first, more))) => {
                let first = number(first)?;
                (first, first.saturating_add(number(more)?))
            }
            (None, None) => (number(range)?, number(range)?),
            (Some(_), Some(_)) => return Err(unreadable()),
        };
        let (Ok(low), Ok(high)) = (u16::try_from(first), u16::try_from(last)) else {
            return Err(format!(
                "the port range cannot be greater than 65535: {range}"
            ));
        };
        if high < low {
            return Err(format!("end port cannot be less than start port: {range}"));
        }
        if low == 0 {
            return Err(unreadable());
        }
        Ok(NodePorts {
            first: low,
            last: high,
        })
    }

    fn contains(self, port: i64) -> bool {
        let range: RangeInclusive<i64> = self.first.into()..=self.last.into();
        range.contains(&port)
    }

    /// All ports in the order in which they are tried: first those above the part that is left to
    /// who chooses his own.
    fn candidates(self, random: u32) -> impl Iterator<Item = i64> {
        let size = u32::from(self.last - self.first) + 1;
        let chosen = match size > 16 {
            true => (size / 32).clamp(16, 128),
            false => 0,
        };
        let base = i64::from(self.first);
        let band = move |start: u32, length: u32| {
            let offset = random.checked_rem(length).unwrap_or(0);
            (0..length).map(move |step| base + i64::from(start + (offset + step) % length))
        };
        band(chosen, size - chosen).chain(band(0, chosen))
    }
}

impl fmt::Display for NodePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Whether the ports of a Service are given node ports that nobody asked for; none where the Service
/// has no node ports at all.
fn allocates(spec: &Value) -> Option<bool> {
    match text(spec, "type") {
        "NodePort" => Some(true),
        "LoadBalancer" => {
            Some(spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)))
        }
        _ => None,
    }
}

fn needs_health_check(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// The node ports that are asked for, by the Service's own port.
fn asked_for(ports: &[Value]) -> BTreeMap<i64, i64> {
    let numbers = ports.iter().filter_map(|port| {
        let number = |field: &str| port.get(field).and_then(Value::as_i64);
        Some((
            number("port")?,
            number("nodePort").filter(|port| *port != 0)?,
        ))
    });
    // The first counts.
    numbers.rev().collect()
}

impl Engine {
    pub(super) async fn give_node_ports(
        &self,
        service: &mut Value,
        has: &[String],
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let spec = object::fields_of(service, "spec");
        let wanted = Value::Object(spec.clone());
        if let Some(any) = allocates(&wanted)
            && let Some(Value::Array(ports)) = spec.get_mut("ports")
        {
            let mut own: Vec<i64> = Vec::new();
            // A new Service has one number for all protocols of one of its ports.
            let is_new = has.is_empty();
            let mut shared = match is_new {
                true => asked_for(ports),
                false => BTreeMap::new(),
            };
            for (place, port) in ports.iter_mut().enumerate() {
                let Value::Object(port) = port else { continue };
                let chosen = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
                let of_service = port.get("port").and_then(Value::as_i64).unwrap_or(0);
                let number = match (chosen, shared.get(&of_service)) {
                    (0, _) if !any => continue,
                    (0, Some(number)) => *number,
                    (0, None) => {
                        let number = self.claim_any_port(owner, dry_run, claims).await;
                        let number =
                            number.map_err(|why| why.inside("failed to allocate a nodePort"))?;
                        own.push(number);
                        number
                    }
                    (chosen, _) => chosen,
                };
                if !own.contains(&number) && !has.contains(&port_key(number)) {
                    let claimed = self.claim_port(number, owner, dry_run, claims).await;
                    claimed.map_err(|why| refuse(owner, place, number, why))?;
                }
                own.push(number);
                if is_new {
                    shared.entry(of_service).or_insert(number);
                }
                port.insert("nodePort".into(), number.into());
            }
        }
        if needs_health_check(&wanted) {
            let number = self.give_health_port(&wanted, has, owner, dry_run, claims);
            spec.insert("healthCheckNodePort".into(), number.await?.into());
        }
        Ok(())
    }

    async fn give_health_port(
        &self,
        spec: &Value,
        has: &[String],
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<i64, ApiError> {
        let chosen = spec.get("healthCheckNodePort").and_then(Value::as_i64);
        match chosen.unwrap_or(0) {
            0 => {
                let number = self.claim_any_port(owner, dry_run, claims).await;
                number.map_err(|why| why.inside("failed to allocate a HealthCheck NodePort 0"))
            }
            chosen if has.contains(&port_key(chosen)) => Ok(chosen),
            chosen => {
                let claimed = self.claim_port(chosen, owner, dry_run, claims).await;
                claimed.map_err(|why| {
                    why.inside(&format!(
                        "failed to allocate requested HealthCheck NodePort {chosen}"
                    ))
                })?;
                Ok(chosen)
            }
        }
    }

    async fn claim_any_port(
        &self,
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<i64, Refusal> {
        let random = u32::from_ne_bytes(object::random());
        for port in self.node_ports.candidates(random) {
            let (key, line) = (port_key(port), port_line(owner));
            if self.claim(&key, line, dry_run, claims).await? {
                return Ok(port);
            }
        }
        Err(Refusal::Full)
    }

    async fn claim_port(
        &self,
        chosen: i64,
        owner: &Owner,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), Refusal> {
        let range = self.node_ports;
        if !range.contains(chosen) {
            return Err(Refusal::NotInRange(range));
        }
        let (key, line) = (port_key(chosen), port_line(owner));
        match self.claim(&key, line, dry_run, claims).await? {
            true => Ok(()),
            false => Err(Refusal::Taken),
        }
    }
}

/// Why a port cannot be had, in upstream's words.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("provided port is not in the valid range. The range of valid ports is {0}")]
    NotInRange(NodePorts),
    #[error("provided port is already allocated")]
    Taken,
    #[error("range is full")]
    Full,
    #[error("{}", .0.message)]
    Storage(#[from] ApiError),
}

impl Refusal {
    fn inside(self, what: &str) -> ApiError {
        match self {
            Refusal::Storage(error) => error,
            why => ApiError::internal(format!("{what}: {why}")),
        }
    }
}

fn refuse(owner: &Owner, place: usize, chosen: i64, why: Refusal) -> ApiError {
    if let Refusal::Storage(error) = why {
        return error;
    }
    let message = format!("Invalid value: {chosen}: {why}");
    let field = format!("spec.ports[{place}].nodePort");
    let cause = ("FieldValueInvalid".to_owned(), message, field);
    ApiError::invalid(about(&owner.1), &[cause])
}

fn port_line(owner: &Owner) -> Value {
    let now = time::rfc3339(time::now());
    json!({"metadata": {"creationTimestamp": now}, "spec": {"parentRef": {"namespace": owner.0, "name": owner.1}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_upstream_reads_them() {
        let read = |text: &str| NodePorts::parse(text).map(|range| range.to_string());
        assert_eq!(read(" 30000-32767 ").unwrap(), "30000-32767");
        assert_eq!(read("30000+10").unwrap(), "30000-30010");
        assert_eq!(read("80").unwrap(), "80-80");
        for (text, why) in [
            ("1-2+3", "unable to parse port range: 1-2+3"),
            ("x", "unable to parse port range: x"),
            ("", "unable to parse port range: "),
            ("0-5", "unable to parse port range: 0-5"),
            (
                "1-70000",
                "the port range cannot be greater than 65535: 1-70000",
            ),
            ("5-4", "end port cannot be less than start port: 5-4"),
            (
                "1+4294967295",
                "the port range cannot be greater than 65535: 1+4294967295",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), why);
        }
    }

    #[test]
    fn every_port_is_tried_once_and_the_chosen_part_last() {
        let range = NodePorts::default();
        for random in [0, 1, u32::MAX] {
            let mut all: Vec<i64> = range.candidates(random).collect();
            assert!(all[..2768 - 86].iter().all(|port| *port >= 30_086));
            all.sort_unstable();
            assert!(all.iter().copied().eq(30_000..=32_767));
        }
        let one = NodePorts::parse("80").unwrap();
        assert_eq!(one.candidates(7).collect::<Vec<_>>(), [80]);
        let small = NodePorts::parse("1-17").unwrap();
        assert_eq!(small.candidates(3).next(), Some(17));
    }

    #[test]
    fn what_is_asked_for_counts_for_all_protocols_of_a_port() {
        let ports = [
            json!({"port": 53, "nodePort": 0}),
            json!({"port": 53, "nodePort": 30053}),
            json!({"port": 53, "nodePort": 30054}),
            json!(5),
        ];
        assert_eq!(asked_for(&ports), BTreeMap::from([(53, 30053)]));
    }
}
