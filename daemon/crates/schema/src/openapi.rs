//! The OpenAPI documents of the built-in API: an index, one document of v3 for each group and
//! version, and one of v2 (`version_2`).
//!
//! They lie in the binary as deflated pieces that documents share (`shelf`): serving one with
//! `Content-Encoding: gzip` sends those bytes and costs no memory; serving it plain inflates it
//! bit by bit, with one window. Knows nothing about custom resources: whoever serves them merges
//! their lines into the index. Invariant: what is in the binary inflates, because a test inflates
//! all of it.

use std::collections::BTreeMap;

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use serde_json::{Value, json};

use crate::limits::CHUNK_BYTES;
use crate::shelf::{Entry, Shelf, VERSION_2};
use crate::version_2::Json;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.bin"));
static SHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shelf.bin"));

/// A gzip member without a name or a time (RFC 1952).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
/// An empty last block.
static DEFLATE_END: [u8; 2] = [0x03, 0x00];
const GZIP_TAIL_BYTES: usize = DEFLATE_END.len() + 8;

/// All documents. Costs a few kilobytes for as long as it lives.
#[derive(Debug, Clone)]
pub struct Documents {
    shelf: Shelf,
}

/// One document.
#[derive(Debug, Clone, Copy)]
pub struct Document<'d> {
    shelf: &'d Shelf,
    entry: &'d Entry,
}

/// The documents of the built-in API.
#[must_use]
pub fn built_in_documents() -> Documents {
    let shelf = postcard::from_bytes(SHELF).expect("what is generated decodes");
    Documents { shelf }
}

impl Documents {
    /// The lines of `/openapi/v3`: path (`apis/apps/v1`) to where its document is.
    #[must_use]
    pub fn index(&self) -> BTreeMap<String, String> {
        let all = self
            .shelf
            .documents
            .iter()
            .filter(|one| one.path != VERSION_2);
        let line = |one: &Entry| (one.path.clone(), relative_url(&one.path, &one.hash));
        all.map(line).collect()
    }

    /// The document of `/openapi/v3/{path}`.
    #[must_use]
    pub fn version_3(&self, path: &str) -> Option<Document<'_>> {
        (path != VERSION_2).then(|| self.find(path))?
    }

    /// The document of `/openapi/v2` as protobuf, which client-go asks for
    /// (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`).
    #[must_use]
    pub fn version_2_protobuf(&self) -> Document<'_> {
        self.find(VERSION_2)
            .expect("the document of v2 is generated")
    }

    /// The same as JSON, chunk by chunk. It lies nowhere compressed. Its ETag may be the hash of
    /// the protobuf form, if `Vary` says that it is for this media type.
    #[must_use]
    pub fn version_2_json(&self) -> Json<'_> {
        let protobuf = self.version_2_protobuf();
        Json::new(protobuf.plain(), protobuf.plain_length())
    }

    fn find(&self, path: &str) -> Option<Document<'_>> {
        let shelf = &self.shelf;
        let entry = shelf.documents.iter().find(|one| one.path == path)?;
        Some(Document { shelf, entry })
    }
}

/// Where a document of v3 is, as the index says it. The hash says which; it may be cached for
/// ever.
#[must_use]
pub fn relative_url(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

/// `/openapi/v3`, from the lines of `Documents::index` and whatever else is served.
#[must_use]
pub fn index_document(lines: &BTreeMap<String, String>) -> Value {
    let line = |(path, url): (&String, &String)| (path.clone(), json!({"serverRelativeURL": url}));
    let lines: serde_json::Map<String, Value> = lines.iter().map(line).collect();
    json!({"paths": lines})
}

impl<'d> Document<'d> {
    /// Changes whenever the document does: its ETag, without the quotes.
    #[must_use]
    pub fn hash(self) -> &'d str {
        &self.entry.hash
    }

    /// Bytes of the plain document.
    #[must_use]
    pub fn plain_length(self) -> usize {
        self.entry.length as usize
    }

    /// Bytes of the compressed document.
    #[must_use]
    pub fn gzip_length(self) -> usize {
        let pieces: usize = self.pieces().map(<[u8]>::len).sum();
        GZIP_HEAD.len() + pieces + GZIP_TAIL_BYTES
    }

    /// The compressed document, chunk by chunk: all but the first and last are bytes of the
    /// binary itself.
    pub fn gzip(self) -> impl Iterator<Item = Chunk> + use<'d> {
        let mut tail = DEFLATE_END.to_vec();
        tail.extend(self.entry.crc32.to_le_bytes());
        tail.extend(self.entry.length.to_le_bytes());
        let pieces = self.pieces().map(Chunk::Static);
        let head = std::iter::once(Chunk::Static(&GZIP_HEAD));
        head.chain(pieces)
            .chain(std::iter::once(Chunk::Owned(tail)))
    }

    /// The plain document, chunk by chunk, each of at most `CHUNK_BYTES`.
    #[must_use]
    pub fn plain(self) -> Plain<'d> {
        Plain {
            document: self,
            next: 0,
            rest: &[],
            state: InflateState::new_boxed(DataFormat::Raw),
        }
    }

    fn pieces(self) -> impl Iterator<Item = &'static [u8]> + use<'d> {
        let pieces = self.entry.pieces.iter();
        pieces.map(move |piece| self.piece(usize::from(*piece)))
    }

    fn piece(self, piece: usize) -> &'static [u8] {
        let ends = &self.shelf.ends;
        let start = piece
            .checked_sub(1)
            .map_or(0, |before| ends[before] as usize);
        &PACKED[start..ends[piece] as usize]
    }
}

