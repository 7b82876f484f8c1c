//! The rows of services and of what leads to and from them.

use serde_json::{Value, json};

use super::{Row, joined, or_none, with_more};
use crate::selector;
use crate::value::{int, is_set, len, list, text};

const SHOWN_MAX: usize = 3;

pub(super) fn service(row: Row<'_>) -> Vec<Value> {
    let cluster_ip = match list(row.spec("clusterIPs")) {
        [first, ..] => text(first),
        [] => text(row.spec("clusterIP")),
    };
    vec![
        row.name(),
        json!(text(row.spec("type"))),
        json!(or_none(cluster_ip)),
        json!(external_ip(row)),
        json!(or_none(&ports(row.spec("ports")))),
        row.age(),
        json!(selector::show_labels(row.spec("selector"))),
    ]
}

fn external_ip(row: Row<'_>) -> String {
    let external = joined(row.spec("externalIPs"), ",");
    match text(row.spec("type")) {
        "ClusterIP" | "NodePort" => or_none(&external).to_owned(),
        "LoadBalancer" => match (balancer_addresses(row), external) {
            (balancer, external) if balancer.is_empty() && external.is_empty() => {
                "<pending>".to_owned()
            }
            (balancer, external) if external.is_empty() => balancer,
            (balancer, external) if balancer.is_empty() => external,
            (balancer, external) => format!("{balancer},{external}"),
        },
        "ExternalName" => text(row.spec("externalName")).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn balancer_addresses(row: Row<'_>) -> String {
    let mut addresses: Vec<&str> = list(&row.status("loadBalancer")["ingress"])
        .iter()
        .map(|ingress| match text(&ingress["ip"]) {
            "" => text(&ingress["hostname"]),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.join(",")
}

fn ports(ports: &Value) -> String {
    let shown: Vec<String> = list(ports)
        .iter()
        .map(|port| {
            let (number, protocol) = (int(&port["port"]), text(&port["protocol"]));
            match int(&port["nodePort"]) {
                node_port if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    shown.join(",")
}

pub(super) fn endpoints(row: Row<'_>) -> Vec<Value> {
    let mut shown = Vec::new();
    for subset in list(&row.object["subsets"]) {
        let addresses = list(&subset["addresses"]);
        if len(&subset["ports"]) == 0 {
            shown.extend(addresses.iter().map(|a| text(&a["ip"]).to_owned()));
        }
        for port in list(&subset["ports"]) {
            shown.extend(
                addresses
                    .iter()
                    .map(|a| host_port(text(&a["ip"]), int(&port["port"]))),
            );
        }
    }
    let shown = match len(&row.object["subsets"]) {
        0 => "<none>".to_owned(),
        _ => with_more(&shown, SHOWN_MAX),
    };
    vec![row.name(), json!(shown), row.age()]
}

fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn endpoint_slice(row: Row<'_>) -> Vec<Value> {
    let ports: Vec<String> = list(&row.object["ports"])
        .iter()
        .map(
            |port| match (port["port"].as_i64(), port["name"].as_str()) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.to_owned(),
                (None, None) => "*".to_owned(),
            },
        )
        .collect();
    let addresses: Vec<String> = list(&row.object["endpoints"])
        .iter()
        .flat_map(|endpoint| list(&endpoint["addresses"]))
        .map(|address| text(address).to_owned())
        .collect();
    let or_unset = |shown: String| match shown.as_str() {
        "" => json!("<unset>"),
        _ => json!(shown),
    };
    vec![
        row.name(),
        json!(text(&row.object["addressType"])),
        or_unset(with_more(&ports, SHOWN_MAX)),
        or_unset(with_more(&addresses, SHOWN_MAX)),
        row.age(),
    ]
}

pub(super) fn ingress(row: Row<'_>) -> Vec<Value> {
    let class = row.spec("ingressClassName").as_str();
    let ports = match len(row.spec("tls")) {
        0 => "80",
        _ => "80, 443",
    };
    vec![
        row.name(),
        json!(class.unwrap_or("<none>")),
        json!(hosts(list(row.spec("rules")))),
        json!(balancer_addresses(row)),
        json!(ports),
        row.age(),
    ]
}

/// The first hosts; rules without one do not show but count.
fn hosts(rules: &[Value]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut is_cut = false;
    for rule in rules {
        is_cut |= shown.len() == SHOWN_MAX;
        let host = text(&rule["host"]);
        if !is_cut && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.join(",") {
        shown if shown.is_empty() => "*".to_owned(),
        shown if is_cut => format!("{shown} + {} more...", rules.len() - SHOWN_MAX),
        shown => shown,
    }
}

pub(super) fn ingress_class(row: Row<'_>) -> Vec<Value> {
    let parameters = row.spec("parameters");
    let shown = if is_set(parameters) {
        let group = parameters["apiGroup"].as_str();
        let group = group.map_or(String::new(), |group| format!(".{group}"));
        let (kind, name) = (text(&parameters["kind"]), text(&parameters["name"]));
        format!("{kind}{group}/{name}")
    } else {
        "<none>".to_owned()
    };
    let controller = text(row.spec("controller"));
    vec![row.name(), json!(controller), json!(shown), row.age()]
}

pub(super) fn ip_address(row: Row<'_>) -> Vec<Value> {
    let parent = row.spec("parentRef");
    let shown = if is_set(parent) {
        let dot = if text(&parent["group"]).is_empty() {
            ""
        } else {
            "."
        };
        let resource = format!(
            "{}{dot}{}",
            text(&parent["resource"]),
            text(&parent["group"])
        );
        let parts = [resource.to_lowercase().as_str(), text(&parent["namespace"])]
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| format!("{part}/"))
            .collect::<String>();
        format!("{parts}{}", text(&parent["name"]))
    } else {
        "<none>".to_owned()
    };
    vec![row.name(), json!(shown)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    #[test]
    fn a_service_shows_its_addresses_and_ports() {
        let mut object = json!({"metadata": {"name": "s"}, "spec": {
            "type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            "selector": {"app": "web"}}});
        assert_eq!(
            cells("", "Service", &object, 0)[1..],
            [
                "NodePort",
                "10.0.0.1",
                "<none>",
                "80:30080/TCP,53/UDP",
                "<unknown>",
                "app=web"
            ]
        );
        object["spec"]["type"] = json!("LoadBalancer");
        assert_eq!(cells("", "Service", &object, 0)[3], "<pending>");
        object["status"] =
            json!({"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "a"}]}});
        object["spec"]["externalIPs"] = json!(["9.9.9.9"]);
        assert_eq!(cells("", "Service", &object, 0)[3], "2.2.2.2,a,9.9.9.9");
        let name = json!({"spec": {"type": "ExternalName", "externalName": "x.y"}});
        assert_eq!(
            cells("", "Service", &name, 0)[2..5],
            ["<none>", "x.y", "<none>"]
        );
    }

    #[test]
    fn endpoints_show_three_and_count_the_rest() {
        let object = json!({"subsets": [{
            "addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "ports": [{"port": 80}, {"port": 81}]}]});
        assert_eq!(
            cells("", "Endpoints", &object, 0)[1],
            "10.0.0.1:80,[fd00::1]:80,10.0.0.1:81 + 1 more..."
        );
        assert_eq!(cells("", "Endpoints", &json!({}), 0)[1], "<none>");
        let slice = json!({"addressType": "IPv4", "ports": [{"name": "http", "port": 80}],
            "endpoints": [{"addresses": ["10.0.0.1"]}]});
        assert_eq!(
            cells("discovery.k8s.io", "EndpointSlice", &slice, 0)[1..4],
            ["IPv4", "80", "10.0.0.1"]
        );
    }

    #[test]
    fn an_ingress_shows_its_hosts_and_ports() {
        let object = json!({"spec": {"tls": [{}], "rules": [
            {"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}]}});
        assert_eq!(
            cells("networking.k8s.io", "Ingress", &object, 0)[1..5],
            ["<none>", "a,b,c + 1 more...", "", "80, 443"]
        );
        let open = cells(
            "networking.k8s.io",
            "Ingress",
            &json!({"spec": {"rules": [{}]}}),
            0,
        );
        assert_eq!(open[2], "*");
    }

    #[test]
    fn an_address_shows_what_it_belongs_to() {
        let object = json!({"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "kubernetes"}}});
        let shown = cells("networking.k8s.io", "IPAddress", &object, 0);
        assert_eq!(shown[1], "services/default/kubernetes");
    }
}
