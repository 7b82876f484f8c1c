//! Each limit is reached.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::format::{
    BATCH_HEADER_BYTES, BatchHeader, Kind, Position, RECORD_HEADER_BYTES, Record, Seal,
    begin_batch, finish_batch,
};
use crate::limits::*;
use crate::simulated_disk::SimulatedDisk;
use crate::tests::model::{DIR, Driver, Model, open, small_options};
use crate::{Done, Log, LogError, Options, Recovered, Writer};

fn ignore() -> Done {
    Box::new(|_| {})
}

fn open_with(disk: &SimulatedDisk, options: Options) -> Result<(Log, Recovered, Writer), LogError> {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

#[test]
fn a_segment_size_out_of_its_range_is_refused() {
    let segments = |segment_bytes| {
        let options = Options {
            segment_bytes,
            ..Options::default()
        };
        open_with(&SimulatedDisk::new(1, 512), options).map(|_| ())
    };
    for allowed in [SEGMENT_BYTES_MIN, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX] {
        segments(allowed).unwrap();
    }
    for refused in [
        0,
        SEGMENT_BYTES_MIN - 4096,
        SEGMENT_BYTES_MIN + 512,
        SEGMENT_BYTES_MAX + 4096,
    ] {
        let error = segments(refused).unwrap_err();
        assert!(
            matches!(
                error,
                LogError::Option {
                    name: "segment_bytes",
                    ..
                }
            ),
            "{error}"
        );
    }
    for options in [
        Options {
            queue_bytes: 0,
            ..Options::default()
        },
        Options {
            queue_operations: 0,
            ..Options::default()
        },
    ] {
        let refused = open_with(&SimulatedDisk::new(1, 512), options).map(|_| ());
        assert!(matches!(refused, Err(LogError::Option { .. })));
    }
}

#[test]
fn a_file_longer_than_any_segment_is_refused() {
    let disk = SimulatedDisk::new(1, 512);
    let path = Path::new(DIR).join("0000000000000001.log");
    disk.put(&path, vec![0; SEGMENT_BYTES_MAX as usize + 1]);
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
}

#[test]
fn the_largest_entry_is_kept_and_a_larger_one_refused() {
    for (options, largest) in [
        (Options::default(), ENTRY_BYTES_MAX),
        (
            small_options(),
            16 * 1024 - 2 * PAGE_BYTES - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES,
        ),
    ] {
        for block_bytes in [SECTOR_BYTES, PAGE_BYTES] {
            let disk = SimulatedDisk::new(1, block_bytes);
            let (log, _, mut writer) = open_with(&disk, options.clone()).unwrap();
            // The head of every segment is as long as it can be.
            log.save_vote(vec![1; METADATA_BYTES_MAX].into(), ignore())
                .unwrap();
            log.purge_upto(0, vec![2; METADATA_BYTES_MAX].into(), ignore())
                .unwrap();
            log.save_committed(vec![3; METADATA_BYTES_MAX].into())
                .unwrap();
            assert_eq!(log.entry_bytes_max(), largest);
            let entry = |index: u64| Bytes::from(vec![index as u8; largest]);
            for index in 1..5 {
                log.append(vec![(index, entry(index))], ignore()).unwrap();
                writer.flush().unwrap();
            }
            let larger = Bytes::from(vec![0; largest + 1]);
            let error = log.append(vec![(5, larger)], ignore()).unwrap_err();
            assert!(
                matches!(error, LogError::EntryTooLarge { index: 5, .. }),
                "{error}"
            );
            drop((log, writer));
            let (log, ..) = open_with(&disk, options.clone()).unwrap();
            let read = log.read(0..9, usize::MAX).unwrap();
            assert!(read.iter().map(|(index, _)| *index).eq(1..5));
            assert!(read.iter().all(|(index, bytes)| *bytes == entry(*index)));
        }
    }
}

#[test]
fn metadata_longer_than_its_room_is_refused() {
    let (log, _, _writer) = open(&SimulatedDisk::new(1, 512)).unwrap();
    let long = || Bytes::from(vec![0; METADATA_BYTES_MAX + 1]);
    let refused = [
        log.save_vote(long(), ignore()),
        log.save_committed(long()),
        log.purge_upto(0, long(), ignore()),
    ];
    for result in refused {
        assert!(matches!(result, Err(LogError::MetadataTooLarge { .. })));
    }
    let beyond = log.purge_upto(INDEX_MAX + 1, Bytes::new(), ignore());
    assert!(matches!(beyond, Err(LogError::IndexTooLarge { .. })));
}

#[test]
fn the_highest_index_is_reached_and_not_passed() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    log.purge_upto(INDEX_MAX - 1, Bytes::new(), ignore())
        .unwrap();
    log.append(vec![(INDEX_MAX, Bytes::from_static(b"last"))], ignore())
        .unwrap();
    let beyond = log.append(vec![(INDEX_MAX + 1, Bytes::new())], ignore());
    assert!(matches!(beyond, Err(LogError::IndexTooLarge { .. })));
    writer.flush().unwrap();
    drop((log, writer));
    let (log, ..) = open(&disk).unwrap();
    assert_eq!(
        log.read(0..u64::MAX, 1).unwrap(),
        [(INDEX_MAX, Bytes::from_static(b"last"))]
    );
}

