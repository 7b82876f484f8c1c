//! Reading a file: one bucket's rows after the other, in order.
//!
//! Believes nothing: a page is read only if it lies in the file, is of the kind expected there and
//! no longer than [`PAGE_BYTES_MAX`]; a file whose pages go in circles is refused.

use std::io::{Read, Seek, SeekFrom};

use crate::BboltError;
use crate::format::{
    BRANCH, HEAD_BYTES, IS_BUCKET, LEAF, MAGIC, META, META_BYTES, VERSION, checksum, u16_at,
    u32_at, u64_at,
};
use crate::limits::{DEPTH_MAX, PAGE_BYTES_MAX};

const PAGE_BYTES_LEAST: u64 = 1024;
const PAGE_BYTES_MOST: u64 = 64 * 1024;

/// A file that is open for reading.
#[derive(Debug)]
pub struct Database<F> {
    file: F,
    page_bytes: u64,
    pages: u64,
    root: u64,
    /// Pages that may still be read of the tree that is being walked.
    visits_left: u64,
}

/// Where a bucket's rows are.
enum Bucket {
    Page(u64),
    Inline(Vec<u8>),
}

type Visit<'v, E> = &'v mut dyn FnMut(u32, &[u8], &[u8]) -> Result<(), E>;

impl<F: Read + Seek> Database<F> {
    /// Opens the newest whole state of a file.
    pub fn open(mut file: F) -> Result<Database<F>, BboltError> {
        let mut newest: Option<(u64, Database<()>)> = None;
        let mut consider = |found: Option<(u64, Database<()>)>| {
            if let Some(found) = found
                && newest.as_ref().is_none_or(|newest| newest.0 < found.0)
            {
                newest = Some(found);
            }
        };
        consider(read_meta(&mut file, 0));
        // The second stands behind the first, whose page size may be what is damaged.
        let mut page_bytes = PAGE_BYTES_LEAST;
        while page_bytes <= PAGE_BYTES_MOST {
            let found = read_meta(&mut file, page_bytes);
            consider(found.filter(|(_, database)| database.page_bytes == page_bytes));
            page_bytes *= 2;
        }
        let (_, found) =
            newest.ok_or_else(|| BboltError::corrupt(0, "no meta page of bbolt is whole"))?;
        Ok(Database {
            file,
            page_bytes: found.page_bytes,
            pages: found.pages,
            root: found.root,
            visits_left: 0,
        })
    }

    /// The names of the buckets, in order.
    pub fn buckets(&mut self) -> Result<Vec<Vec<u8>>, BboltError> {
        let mut names = Vec::new();
        self.walk_root(&mut |flags, key, _| {
            if flags & IS_BUCKET != 0 {
                names.push(key.to_vec());
            }
            Ok::<(), BboltError>(())
        })?;
        Ok(names)
    }

    /// Shows every row of a bucket, in order; false where there is no such bucket.
    pub fn rows<E: From<BboltError>>(
        &mut self,
        bucket: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut found = None;
        self.walk_root(&mut |flags, key, value| {
            if flags & IS_BUCKET != 0 && key == bucket {
                let root = u64_at(value, 0)
                    .ok_or_else(|| BboltError::corrupt(0, "a bucket has no root"))?;
                found = Some(match root {
                    0 => Bucket::Inline(value.get(HEAD_BYTES..).unwrap_or_default().to_vec()),
                    page => Bucket::Page(page),
                });
            }
            Ok::<(), BboltError>(())
        })?;
        let rows: Visit<'_, E> = &mut |_, key, value| visit(key, value);
        match found {
            None => return Ok(false),
            Some(Bucket::Page(page)) => {
                self.visits_left = self.pages;
                self.walk(page, 0, rows)?;
            }
            Some(Bucket::Inline(page)) => leaf(0, &page, rows)?,
        }
        Ok(true)
    }

    fn walk_root(&mut self, visit: Visit<'_, BboltError>) -> Result<(), BboltError> {
        self.visits_left = self.pages;
        self.walk(self.root, 0, visit)
    }

