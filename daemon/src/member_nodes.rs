//! Nodes of members: a Node under a member's name carries K3s's marks, and deleting it removes the
//! member.
//!
//! Knows nothing about how a member is removed. Invariant: a member goes only with the Node that was
//! marked as its own, not with one of that name from before it; the last member stays.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};
use skerry_consensus::{Handle, Member, ProposeError, Role};
use skerry_kube::{EventNote, Local};
use skerry_proto::etcdserverpb as pb;

/// K3s's marks of a Node whose server is a member.
const ROLE: &str = "node-role.kubernetes.io/etcd";
const NODE_NAME: &str = "etcd.k3s.cattle.io/node-name";
const NODE_ADDRESS: &str = "etcd.k3s.cattle.io/node-address";
/// Keeps a deleted Node until its member is removed, whoever leads by then.
const FINALIZER: &str = "skerry.io/member";
/// Where Nodes are in the store.
const NODES: (&str, &str) = ("/registry/minions/", "/registry/minions0");
/// Between two looks of the leader: one read of the newest Node, while nothing has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

type Members = [(u64, Member, bool)];

/// What the leader has looked at.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// The revision of the newest Node.
    revision: i64,
    nodes: i64,
    members: Vec<(u64, Member, bool)>,
}

/// What there is to be done about a Node.
#[derive(Debug, PartialEq)]
enum Duty {
    Nothing,
    Write(Value),
    Remove(u64),
}

/// Looks after the Nodes of the members while this one leads, for as long as the server runs.
pub(crate) async fn run(handle: Handle, local: Local) {
    let mut done: Option<Seen> = None;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let status = handle.status();
        let seen = match status.role {
            Role::Leader => seen(&handle, &status.members),
            _ => None,
        };
        let Some(seen) = seen else {
            done = None;
            continue;
        };
        if done.as_ref() == Some(&seen) {
            continue;
        }
        let is_done = look(&handle, &local, &seen.members).await;
        done = is_done.then_some(seen);
    }
}

fn seen(handle: &Handle, members: &Members) -> Option<Seen> {
    let newest = pb::RangeRequest {
        key: NODES.0.into(),
        range_end: NODES.1.into(),
        limit: 1,
        sort_order: pb::range_request::SortOrder::Descend.into(),
        sort_target: pb::range_request::SortTarget::Mod.into(),
        keys_only: true,
        ..pb::RangeRequest::default()
    };
    let found = handle.reader().view().ok()?.range(&newest).ok()?;
    let newest = found.kvs.first();
    Some(Seen {
        revision: newest.map_or(0, |newest| newest.mod_revision),
        nodes: found.count,
        members: members.to_vec(),
    })
}

/// Does what there is to do; whether all of it is done.
async fn look(handle: &Handle, local: &Local, members: &Members) -> bool {
    let mut is_done = true;
    let marked = format!("/api/v1/nodes?labelSelector={ROLE}");
    let mut nodes = match local.ask(Method::GET, &marked, None).await {
        Ok(mut list) => match list["items"].take() {
            Value::Array(nodes) => nodes,
            _ => Vec::new(),
        },
        Err(error) => {
            tracing::debug!(%error, "the members' Nodes are not read");
            return false;
        }
    };
    for (_, member, _) in members.iter().filter(|(_, one, _)| !one.name.is_empty()) {
        if nodes.iter().any(|node| name(node) == member.name) {
            continue;
        }
        match local.get("v1", "Node", "", &member.name).await {
            Ok(node) => nodes.extend(node),
            Err(error) => {
                tracing::debug!(%error, member.name, "a member's Node is not read");
                is_done = false;
            }
        }
    }
    for node in &mut nodes {
        // Items of lists do not say what they are.
        node["apiVersion"] = "v1".into();
        node["kind"] = "Node".into();
        is_done &= match duty(node, members) {
            Duty::Nothing => true,
            Duty::Write(node) => write(local, &node).await,
            Duty::Remove(id) => {
                remove(handle, local, name(node), id).await;
                // What it was held for is over at the next look.
                false
            }
        };
    }
    is_done
}

async fn write(local: &Local, node: &Value) -> bool {
    let path = format!("/api/v1/nodes/{}", name(node));
    match local.ask(Method::PUT, &path, Some(node)).await {
        // The write itself is one more change to look at.
        Ok(_) => true,
        Err(error) if error.code == 404 => true,
        Err(error) => {
            tracing::debug!(%error, node = name(node), "a member's Node is not written");
            false
        }
    }
}

async fn remove(handle: &Handle, local: &Local, name: &str, id: u64) {
    let (warning, reason, message) = match handle.member_remove(id).await {
        Ok(_) | Err(ProposeError::MemberNotFound) => {
            let message = format!("member {id:x} ({name}) was removed: its Node was deleted");
            (false, "MemberRemoved", message)
        }
        Err(error) => {
            let message = format!(
                "member {id:x} ({name}), whose Node is to go, cannot be removed now: {error}"
            );
            (true, "MemberNotRemoved", message)
        }
    };
    match warning {
        true => tracing::warn!("{message}"),
        false => tracing::info!("{message}"),
    }
    let note = EventNote {
        kind: "Node",
        namespace: "",
        name,
        reason,
        warning,
        message: &message,
    };
    local.event(&note).await;
}

