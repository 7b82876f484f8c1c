//! Opens a log: reads every segment, cuts a torn tail, refuses what is corrupt.
//!
//! Invariant: what it answers is durable. A batch that a killed process had handed to the kernel,
//! but whose sync it did not live to see, is synced before it is believed.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::LogError;
use crate::disk::Disk;
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, Kind, Seal};
use crate::limits::{SEGMENT_NUMBER_MAX, SPARE_SEGMENTS_MAX};
use crate::picture::Place;
use crate::replay::Replay;
use crate::scan::{self, Batch, Found, Scan};
use crate::segment::{FIRST_SEGMENT, Name, Segment, parse_name, segment_path, spare_path};
use crate::tail::Tail;

/// A write that had not been acknowledged and was found incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment it stands in.
    pub path: PathBuf,
    /// Where it began; the log goes on here.
    pub offset: u64,
}

/// A segment that is no longer written.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// Highest index of any entry in it, removed or not.
    pub(crate) last_index: Option<u64>,
}

/// All that opening found.
pub(crate) struct Opened {
    pub(crate) replay: Replay,
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    pub(crate) sealed: VecDeque<Sealed>,
    /// Highest index of any entry in the tail's segment.
    pub(crate) tail_last_index: Option<u64>,
    pub(crate) tail: Tail,
    pub(crate) cut: Option<Cut>,
}

/// Names in the directory, sorted.
struct Listing {
    segments: Vec<u64>,
    spares: VecDeque<u64>,
}

/// What is carried from segment to segment.
struct Walk {
    replay: Replay,
    salt: Option<u64>,
    sequence: u64,
    segments: BTreeMap<u64, Arc<Segment>>,
    sealed: VecDeque<Sealed>,
    last: Option<End>,
}

/// Where the good batches of a segment end.
struct End {
    segment: Arc<Segment>,
    offset: u64,
    length: u64,
    block_bytes: u64,
    last_index: Option<u64>,
    torn: bool,
}

