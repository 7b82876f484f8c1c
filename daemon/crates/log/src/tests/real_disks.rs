//! The same promises on the machine's own file systems: direct writes in the build directory,
//! buffered ones in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;

use crate::{Disk, Log, LogError, Options, RealDisk};

const DEADLINE: Duration = Duration::from_secs(60);

/// Directories to try, with the disks to try in them.
fn places() -> Vec<(tempfile::TempDir, RealDisk, &'static str)> {
    let mut places = Vec::new();
    let build = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target");
    let build = if build.is_dir() {
        build
    } else {
        std::env::temp_dir()
    };
    places.push((
        tempfile::tempdir_in(&build).unwrap(),
        RealDisk::new(),
        "build directory",
    ));
    places.push((
        tempfile::tempdir_in(&build).unwrap(),
        RealDisk::buffered(),
        "build directory, buffered",
    ));
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(dir) => places.push((dir, RealDisk::new(), "/dev/shm")),
        Err(error) => println!("/dev/shm cannot be used here: {error}"),
    }
    places
}

fn payload(index: u64) -> Bytes {
    Bytes::from(vec![index as u8; (index * 37 % 3000) as usize])
}

/// Appends `indexes` one by one, each acknowledged before the next.
fn append(log: &Log, indexes: std::ops::Range<u64>) {
    for index in indexes {
        let (sender, heard) = channel();
        let done = Box::new(move |result| sender.send(result).unwrap());
        log.append(vec![(index, payload(index))], done).unwrap();
        heard.recv_timeout(DEADLINE).unwrap().unwrap();
    }
}

#[test]
fn a_log_on_a_real_file_system_holds_what_was_acknowledged() {
    for (dir, disk, name) in places() {
        let path = dir.path().join("new/log");
        let options = || Options {
            segment_bytes: 64 * 1024,
            cache_bytes: 10_000,
            ..Options::default()
        };
        for life in 0..4 {
            let (log, recovered, writer) =
                Log::open(Arc::new(disk.clone()), &path, options()).unwrap();
            assert_eq!(recovered.cut, None, "{name}");
            assert_eq!(
                recovered.last_index,
                (life * 200u64).checked_sub(1),
                "{name}"
            );
            let thread = std::thread::spawn(move || writer.run(|| {}));
            append(&log, life * 200..life * 200 + 200);
            let purged = life * 200 + 100;
            log.purge_upto(
                purged,
                Bytes::from_static(b"id"),
                Box::new(|result| result.unwrap()),
            )
            .unwrap();
            let entries = log.read(0..u64::MAX, usize::MAX).unwrap();
            assert_eq!(entries.first().unwrap().0, purged + 1, "{name}");
            assert!(
                entries
                    .iter()
                    .all(|(index, entry)| *entry == payload(*index)),
                "{name}"
            );
            drop(log);
            thread.join().unwrap().unwrap();
        }
        // At most 200 entries are live, each in a page or less, beside spares and the tail.
        let files = std::fs::read_dir(&path).unwrap().count();
        assert!(
            files <= 200 * 4096 / (64 * 1024) + 4,
            "{name}: {files} files"
        );
    }
}

#[test]
fn what_a_killed_process_left_half_written_is_cut() {
    for (dir, disk, name) in places() {
        let open = || Log::open(Arc::new(disk.clone()), dir.path(), Options::default());
        let (log, _, writer) = open().unwrap();
        let thread = std::thread::spawn(move || writer.run(|| {}));
        append(&log, 0..20);
        drop(log);
        thread.join().unwrap().unwrap();
        // The tail as a torn write leaves it: a good head, zeros for a body.
        let segment = dir.path().join("0000000000000001.log");
        let mut bytes = std::fs::read(&segment).unwrap();
        let mut heads = (0..bytes.len()).step_by(512);
        let last = heads.rfind(|at| bytes[at + 4..at + 8] == *b"SkLg").unwrap();
        bytes[last + 48..].fill(0);
        std::fs::write(&segment, bytes).unwrap();
        let (log, recovered, _writer) = open().unwrap();
        assert_eq!(recovered.last_index, Some(18), "{name}");
        assert_eq!(recovered.cut.unwrap().offset, last as u64, "{name}");
        assert_eq!(
            log.read(18..20, usize::MAX).unwrap(),
            [(18, payload(18))],
            "{name}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let below = file.join("log");
    let error = Log::open(Arc::new(RealDisk::new()), &below, Options::default()).map(|_| ());
    let error = error.unwrap_err();
    assert!(matches!(error, LogError::Io { .. }), "{error}");
    assert!(
        error.to_string().contains(below.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn blocks_are_no_larger_than_a_page_and_writes_of_one_block_pass() {
    for (dir, disk, name) in places() {
        let file = disk.create(&dir.path().join("x"), 64 * 1024).unwrap();
        let block = file.block_bytes();
        println!("{name}: blocks of {block}");
        assert!(matches!(block, 512 | 4096), "{name}");
        file.write_durable(block as u64 * 3, &vec![7; block])
            .unwrap();
        let mut read = vec![0; block + 20];
        assert_eq!(
            file.read_at(block as u64 * 3 - 10, &mut read).unwrap(),
            block + 20
        );
        assert!(read[..10].iter().all(|byte| *byte == 0), "{name}");
        assert!(read[10..10 + block].iter().all(|byte| *byte == 7), "{name}");
        let mut end = [0; 100];
        assert_eq!(
            file.read_at(64 * 1024 - 40, &mut end).unwrap(),
            40,
            "{name}"
        );
        assert_eq!(file.read_at(65 * 1024, &mut end).unwrap(), 0, "{name}");
    }
}
