//! Applying commands to the tables of one write transaction.
//!
//! Pure over the tables: no clock, no randomness, no order of a hash map. Knows nothing about
//! durability or about who waits. Invariant: a command is refused before it changes anything, or
//! it is applied whole; what it answers and leaves behind is the same on every member.

mod alarm;
mod import;
mod kv;
mod lease;
mod member;
mod mirror;
mod txn;

use prost::Message;
use redb::{Table, WriteTransaction};
use skerry_proto::command::{Command, command::Operation};
use skerry_proto::{etcdserverpb as pb, mvccpb};

pub(crate) use alarm::Alarms;
pub(crate) use txn::read_only;

use crate::auth::Auth;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::lease as lease_rows;
use crate::limits::COMMAND_BYTES_MAX;
use crate::range::Window;
use crate::revision::Position;
use crate::sealed;
use crate::state::State;
use crate::store::save_state;
use crate::tables;
use crate::{Applied, ApplyError, Entry, LeaseChange, LogId, Payload, Reply, Revision};

type BytesTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The tables of a write transaction, and what has been done to them so far.
pub(crate) struct Batch<'t> {
    txn: &'t WriteTransaction,
    auth: &'t mut Auth,
    events: BytesTable<'t>,
    keys: BytesTable<'t>,
    history: BytesTable<'t>,
    leases: Option<BytesTable<'t>>,
    lease_keys: Option<BytesTable<'t>>,
    pub(crate) state: State,
    pub(crate) alarms: Alarms,
    pub(crate) applied: Vec<Applied>,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) lease_changes: Vec<LeaseChange>,
    /// The revisions do not follow those of the batch before.
    pub(crate) leapt: bool,
    /// Events of the command that is being applied.
    changes: Vec<mvccpb::Event>,
}