fn duty(node: &Value, members: &Members) -> Duty {
    let of_node = members.iter().find(|(_, one, _)| one.name == name(node));
    let is_leaving = !node["metadata"]["deletionTimestamp"].is_null();
    let mark = node["metadata"]["annotations"][NODE_NAME].as_str();
    match of_node {
        Some((id, member, _)) if !is_leaving => unless_same(node, marked(node, *id, member)),
        Some((id, member, _))
            if is_held(node) && mark == Some(&incarnation(*id, member)) && members.len() > 1 =>
        {
            Duty::Remove(*id)
        }
        _ => unless_same(node, released(node)),
    }
}

fn unless_same(node: &Value, next: Value) -> Duty {
    match *node == next {
        true => Duty::Nothing,
        false => Duty::Write(next),
    }
}

/// A member's name with what tells it from another one of that name, as K3s's members have it.
fn incarnation(id: u64, member: &Member) -> String {
    format!("{}-{id:08x}", member.name)
}

fn is_held(node: &Value) -> bool {
    let finalizers = node["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|all| all.iter().any(|one| one == FINALIZER))
}

fn marked(node: &Value, id: u64, member: &Member) -> Value {
    let mut node = node.clone();
    texts(&mut node, "labels").insert(ROLE.into(), "true".into());
    let annotations = texts(&mut node, "annotations");
    annotations.insert(NODE_NAME.into(), incarnation(id, member).into());
    if let Some(address) = address(member) {
        annotations.insert(NODE_ADDRESS.into(), address.into());
    }
    if !is_held(&node) {
        match &mut node["metadata"]["finalizers"] {
            Value::Array(all) => all.push(FINALIZER.into()),
            none => *none = json!([FINALIZER]),
        }
    }
    node
}

fn released(node: &Value) -> Value {
    let mut node = node.clone();
    let Some(metadata) = node["metadata"].as_object_mut() else {
        return node;
    };
    for (field, names) in [
        ("labels", &[ROLE][..]),
        ("annotations", &[NODE_NAME, NODE_ADDRESS]),
    ] {
        let Some(Value::Object(texts)) = metadata.get_mut(field) else {
            continue;
        };
        texts.retain(|name, _| !names.contains(&name.as_str()));
        if texts.is_empty() {
            metadata.remove(field);
        }
    }
    if let Some(Value::Array(finalizers)) = metadata.get_mut("finalizers") {
        finalizers.retain(|one| one != FINALIZER);
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        }
    }
    node
}

fn texts<'a>(node: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let texts = &mut node["metadata"][field];
    if !texts.is_object() {
        *texts = json!({});
    }
    texts.as_object_mut().expect("it was made one")
}

fn name(node: &Value) -> &str {
    node["metadata"]["name"].as_str().unwrap_or_default()
}

/// The host of a member's peer URL.
fn address(member: &Member) -> Option<&str> {
    let rest = member.peer_urls.first()?.strip_prefix("https://")?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    Some(host.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: &[u64]) -> Vec<(u64, Member, bool)> {
        let one = |id: &u64| {
            let member = Member {
                name: format!("m{id}"),
                peer_urls: vec![format!("https://10.0.0.{id}:2380")],
                client_urls: Vec::new(),
            };
            (*id, member, false)
        };
        ids.iter().map(one).collect()
    }

    fn written(duty: Duty) -> Value {
        match duty {
            Duty::Write(node) => node,
            other => panic!("{other:?}"),
        }
    }

    fn leaving(mut node: Value) -> Value {
        node["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        node
    }

    fn node_of_m2() -> Value {
        let metadata = json!({"name": "m2", "labels": {"a": "b"}, "finalizers": ["others/one"]});
        json!({"metadata": metadata})
    }

    #[test]
    fn the_node_of_a_member_is_marked_once_and_released_when_the_member_is_gone() {
        let node = node_of_m2();
        let marked = written(duty(&node, &members(&[1, 2])));
        let metadata = &marked["metadata"];
        assert_eq!(metadata["labels"], json!({"a": "b", ROLE: "true"}));
        assert_eq!(
            metadata["annotations"],
            json!({NODE_NAME: "m2-00000002", NODE_ADDRESS: "10.0.0.2"})
        );
        assert_eq!(metadata["finalizers"], json!(["others/one", FINALIZER]));
        assert_eq!(duty(&marked, &members(&[1, 2])), Duty::Nothing);
        assert_eq!(written(duty(&marked, &members(&[1]))), node);
        assert_eq!(duty(&node, &members(&[1])), Duty::Nothing);
    }

    #[test]
    fn a_member_is_removed_with_its_own_node_and_not_with_one_from_before_it() {
        let marked = written(duty(&node_of_m2(), &members(&[1, 2])));
        let gone = leaving(marked);
        assert_eq!(duty(&gone, &members(&[1, 2])), Duty::Remove(2));
        assert!(!is_held(&written(duty(&gone, &members(&[1])))));
        let mut later = members(&[1, 2]);
        later[1].0 = 7;
        assert!(!is_held(&written(duty(&gone, &later))));
        assert_eq!(
            duty(&leaving(node_of_m2()), &members(&[1, 2])),
            Duty::Nothing,
            "it was never marked"
        );
    }

    #[test]
    fn the_last_member_stays_though_its_node_goes() {
        let marked = written(duty(&node_of_m2(), &members(&[1, 2])));
        assert!(!is_held(&written(duty(&leaving(marked), &members(&[2])))));
    }
}
