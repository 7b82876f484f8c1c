//! Publishes this member's name and client URLs to the cluster when they are not what it knows.

use std::rc::Rc;
use std::time::Duration;

use skerry_proto::command::{MemberAttributes, command::Operation};

use super::{Node, members};
use crate::Member;

/// Pause before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps what the members published at hand, and sees to it that this member is among them.
pub(crate) async fn run(node: Rc<Node>, member: Member) {
    loop {
        let view_changed = node.view.changed.notified();
        let members_changed = node.members_changed.notified();
        *node.attributes.borrow_mut() = members::read_attributes(&node.shared.reader);
        node.attributes_read.notify_waiters();
        if must_publish(&node, &member) {
            let operation = Operation::MemberAttributes(MemberAttributes {
                id: node.view.member_id,
                name: member.name.clone(),
                client_urls: member.client_urls.clone(),
            });
            if let Err(error) = node.shared.propose_internally(operation).await {
                tracing::debug!(%error, "cannot publish this member's name");
                tokio::time::sleep(RETRY).await;
            }
            continue;
        }
        tokio::select! {
            () = view_changed => {}
            () = members_changed => {}
        }
    }
}

fn must_publish(node: &Node, member: &Member) -> bool {
    let id = node.view.member_id;
    let known = node.view.membership().membership().get_node(&id).is_some();
    let published = node.attributes.borrow();
    let same = published
        .get(&id)
        .is_some_and(|(name, urls)| *name == member.name && *urls == member.client_urls);
    known && !same && node.view.leader().is_some()
}
