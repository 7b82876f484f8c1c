//! Ids of members, and what members say of themselves.
//!
//! Knows nothing about who votes. Invariant: an id is handed out once, for ever.

use prost::Message;
use skerry_proto::command::MemberAttributes;

use super::Batch;
use crate::fault::Fault;
use crate::{ApplyError, Reply, sealed, tables};

impl Batch<'_> {
    pub(super) fn member_id_allocate(&mut self) -> Result<Reply, Fault> {
        let id = self.state.next_member_id;
        let next = id.checked_add(1);
        let next = next.ok_or_else(|| ApplyError::UnknownCommand("no member id is left".into()))?;
        self.state.next_member_id = next;
        Ok(Reply::MemberId(id))
    }

    pub(super) fn member_attributes(
        &mut self,
        attributes: &MemberAttributes,
    ) -> Result<Reply, Fault> {
        // A member that came to be by other means than an allocated id.
        let after = attributes.id.saturating_add(1);
        self.state.next_member_id = self.state.next_member_id.max(after);
        let mut table = self.txn.open_table(tables::MEMBERS)?;
        let row = attributes.id.to_be_bytes();
        let sealed = sealed::seal(&row, &attributes.encode_to_vec());
        table.insert(&row[..], &sealed[..])?;
        Ok(Reply::MemberAttributes)
    }
}