/// Reads what is in `dir`, or makes a new log where nothing is.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    segment_bytes: u64,
) -> Result<Opened, LogError> {
    let listing = list(&*disk, dir)?;
    let mut walk = Walk {
        replay: Replay::default(),
        salt: None,
        sequence: 0,
        segments: BTreeMap::new(),
        sealed: VecDeque::new(),
        last: None,
    };
    let mut unfinished = None;
    for (at, &number) in listing.segments.iter().enumerate() {
        let segment = Segment::open(&*disk, dir, number)?;
        let is_last = at + 1 == listing.segments.len();
        if !walk.segment(segment, is_last)? {
            unfinished = Some(number);
        }
    }
    let mut cut = None;
    if let Some(number) = unfinished {
        cut = Some(Cut {
            path: segment_path(dir, number),
            offset: 0,
        });
    }
    let Some(end) = walk.last.take() else {
        return create(disk, dir, segment_bytes, unfinished);
    };
    if end.torn {
        cut = Some(Cut {
            path: end.segment.path.clone(),
            offset: end.offset,
        });
    }
    let first = walk
        .segments
        .keys()
        .next()
        .copied()
        .unwrap_or(FIRST_SEGMENT);
    let finished = walk.replay.finish();
    finished.map_err(|what| LogError::corrupt(&segment_path(dir, first), 0, what))?;
    let salt = walk.salt.unwrap_or_default();
    let mut tail = Tail {
        disk,
        dir: dir.to_path_buf(),
        salt,
        segment_bytes,
        spares: listing.spares,
        sequence: walk.sequence,
        block_bytes: end.block_bytes as usize,
        offset: end.offset,
        filled: end.length.min(segment_bytes),
        segment: end.segment,
    };
    tidy(&mut tail, unfinished)?;
    let synced = tail.segment.file.sync();
    synced.map_err(LogError::io(&tail.segment.path, "sync"))?;
    Ok(Opened {
        replay: walk.replay,
        segments: walk.segments,
        sealed: walk.sealed,
        tail_last_index: end.last_index,
        tail,
        cut,
    })
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Listing, LogError> {
    let mut listing = Listing {
        segments: Vec::new(),
        spares: VecDeque::new(),
    };
    for name in disk.list(dir).map_err(LogError::io(dir, "list"))? {
        match parse_name(&name) {
            Some(Name::Segment(number)) => listing.segments.push(number),
            Some(Name::Spare(number)) => listing.spares.push_back(number),
            None => tracing::warn!(dir = %dir.display(), name, "not a file of the log: left alone"),
        }
    }
    listing.segments.sort_unstable();
    listing.spares.make_contiguous().sort_unstable();
    if let Some(number) = listing
        .segments
        .last()
        .filter(|number| **number > SEGMENT_NUMBER_MAX)
    {
        let what = "no log reaches this segment number";
        return Err(LogError::corrupt(&segment_path(dir, *number), 0, what));
    }
    for pair in listing.segments.windows(2) {
        if pair[1] - pair[0] != 1 {
            let path = segment_path(dir, pair[0] + 1);
            return Err(LogError::corrupt(&path, 0, "the segment is missing"));
        }
    }
    if let (true, Some(spare)) = (listing.segments.is_empty(), listing.spares.front()) {
        let what = "emptied segments are there, the log is not";
        return Err(LogError::corrupt(&spare_path(dir, *spare), 0, what));
    }
    Ok(listing)
}

/// Begins a new log, over a first segment that was never finished if there is one.
fn create(
    disk: Arc<dyn Disk>,
    dir: &Path,
    segment_bytes: u64,
    unfinished: Option<u64>,
) -> Result<Opened, LogError> {
    if let Some(number) = unfinished {
        let path = segment_path(dir, number);
        disk.remove(&path).map_err(LogError::io(&path, "remove"))?;
        disk.sync_dir(dir).map_err(LogError::io(dir, "sync"))?;
    }
    let tail = Tail::create(disk, dir.to_path_buf(), segment_bytes, FIRST_SEGMENT)?;
    Ok(Opened {
        replay: Replay::default(),
        segments: BTreeMap::from([(FIRST_SEGMENT, tail.segment.clone())]),
        sealed: VecDeque::new(),
        tail_last_index: None,
        tail,
        cut: None,
    })
}

/// Removes what cannot be used: a segment whose head was never finished, spares beyond their
/// number, and spares that are not older than the tail (an emptied segment always is, so that no
/// record in it carries the number it is used under next). Makes the names durable.
fn tidy(tail: &mut Tail, unfinished: Option<u64>) -> Result<(), LogError> {
    let mut useless: Vec<PathBuf> = Vec::new();
    useless.extend(unfinished.map(|number| segment_path(&tail.dir, number)));
    while let Some(spare) = tail.spares.back().copied()
        && (spare >= tail.segment.number || tail.spares.len() > SPARE_SEGMENTS_MAX)
    {
        useless.push(spare_path(&tail.dir, spare));
        tail.spares.pop_back();
    }
    for path in useless {
        let removed = tail.disk.remove(&path);
        removed.map_err(LogError::io(&path, "remove"))?;
    }
    tail.sync_dir()
}

impl Walk {
    /// Reads one segment. `false`: it is the last one and its head was never finished.
    fn segment(&mut self, segment: Segment, is_last: bool) -> Result<bool, LogError> {
        let segment = Arc::new(segment);
        let path = segment.path.clone();
        let mut scan = Scan::new(&segment)?;
        let (header, mut offset) = match scan.batch(0, self.salt)? {
            Found::Batch(head) => {
                self.follows(&head.header)?;
                self.head(&segment, &head)?;
                (head.header, head.end)
            }
            Found::Nothing | Found::Torn(_) => {
                self.unfinished(&mut scan, &segment, is_last)?;
                return Ok(false);
            }
        };
        self.salt = Some(header.salt);
        self.sequence = next_sequence(&header);
        let mut last_index = None;
        let torn = loop {
            match scan.batch(offset, self.salt)? {
                Found::Batch(batch) if batch.header.block_shift != header.block_shift => {
                    let what = "the batch is padded otherwise than the segment's head";
                    return Err(LogError::corrupt(&path, offset, what));
                }
                Found::Batch(batch) if batch.header.sequence == self.sequence => {
                    self.batch(&segment, offset, &batch, &mut last_index)?;
                    offset = batch.end;
                    self.sequence = next_sequence(&batch.header);
                }
                Found::Batch(batch) => {
                    return Err(self.out_of_order(&path, offset, &batch.header));
                }
                Found::Torn(header) if header.sequence != self.sequence => {
                    return Err(self.out_of_order(&path, offset, &header));
                }
                Found::Torn(_) => break true,
                Found::Nothing => break false,
            }
        };
        // A write goes out only when the one before it is durable, so a later batch shows that
        // the bad one had been acknowledged. (Segments that follow say so in their heads.)
        if let Some(later) = scan.later_batch(offset + 1, self.salt)? {
            let what = format!("bad record before a good one at byte {later}");
            return Err(LogError::corrupt(&path, offset, what));
        }
        if let Some(last) = self.last.take() {
            let sealed = Sealed {
                number: last.segment.number,
                last_index: last.last_index,
            };
            self.sealed.push_back(sealed);
        }
        self.segments.insert(segment.number, segment.clone());
        let length = scan.length();
        let block_bytes = scan::block_bytes(&header).unwrap_or_default();
        self.last = Some(End {
            segment,
            offset,
            length,
            block_bytes,
            last_index,
            torn,
        });
        Ok(true)
    }

    fn out_of_order(&self, path: &Path, offset: u64, header: &BatchHeader) -> LogError {
        let (found, expected) = (header.sequence, self.sequence);
        let what = format!("batch {found} where batch {expected} was expected");
        LogError::corrupt(path, offset, what)
    }

    /// A segment's first batch must come right after the last good one of the segment before.
    fn follows(&self, header: &BatchHeader) -> Result<(), LogError> {
        match &self.last {
            Some(last) if header.sequence != self.sequence => {
                let (next, expected) = (header.sequence, self.sequence);
                let what = format!("batch {expected} is bad; the next segment begins with {next}");
                Err(LogError::corrupt(&last.segment.path, last.offset, what))
            }
            _ => Ok(()),
        }
    }

    /// A segment without a good head: legal only where making it was cut short.
    fn unfinished(
        &self,
        scan: &mut Scan<'_>,
        segment: &Segment,
        is_last: bool,
    ) -> Result<(), LogError> {
        if scan
            .header(0, None)?
            .is_some_and(|header| Some(header.salt) != self.salt)
            && self.last.is_some()
        {
            return Err(LogError::corrupt(
                &segment.path,
                0,
                "the segment is of another log",
            ));
        }
        let alone = self.last.is_none();
        let used = !is_last
            || (alone && segment.number != FIRST_SEGMENT)
            || scan.later_batch(1, self.salt)?.is_some();
        if used {
            return Err(LogError::corrupt(
                &segment.path,
                0,
                "the head of the segment is bad",
            ));
        }
        Ok(())
    }

    fn head(&mut self, segment: &Segment, head: &Batch<'_>) -> Result<(), LogError> {
        let seal = Seal::new(head.header.salt, segment.number);
        let mut rest = head.body;
        let read = (|| {
            while !rest.is_empty() {
                let record = seal.read(rest)?;
                rest = &rest[record.bytes()..];
                self.replay.head_record(record)?;
            }
            self.replay.end_head()
        })();
        read.map_err(|what: String| LogError::corrupt(&segment.path, 0, what))
    }

    fn batch(
        &mut self,
        segment: &Segment,
        offset: u64,
        batch: &Batch<'_>,
        last_index: &mut Option<u64>,
    ) -> Result<(), LogError> {
        let seal = Seal::new(batch.header.salt, segment.number);
        let mut at = 0;
        while at < batch.body.len() {
            let place = offset + (BATCH_HEADER_BYTES + at) as u64;
            let bad = |what: String| LogError::corrupt(&segment.path, place, what);
            let record = seal
                .read(&batch.body[at..])
                .map_err(|what| bad(what.to_owned()))?;
            let place = Place {
                segment: segment.number,
                offset: place as u32,
                bytes: record.payload.len() as u32,
            };
            self.replay.record(record, place).map_err(bad)?;
            if record.kind == Kind::Entry {
                *last_index = (*last_index).max(Some(record.index));
            }
            at += record.bytes();
        }
        Ok(())
    }
}

fn next_sequence(header: &BatchHeader) -> u64 {
    header.sequence.saturating_add(1)
}