/// A part of a compressed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes of the binary.
    Static(&'static [u8]),
    /// A few bytes at the end.
    Owned(Vec<u8>),
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A document as it is inflated. Holds one window, some 40 KB.
pub struct Plain<'d> {
    document: Document<'d>,
    next: usize,
    rest: &'static [u8],
    state: Box<InflateState>,
}

impl Iterator for Plain<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut written = 0;
        while written < chunk.len() {
            if self.rest.is_empty() {
                self.rest = match self.document.entry.pieces.get(self.next) {
                    Some(piece) => self.document.piece(usize::from(*piece)),
                    None if self.next == self.document.entry.pieces.len() => &DEFLATE_END,
                    None => &[],
                };
                self.next += 1;
            }
            let to = &mut chunk[written..];
            let done = inflate(&mut self.state, self.rest, to, MZFlush::None);
            self.rest = &self.rest[done.bytes_consumed..];
            written += done.bytes_written;
            // All is read, and the window is empty.
            if done.bytes_consumed == 0 && done.bytes_written == 0 {
                break;
            }
        }
        chunk.truncate(written);
        (written > 0).then_some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(document: Document<'_>) -> Vec<u8> {
        document.plain().flatten().collect()
    }

    #[test]
    fn every_document_is_json_plain_and_compressed() {
        let documents = built_in_documents();
        let index = documents.index();
        assert_eq!(index.len(), 22 + 20 + 5);
        let all = index.keys().map(|path| documents.version_3(path).unwrap());
        let mut all: Vec<Document<'_>> = all.collect();
        for document in &all {
            serde_json::from_slice::<Value>(&plain(*document)).unwrap();
        }
        all.push(documents.version_2_protobuf());
        for document in all {
            let bytes = plain(document);
            assert_eq!(bytes.len(), document.plain_length());
            let chunks: Vec<Chunk> = document.gzip().collect();
            let gzip: Vec<u8> = chunks
                .iter()
                .flat_map(|one| one.as_ref().to_vec())
                .collect();
            assert_eq!(gzip.len(), document.gzip_length());
            let body = &gzip[GZIP_HEAD.len()..gzip.len() - 8];
            let inflated = miniz_oxide::inflate::decompress_to_vec(body).unwrap();
            assert_eq!(inflated, bytes);
            let tail = &gzip[gzip.len() - 8..];
            assert_eq!(tail[..4], crc32(&bytes).to_le_bytes());
            assert_eq!(tail[4..], (bytes.len() as u32).to_le_bytes());
        }
    }

    /// Bit by bit, as RFC 1952 defines it.
    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for bit in bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |place| byte >> place & 1))
        {
            let odd = (crc ^ u32::from(bit)) & 1 == 1;
            crc = if odd {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
        !crc
    }

    #[test]
    fn the_documents_take_less_than_700_kb_of_the_binary() {
        assert!(PACKED.len() + SHELF.len() < 700_000, "{}", PACKED.len());
    }

    #[test]
    fn a_document_describes_what_kubectl_looks_for() {
        let documents = built_in_documents();
        let apps = documents.version_3("apis/apps/v1").unwrap();
        let apps: Value = serde_json::from_slice(&plain(apps)).unwrap();
        let item = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
        let patch = &item["patch"];
        let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
        assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
        assert_eq!(patch["x-kubernetes-action"], "patch");
        let names: Vec<&Value> = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["name"])
            .collect();
        assert_eq!(
            names,
            ["dryRun", "fieldManager", "fieldValidation", "force"]
        );
        let schemas = &apps["components"]["schemas"];
        let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
        assert_eq!(deployment["x-kubernetes-group-version-kind"], json!([kind]));
        let spec = &deployment["properties"]["spec"]["allOf"][0]["$ref"];
        assert_eq!(
            *spec,
            "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"
        );
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
        assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
        assert!(documents.version_3("").is_none() && documents.version_3("apis/x/v1").is_none());
    }

    #[test]
    fn the_index_tells_where_documents_are_and_when_they_change() {
        let documents = built_in_documents();
        let index = index_document(&documents.index());
        let url = index["paths"]["api/v1"]["serverRelativeURL"]
            .as_str()
            .unwrap();
        let hash = documents.version_3("api/v1").unwrap().hash();
        assert_eq!(url, format!("/openapi/v3/api/v1?hash={hash}"));
        assert_eq!(hash.len(), 32);
    }
}
