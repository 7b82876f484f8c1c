//! Publishes this member's name and URLs to the cluster when they are not what it knows.
//!
//! Its peer URLs only at its start, when they are those of the place where it was started: later
//! they are the administrator's, who may announce a place before the member moves there.

use std::rc::Rc;
use std::time::Duration;

use skerry_proto::command::{MemberAttributes, command::Operation};

use super::{Node, members};
use crate::Member;
use crate::peer::message::MemberChange;

/// Pause before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// That pause grows up to this where the cluster refuses.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Keeps what the members published at hand, and sees to it that this member is among them.
pub(crate) async fn run(node: Rc<Node>, member: Member, password_hash: String) {
    let own = MemberAttributes {
        id: node.view.member_id,
        name: member.name.clone(),
        client_urls: member.client_urls.clone(),
        password_hash,
    };
    let mut settled = false;
    let mut pause = RETRY;
    loop {
        let view_changed = node.view.changed.notified();
        let members_changed = node.members_changed.notified();
        *node.attributes.borrow_mut() = members::read_attributes(&node.shared.reader);
        node.attributes_read.notify_waiters();
        if must_publish(&node, &own) {
            let operation = Operation::MemberAttributes(own.clone());
            if let Err(error) = node.shared.propose_internally(operation).await {
                tracing::debug!(%error, "cannot publish this member's name");
                tokio::time::sleep(RETRY).await;
            }
            continue;
        }
        if !settled && is_known(&node) && node.view.leader().is_some() {
            settled = settle(&node, &member).await;
            if !settled {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            continue;
        }
        tokio::select! {
            () = view_changed => {}
            () = members_changed => {}
        }
    }
}

/// Tells the cluster the peer URLs of a member that has moved; whether it knows them.
async fn settle(node: &Rc<Node>, member: &Member) -> bool {
    let id = node.view.member_id;
    if !node.view.has_moved() {
        return true;
    }
    let urls = &member.peer_urls;
    let change = MemberChange::Update {
        id,
        peer_urls: urls.clone(),
    };
    match node.change_membership(change).await {
        Ok(_) => {
            tracing::info!(?urls, "the cluster knows where this member is now");
            true
        }
        Err(error) => {
            tracing::warn!(?urls, %error, "the cluster does not take this member's new place");
            false
        }
    }
}

fn is_known(node: &Node) -> bool {
    let membership = node.view.membership();
    let known = membership.membership().get_node(&node.view.member_id);
    known.is_some()
}

fn must_publish(node: &Node, own: &MemberAttributes) -> bool {
    let same = node.attributes.borrow().get(&own.id) == Some(own);
    is_known(node) && !same && node.view.leader().is_some()
}
