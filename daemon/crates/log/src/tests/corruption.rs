//! Damage to what was acknowledged is refused with its place; damage to the last batch is a tear.

use std::path::{Path, PathBuf};

use crate::LogError;
use crate::format::{BATCH_HEADER_BYTES, BatchHeader};
use crate::simulated_disk::{Random, SimulatedDisk};
use crate::tests::model::{DIR, Driver, Model, open};

const BLOCK_BYTES: usize = 512;

struct Place {
    path: PathBuf,
    start: usize,
    /// End of the records, before the padding.
    used_end: usize,
    end: usize,
}

/// A log of some segments, one of them in use for the second time, and the model of it.
fn filled() -> (SimulatedDisk, Model) {
    let disk = SimulatedDisk::new(5, BLOCK_BYTES);
    let mut driver = Driver::open(&disk).unwrap();
    let mut random = Random::new(5);
    let append = |driver: &mut Driver, random: &mut Random, rounds: u64| {
        for round in 0..rounds {
            let lengths = (0..1 + round % 3).map(|_| random.below(900) as usize);
            driver
                .append(
                    lengths
                        .map(|length| vec![round as u8; length].into())
                        .collect(),
                )
                .unwrap();
            driver.flush().unwrap();
        }
    };
    append(&mut driver, &mut random, 60);
    driver.purge_upto(90).unwrap();
    driver.save_vote(b"a vote"[..].into()).unwrap();
    driver.flush().unwrap();
    append(&mut driver, &mut random, 25);
    driver
        .truncate_after(Some(driver.now().next_index() - 10))
        .unwrap();
    driver.save_committed(b"a log id"[..].into()).unwrap();
    append(&mut driver, &mut random, 20);
    let model = driver.stop().unwrap();
    (disk, model)
}

/// The batches on the disk, in order, as their heads tell.
fn batches(disk: &SimulatedDisk) -> Vec<Place> {
    let mut places = Vec::new();
    for (path, bytes) in disk.files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(digits) = name.strip_suffix(".log") else {
            continue;
        };
        let number = u64::from_str_radix(digits, 16).unwrap();
        let mut start = 0;
        while let Some(header) = bytes.get(start..).and_then(BatchHeader::decode) {
            if header.segment != number {
                break;
            }
            let used_end = start + BATCH_HEADER_BYTES + header.body_bytes as usize;
            let end = used_end.next_multiple_of(BLOCK_BYTES);
            places.push(Place {
                path: path.clone(),
                start,
                used_end,
                end,
            });
            start = end;
        }
    }
    places
}

/// The same disk with one bit changed.
fn with_flip(disk: &SimulatedDisk, path: &Path, offset: usize, bit: u64) -> SimulatedDisk {
    let copy = copy_of(disk, |_| true);
    copy.flip(path, offset, 1 << bit);
    copy
}

fn copy_of(disk: &SimulatedDisk, keep: impl Fn(&Path) -> bool) -> SimulatedDisk {
    let copy = SimulatedDisk::new(0, BLOCK_BYTES);
    for (path, bytes) in disk.files() {
        if keep(&path) {
            copy.put(&path, bytes);
        }
    }
    copy
}

fn refused_at(disk: &SimulatedDisk) -> (PathBuf, u64, String) {
    let error = open(disk).map(|_| ()).expect_err("must be refused");
    let text = error.to_string();
    match error {
        LogError::Corrupt { path, offset, .. } => (path, offset, text),
        other => panic!("another error: {other}"),
    }
}

#[test]
fn a_flipped_bit_before_the_last_batch_is_an_error_that_names_file_and_offset() {
    let (disk, _) = filled();
    let batches = batches(&disk);
    let segments = batches.iter().filter(|place| place.start == 0).count();
    println!("{:?}", disk.files().keys());
    assert!(
        segments >= 3 && batches.len() > 20,
        "{segments} segments, {}",
        batches.len()
    );
    let step = if std::env::var_os("SKERRY_LOG_EVERY_BYTE").is_some() {
        1
    } else {
        41
    };
    let mut random = Random::new(1);
    let mut tried = 0;
    for place in &batches[..batches.len() - 1] {
        let header = (0..BATCH_HEADER_BYTES)
            .step_by(step.min(7))
            .map(|at| place.start + at);
        let records = (place.start + BATCH_HEADER_BYTES..place.used_end).step_by(step);
        for offset in header.chain(records).chain([place.used_end - 1]) {
            let harmed = with_flip(&disk, &place.path, offset, random.below(8));
            let (path, at, text) = refused_at(&harmed);
            assert_eq!(
                (&path, at),
                (&place.path, place.start as u64),
                "byte {offset}: {text}"
            );
            assert!(text.contains(&*path.to_string_lossy()), "{text}");
            assert!(text.contains(&format!("byte {at}")), "{text}");
            assert!(text.contains("rejoin as a new member"), "{text}");
            tried += 1;
        }
    }
    println!("{tried} flips in {} batches", batches.len() - 1);
}

#[test]
fn a_flipped_bit_in_padding_or_behind_the_end_harms_nothing() {
    let (disk, model) = filled();
    let batches = batches(&disk);
    for place in &batches {
        for offset in place.used_end..place.end {
            if offset % 61 == 0 {
                let harmed = with_flip(&disk, &place.path, offset, 3);
                assert_eq!(*Driver::open(&harmed).unwrap().now(), model);
            }
        }
    }
    let last = batches.last().unwrap();
    let harmed = with_flip(&disk, &last.path, last.end + 5, 0);
    assert_eq!(*Driver::open(&harmed).unwrap().now(), model);
}

