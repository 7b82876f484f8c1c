//! The frames of a connection between members.
//!
//! Knows nothing about what they carry. Invariant: memory for a frame grows with the bytes that
//! have arrived, never with the length that was promised.
//!
//! ```text
//! frame   length of the rest u32 LE | kind u8 | request u64 LE | body
//! ```

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::FRAME_BYTES_MAX;

const REST_HEAD_BYTES: usize = 9;
/// Bytes in front of the body.
pub(crate) const HEAD_BYTES: usize = 4 + REST_HEAD_BYTES;

/// The kind of a frame that answers a request.
pub(crate) const ANSWER: u8 = 0x80;
/// The kind of a frame that says why a request has no answer.
pub(crate) const FAILED: u8 = 0x81;
/// The kind of a frame that hands a forwarded command back: it was not taken.
pub(crate) const REJECTED: u8 = 0x82;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) request: u64,
    pub(crate) body: Bytes,
}

impl Frame {
    /// A frame whose body `write` appends; `hint` is about its size.
    pub(crate) fn encode(
        kind: u8,
        request: u64,
        hint: usize,
        write: impl FnOnce(&mut BytesMut),
    ) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD_BYTES + hint);
        out.put_u32_le(0);
        out.put_u8(kind);
        out.put_u64_le(request);
        write(&mut out);
        let len = u32::try_from(out.len() - 4).expect("messages are bounded far below 4 GiB");
        out[..4].copy_from_slice(&len.to_le_bytes());
        out.freeze()
    }
}

/// Reads the next frame; `None` where the other side ended the connection between two frames.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; HEAD_BYTES];
    let first = stream.read(&mut head).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[first..]).await?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let kind = head[4];
    let mut request = [0; 8];
    request.copy_from_slice(&head[5..]);
    let Some(body_len) = len
        .checked_sub(REST_HEAD_BYTES)
        .filter(|_| len <= FRAME_BYTES_MAX)
    else {
        let what =
            format!("a frame of {len} bytes: not from {REST_HEAD_BYTES} to {FRAME_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    };
    let mut body = Vec::with_capacity(body_len.min(64 << 10));
    stream.take(body_len as u64).read_to_end(&mut body).await?;
    if body.len() < body_len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(Frame {
        kind,
        request: u64::from_le_bytes(request),
        body: Bytes::from(body),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> io::Result<Option<Frame>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(read(&mut bytes))
    }

    #[test]
    fn a_frame_is_read_back_as_it_was_written_and_a_cut_one_is_refused() {
        let bytes = Frame::encode(3, u64::MAX, 5, |out| out.extend_from_slice(b"hello"));
        let frame = read_all(&bytes).unwrap().unwrap();
        let body = Bytes::from_static(b"hello");
        assert_eq!(
            frame,
            Frame {
                kind: 3,
                request: u64::MAX,
                body
            }
        );
        assert_eq!(read_all(&[]).unwrap(), None);
        for cut in 1..bytes.len() {
            let error = read_all(&bytes[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_or_shorter_than_its_head_is_refused_before_it_is_read() {
        for len in [0, 8, FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
            let mut bytes = len.to_le_bytes().to_vec();
            bytes.extend_from_slice(&[0; REST_HEAD_BYTES]);
            assert_eq!(
                read_all(&bytes).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
    }
}
