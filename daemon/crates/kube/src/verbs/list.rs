//! list: the objects of a resource, in chunks from the store to the socket.
//!
//! Invariant: memory does not grow with the list; everything in it is of one revision.

mod protobuf;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};
use skerry_store::KeyRange;

use crate::answer::encode::Encoder;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::filter::Filter;
use crate::negotiate::Encoding;
use crate::options::{ListOptions, Match};
use crate::registry;
use crate::storage::{Listing, StorageError, Stored};

const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

const LIST_EXPIRED: &str = "The resourceVersion for the provided list is too old.";

/// Where a list goes on: the revision and the first key, relative to the range.
struct Continue {
    /// -1: whatever is newest.
    revision: i64,
    start: String,
}

impl Continue {
    fn parse(token: &str) -> Result<Continue, ApiError> {
        let invalid = || ApiError::bad_request("continue key is not valid: the token is malformed");
        let text = URL_SAFE_NO_PAD
            .decode(token.trim_end_matches('='))
            .map_err(|_| invalid())?;
        let fields: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
        let start = fields.get("start").and_then(Value::as_str);
        let revision = fields.get("rv").and_then(Value::as_i64);
        match (start, revision) {
            (Some(start), Some(revision)) if !start.is_empty() => Ok(Continue {
                revision,
                start: start.to_owned(),
            }),
            _ => Err(invalid()),
        }
    }

    fn token(&self) -> String {
        let fields = json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.start});
        URL_SAFE_NO_PAD.encode(fields.to_string())
    }
}

/// What is said of a version that is forgotten: who was in the middle of a list may go on with
/// the newest one.
fn too_old(error: StorageError, resume: Option<&str>) -> ApiError {
    match (error, resume) {
        (StorageError::Compacted(_), Some(start)) => {
            let going_on = Continue {
                revision: -1,
                start: start.to_owned(),
            };
            let mut expired = ApiError::expired(CONTINUE_EXPIRED);
            expired.continue_token = Some(going_on.token());
            expired
        }
        (StorageError::Compacted(_), None) => ApiError::expired(LIST_EXPIRED),
        (other, _) => other.into(),
    }
}

/// A list that is being sent.
struct Sending {
    engine: Arc<Engine>,
    listing: Listing,
    /// Where it went on, of which the first chunk may say that this is too long ago.
    resume: Option<String>,
    filter: Filter,
    encoder: Encoder,
    /// The keys that it began with.
    range: KeyRange,
    /// All keys of the list; continue tokens are relative to its start.
    all: KeyRange,
    /// How many objects may still be sent; none: all.
    left: Option<usize>,
    /// Read but not sent.
    read: std::vec::IntoIter<Stored>,
    step: Step,
    sent: usize,
    /// What the metadata says where it is not the listing's own revision.
    revision: i64,
}

enum Step {
    Head,
    Items,
    Done,
}

