//! The subsets of an Endpoints object.
//!
//! Pure. Invariant: no more than [`ENDPOINTS_ADDRESSES_MAX`] addresses, those that are ready first.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::wanted::{Address, Wanted};
use crate::limits::ENDPOINTS_ADDRESSES_MAX;

/// The subsets, and whether some addresses had no room.
pub(super) fn subsets(wanted: &Wanted) -> (Vec<Value>, bool) {
    // Ports that the same addresses have stand together.
    let mut by_addresses: BTreeMap<Vec<usize>, Vec<&str>> = BTreeMap::new();
    for (port, places) in &wanted.by_port {
        let mut places: Vec<usize> = places.iter().copied().collect();
        places.sort_by_cached_key(|place| order(&wanted.addresses[*place]));
        by_addresses.entry(places).or_default().push(port);
    }
    let count = |ready: bool| {
        let places = by_addresses.keys().flatten();
        places
            .filter(|place| wanted.addresses[**place].ready == ready)
            .count()
    };
    let (ready, not_ready) = (count(true), count(false));
    let truncated = ready + not_ready > ENDPOINTS_ADDRESSES_MAX;
    let mut ready_left = Share::new(ready, ENDPOINTS_ADDRESSES_MAX);
    let mut not_ready_left = Share::new(
        not_ready,
        ENDPOINTS_ADDRESSES_MAX.saturating_sub(ready.min(ENDPOINTS_ADDRESSES_MAX)),
    );
    let mut made: Vec<(String, Value)> = Vec::new();
    for (places, ports) in by_addresses {
        let of = |ready: bool| -> Vec<&Address> {
            let all = places.iter().map(|place| &wanted.addresses[*place]);
            all.filter(|address| address.ready == ready).collect()
        };
        let mut subset = Map::new();
        for (field, addresses, left) in [
            ("addresses", of(true), &mut ready_left),
            ("notReadyAddresses", of(false), &mut not_ready_left),
        ] {
            let room = left.of(addresses.len());
            let addresses = addresses.into_iter().take(room);
            let addresses: Vec<Value> = addresses.map(|one| one.address.clone()).collect();
            if !addresses.is_empty() {
                subset.insert(field.into(), addresses.into());
            }
        }
        if subset.is_empty() {
            continue;
        }
        let parsed = ports
            .iter()
            .filter_map(|port| serde_json::from_str(port).ok());
        let parsed: Vec<Value> = parsed.collect();
        if !parsed.is_empty() {
            subset.insert("ports".into(), parsed.into());
        }
        made.push((ports.join(","), subset.into()));
    }
    // In an order that does not depend on that of the Pods.
    made.sort_by(|a, b| a.0.cmp(&b.0));
    (
        made.into_iter().map(|(_, subset)| subset).collect(),
        truncated,
    )
}

/// Each subset gets its share of what there is room for.
struct Share {
    total: usize,
    room: usize,
    seen: usize,
    given: usize,
}

impl Share {
    fn new(total: usize, room: usize) -> Share {
        let room = room.min(total);
        Share {
            total,
            room,
            seen: 0,
            given: 0,
        }
    }

    fn of(&mut self, count: usize) -> usize {
        self.seen += count;
        let upto = (self.room * self.seen).checked_div(self.total).unwrap_or(0);
        let share = upto.saturating_sub(self.given);
        self.given += share;
        share
    }
}

fn order(address: &Address) -> (String, String) {
    let text = |path: &str| {
        let found = address.address.pointer(path).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    (text("/ip"), text("/targetRef/uid"))
}

#[cfg(test)]
mod tests {
    use super::super::pod::Pod;
    use super::super::wanted::Node;
    use super::*;
    use serde_json::json;

    fn gather(spec: Value, pods: impl Iterator<Item = (usize, bool, bool)>) -> (Vec<Value>, bool) {
        let service = json!({"metadata": {"name": "web", "namespace": "n"}, "spec": spec});
        let mut wanted = Wanted::new(&service);
        for (number, ready, has_second) in pods {
            let ip = format!("10.0.{}.{}", number / 250, number % 250 + 1);
            let status = if ready { "True" } else { "False" };
            let name = if has_second { "second" } else { "other" };
            let pod = json!({
                "metadata": {"name": format!("p{number}"), "namespace": "n", "uid": number.to_string()},
                "spec": {"nodeName": "a", "containers": [{"ports": [{"name": name, "containerPort": 81}]}]},
                "status": {"podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": status}]},
            });
            wanted.add(&pod, &Pod::read(&pod), Some(&Node::default()));
        }
        subsets(&wanted)
    }

    fn two_ports() -> Value {
        json!({"clusterIP": "10.0.0.9", "ports": [
            {"name": "a", "port": 80}, {"name": "b", "port": 81, "targetPort": "second"},
        ]})
    }

    #[test]
    fn addresses_stand_with_the_ports_that_all_of_them_have() {
        let pods = [(2, true, true), (1, true, true), (3, false, true)];
        let (made, truncated) = gather(two_ports(), pods.into_iter());
        assert!(!truncated && made.len() == 1, "{made:?}");
        let ips: Vec<&Value> = made[0]["addresses"].as_array().unwrap().iter().collect();
        assert_eq!(ips[0]["ip"], "10.0.0.2");
        assert_eq!(made[0]["notReadyAddresses"][0]["ip"], "10.0.0.4");
        assert_eq!(made[0]["ports"].as_array().unwrap().len(), 2);

        let (made, _) = gather(two_ports(), [(1, true, true), (2, true, false)].into_iter());
        assert_eq!(made.len(), 2, "{made:?}");
        assert_eq!(made[0]["addresses"].as_array().unwrap().len(), 2);
        assert_eq!(
            made[1]["ports"][0],
            json!({"name": "b", "port": 81, "protocol": "TCP"})
        );
    }

    #[test]
    fn a_thousand_addresses_have_room_and_those_that_are_ready_come_first() {
        let count = |made: &[Value], field: &str| -> usize {
            let lists = made
                .iter()
                .filter_map(|subset| subset.get(field)?.as_array());
            lists.map(Vec::len).sum()
        };
        let one = json!({"clusterIP": "10.0.0.9", "ports": [{"port": 80}]});
        let (made, truncated) = gather(one.clone(), (0..1200).map(|n| (n, n % 4 != 0, true)));
        assert!(truncated);
        assert_eq!(count(&made, "addresses"), 900);
        assert_eq!(count(&made, "notReadyAddresses"), 100);
        let (made, truncated) = gather(one.clone(), (0..1200).map(|n| (n, true, true)));
        assert!(truncated);
        assert_eq!(count(&made, "addresses"), 1000);
        let (made, truncated) = gather(one, (0..1000).map(|n| (n, true, true)));
        assert!(!truncated);
        assert_eq!(count(&made, "addresses"), 1000);
        let (made, truncated) = gather(two_ports(), (0..1100).map(|n| (n, true, n % 2 == 0)));
        assert!(truncated);
        assert_eq!(count(&made, "addresses"), 1000);
    }
}