    fn walk<E: From<BboltError>>(
        &mut self,
        id: u64,
        depth: usize,
        visit: Visit<'_, E>,
    ) -> Result<(), E> {
        if depth == DEPTH_MAX || self.visits_left == 0 {
            return Err(BboltError::corrupt(id, "the tree has no end").into());
        }
        self.visits_left -= 1;
        let page = self.page(id)?;
        match u16_at(&page, 8) {
            Some(LEAF) => leaf(id, &page, visit),
            Some(BRANCH) => {
                // Only the ids are kept while their pages are walked.
                let children = branch(&page)
                    .ok_or_else(|| BboltError::corrupt(id, "an element lies outside its page"))?;
                drop(page);
                for child in children {
                    self.walk(child, depth + 1, visit)?;
                }
                Ok(())
            }
            _ => Err(BboltError::corrupt(id, "neither a leaf nor a branch").into()),
        }
    }

    fn page(&mut self, id: u64) -> Result<Vec<u8>, BboltError> {
        if id < 2 || id >= self.pages {
            return Err(BboltError::corrupt(id, "lies outside the file"));
        }
        let start = id
            .checked_mul(self.page_bytes)
            .ok_or_else(|| BboltError::corrupt(id, "lies outside the file"))?;
        self.file.seek(SeekFrom::Start(start))?;
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact(&mut head)?;
        if u64_at(&head, 0) != Some(id) {
            return Err(BboltError::corrupt(id, "bears another page's number"));
        }
        let spanned = u64::from(u32_at(&head, 12).unwrap_or_default()) + 1;
        let bytes = spanned * self.page_bytes;
        if bytes > PAGE_BYTES_MAX {
            return Err(BboltError::corrupt(id, "is too long"));
        }
        let mut page = head.to_vec();
        page.resize(bytes as usize, 0);
        self.file.read_exact(&mut page[HEAD_BYTES..])?;
        Ok(page)
    }
}

fn read_meta<F: Read + Seek>(file: &mut F, at: u64) -> Option<(u64, Database<()>)> {
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut page = [0; HEAD_BYTES + META_BYTES + 8];
    file.read_exact(&mut page).ok()?;
    let meta = &page[HEAD_BYTES..];
    let page_bytes = u64::from(u32_at(meta, 8)?);
    let is_sound = u16_at(&page, 8)? == META
        && u32_at(meta, 0)? == MAGIC
        && u32_at(meta, 4)? == VERSION
        && u64_at(meta, META_BYTES)? == checksum(&meta[..META_BYTES])
        && page_bytes.is_power_of_two()
        && (PAGE_BYTES_LEAST..=PAGE_BYTES_MOST).contains(&page_bytes);
    let database = Database {
        file: (),
        page_bytes,
        root: u64_at(meta, 16)?,
        pages: u64_at(meta, 40)?,
        visits_left: 0,
    };
    is_sound.then_some((u64_at(meta, 48)?, database))
}

fn branch(page: &[u8]) -> Option<Vec<u64>> {
    let count = usize::from(u16_at(page, 10)?);
    let ids = (1..=count).map(|number| u64_at(page, number * HEAD_BYTES + 8));
    ids.collect()
}

fn leaf<E: From<BboltError>>(id: u64, page: &[u8], visit: Visit<'_, E>) -> Result<(), E> {
    let outside = || BboltError::corrupt(id, "an element lies outside its page");
    let count = u16_at(page, 10).ok_or_else(outside)?;
    for number in 1..=usize::from(count) {
        let (flags, key, value) = element(page, number * HEAD_BYTES).ok_or_else(outside)?;
        visit(flags, key, value)?;
    }
    Ok(())
}

fn element(page: &[u8], at: usize) -> Option<(u32, &[u8], &[u8])> {
    let place = at.checked_add(u32_at(page, at + 4)? as usize)?;
    let (key, value) = (
        u32_at(page, at + 8)? as usize,
        u32_at(page, at + 12)? as usize,
    );
    let (key, rest) = page.get(place..)?.split_at_checked(key)?;
    Some((u32_at(page, at)?, key, rest.get(..value)?))
}
