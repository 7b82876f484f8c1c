//! How what is generated is written into the binary.

use std::error::Error;

use crate::resource::Resource;
use crate::types::Types;

/// The highest level of miniz: building is rare, and every byte is shipped.
const LEVEL: u8 = 10;

/// Types and resources: postcard, deflated, with its plain length in front (32 bits,
/// little-endian).
pub(crate) fn catalog(types: &Types, resources: &[Resource]) -> Result<Vec<u8>, Box<dyn Error>> {
    let plain = postcard::to_stdvec(&(types, resources))?;
    let mut packed = u32::try_from(plain.len())?.to_le_bytes().to_vec();
    packed.extend(miniz_oxide::deflate::compress_to_vec(&plain, LEVEL));
    Ok(packed)
}
