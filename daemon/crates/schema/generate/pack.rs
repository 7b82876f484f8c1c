//! How what is generated is written into the binary.

use std::error::Error;

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

use crate::resource::Resource;
use crate::shelf::{Entry, Shelf};
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

/// Pieces of documents as they pile up.
#[derive(Default)]
pub(crate) struct Pieces {
    pub(crate) shelf: Shelf,
    pub(crate) packed: Vec<u8>,
    plain: Vec<Vec<u8>>,
}

impl Pieces {
    /// Adds a piece, and says its number.
    pub(crate) fn piece(&mut self, plain: impl Into<Vec<u8>>) -> Result<u16, Box<dyn Error>> {
        let plain = plain.into();
        self.packed.extend(deflated(&plain)?);
        self.shelf.ends.push(u32::try_from(self.packed.len())?);
        self.plain.push(plain);
        Ok(u16::try_from(self.plain.len() - 1)?)
    }

    /// Adds a document of JSON, made of these pieces.
    pub(crate) fn json(&mut self, path: &str, pieces: &[u16]) -> Result<(), Box<dyn Error>> {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.joined(pieces))
            .map_err(|error| format!("the document {path}: {error}"))?;
        self.document(path, pieces)
    }

    /// Adds a document made of these pieces.
    pub(crate) fn document(&mut self, path: &str, pieces: &[u16]) -> Result<(), Box<dyn Error>> {
        let plain = self.joined(pieces);
        self.shelf.documents.push(Entry {
            path: path.to_owned(),
            hash: format!("{:032X}", fnv(&plain)),
            pieces: pieces.to_vec(),
            crc32: crc32(&plain),
            length: u32::try_from(plain.len())?,
        });
        Ok(())
    }

    fn joined(&self, pieces: &[u16]) -> Vec<u8> {
        let pieces = pieces
            .iter()
            .map(|piece| self.plain[usize::from(*piece)].as_slice());
        pieces.collect::<Vec<_>>().concat()
    }
}

/// A raw deflate stream without a last block, that ends on a byte.
fn deflated(plain: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    const RAW: i32 = -15;
    let flags = create_comp_flags_from_zip_params(i32::from(LEVEL), RAW, 0);
    let mut compressor = Box::new(CompressorOxide::new(flags));
    let mut packed = vec![0; plain.len() * 2 + 1024];
    let (status, read, written) = compress(&mut compressor, plain, &mut packed, TDEFLFlush::Full);
    if status != TDEFLStatus::Okay || read != plain.len() {
        return Err(format!("deflate: {status:?} after {read} bytes").into());
    }
    packed.truncate(written);
    Ok(packed)
}

/// FNV-1a of 128 bits: tells documents apart, and needs not be hard to forge.
fn fnv(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    bytes.iter().fold(BASIS, step)
}

/// As in gzip (RFC 1952).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    };
    !bytes.iter().fold(u32::MAX, step)
}