#[test]
fn a_segment_number_that_no_log_reaches_is_refused() {
    let disk = SimulatedDisk::new(1, 512);
    let path = Path::new(DIR).join(format!("{:016x}.log", SEGMENT_NUMBER_MAX + 1));
    disk.put(&path, vec![0; 4096]);
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no log reaches"), "{error}");
}

#[test]
fn a_batch_takes_no_more_than_its_bound() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open_with(&disk, Options::default()).unwrap();
    let entries: Vec<_> = (0..40)
        .map(|index| (index, Bytes::from(vec![0; 100 * 1024])))
        .collect();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let heard = acknowledged.clone();
    let done: Done = Box::new(move |result| {
        result.unwrap();
        heard.fetch_add(1, Ordering::Relaxed);
    });
    // One append of 4 MB is written in pieces and acknowledged once, at the end.
    log.append(entries, done).unwrap();
    let mut batches = 0;
    while {
        let before = disk.written_bytes();
        let more = writer.flush_one().unwrap();
        // A batch, and at times as much of zeros as it needs.
        assert!(disk.written_bytes() - before <= 2 * (BATCH_BYTES as u64 + FILL_BYTES + 4096));
        more
    } {
        batches += 1;
        assert_eq!(
            acknowledged.load(Ordering::Relaxed),
            usize::from(batches == 4)
        );
    }
    assert_eq!(batches, 4);
}

#[test]
fn the_cache_keeps_no_more_than_its_bound_and_the_rest_is_read_from_disk() {
    let disk = SimulatedDisk::new(1, 512);
    for cache_bytes in [0, 1000, CACHE_BYTES_DEFAULT] {
        let dir = format!("/log-{cache_bytes}");
        let options = Options {
            cache_bytes,
            ..small_options()
        };
        let (log, _, mut writer) =
            Log::open(Arc::new(disk.clone()), Path::new(&dir), options).unwrap();
        for index in 0..200 {
            log.append(vec![(index, Bytes::from(vec![index as u8; 100]))], ignore())
                .unwrap();
        }
        writer.flush().unwrap();
        let from_disk = log.entries_not_in_memory();
        let in_cache = cache_bytes / (100 + ENTRY_OVERHEAD_BYTES);
        assert_eq!(from_disk, 200usize.saturating_sub(in_cache));
        let read = log.read(0..200, usize::MAX).unwrap();
        assert!(
            read.iter()
                .all(|(index, entry)| entry[..] == [*index as u8; 100])
        );
        assert_eq!(read.len(), 200);
        disk.restart(crate::simulated_disk::Crash::Kill);
    }
}

#[test]
fn a_full_queue_says_so_and_much_later_refuses() {
    for options in [
        Options {
            queue_bytes: 1000,
            ..small_options()
        },
        Options {
            queue_operations: 8,
            ..small_options()
        },
    ] {
        let (log, _, mut writer) = open_with(&SimulatedDisk::new(1, 512), options).unwrap();
        let append = || {
            log.append(
                vec![(log.next_index(), Bytes::from(vec![0; 105]))],
                ignore(),
            )
        };
        let woken = Arc::new(AtomicUsize::new(0));
        let wait = || {
            let woken = woken.clone();
            log.when_room(Box::new(move || _ = woken.fetch_add(1, Ordering::Relaxed)));
        };
        wait();
        assert_eq!(woken.load(Ordering::Relaxed), 1, "there is room already");
        let mut accepted = 0;
        while log.has_room() {
            append().unwrap();
            accepted += 1;
        }
        assert_eq!(accepted, 8);
        wait();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        let refused = loop {
            match append() {
                Ok(()) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, LogError::QueueFull { .. }), "{refused}");
        assert_eq!(accepted, 8 * QUEUE_REFUSE_FACTOR);
        assert_eq!(
            log.next_index(),
            accepted as u64,
            "what was refused is not there"
        );
        log.save_committed(Bytes::new()).unwrap();
        writer.flush().unwrap();
        assert!(log.has_room());
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        append().unwrap();
    }
    assert_eq!(Options::default().queue_bytes, QUEUE_BYTES_DEFAULT);
    assert_eq!(
        Options::default().queue_operations,
        QUEUE_OPERATIONS_DEFAULT
    );
}

#[test]
fn one_change_larger_than_the_queue_is_taken_by_an_empty_one() {
    let options = Options {
        queue_bytes: 10,
        ..small_options()
    };
    let (log, _, mut writer) = open_with(&SimulatedDisk::new(1, 512), options).unwrap();
    log.append(vec![(0, Bytes::from(vec![0; 5000]))], ignore())
        .unwrap();
    assert!(!log.has_room());
    assert!(log.append(vec![(1, Bytes::new())], ignore()).is_err());
    writer.flush().unwrap();
    log.append(vec![(1, Bytes::new())], ignore()).unwrap();
}