#[test]
fn damage_to_the_last_batch_is_cut_and_the_log_goes_on() {
    let disk = SimulatedDisk::new(1, BLOCK_BYTES);
    let mut driver = Driver::open(&disk).unwrap();
    driver
        .append(vec![vec![1; 700].into(), vec![2; 700].into()])
        .unwrap();
    driver.flush().unwrap();
    let before = driver.now().clone();
    driver
        .append(vec![vec![3; 1000].into(), vec![4; 1000].into()])
        .unwrap();
    driver.stop().unwrap();
    let last = batches(&disk).pop().unwrap();
    for offset in last.start..last.used_end {
        let harmed = with_flip(&disk, &last.path, offset, offset as u64 % 8);
        let mut driver = Driver::open(&harmed).unwrap();
        assert_eq!(*driver.now(), before, "byte {offset}");
        if offset >= last.start + BATCH_HEADER_BYTES {
            let cut = driver.recovered.cut.clone().unwrap();
            assert_eq!(
                (cut.path, cut.offset),
                (last.path.clone(), last.start as u64)
            );
        }
        driver.append(vec![vec![5; 600].into()]).unwrap();
        let after = driver.stop().unwrap();
        assert_eq!(
            *Driver::open(&harmed).unwrap().now(),
            after,
            "byte {offset}"
        );
    }
}

#[test]
fn zeroed_blocks_before_the_last_batch_are_refused() {
    let (disk, _) = filled();
    let batches = batches(&disk);
    for place in &batches[..batches.len() - 1] {
        let harmed = copy_of(&disk, |_| true);
        let mut bytes = disk.files()[&place.path].clone();
        bytes[place.start..place.end].fill(0);
        harmed.put(&place.path, bytes);
        let (path, at, text) = refused_at(&harmed);
        assert_eq!(
            (path, at),
            (place.path.clone(), place.start as u64),
            "{text}"
        );
    }
}

#[test]
fn a_missing_segment_is_named() {
    let (disk, _) = filled();
    let names = disk.files().into_keys();
    let segments: Vec<_> = names
        .filter(|path| path.extension().unwrap() == "log")
        .collect();
    for missing in &segments[1..segments.len() - 1] {
        let (path, _, text) = refused_at(&copy_of(&disk, |path| path != missing));
        assert_eq!(path, *missing, "{text}");
    }
    // Without its first segment the log begins too late.
    let (path, _, text) = refused_at(&copy_of(&disk, |path| *path != segments[0]));
    assert_eq!(path, segments[1], "{text}");
    assert!(text.contains("are missing"), "{text}");
    // Emptied segments without a log are what is left of one.
    let spare = Path::new(DIR).join("0000000000000001.spare");
    let alone = SimulatedDisk::new(0, BLOCK_BYTES);
    alone.put(&spare, vec![0; 16 * 1024]);
    assert_eq!(refused_at(&alone).0, spare);
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (disk, _) = filled();
    let files = disk.files();
    let (path, bytes) = files
        .iter()
        .rfind(|(path, _)| path.extension().unwrap() == "log")
        .unwrap();
    let harmed = copy_of(&disk, |_| true);
    // The same segment number, offsets and contents, but another salt in every head.
    let mut bytes = bytes.clone();
    for place in batches(&disk).iter().filter(|place| place.path == *path) {
        let mut header = BatchHeader::decode(&bytes[place.start..]).unwrap();
        header.salt ^= 1;
        bytes[place.start..place.start + BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
    }
    harmed.put(path, bytes);
    let (refused, offset, text) = refused_at(&harmed);
    assert_eq!((&refused, offset), (path, 0), "{text}");
    assert!(text.contains("another log"), "{text}");
}

#[test]
fn a_later_format_is_refused_by_its_version() {
    let disk = SimulatedDisk::new(1, BLOCK_BYTES);
    Driver::open(&disk).unwrap().stop().unwrap();
    let place = batches(&disk).pop().unwrap();
    let mut bytes = disk.files()[&place.path].clone();
    let mut header = BatchHeader::decode(&bytes).unwrap();
    header.version = 2;
    bytes[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
    disk.put(&place.path, bytes);
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::Version {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("0000000000000001.log"),
        "{error}"
    );
}

#[test]
fn what_a_client_writes_never_passes_for_a_batch() {
    // A client that could guess a head's fields, but not the salt, fills an entry with heads of
    // later batches; the write of it is torn right behind its own head.
    let disk = SimulatedDisk::new(1, BLOCK_BYTES);
    let mut driver = Driver::open(&disk).unwrap();
    driver.append(vec![vec![1; 10].into()]).unwrap();
    driver.flush().unwrap();
    let before = driver.now().clone();
    let start = batches(&disk).pop().unwrap().end;
    let mut entry = vec![0; 6 * BLOCK_BYTES];
    for (at, bytes) in (0..).zip(entry.chunks_exact_mut(4)) {
        bytes.copy_from_slice(&u32::to_le_bytes(at));
    }
    for block in 1..6 {
        let offset = start + block * BLOCK_BYTES;
        let header = BatchHeader {
            version: 1,
            block_shift: 9,
            body_bytes: 0,
            segment: 1,
            salt: 0,
            sequence: 99,
            offset: offset as u32,
            body_crc: 0,
        };
        let at = block * BLOCK_BYTES - BATCH_HEADER_BYTES - crate::format::RECORD_HEADER_BYTES;
        entry[at..at + BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
    }
    driver.append(vec![entry.into()]).unwrap();
    driver.stop().unwrap();
    let path = Path::new(DIR).join("0000000000000001.log");
    assert_eq!(
        BatchHeader::decode(&disk.files()[&path][start + 512..])
            .unwrap()
            .sequence,
        99
    );
    disk.flip(&path, start, 1);
    assert_eq!(*Driver::open(&disk).unwrap().now(), before);
}
