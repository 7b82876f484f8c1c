//! Segments with anything in them: opening answers or refuses, and never panics.
//!
//! Starts from the corpus beside the crate and from logs made here, harms them, and mends the
//! checksums again, since harm alone seldom gets past the first of them. Bounded by
//! `SKERRY_LOG_FUZZ_ROUNDS`; what once broke belongs into the corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::aligned::AlignedBuf;
use crate::format::{
    BATCH_HEADER_BYTES, BatchHeader, Kind, Position, RECORD_HEADER_BYTES, Record, Seal,
    begin_batch, finish_batch,
};
use crate::limits::METADATA_BYTES_MAX;
use crate::simulated_disk::{Random, SimulatedDisk};
use crate::tests::model::{DIR, Driver, open};

const ROUNDS: u64 = 4000;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn corpus_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every case of the corpus: a directory, whose name begins with what opening it answers.
fn corpus() -> BTreeMap<String, Files> {
    let mut cases = BTreeMap::new();
    for case in std::fs::read_dir(corpus_dir()).unwrap() {
        let case = case.unwrap();
        let mut files = Files::new();
        for file in std::fs::read_dir(case.path()).unwrap() {
            let file = file.unwrap();
            let path = Path::new(DIR).join(file.file_name());
            files.insert(path, std::fs::read(file.path()).unwrap());
        }
        cases.insert(case.file_name().into_string().unwrap(), files);
    }
    cases
}

fn disk_with(files: &Files, block_bytes: usize) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1, block_bytes);
    for (path, bytes) in files {
        disk.put(path, bytes.clone());
    }
    disk
}

/// Opens, and where that works uses the log, stops, and finds it again as it was left.
fn open_and_use(disk: &SimulatedDisk, random: &mut Random) -> bool {
    let Ok(mut driver) = Driver::open(disk) else {
        return false;
    };
    // At the highest index entries are refused; everything else works.
    if driver.now().next_index() < u64::MAX / 4 {
        for _ in 0..15 {
            driver.step(random).unwrap();
        }
    }
    let model = driver.stop().unwrap();
    assert_eq!(*Driver::open(disk).unwrap().now(), model);
    true
}

