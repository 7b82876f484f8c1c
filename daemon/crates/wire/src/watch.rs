//! Events of a watch: a length of four bytes (big-endian), then a `meta/v1.WatchEvent` without an
//! envelope, in which the object is with its own.

use serde_json::Value;

use crate::encode::encode;
use crate::error::EncodeError;
use crate::write::Backward;

/// One event of a watch.
pub fn event(
    event_type: &str,
    value: &Value,
    api_version: &str,
    kind: &str,
) -> Result<Vec<u8>, EncodeError> {
    let object = encode(value, api_version, kind)?;
    let mut out = Backward::default();
    out.run(1, &object);
    out.close(2, 0);
    out.run(1, event_type.as_bytes());
    let length = u32::try_from(out.len()).map_err(|_| EncodeError::wrong("less than 4 GiB"))?;
    out.bytes(&length.to_be_bytes());
    Ok(out.finish())
}
