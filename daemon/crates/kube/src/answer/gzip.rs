//! Answers compressed as upstream does: those that are long, for clients that take it, and fast
//! rather than small.
//!
//! A list is compressed while it is sent. Only a few answers are compressed at once, because a
//! compressor takes more memory than an answer in pieces does; others are sent as they are.
//! Invariant: what is not worth it, or has no end, is sent untouched.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response, header};
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output, create_comp_flags_from_zip_params,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Body;
use super::body::{Parts, Streamed};
use crate::error::ApiError;
use crate::limits::{GZIP_BYTES_MIN, GZIP_MAX};

static COMPRESSORS: Semaphore = Semaphore::const_new(GZIP_MAX);

/// As upstream: the least work.
const LEVEL: i32 = 1;
/// No header of the format's own.
const RAW: i32 = -15;
/// Magic, deflate, no flags, no time, fastest, unknown system (RFC 1952, 2.3).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Whether a client takes gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get(header::ACCEPT_ENCODING);
    let said = said.and_then(|value| value.to_str().ok());
    said.unwrap_or_default().split(',').any(|coding| {
        let (coding, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().trim_start_matches("q=");
        coding.trim() == "gzip" && weight.parse() != Ok(0.0)
    })
}

/// Compresses an answer that turns out to be long.
pub(crate) async fn offer(response: Response<Body>) -> Response<Body> {
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let (body, compressed) = match body {
        Body::Full(content) if content.len() > GZIP_BYTES_MIN => match Gzip::start() {
            Some(gzip) => (Body::parts(whole(gzip, content)), true),
            None => (Body::Full(content), false),
        },
        Body::Parts(Streamed(parts)) => match Gzip::start() {
            Some(gzip) => pieces(gzip, parts).await,
            None => (Body::Parts(Streamed(parts)), false),
        },
        other => (other, false),
    };
    if compressed {
        let gzip = HeaderValue::from_static("gzip");
        head.headers.insert(header::CONTENT_ENCODING, gzip);
        let vary = HeaderValue::from_static("Accept-Encoding");
        head.headers.append(header::VARY, vary);
    }
    Response::from_parts(head, body)
}

/// Bytes that are compressed before others get their turn.
const SLICE_BYTES: usize = 64 << 10;

fn whole(gzip: Gzip, content: Bytes) -> Parts {
    let slices = stream::unfold(content, |mut content| async move {
        let slice = content.split_to(content.len().min(SLICE_BYTES));
        tokio::task::yield_now().await;
        (!slice.is_empty()).then_some((Ok(slice), content))
    });
    compressed(gzip, Box::pin(slices))
}

/// Takes as much as it needs to know whether a stream is long.
async fn pieces(gzip: Gzip, mut parts: Parts) -> (Body, bool) {
    let mut first = Vec::new();
    let mut bytes = 0;
    while bytes <= GZIP_BYTES_MIN {
        match parts.next().await {
            Some(Ok(part)) => {
                bytes += part.len();
                first.push(Ok(part));
            }
            Some(Err(error)) => {
                first.push(Err(error));
                return (Body::parts(stream::iter(first)), false);
            }
            None => {
                let mut joined = BytesMut::with_capacity(bytes);
                first
                    .into_iter()
                    .flatten()
                    .for_each(|part: Bytes| joined.extend_from_slice(&part));
                return (Body::Full(joined.freeze()), false);
            }
        }
    }
    let all = stream::iter(first).chain(parts);
    (Body::parts(compressed(gzip, Box::pin(all))), true)
}

fn compressed(gzip: Gzip, parts: Parts) -> Parts {
    let state = Some((gzip, parts));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut gzip, mut parts) = state?;
        loop {
            let piece = match parts.next().await {
                Some(Ok(part)) => gzip.take(&part),
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    let last = gzip.finish();
                    return Some((last.map(Bytes::from), None));
                }
            };
            match piece {
                // The compressor keeps what is short for later.
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Some((Ok(Bytes::from(piece)), Some((gzip, parts)))),
                Err(error) => return Some((Err(error), None)),
            }
        }
    }))
}

/// A compressor under way, and what the end of the format says of all that went in.
struct Gzip {
    compressor: Box<CompressorOxide>,
    checksum: Crc32,
    bytes: u32,
    begun: bool,
    _one_of_few: SemaphorePermit<'static>,
}

impl Gzip {
    /// None where enough others are under way.
    fn start() -> Option<Gzip> {
        let permit = COMPRESSORS.try_acquire().ok()?;
        let flags = create_comp_flags_from_zip_params(LEVEL, RAW, 0);
        Some(Gzip {
            compressor: Box::new(CompressorOxide::new(flags)),
            checksum: Crc32::default(),
            bytes: 0,
            begun: false,
            _one_of_few: permit,
        })
    }

