//! Writing a file as a stream, from its first byte to its last.
//!
//! The first pages name the root, which is known only when all is written. So the rows are brought
//! twice: to a writer that measures, and, with the [`Layout`] that it found, to one that writes.
//! Invariant: both passes do the same, so that the file is whole or an error was returned.

use std::io::{self, Sink, Write};

use crate::BboltError;
use crate::format::{
    BRANCH, FREELIST, HEAD_BYTES, IS_BUCKET, LEAF, MAGIC, META, PAGE_BYTES, VERSION, checksum,
};
use crate::limits::KEY_BYTES_MAX;

/// The first page behind those of meta and the freelist.
const FIRST_PAGE: u64 = 3;
const FREELIST_PAGE: u64 = 2;

/// Where a file's root is, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    root: u64,
    pages: u64,
}

impl Layout {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.pages * PAGE_BYTES as u64
    }
}

/// Takes buckets in order, and of each its rows in order.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    next_page: u64,
    expected: Option<Layout>,
    /// The page that is being filled on each level of the tree, leaves first.
    levels: Vec<Node>,
    last_key: Option<Vec<u8>>,
    buckets: Vec<(Vec<u8>, u64)>,
}

#[derive(Debug, Default)]
struct Node {
    elements: Vec<Element>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Element {
    /// Of a leaf its flags, of a branch the page.
    word: u64,
    key_bytes: usize,
    value_bytes: usize,
}

impl Node {
    fn len(&self) -> usize {
        HEAD_BYTES * (1 + self.elements.len()) + self.bytes.len()
    }

    fn first_key(&self) -> Vec<u8> {
        let length = self.elements.first().map_or(0, |first| first.key_bytes);
        self.bytes[..length].to_vec()
    }
}

impl Writer<Sink> {
    /// A writer that only measures.
    pub fn measuring() -> Writer<Sink> {
        Writer::begin(io::sink(), None)
    }
}

impl<W: Write> Writer<W> {
    /// A writer of a file that was measured.
    pub fn new(mut out: W, layout: Layout) -> Result<Writer<W>, BboltError> {
        for transaction in 0..2 {
            out.write_all(&meta_page(layout, transaction))?;
        }
        out.write_all(&page(FREELIST_PAGE, FREELIST, 0, &[]))?;
        Ok(Writer::begin(out, Some(layout)))
    }

    fn begin(out: W, expected: Option<Layout>) -> Writer<W> {
        Writer {
            out,
            next_page: FIRST_PAGE,
            expected,
            levels: vec![Node::default()],
            last_key: None,
            buckets: Vec::new(),
        }
    }

    /// Begins the next bucket. Rows that follow are its own.
    pub fn bucket(&mut self, name: &[u8]) -> Result<(), BboltError> {
        let last = self.buckets.last().map(|(name, _)| &name[..]);
        if last.is_some_and(|last| last >= name) || name.is_empty() || name.len() > KEY_BYTES_MAX {
            return Err(BboltError::key(name));
        }
        self.end_bucket()?;
        self.buckets.push((name.to_vec(), 0));
        Ok(())
    }

    /// Adds a row to the bucket.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BboltError> {
        let last = self.last_key.as_deref();
        if self.buckets.is_empty()
            || last.is_some_and(|last| last >= key)
            || key.is_empty()
            || key.len() > KEY_BYTES_MAX
        {
            return Err(BboltError::key(key));
        }
        self.add(0, 0, key, value)?;
        let last = self.last_key.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<Layout, BboltError> {
        self.end_bucket()?;
        for (name, root) in std::mem::take(&mut self.buckets) {
            let mut bucket = [0; 16];
            bucket[..8].copy_from_slice(&root.to_le_bytes());
            self.add(0, u64::from(IS_BUCKET), &name, &bucket)?;
        }
        let root = self.end_tree()?;
        self.out.flush()?;
        let layout = Layout {
            root,
            pages: self.next_page,
        };
        match self.expected {
            Some(expected) if expected != layout => Err(BboltError::Unequal),
            _ => Ok(layout),
        }
    }