impl Engine {
    pub(crate) async fn list(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let mut sending = self.listing(call).await?;
        if call.form.encoding == Encoding::Protobuf {
            return protobuf::answer(sending).await;
        }
        // What can fail fails now, while there is still a status to say so.
        let first = sending.piece().await?;
        if call.form.encoding == Encoding::Yaml {
            return whole(first, sending).await;
        }
        let rest = stream::unfold(Some(sending), |sending| async move {
            let mut sending = sending?;
            // Others get their turn between two chunks.
            tokio::task::yield_now().await;
            match sending.piece().await {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => Some((Ok(Bytes::from(piece)), Some(sending))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let first = stream::iter([Ok(Bytes::from(first))]);
        use futures_util::StreamExt;
        Ok(Answer::Parts(Box::pin(first.chain(rest))))
    }

    async fn listing(self: &Arc<Engine>, call: &Call) -> Result<Sending, ApiError> {
        let options = ListOptions::parse(&call.query, false)?;
        let filter = Filter::parse(&call.query, &call.resource)?;
        let all = registry::keys(&call.resource, &call.info.namespace);
        let going_on = match options.continue_token.as_str() {
            "" => None,
            token => Some(Continue::parse(token)?),
        };
        let (at, range) = match &going_on {
            Some(going_on) => (going_on.revision.max(0), from(&all, &going_on.start)),
            None => (0, self.narrowed(call, &filter, &all)),
        };
        let mut at = at;
        let asked = options.resource_version;
        if going_on.is_none() {
            if asked != Some(0) {
                self.freshen_for(call).await;
            }
            let current = self.storage.view()?.revision();
            if let Some(asked) = asked.filter(|asked| *asked > 0) {
                if asked > current {
                    return Err(ApiError::too_large_resource_version(asked, current));
                }
                let exact = options.version_match == Some(Match::Exact)
                    || (options.version_match.is_none() && options.limit > 0);
                at = if exact { asked } else { 0 };
            }
        }
        let resume = going_on.map(|going_on| going_on.start);
        let listing = self.storage.list(range.clone(), at);
        let listing = listing.map_err(|error| too_old(error, resume.as_deref()))?;
        Ok(Sending {
            engine: Arc::clone(self),
            revision: listing.revision(),
            listing,
            resume,
            range,
            filter,
            encoder: Encoder::new(call.form, &call.resource),
            all,
            left: (options.limit > 0).then_some(options.limit),
            read: Vec::new().into_iter(),
            step: Step::Head,
            sent: 0,
        })
    }

    /// One key where the selector allows only one.
    pub(crate) fn narrowed(&self, call: &Call, filter: &Filter, all: &KeyRange) -> KeyRange {
        let named = match call.info.name.as_str() {
            "" => filter.name(),
            name => Some(name),
        };
        let in_one_place = !call.resource.namespaced || !call.info.namespace.is_empty();
        match named {
            Some(name) if in_one_place && registry::check_segment(name).is_ok() => {
                let key = registry::key(&call.resource, &call.info.namespace, name);
                KeyRange::Key(Bytes::from(key))
            }
            _ => all.clone(),
        }
    }
}

fn from(all: &KeyRange, start: &str) -> KeyRange {
    let mut key = all.start().to_vec();
    key.extend_from_slice(start.as_bytes());
    match all {
        KeyRange::Span { end, .. } => KeyRange::Span {
            start: Bytes::from(key),
            end: end.clone(),
        },
        KeyRange::Key(_) | KeyRange::From(_) => KeyRange::From(Bytes::from(key)),
    }
}

/// All of a list at once, for encodings that cannot be sent in pieces.
async fn whole(mut text: Vec<u8>, mut sending: Sending) -> Result<Answer, ApiError> {
    loop {
        let piece = sending.piece().await?;
        if piece.is_empty() {
            break;
        }
        text.extend(piece);
    }
    let list = serde_json::from_slice(&text).map_err(ApiError::internal)?;
    Ok(Answer::Object(200, list))
}

/// A stored object as it is in the list, where it is to be in it.
fn shown(encoder: &Encoder, filter: &Filter, stored: &Stored) -> Result<Option<Value>, ApiError> {
    let object = engine::present(&encoder.resource, stored)?;
    Ok(filter.matches(&object).then(|| encoder.item(object)))
}

impl Sending {
    /// The same list from its beginning.
    fn restart(&mut self, range: KeyRange, left: Option<usize>) -> Result<(), ApiError> {
        self.listing = self.engine.storage.list(range, self.listing.revision())?;
        (self.left, self.sent, self.read) = (left, 0, Vec::new().into_iter());
        Ok(())
    }

    /// The next bytes; none at the end.
    async fn piece(&mut self) -> Result<Vec<u8>, ApiError> {
        let (head, tail) = self.encoder.list_frame();
        let mut piece = Vec::new();
        match self.step {
            Step::Done => return Ok(piece),
            Step::Head => {
                piece = head;
                self.step = Step::Items;
            }
            Step::Items => {}
        }
        // An empty piece would be the end.
        while piece.is_empty() || matches!(self.step, Step::Items) {
            let mut is_first = self.sent == 0;
            self.fetch().await?;
            let more = self.items(|encoder, filter, stored| {
                let before = piece.len();
                if !is_first {
                    piece.push(b',');
                }
                if !(filter.is_everything() && encoder.splice(stored, true, &mut piece)) {
                    let Some(item) = shown(encoder, filter, stored)? else {
                        piece.truncate(before);
                        return Ok(false);
                    };
                    piece.extend(answer::json(&item));
                }
                is_first = false;
                Ok(true)
            })?;
            if !more {
                piece.extend(tail);
                piece.extend(answer::json(&self.metadata()?));
                piece.extend_from_slice(b"}\n");
                self.step = Step::Done;
                break;
            }
            if piece.len() >= crate::limits::LIST_CHUNK_BYTES {
                break;
            }
        }
        Ok(piece)
    }

    /// Reads the next chunk where all that was read is sent.
    async fn fetch(&mut self) -> Result<(), ApiError> {
        if self.left != Some(0) && self.read.as_slice().is_empty() {
            let chunk = self.listing.next_chunk();
            let chunk = chunk.map_err(|error| too_old(error, self.resume.as_deref()))?;
            let resource = &self.encoder.resource;
            self.read = self.engine.in_version(resource, chunk).await?.into_iter();
        }
        Ok(())
    }

    /// Offers the objects of one chunk, of which those that are taken count; false where there are
    /// no more or enough.
    fn items(
        &mut self,
        mut take: impl FnMut(&Encoder, &Filter, &Stored) -> Result<bool, ApiError>,
    ) -> Result<bool, ApiError> {
        if self.left == Some(0) || self.read.as_slice().is_empty() {
            return Ok(false);
        }
        for stored in self.read.by_ref() {
            if !take(&self.encoder, &self.filter, &stored)? {
                continue;
            }
            self.sent += 1;
            if let Some(left) = &mut self.left {
                *left -= 1;
                if *left == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn metadata(&mut self) -> Result<Value, ApiError> {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), self.revision.to_string().into());
        if self.left == Some(0) {
            let next = match self.read.next() {
                Some(next) => Some(next.key),
                None => {
                    let more = self.listing.next_chunk()?;
                    more.into_iter().next().map(|next| next.key)
                }
            };
            if let Some(next) = next {
                let relative = &next[self.all.start().len().min(next.len())..];
                let going_on = Continue {
                    revision: self.revision,
                    start: String::from_utf8_lossy(relative).into_owned(),
                };
                metadata.insert("continue".into(), going_on.token().into());
                if self.filter.is_everything() {
                    let rest = from(&self.all, &going_on.start);
                    let count = self.engine.storage.count(&rest, self.revision)?;
                    metadata.insert("remainingItemCount".into(), count.into());
                }
            }
        }
        Ok(Value::Object(metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_others_are_refused() {
        let token = Continue {
            revision: 7,
            start: "a/b\0".into(),
        }
        .token();
        let read = Continue::parse(&token).unwrap();
        assert_eq!((read.revision, read.start.as_str()), (7, "a/b\0"));
        for bad in [
            "x",
            "%%%",
            &URL_SAFE_NO_PAD.encode("{}"),
            &URL_SAFE_NO_PAD.encode("[1]"),
        ] {
            assert!(Continue::parse(bad).is_err());
        }
    }
}
