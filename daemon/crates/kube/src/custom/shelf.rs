//! Compiled schemas, as many as memory allows; the others are compiled again when they are needed.
//!
//! Invariant: a schema is that of the definition's generation that was asked for, or of a later one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use skerry_custom::{ROOT, Schema};
use skerry_schema::{Type, Types};

use super::Definition;
use crate::decode;
use crate::error::ApiError;
use crate::limits::SCHEMAS_BYTES_MAX;
use crate::object;
use crate::storage::Storage;

/// A version's schema.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) schema: Schema,
    types: Types,
}

impl Compiled {
    /// What server-side apply has to know.
    pub(crate) fn of(&self) -> Option<Type<'_>> {
        self.types.definition(ROOT)
    }
}

/// See the module.
pub(crate) struct Shelf {
    storage: Storage,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// The one that was used last is the last one.
    schemas: VecDeque<Kept>,
    bytes: usize,
}

struct Kept {
    uid: String,
    generation: i64,
    version: String,
    compiled: Arc<Compiled>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    pub(crate) fn new(storage: Storage) -> Arc<Shelf> {
        Arc::new(Shelf {
            storage,
            held: Mutex::default(),
        })
    }

    pub(crate) fn compiled(
        &self,
        definition: &Definition,
        version: &str,
    ) -> Result<Arc<Compiled>, ApiError> {
        if let Some(found) = self.take(definition, version) {
            return Ok(found);
        }
        let object = self.definition(definition)?;
        let schema = skerry_custom::definition::Definition::schema(&object, version);
        let schema = Schema::compile(schema).map_err(ApiError::internal)?;
        let types = schema.types();
        let compiled = Arc::new(Compiled { schema, types });
        self.keep(Kept {
            uid: object::uid(&object).to_owned(),
            generation: object::generation(&object),
            version: version.to_owned(),
            compiled: Arc::clone(&compiled),
        });
        Ok(compiled)
    }

    /// A definition as the store holds it.
    pub(crate) fn definition(&self, definition: &Definition) -> Result<Value, ApiError> {
        let stored = self.storage.get(&definition.key())?;
        let stored = stored.ok_or_else(ApiError::no_such_path)?;
        decode::stored(&stored.value)
    }

    fn take(&self, definition: &Definition, version: &str) -> Option<Arc<Compiled>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &Kept| {
            kept.uid == definition.uid
                && kept.generation >= definition.generation
                && kept.version == version
        };
        let place = held.schemas.iter().position(is_it)?;
        let kept = held.schemas.remove(place)?;
        let compiled = Arc::clone(&kept.compiled);
        held.schemas.push_back(kept);
        Some(compiled)
    }

    fn keep(&self, kept: Kept) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.schemas
            .retain(|other| other.uid != kept.uid || other.version != kept.version);
        held.schemas.push_back(kept);
        let size = |kept: &Kept| kept.compiled.schema.heap_bytes();
        held.bytes = held.schemas.iter().map(size).sum();
        // The newest one stays, however large it is.
        while held.bytes > SCHEMAS_BYTES_MAX && held.schemas.len() > 1 {
            if let Some(oldest) = held.schemas.pop_front() {
                held.bytes -= size(&oldest);
            }
        }
    }
}