    fn end_bucket(&mut self) -> Result<(), BboltError> {
        if !self.buckets.is_empty() {
            let root = self.end_tree()?;
            if let Some(bucket) = self.buckets.last_mut() {
                bucket.1 = root;
            }
        }
        self.last_key = None;
        Ok(())
    }

    /// Writes what is pending on every level; says which page is the root.
    fn end_tree(&mut self) -> Result<u64, BboltError> {
        let mut level = 0;
        loop {
            let (first, page) = self.flush(level)?;
            level += 1;
            if level == self.levels.len() {
                self.levels.truncate(1);
                return Ok(page);
            }
            self.add(level, page, &first, &[])?;
        }
    }

    fn add(&mut self, level: usize, word: u64, key: &[u8], value: &[u8]) -> Result<(), BboltError> {
        if level == self.levels.len() {
            self.levels.push(Node::default());
        }
        let node = &self.levels[level];
        // A branch of one page would make a tree without an end.
        let least = if level == 0 { 1 } else { 2 };
        let more = HEAD_BYTES + key.len() + value.len();
        if node.elements.len() >= least && node.len() + more > PAGE_BYTES {
            let (first, page) = self.flush(level)?;
            self.add(level + 1, page, &first, &[])?;
        }
        let node = &mut self.levels[level];
        node.elements.push(Element {
            word,
            key_bytes: key.len(),
            value_bytes: value.len(),
        });
        node.bytes.extend_from_slice(key);
        node.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Writes the page of a level; says its first key and its id.
    fn flush(&mut self, level: usize) -> Result<(Vec<u8>, u64), BboltError> {
        let node = std::mem::take(&mut self.levels[level]);
        let first = node.first_key();
        let count = node.elements.len();
        let mut content = Vec::with_capacity(node.len());
        let mut used = 0;
        for (number, element) in node.elements.iter().enumerate() {
            let place = ((count - number) * HEAD_BYTES + used) as u32;
            let key_bytes = element.key_bytes as u32;
            if level == 0 {
                content.extend_from_slice(&(element.word as u32).to_le_bytes());
                content.extend_from_slice(&place.to_le_bytes());
                content.extend_from_slice(&key_bytes.to_le_bytes());
                content.extend_from_slice(&(element.value_bytes as u32).to_le_bytes());
            } else {
                content.extend_from_slice(&place.to_le_bytes());
                content.extend_from_slice(&key_bytes.to_le_bytes());
                content.extend_from_slice(&element.word.to_le_bytes());
            }
            used += element.key_bytes + element.value_bytes;
        }
        content.extend_from_slice(&node.bytes);
        let id = self.next_page;
        let flags = if level == 0 { LEAF } else { BRANCH };
        let page = page(id, flags, count as u16, &content);
        self.out.write_all(&page)?;
        self.next_page += (page.len() / PAGE_BYTES) as u64;
        Ok((first, id))
    }
}

fn page(id: u64, flags: u16, count: u16, content: &[u8]) -> Vec<u8> {
    let bytes = (HEAD_BYTES + content.len()).next_multiple_of(PAGE_BYTES);
    let mut page = Vec::with_capacity(bytes);
    page.extend_from_slice(&id.to_le_bytes());
    page.extend_from_slice(&flags.to_le_bytes());
    page.extend_from_slice(&count.to_le_bytes());
    page.extend_from_slice(&((bytes / PAGE_BYTES - 1) as u32).to_le_bytes());
    page.extend_from_slice(content);
    page.resize(bytes, 0);
    page
}

fn meta_page(layout: Layout, transaction: u64) -> Vec<u8> {
    let mut meta = Vec::with_capacity(64);
    for word in [MAGIC, VERSION, PAGE_BYTES as u32, 0] {
        meta.extend_from_slice(&word.to_le_bytes());
    }
    for word in [layout.root, 0, FREELIST_PAGE, layout.pages, transaction] {
        meta.extend_from_slice(&word.to_le_bytes());
    }
    let sum = checksum(&meta);
    meta.extend_from_slice(&sum.to_le_bytes());
    page(transaction, META, 0, &meta)
}