#[test]
fn only_so_many_wait_for_room() {
    let options = Options {
        queue_operations: 1,
        ..small_options()
    };
    let (log, _, _writer) = open_with(&SimulatedDisk::new(1, 512), options).unwrap();
    log.append(vec![(0, Bytes::new())], ignore()).unwrap();
    let woken = Arc::new(AtomicUsize::new(0));
    for _ in 0..ROOM_WAITERS_MAX + 1 {
        let woken = woken.clone();
        log.when_room(Box::new(move || _ = woken.fetch_add(1, Ordering::Relaxed)));
    }
    assert_eq!(
        woken.load(Ordering::Relaxed),
        1,
        "one too many is not kept waiting"
    );
}

#[test]
fn only_so_many_spare_segments_are_kept() {
    let disk = SimulatedDisk::new(1, 512);
    let mut driver = Driver::open(&disk).unwrap();
    for index in 0..40 {
        driver.append(vec![vec![index; 3000].into()]).unwrap();
        driver.flush().unwrap();
    }
    driver.purge_upto(38).unwrap();
    driver.stop().unwrap();
    let spares = |disk: &SimulatedDisk| {
        disk.files()
            .keys()
            .filter(|path| path.extension().unwrap() == "spare")
            .count()
    };
    assert_eq!(spares(&disk), SPARE_SEGMENTS_MAX);
    for number in 100..105 {
        disk.put(
            &Path::new(DIR).join(format!("{number:016}.spare")),
            vec![0; 16 * 1024],
        );
    }
    Driver::open(&disk).unwrap();
    assert_eq!(spares(&disk), SPARE_SEGMENTS_MAX);
}

#[test]
fn entries_longer_than_one_read_or_one_scan_window_are_read_whole() {
    let disk = SimulatedDisk::new(1, 512);
    let options = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    let (log, _, mut writer) = open_with(&disk, options.clone()).unwrap();
    let entry = |index: u64| Bytes::from(vec![index as u8; (READ_BYTES / 3) * index as usize]);
    for index in 0..10 {
        log.append(vec![(index, entry(index))], ignore()).unwrap();
    }
    writer.flush().unwrap();
    assert!(entry(9).len() > SCAN_BYTES);
    for log in [log, {
        drop(writer);
        open_with(&disk, options).unwrap().0
    }] {
        let read = log.read(0..10, usize::MAX).unwrap();
        assert!(read.iter().all(|(index, bytes)| *bytes == entry(*index)) && read.len() == 10);
    }
}

#[test]
fn zeros_are_made_a_slice_at_a_time_and_ahead_when_idle() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open_with(&disk, Options::default()).unwrap();
    let path = Path::new(DIR).join("0000000000000001.log");
    let length = || disk.files()[&path].len() as u64;
    assert_eq!(length(), FILL_BYTES);
    let half = Bytes::from(vec![0; FILL_BYTES as usize / 2]);
    log.append(vec![(0, half.clone())], ignore()).unwrap();
    writer.flush().unwrap();
    assert_eq!(length(), FILL_BYTES);
    writer.idle().unwrap();
    assert_eq!(length(), 2 * FILL_BYTES);
    writer.idle().unwrap();
    assert_eq!(length(), 2 * FILL_BYTES);
}

#[test]
fn a_batch_that_claims_more_than_any_holds_is_not_read() {
    let disk = SimulatedDisk::new(1, 512);
    let path = Path::new(DIR).join("0000000000000001.log");
    let head = |body_bytes| BatchHeader {
        version: 1,
        block_shift: 9,
        body_bytes,
        segment: 1,
        salt: 0,
        sequence: 1,
        offset: 0,
        body_crc: 0,
    };
    for body_bytes in [BODY_BYTES_MAX as u32 + 1, u32::MAX] {
        let mut bytes = vec![0; BODY_BYTES_MAX + 4096];
        bytes[..BATCH_HEADER_BYTES].copy_from_slice(&head(body_bytes).encode());
        disk.put(&path, bytes);
        assert_eq!(*Driver::open(&disk).unwrap().now(), Model::default());
    }
    // The longest that may be claimed is read, and its records are looked at.
    let mut batch = crate::aligned::AlignedBuf::with_capacity(0);
    begin_batch(&mut batch);
    let payload = vec![0; BODY_BYTES_MAX - RECORD_HEADER_BYTES];
    let record = Record {
        kind: Kind::Entry,
        index: 0,
        payload: &payload,
    };
    Seal::new(0, 1).push(&mut batch, record);
    let at = Position {
        segment: 1,
        salt: 0,
        sequence: 1,
        offset: 0,
        block_bytes: 512,
    };
    finish_batch(&mut batch, at);
    disk.put(&path, batch.as_slice().to_vec());
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("Entry record of"), "{error}");
}
