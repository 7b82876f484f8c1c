//! A byte buffer that starts at a page boundary, as direct I/O wants, without unsafe code.
//!
//! Invariant: `start` is chosen when the allocation is made and the allocation never moves while
//! `start` is in use.

use crate::limits::PAGE_BYTES;

/// Grows in whole pages; a growth copies what it holds.
pub(crate) struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    pub(crate) fn with_capacity(bytes: usize) -> AlignedBuf {
        let capacity = bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        let memory = vec![0u8; capacity + PAGE_BYTES];
        let start = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        AlignedBuf {
            memory,
            start,
            len: 0,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.memory.len() - PAGE_BYTES
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }

    /// Sets the length; what is new holds zeros.
    pub(crate) fn resize(&mut self, len: usize) {
        self.reserve(len);
        if len > self.len {
            self.memory[self.start + self.len..self.start + len].fill(0);
        }
        self.len = len;
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.reserve(end);
        self.memory[self.start + self.len..self.start + end].copy_from_slice(bytes);
        self.len = end;
    }

    fn reserve(&mut self, len: usize) {
        if len <= self.capacity() {
            return;
        }
        let mut larger = AlignedBuf::with_capacity(len.max(self.capacity() * 2));
        larger.len = self.len;
        larger.as_mut_slice().copy_from_slice(self.as_slice());
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_stays_aligned_and_keeps_its_bytes_while_it_grows() {
        let mut buffer = AlignedBuf::with_capacity(0);
        let mut expected = Vec::new();
        for round in 0..200u32 {
            let piece = vec![round as u8; round as usize * 7];
            buffer.extend(&piece);
            expected.extend_from_slice(&piece);
            assert_eq!(buffer.as_slice().as_ptr() as usize % PAGE_BYTES, 0);
            assert_eq!(buffer.as_slice(), expected);
        }
        buffer.clear();
        buffer.resize(10);
        assert_eq!(buffer.as_slice(), [0; 10]);
    }
}