#[test]
fn the_corpus_is_opened_or_refused_as_its_names_say() {
    let cases = corpus();
    assert!(cases.len() >= 12, "{} cases", cases.len());
    for (name, files) in cases {
        let opened = open_and_use(&disk_with(&files, 512), &mut Random::new(1));
        assert_eq!(opened, name.starts_with("opens-"), "{name}");
        assert_ne!(opened, name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn harmed_segments_are_opened_or_refused_and_nothing_panics() {
    let rounds = std::env::var("SKERRY_LOG_FUZZ_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut starts: Vec<Files> = corpus().into_values().collect();
    starts.extend((0..6).map(|seed| made(seed, 512)));
    let mut opened = 0;
    let rounds = rounds.unwrap_or(ROUNDS);
    for round in 0..rounds {
        let mut random = Random::new(round);
        let mut files = starts[random.below(starts.len() as u64) as usize].clone();
        for _ in 0..1 + random.below(4) {
            harm(&mut files, &mut random);
        }
        let disk = disk_with(&files, if random.below(4) == 0 { 4096 } else { 512 });
        // The round is the seed: seen with the panic.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            open_and_use(&disk, &mut random)
        }));
        match result {
            Ok(answer) => opened += u64::from(answer),
            Err(_) => panic!("round {round} broke: {:?}", files.keys()),
        }
    }
    println!("{opened} of {rounds} opened");
    assert!(
        opened > rounds / 20 && opened < rounds,
        "the harm is too great or too small"
    );
}

/// A log as a run leaves it.
fn made(seed: u64, block_bytes: usize) -> Files {
    let disk = SimulatedDisk::new(seed, block_bytes);
    let mut driver = Driver::open(&disk).unwrap();
    let mut random = Random::new(seed);
    for _ in 0..60 {
        driver.step(&mut random).unwrap();
    }
    driver.stop().unwrap();
    disk.files()
}

fn harm(files: &mut Files, random: &mut Random) {
    let Some(path) = pick(files, random) else {
        return;
    };
    let bytes = files.get_mut(&path).unwrap();
    let length = bytes.len() as u64;
    // A spare holds no record with the number it is used under next. Only a forger could make
    // one that does, so spares are harmed, not forged.
    let spare = path.extension().unwrap() == "spare";
    match if spare {
        2 + random.below(7)
    } else {
        random.below(16)
    } {
        0 => {
            files.remove(&path);
        }
        1 => {
            let bytes = files.remove(&path).unwrap();
            let number = [0, 1, 2, 7, u64::MAX - 1, u64::MAX, random.number()];
            let number = number[random.below(7) as usize];
            files.insert(Path::new(DIR).join(format!("{number:016x}.log")), bytes);
        }
        2 => bytes.truncate(random.below(length + 1) as usize),
        3 => {
            let more = random.below(9000) as usize;
            bytes.extend((0..more).map(|_| random.number() as u8));
        }
        4..=6 if length > 0 => {
            let at = random.below(length) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        7 if length > 1024 => {
            let block = |random: &mut Random| (random.below(length / 512) * 512) as usize;
            let (from, to) = (block(random), block(random));
            bytes.copy_within(from..from + 512, to);
        }
        8 if length > 1024 => {
            let at = (random.below(length / 512) * 512) as usize;
            bytes[at..at + 512].fill(0);
        }
        _ => harm_behind_the_checksums(bytes, random),
    }
}

fn pick(files: &Files, random: &mut Random) -> Option<PathBuf> {
    let count = files.len() as u64;
    (count > 0).then(|| {
        files
            .keys()
            .nth(random.below(count) as usize)
            .unwrap()
            .clone()
    })
}

/// Changes a field of a batch's head or of a record and makes all checksums right again.
fn harm_behind_the_checksums(bytes: &mut [u8], random: &mut Random) {
    let blocks = (0..bytes.len()).step_by(512);
    let heads: Vec<_> = blocks
        .filter(|at| BatchHeader::decode(&bytes[*at..]).is_some())
        .collect();
    if heads.is_empty() {
        return;
    }
    let start = heads[random.below(heads.len() as u64) as usize];
    let mut header = BatchHeader::decode(&bytes[start..]).unwrap();
    let odd = [
        0,
        1,
        20,
        48,
        511,
        512,
        4096,
        u64::MAX / 2,
        u64::MAX / 2 + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    let near = random.below(5);
    let mut value = |old: u64| match random.below(3) {
        0 => odd[random.below(odd.len() as u64) as usize],
        1 => old.wrapping_add(near).wrapping_sub(2),
        _ => random.number(),
    };
    match near {
        0 => header.body_bytes = value(header.body_bytes.into()) as u32,
        1 => header.sequence = value(header.sequence),
        2 => match value(3) % 4 {
            0 => header.block_shift = value(9) as u8,
            1 => header.offset = value(header.offset.into()) as u32,
            2 => header.segment = value(header.segment),
            _ => header.salt = value(header.salt),
        },
        _ => {
            let body = start + BATCH_HEADER_BYTES;
            let end = (body + header.body_bytes as usize).min(bytes.len());
            let records = record_starts(&bytes[body.min(end)..end]);
            if let Some(at) = records.get(value(0) as usize % records.len().max(1)) {
                let field = [4..8, 8..16, 16..17][value(1) as usize % 3].clone();
                let new = value(bytes[body + at + field.start].into()).to_le_bytes();
                let field = body + at + field.start..body + at + field.end;
                let width = field.len();
                bytes[field].copy_from_slice(&new[..width]);
            }
        }
    }
    mend(bytes, start, header);
}

/// A vote for which no segment's head has room, in a batch that is otherwise right.
fn long_vote() -> Vec<u8> {
    let vote = vec![1; METADATA_BYTES_MAX + 1];
    let at = Position {
        segment: 1,
        salt: 1,
        sequence: 1,
        offset: 0,
        block_bytes: 512,
    };
    let mut segment = Vec::new();
    for (kind, payload) in [(Kind::Head, &[][..]), (Kind::Vote, &vote[..])] {
        let mut batch = AlignedBuf::with_capacity(0);
        begin_batch(&mut batch);
        Seal::new(at.salt, at.segment).push(
            &mut batch,
            Record {
                kind,
                index: 0,
                payload,
            },
        );
        let sequence = at.sequence + u64::from(!segment.is_empty());
        finish_batch(
            &mut batch,
            Position {
                offset: segment.len() as u32,
                sequence,
                ..at
            },
        );
        segment.extend_from_slice(batch.as_slice());
    }
    segment
}

fn record_starts(body: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(length) = body
        .get(at + 4..at + 8)
        .filter(|_| at + RECORD_HEADER_BYTES <= body.len())
    {
        starts.push(at);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        at = at
            .saturating_add(RECORD_HEADER_BYTES)
            .saturating_add(length as usize);
    }
    starts
}

fn mend(bytes: &mut [u8], start: usize, mut header: BatchHeader) {
    let body = start + BATCH_HEADER_BYTES;
    let end = body
        .saturating_add(header.body_bytes as usize)
        .min(bytes.len());
    let seal = Seal::new(header.salt, header.segment);
    for at in record_starts(&bytes[body.min(end)..end]) {
        seal.mend(&mut bytes[body + at..end]);
    }
    header.body_crc = crc32c::crc32c(&bytes[body.min(end)..end]);
    bytes[start..body].copy_from_slice(&header.encode());
}

/// Writes the corpus anew. Run by hand when the format changes:
/// `cargo test -p skerry-log write_the_corpus -- --ignored`
#[test]
#[ignore = "writes into the source tree"]
fn write_the_corpus() {
    let small = || {
        let disk = SimulatedDisk::new(9, 512);
        let mut driver = Driver::open(&disk).unwrap();
        driver.save_vote(b"a vote"[..].into()).unwrap();
        for length in [0, 1, 300, 700] {
            driver
                .append(vec![vec![length as u8; length].into(); 2])
                .unwrap();
            driver.flush().unwrap();
        }
        driver.save_committed(b"a log id"[..].into()).unwrap();
        driver.truncate_after(Some(6)).unwrap();
        driver.purge_upto(1).unwrap();
        driver.flush().unwrap();
        driver.append(vec![vec![7; 900].into()]).unwrap();
        (disk, driver)
    };
    let rotated = |appends: u64| {
        let disk = SimulatedDisk::new(9, 512);
        let mut driver = Driver::open(&disk).unwrap();
        for index in 0..appends {
            driver.append(vec![vec![index as u8; 5000].into()]).unwrap();
            driver.flush().unwrap();
            if index == 5 {
                driver.purge_upto(4).unwrap();
            }
        }
        driver.stop().unwrap();
        disk.files()
    };
    let name = |number: u64| Path::new(DIR).join(format!("{number:016x}.log"));
    let plain = || {
        let (disk, driver) = small();
        driver.stop().unwrap();
        disk.files()
    };
    let change = |mut files: Files, number: u64, change: &dyn Fn(&mut Vec<u8>)| {
        change(files.get_mut(&name(number)).unwrap());
        files
    };
    let last_head = |bytes: &[u8]| {
        let mut blocks = (0..bytes.len()).step_by(512);
        blocks
            .rfind(|at| BatchHeader::decode(&bytes[*at..]).is_some())
            .unwrap()
    };
    let fresh = SimulatedDisk::new(9, 512);
    Driver::open(&fresh).unwrap().stop().unwrap();
    let mut gap = rotated(9);
    assert!(gap.remove(&name(3)).is_some());
    let mut unfinished = plain();
    unfinished.insert(name(2), vec![0; 4096]);
    let cases = [
        ("opens-new", fresh.files()),
        ("opens-small", plain()),
        (
            "opens-nothing-written",
            Files::from([(name(1), Vec::new())]),
        ),
        ("opens-zeros", Files::from([(name(1), vec![0; 4096])])),
        ("opens-rotated-and-used-again", rotated(9)),
        ("opens-large-blocks", made(3, 4096)),
        ("opens-unfinished-rotation", unfinished),
        (
            "opens-torn-body",
            change(plain(), 1, &|bytes| {
                let at = last_head(bytes);
                bytes[at + 512..].fill(0);
            }),
        ),
        (
            "opens-torn-head",
            change(plain(), 1, &|bytes| {
                let at = last_head(bytes);
                bytes[at..at + 512].fill(0);
            }),
        ),
        (
            "opens-cut-short",
            change(plain(), 1, &|bytes| {
                let at = last_head(bytes);
                bytes.truncate(at + 700);
            }),
        ),
        (
            "refused-flip-in-the-middle",
            change(plain(), 1, &|bytes| bytes[570] ^= 4),
        ),
        (
            "refused-bad-head",
            change(plain(), 1, &|bytes| bytes[20] ^= 4),
        ),
        ("refused-missing-segment", gap),
        (
            "refused-later-version",
            change(plain(), 1, &|bytes| {
                let mut header = BatchHeader::decode(bytes).unwrap();
                header.version = 2;
                bytes[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
            }),
        ),
        ("refused-long-vote", Files::from([(name(1), long_vote())])),
        (
            "refused-wrong-index",
            change(plain(), 1, &|bytes| {
                let at = last_head(bytes);
                let header = BatchHeader::decode(&bytes[at..]).unwrap();
                bytes[at + BATCH_HEADER_BYTES + 8] ^= 1;
                mend(bytes, at, header);
            }),
        ),
    ];
    for (case, files) in cases {
        let dir = corpus_dir().join(case);
        std::fs::create_dir_all(&dir).unwrap();
        let opens = open(&disk_with(&files, 512)).is_ok();
        assert_eq!(opens, case.starts_with("opens-"), "{case}");
        for (path, mut bytes) in files {
            if path.extension().unwrap() == "log" {
                let used = bytes
                    .iter()
                    .rposition(|byte| *byte != 0)
                    .map_or(0, |at| at + 1);
                bytes.truncate(used.next_multiple_of(512).max(bytes.len().min(512)));
                std::fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
            }
        }
    }
}