impl<'t> Batch<'t> {
    /// Opens the tables that almost every batch needs.
    pub(crate) fn begin(
        txn: &'t WriteTransaction,
        state: State,
        alarms: Alarms,
        auth: &'t mut Auth,
    ) -> Result<Batch<'t>, Fault> {
        Ok(Batch {
            txn,
            auth,
            events: txn.open_table(tables::EVENTS)?,
            keys: txn.open_table(tables::KEYS)?,
            history: txn.open_table(tables::HISTORY)?,
            leases: None,
            lease_keys: None,
            state,
            alarms,
            applied: Vec::new(),
            revisions: Vec::new(),
            lease_changes: Vec::new(),
            leapt: false,
            changes: Vec::new(),
        })
    }

    /// Applies one entry, or skips it where it has been applied before.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
        let applied = self.state.applied.map(|applied| applied.index);
        if applied.is_some_and(|applied| entry.log_id.index <= applied) {
            return Ok(());
        }
        match &entry.payload {
            Payload::Blank => {}
            Payload::Membership(membership) => {
                let mut meta = self.txn.open_table(tables::META)?;
                let row = sealed::seal(tables::META_MEMBERSHIP, membership);
                meta.insert(tables::META_MEMBERSHIP, &row[..])?;
            }
            Payload::Command(encoded) => self.encoded(entry.log_id, encoded)?,
        }
        self.state.applied = Some(entry.log_id);
        Ok(())
    }

    /// Writes the counters; the tables are closed with it.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        save_state(self.txn, &self.state)
    }

    fn encoded(&mut self, log_id: LogId, encoded: &bytes::Bytes) -> Result<(), Fault> {
        let mut applied = Applied {
            log_id,
            origin: 0,
            request: 0,
            outcome: Err(ApplyError::UnknownCommand("too large".into())),
        };
        if encoded.len() <= COMMAND_BYTES_MAX {
            match Command::decode(encoded.clone()) {
                Ok(command) => {
                    applied.origin = command.origin;
                    applied.request = command.request;
                    applied.outcome = self.command(log_id, &command)?;
                }
                Err(error) => {
                    applied.outcome = Err(ApplyError::UnknownCommand(error.to_string()));
                }
            }
        }
        self.applied.push(applied);
        Ok(())
    }

    /// Applies a command; the outer error is this member's trouble.
    fn command(
        &mut self,
        log_id: LogId,
        command: &Command,
    ) -> Result<Result<Reply, ApplyError>, Fault> {
        let outcome = match self.operation(log_id, command) {
            Ok(reply) => Ok(reply),
            // The checks that come first make this impossible; going on would break atomicity.
            Err(Fault::Refused(refused)) if !self.changes.is_empty() => {
                return Err(Fault::corrupt(format!(
                    "entry {} was refused halfway: {refused}",
                    log_id.index
                )));
            }
            Err(Fault::Refused(refused)) => Err(refused),
            Err(trouble) => return Err(trouble),
        };
        if !self.changes.is_empty() {
            self.state.revision += 1;
            self.revisions.push(Revision {
                revision: self.state.revision,
                events: std::mem::take(&mut self.changes),
            });
        }
        Ok(outcome.map(|mut reply| {
            if let Some(header) = reply.header_mut() {
                header.raft_term = log_id.term;
                header.revision = self.state.revision;
            }
            reply
        }))
    }

    fn operation(&mut self, log_id: LogId, command: &Command) -> Result<Reply, Fault> {
        let Some(operation) = &command.operation else {
            return Err(ApplyError::UnknownCommand("no operation".into()).into());
        };
        self.permit(command)?;
        self.alarms.permit(operation)?;
        Ok(match operation {
            Operation::Put(put) => Reply::Put(self.put_alone(put)?),
            Operation::DeleteRange(delete) => Reply::DeleteRange(self.delete_range(delete)?),
            Operation::Txn(txn) => Reply::Txn(self.txn(txn)?),
            Operation::Compaction(compaction) => self.compaction(compaction)?,
            Operation::LeaseGrant(grant) => self.lease_grant(grant)?,
            Operation::LeaseRevoke(revoke) => self.lease_revoke(revoke)?,
            Operation::LeaseCheckpoint(checkpoint) => self.lease_checkpoint(checkpoint)?,
            Operation::Alarm(alarm) => self.alarm(alarm)?,
            Operation::MemberIdAllocate(_) => self.member_id_allocate()?,
            Operation::MemberAttributes(attributes) => self.member_attributes(attributes)?,
            authentication => {
                let header = pb::ResponseHeader::default();
                let reply = self
                    .auth
                    .apply(self.txn, log_id.index, authentication, header)?;
                reply.ok_or_else(|| ApplyError::UnknownCommand("of an unknown kind".into()))??
            }
        })
    }

    /// Whether the caller may: asked of the state that the entries before have left.
    fn permit(&mut self, command: &Command) -> Result<(), Fault> {
        if command.of_member {
            return Ok(());
        }
        let keys_of = &mut |id| {
            let table = open_once(self.txn, &mut self.lease_keys, tables::LEASE_KEYS)?;
            lease_rows::keys(table, id)
        };
        self.auth.state().permit_command(command, keys_of)
    }

    /// etcd's logical compaction: what lies before can no longer be read. The space is given
    /// back later, in steps, by each member for itself.
    fn compaction(&mut self, request: &pb::CompactionRequest) -> Result<Reply, Fault> {
        if request.revision <= self.state.compact_revision {
            return Err(ApplyError::Compacted.into());
        }
        if request.revision > self.state.revision {
            return Err(ApplyError::FutureRevision.into());
        }
        self.state.compact_revision = request.revision;
        Ok(Reply::Compaction(pb::CompactionResponse {
            header: Some(pb::ResponseHeader::default()),
        }))
    }

    /// What can be read now: the writes of the command so far included.
    fn window(&self) -> Window {
        Window {
            compact_revision: self.state.compact_revision,
            revision: self.state.revision + i64::from(!self.changes.is_empty()),
        }
    }

    /// Where the next event of the command goes.
    fn next_position(&self) -> Result<Position, Fault> {
        let sub = u32::try_from(self.changes.len());
        let sub = sub.map_err(|_| Fault::corrupt("a command with 2^32 events"))?;
        Ok(Position::new(self.state.revision + 1, sub))
    }

    fn leases(&mut self) -> Result<&mut BytesTable<'t>, Fault> {
        open_once(self.txn, &mut self.leases, tables::LEASES)
    }

    fn lease_keys(&mut self) -> Result<&mut BytesTable<'t>, Fault> {
        open_once(self.txn, &mut self.lease_keys, tables::LEASE_KEYS)
    }
}

fn open_once<'a, 't>(
    txn: &'t WriteTransaction,
    table: &'a mut Option<BytesTable<'t>>,
    definition: tables::Definition,
) -> Result<&'a mut BytesTable<'t>, Fault> {
    match table {
        Some(table) => Ok(table),
        None => Ok(table.insert(txn.open_table(definition)?)),
    }
}

impl<'t> Keyspace for Batch<'t> {
    type Table = BytesTable<'t>;

    fn keys(&self) -> &Self::Table {
        &self.keys
    }

    fn events(&self) -> &Self::Table {
        &self.events
    }

    fn history(&self) -> &Self::Table {
        &self.history
    }
}
