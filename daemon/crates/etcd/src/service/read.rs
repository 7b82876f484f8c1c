//! Reading the state without holding up the other clients.
//!
//! All clients share one thread, and a range may cover the whole keyspace. So a plain range is
//! read in pieces between which others get their turn, one that has to be sorted or filtered goes
//! to a thread of its own, and only what is small by itself is read at once. However it is read,
//! an answer is of one moment: the view is held throughout.

use std::sync::Arc;

use skerry_listen::pressure;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_store::{KeyRange, QueryError, View};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::limits::{LARGE_ANSWER_WAIT_MAX, READ_AT_ONCE_KEYS, READ_PIECE_BYTES};

/// An answer of so many keys is never counted as large.
const FEW_KEYS: i64 = 16;

/// Room for one answer that may be large; given back when it is dropped.
pub(crate) type LargeAnswer = OwnedSemaphorePermit;

/// Whether the answer may hold more than a few keys.
pub(super) fn may_be_large(request: &pb::RangeRequest) -> bool {
    let few = (1..=FEW_KEYS).contains(&request.limit);
    !request.range_end.is_empty() && !request.count_only && !few
}

/// How a range is read.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    AtOnce,
    InPieces,
    OnAThread,
}

fn way(request: &pb::RangeRequest) -> Way {
    if !may_be_large(request) {
        return Way::AtOnce;
    }
    let in_key_order = request.sort_order == 0 && request.sort_target == 0;
    let filtered = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    let plain = in_key_order && filtered == [0; 4];
    match request.limit {
        ..=0 if plain && !request.keys_only => Way::InPieces,
        1..=READ_AT_ONCE_KEYS if plain => Way::AtOnce,
        _ => Way::OnAThread,
    }
}

impl Api {
    /// Waits for room for one more answer that may be large.
    pub(super) async fn room_for_large_answer(&self) -> Result<LargeAnswer, Status> {
        let room = Arc::clone(&self.large_answers).acquire_owned();
        match tokio::time::timeout(LARGE_ANSWER_WAIT_MAX, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(errors::STOPPED.into()),
            Err(_) => Err(errors::TOO_MANY_REQUESTS.into()),
        }
    }

    /// Answers a range from the state as it is now.
    pub(super) async fn read_range(
        &self,
        request: pb::RangeRequest,
    ) -> Result<pb::RangeResponse, Status> {
        let view = self.view()?;
        let response = match way(&request) {
            Way::AtOnce => view.range(&request),
            Way::InPieces => match in_pieces(&view, &request).await {
                Ok(None) => return Err(errors::NO_MEMORY.into()),
                Ok(Some(response)) => Ok(response),
                Err(error) => Err(error),
            },
            // All of it is held at once, and how much that is shows only then.
            Way::OnAThread
                if request.limit == 0 && pressure::room() as u64 / 2 < view.size_in_use_bytes() =>
            {
                return Err(errors::NO_MEMORY.into());
            }
            Way::OnAThread => on_a_thread(move || view.range(&request)).await?,
        };
        response.map_err(|error| errors::query(&error))
    }

    /// Answers a transaction that only reads from the state as it is now.
    pub(super) async fn read_operations(
        &self,
        request: pb::TxnRequest,
    ) -> Result<pb::TxnResponse, Status> {
        let view = self.view()?;
        let mut operations = request.success.iter().chain(&request.failure);
        let long = operations.any(|operation| match &operation.request {
            Some(Request::RequestRange(range)) => way(range) != Way::AtOnce,
            _ => false,
        });
        let response = match long {
            true => on_a_thread(move || view.txn(&request)).await?,
            false => view.txn(&request),
        };
        response.map_err(|error| errors::query(&error))
    }
}

async fn on_a_thread<R: Send + 'static>(
    read: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Status> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| Status::internal(format!("etcdserver: {error}")))
}

/// Nothing where memory does not last.
async fn in_pieces(
    view: &View,
    request: &pb::RangeRequest,
) -> Result<Option<pb::RangeResponse>, QueryError> {
    let range = KeyRange::new(&request.key, &request.range_end);
    let mut pieces = view.range_chunks(range, request.revision)?;
    let mut kvs = pieces.next_chunk(READ_PIECE_BYTES)?;
    loop {
        if pressure::is_high() {
            return Ok(None);
        }
        let more = pieces.next_chunk(READ_PIECE_BYTES)?;
        if more.is_empty() {
            break;
        }
        kvs.extend(more);
        tokio::task::yield_now().await;
    }
    let header = pb::ResponseHeader {
        revision: view.revision(),
        ..Default::default()
    };
    Ok(Some(pb::RangeResponse {
        header: Some(header),
        count: kvs.len() as i64,
        kvs,
        more: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> pb::RangeRequest {
        pb::RangeRequest {
            key: "a".into(),
            range_end: "b".into(),
            ..Default::default()
        }
    }

    #[test]
    fn only_what_is_small_by_itself_is_read_at_once() {
        let one = pb::RangeRequest {
            range_end: "".into(),
            ..all()
        };
        let first = pb::RangeRequest {
            limit: 1,
            sort_order: 1,
            sort_target: 2,
            ..all()
        };
        let page = pb::RangeRequest {
            limit: READ_AT_ONCE_KEYS,
            ..all()
        };
        let count = pb::RangeRequest {
            count_only: true,
            ..all()
        };
        for request in [one, first, page, count] {
            assert_eq!(way(&request), Way::AtOnce, "{request:?}");
        }
        assert_eq!(way(&all()), Way::InPieces);
        let pages = pb::RangeRequest {
            limit: READ_AT_ONCE_KEYS + 1,
            ..all()
        };
        let sorted = pb::RangeRequest {
            sort_order: 1,
            ..all()
        };
        let filtered = pb::RangeRequest {
            min_mod_revision: 1,
            ..all()
        };
        let keys = pb::RangeRequest {
            keys_only: true,
            ..all()
        };
        for request in [pages, sorted, filtered, keys] {
            assert_eq!(way(&request), Way::OnAThread, "{request:?}");
        }
    }
}
