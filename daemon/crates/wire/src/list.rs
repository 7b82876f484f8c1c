//! Lists, item by item: the envelope says how long they are, so that it is made last and sent
//! first.

use serde_json::Value;

use crate::encode::{fields, object, of};
use crate::envelope;
use crate::error::EncodeError;
use crate::table::{Message, Of};
use crate::write::Backward;

/// A list that is being written.
#[derive(Debug)]
pub struct List {
    api_version: String,
    kind: String,
    metadata: Message,
    item: Message,
    length: usize,
}

impl List {
    /// A list of this kind (`PodList`).
    pub fn new(api_version: &str, kind: &str) -> Result<List, EncodeError> {
        let list = of(api_version, kind)?;
        let inner = |number| {
            let field = crate::built_in::TABLE.field(list, number)?;
            match field.of {
                Of::Message(number) => Some(crate::built_in::TABLE.message(number)),
                _ => None,
            }
        };
        let (Some(metadata), Some(item), true) = (inner(1), inner(2), kind.ends_with("List"))
        else {
            return Err(EncodeError::UnknownKind {
                api_version: api_version.into(),
                kind: kind.into(),
            });
        };
        Ok(List {
            api_version: api_version.into(),
            kind: kind.into(),
            metadata,
            item,
            length: 0,
        })
    }

    /// The bytes of the next item.
    pub fn item(&mut self, value: &Value) -> Result<Vec<u8>, EncodeError> {
        let bytes = run(2, self.item, value)?;
        self.length += bytes.len();
        Ok(bytes)
    }

    /// Bytes of the items so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there was none so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What comes before the items and after them, once all of them are known.
    pub fn close(self, metadata: &Value) -> Result<(Vec<u8>, &'static [u8]), EncodeError> {
        let metadata = run(1, self.metadata, metadata)?;
        let length = metadata.len() + self.length;
        let mut head = envelope::head(&self.api_version, &self.kind, length);
        head.extend(metadata);
        Ok((head, envelope::TAIL))
    }
}

fn run(number: u16, of: Message, value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut out = Backward::default();
    fields(of, object(value)?, 1, &mut out)?;
    out.close(number, 0);
    Ok(out.finish())
}
