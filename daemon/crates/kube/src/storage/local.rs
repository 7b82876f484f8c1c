//! A store of one member without consensus, for tests: what is proposed is applied at once.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;
use skerry_consensus::{ProposeError, ReadError};
use skerry_proto::command::Command;
use skerry_proto::command::command::Operation;
use skerry_store::{Entry, LogId, Options, Payload, Reader, Reply, Store};

use super::{Datastore, Leadership, Pending};

/// See the module.
pub(crate) struct Local {
    reader: Reader,
    writer: Mutex<(Store, u64)>,
    leadership: Mutex<Leadership>,
    _folder: tempfile::TempDir,
}

impl Local {
    pub(crate) fn new() -> Arc<Local> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.redb"), Options::default()).unwrap();
        Arc::new(Local {
            reader: store.reader(),
            writer: Mutex::new((store, 0)),
            leadership: Mutex::new(Leadership::Here),
            _folder: folder,
        })
    }

    pub(crate) fn set_leadership(&self, leadership: Leadership) {
        *self.leadership.lock().unwrap() = leadership;
    }

    /// Forgets what was before a revision.
    pub(crate) fn compact(&self, revision: i64) {
        let compaction = skerry_proto::etcdserverpb::CompactionRequest {
            revision,
            physical: true,
        };
        self.apply(Operation::Compaction(compaction)).unwrap();
    }

    fn apply(&self, mut operation: Operation) -> Result<Reply, ProposeError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (store, index) = &mut *writer;
        if let Operation::LeaseGrant(grant) = &mut operation
            && grant.id == 0
        {
            grant.id = 1_000 + *index as i64;
        }
        let command = Command {
            origin: 1,
            request: *index,
            operation: Some(operation),
            ..Command::default()
        };
        let entry = Entry {
            log_id: LogId {
                term: 1,
                node_id: 1,
                index: *index,
            },
            payload: Payload::Command(Bytes::from(command.encode_to_vec())),
        };
        *index += 1;
        let batch = store.apply(&[entry]).unwrap();
        let applied = batch.applied.into_iter().next().unwrap();
        applied.outcome.map_err(ProposeError::from)
    }
}

impl Datastore for Local {
    fn propose(&self, operation: Operation) -> Pending<'_, Result<Reply, ProposeError>> {
        Box::pin(std::future::ready(self.apply(operation)))
    }

    fn linearize(&self) -> Pending<'_, Result<(), ReadError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn reader(&self) -> Reader {
        self.reader.clone()
    }

    fn leadership(&self) -> Leadership {
        *self.leadership.lock().unwrap()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![IpAddr::from([127, 0, 0, 1])]
    }
}