    fn take(&mut self, part: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.checksum.add(part);
        // Modulo 2^32, as the format wants it.
        self.bytes = self.bytes.wrapping_add(part.len() as u32);
        self.compress(part, TDEFLFlush::None)
    }

    fn finish(mut self) -> Result<Vec<u8>, ApiError> {
        let mut last = self.compress(&[], TDEFLFlush::Finish)?;
        last.extend(self.checksum.value().to_le_bytes());
        last.extend(self.bytes.to_le_bytes());
        Ok(last)
    }

    fn compress(&mut self, part: &[u8], flush: TDEFLFlush) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::new();
        if !self.begun {
            out.extend(HEAD);
            self.begun = true;
        }
        let (status, _) = compress_to_output(&mut self.compressor, part, flush, |piece| {
            out.extend_from_slice(piece);
            true
        });
        match status {
            TDEFLStatus::Okay | TDEFLStatus::Done => Ok(out),
            TDEFLStatus::BadParam | TDEFLStatus::PutBufFailed => {
                Err(ApiError::internal("an answer could not be compressed"))
            }
        }
    }
}

/// CRC-32 of RFC 1952, 8: reflected, polynomial 0xEDB88320.
#[derive(Default)]
struct Crc32(u32);

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 {
                0xEDB8_8320 ^ (rest >> 1)
            } else {
                rest >> 1
            };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

impl Crc32 {
    fn add(&mut self, part: &[u8]) {
        let mut rest = !self.0;
        for byte in part {
            rest = TABLE[usize::from(rest as u8 ^ byte)] ^ (rest >> 8);
        }
        self.0 = !rest;
    }

    fn value(&self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn sent(response: Response<Body>) -> (bool, Vec<u8>) {
        let gzip = response.headers().contains_key(header::CONTENT_ENCODING);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (gzip, body.to_vec())
    }

    fn text(bytes: usize) -> Bytes {
        Bytes::from("pods and more pods, 0123456789; ".repeat(bytes / 32 + 1)[..bytes].to_owned())
    }

    fn inflated(gzip: &[u8]) -> Vec<u8> {
        assert_eq!(gzip[..10], HEAD);
        let (body, tail) = gzip[10..].split_at(gzip.len() - 18);
        let plain = miniz_oxide::inflate::decompress_to_vec(body).unwrap();
        let mut checksum = Crc32::default();
        checksum.add(&plain);
        assert_eq!(tail[..4], checksum.value().to_le_bytes());
        assert_eq!(tail[4..], (plain.len() as u32).to_le_bytes());
        plain
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_computes() {
        let mut checksum = Crc32::default();
        checksum.add(b"1234");
        checksum.add(b"56789");
        assert_eq!(checksum.value(), 0xCBF4_3926);
    }

    #[test]
    fn a_client_says_whether_it_takes_gzip() {
        for (said, takes) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("xgzip", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, said.parse().unwrap());
            assert_eq!(takes_gzip(&headers), takes, "{said}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_is_long_is_compressed_and_reads_the_same() {
        let content = text(500_000);
        let whole = offer(Response::new(Body::Full(content.clone()))).await;
        let (gzip, bytes) = sent(whole).await;
        assert!(gzip && bytes.len() < content.len() / 10);
        assert_eq!(inflated(&bytes), content);

        let parts: Vec<_> = content
            .chunks(10_000)
            .map(|part| Ok(Bytes::copy_from_slice(part)))
            .collect();
        let streamed = offer(Response::new(Body::parts(stream::iter(parts)))).await;
        assert_eq!(streamed.headers()[header::VARY], "Accept-Encoding");
        let (gzip, bytes) = sent(streamed).await;
        assert!(gzip);
        assert_eq!(inflated(&bytes), content);
    }

    #[tokio::test]
    async fn what_is_short_is_sent_as_it_is() {
        let content = text(GZIP_BYTES_MIN);
        let whole = offer(Response::new(Body::Full(content.clone()))).await;
        assert_eq!(sent(whole).await, (false, content.to_vec()));
        let parts = vec![Ok(content.clone())];
        let streamed = offer(Response::new(Body::parts(stream::iter(parts)))).await;
        assert_eq!(sent(streamed).await, (false, content.to_vec()));
    }

    #[tokio::test]
    async fn an_answer_that_fails_half_way_ends_with_the_failure() {
        let parts = vec![Ok(text(300_000)), Err(ApiError::unauthorized())];
        let streamed = offer(Response::new(Body::parts(stream::iter(parts)))).await;
        assert!(streamed.into_body().collect().await.is_err());
    }
}
