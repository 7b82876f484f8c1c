//! What a caller may rely on, apart from crashes.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::simulated_disk::{Crash, SimulatedDisk};
use crate::tests::model::{DIR, Driver, open, small_options};
use crate::{Disk, Done, Log, LogError, Options, RealDisk, SegmentFile};

const DEADLINE: Duration = Duration::from_secs(20);

fn ignore() -> Done {
    Box::new(|_| {})
}

/// A callback that sends what it hears.
fn tell(sender: &Sender<(usize, Result<(), LogError>)>, number: usize) -> Done {
    let sender = sender.clone();
    Box::new(move |result| sender.send((number, result)).unwrap())
}

fn one(index: u64, bytes: usize) -> Vec<(u64, Bytes)> {
    vec![(index, Bytes::from(vec![index as u8; bytes]))]
}

#[test]
fn all_that_waits_goes_to_disk_in_one_write_and_is_acknowledged_in_order() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    let (sender, heard) = channel();
    for index in 0..10 {
        log.append(one(index, 50), tell(&sender, index as usize))
            .unwrap();
    }
    log.save_vote(Bytes::from_static(b"vote"), tell(&sender, 10))
        .unwrap();
    log.truncate_after(Some(7), tell(&sender, 11)).unwrap();
    log.purge_upto(2, Bytes::from_static(b"id"), tell(&sender, 12))
        .unwrap();
    log.append(Vec::new(), tell(&sender, 13)).unwrap();
    assert!(
        heard.try_recv().is_err(),
        "nothing is acknowledged before it is written"
    );
    let before = disk.operations();
    writer.flush().unwrap();
    assert_eq!(disk.operations(), before + 1);
    let numbers: Vec<_> = heard
        .try_iter()
        .map(|(number, result)| (number, result.is_ok()))
        .collect();
    assert_eq!(
        numbers,
        (0..14).map(|number| (number, true)).collect::<Vec<_>>()
    );
}

#[test]
fn a_lone_entry_costs_one_block() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    let before = disk.written_bytes();
    log.append(one(0, 300), ignore()).unwrap();
    writer.flush().unwrap();
    assert_eq!(disk.written_bytes() - before, 512);
}

#[test]
fn a_committed_log_id_costs_no_write_of_its_own() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    let before = disk.operations();
    for round in 0..5 {
        log.save_committed(Bytes::from(format!("{round}"))).unwrap();
        writer.flush().unwrap();
    }
    assert_eq!(disk.operations(), before);
    assert_eq!(log.committed(), Some(Bytes::from_static(b"4")));
    log.append(one(0, 50), ignore()).unwrap();
    writer.flush().unwrap();
    assert_eq!(disk.operations(), before + 1);
    drop((log, writer));
    let (_, recovered, _writer) = open(&disk).unwrap();
    assert_eq!(recovered.committed, Some(Bytes::from_static(b"4")));
}

#[test]
fn a_read_answers_at_least_one_entry_and_no_more_bytes_than_asked() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    for index in 0..40 {
        log.append(one(index, 200), ignore()).unwrap();
    }
    writer.flush().unwrap();
    log.append(one(40, 200), ignore()).unwrap();
    log.purge_upto(4, Bytes::new(), ignore()).unwrap();
    let indexes = |range, bytes| -> Vec<u64> {
        let entries = log.read(range, bytes).unwrap();
        assert!(
            entries
                .iter()
                .all(|(index, entry)| entry[..] == [*index as u8; 200])
        );
        entries.into_iter().map(|(index, _)| index).collect()
    };
    assert_eq!(indexes(0..100, usize::MAX), (5..41).collect::<Vec<_>>());
    assert_eq!(indexes(10..20, 0), [10]);
    assert_eq!(indexes(10..20, 599), [10, 11]);
    assert_eq!(indexes(10..20, 600), [10, 11, 12]);
    assert_eq!(indexes(0..3, usize::MAX), [0; 0]);
    assert_eq!(indexes(41..50, usize::MAX), [0; 0]);
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = 20..10;
    assert_eq!(indexes(backwards, usize::MAX), [0; 0]);
}

#[test]
fn a_refused_change_changes_nothing() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, mut writer) = open(&disk).unwrap();
    log.append(one(0, 10), ignore()).unwrap();
    let panics: fn() -> Done = || Box::new(|_| panic!("a refused change is not acknowledged"));
    let gap = log.append(one(2, 10), panics()).unwrap_err();
    assert!(
        matches!(
            gap,
            LogError::Gap {
                expected: 1,
                got: 2
            }
        ),
        "{gap}"
    );
    let twice = vec![(1, Bytes::new()), (1, Bytes::new())];
    assert!(matches!(
        log.append(twice, panics()),
        Err(LogError::Gap {
            expected: 2,
            got: 1
        })
    ));
    let limit = log.entry_bytes_max();
    let large = log.append(one(1, limit + 1), panics()).unwrap_err();
    assert!(
        matches!(large, LogError::EntryTooLarge { index: 1, .. }),
        "{large}"
    );
    assert_eq!((log.next_index(), log.last_index()), (1, Some(0)));
    writer.flush().unwrap();
    assert_eq!(log.read(0..9, usize::MAX).unwrap().len(), 1);
}

#[test]
fn truncating_below_the_purged_part_stops_at_it() {
    let disk = SimulatedDisk::new(1, 512);
    let mut driver = Driver::open(&disk).unwrap();
    driver.append(vec![Bytes::from_static(b"x"); 10]).unwrap();
    driver.purge_upto(4).unwrap();
    driver.truncate_after(Some(1)).unwrap();
    assert_eq!(
        (driver.log.next_index(), driver.log.first_index()),
        (5, None)
    );
    driver.append(vec![Bytes::from_static(b"y")]).unwrap();
    driver.purge_upto(2).unwrap();
    let model = driver.stop().unwrap();
    assert_eq!(model.purged.as_ref().unwrap().0, 4);
    assert_eq!(*Driver::open(&disk).unwrap().now(), model);
}

#[test]
fn an_entry_replaced_while_its_write_is_under_way_is_read_as_replaced() {
    let disk = SimulatedDisk::new(1, 512);
    let options = Options {
        cache_bytes: 0,
        ..small_options()
    };
    let (log, _, mut writer) = Log::open(Arc::new(disk), Path::new(DIR), options).unwrap();
    // The callback of the first append runs when that append is durable and the rest is not.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (reader, entries) = (log.clone(), seen.clone());
    let done: Done = Box::new(move |_| {
        entries
            .lock()
            .unwrap()
            .extend(reader.read(0..9, usize::MAX).unwrap());
    });
    log.append(
        vec![
            (0, Bytes::from_static(b"old 0")),
            (1, Bytes::from_static(b"old 1")),
        ],
        done,
    )
    .unwrap();
    log.append(one(2, 7000), ignore()).unwrap();
    log.truncate_after(Some(0), ignore()).unwrap();
    log.append(vec![(1, Bytes::from_static(b"new 1"))], ignore())
        .unwrap();
    assert!(writer.flush_one().unwrap() && !seen.lock().unwrap().is_empty());
    let expected = [
        (0, Bytes::from_static(b"old 0")),
        (1, Bytes::from_static(b"new 1")),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    writer.flush().unwrap();
    assert_eq!(log.read(0..9, usize::MAX).unwrap(), expected);
}

#[test]
fn a_failed_write_fails_all_that_waits_and_all_that_follows() {
    for code in [
        nix::errno::Errno::ENOSPC as i32,
        nix::errno::Errno::EIO as i32,
    ] {
        let disk = SimulatedDisk::new(3, 512);
        let (log, _, mut writer) = open(&disk).unwrap();
        let (sender, heard) = channel();
        log.append(one(0, 10), tell(&sender, 0)).unwrap();
        writer.flush().unwrap();
        disk.fail_at(disk.operations() + 1, code);
        for index in 1..4 {
            log.append(one(index, 6000), tell(&sender, index as usize))
                .unwrap();
        }
        let error = writer.flush().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("0000000000000001.log: cannot write"),
            "{error}"
        );
        let results: Vec<_> = heard
            .try_iter()
            .map(|(number, result)| (number, result.is_ok()))
            .collect();
        assert_eq!(results, [(0, true), (1, false), (2, false), (3, false)]);
        let operations = disk.operations();
        let refused = log.save_vote(Bytes::new(), ignore()).unwrap_err();
        assert!(matches!(refused, LogError::Stopped { .. }), "{refused}");
        assert!(matches!(
            log.save_committed(Bytes::new()),
            Err(LogError::Stopped { .. })
        ));
        assert_eq!(
            disk.operations(),
            operations,
            "a failed write is never tried again"
        );
        let called = Arc::new(AtomicBool::new(false));
        let ready = called.clone();
        log.when_room(Box::new(move || ready.store(true, Ordering::Relaxed)));
        assert!(called.load(Ordering::Relaxed), "nobody waits for ever");
        drop((log, writer));
        disk.restart(Crash::Power);
        let (log, ..) = open(&disk).unwrap();
        assert_eq!(log.read(0..1, usize::MAX).unwrap(), one(0, 10));
    }
}

#[test]
fn a_failure_at_any_operation_never_claims_what_is_not_there() {
    let mut last = 0;
    for at in 1.. {
        let disk = SimulatedDisk::new(at, 512);
        disk.fail_at(at, nix::errno::Errno::EIO as i32);
        let Ok(mut driver) = Driver::open(&disk) else {
            continue;
        };
        let mut random = crate::simulated_disk::Random::new(7);
        let failed = (0..150).any(|_| driver.step(&mut random).is_err());
        let expected = driver.crash();
        disk.restart(if at % 2 == 0 {
            Crash::Kill
        } else {
            Crash::Power
        });
        expected.check(
            Driver::open(&disk).unwrap().now(),
            &format!("failure at {at}"),
        );
        if !failed {
            break;
        }
        last = at;
    }
    assert!(last > 50, "only {last} operations");
}

#[test]
fn the_writer_ends_when_the_last_handle_goes_and_has_flushed() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, writer) = open(&disk).unwrap();
    let pulses = Arc::new(AtomicUsize::new(0));
    let count = pulses.clone();
    let thread =
        std::thread::spawn(move || writer.run(|| _ = count.fetch_add(1, Ordering::Relaxed)));
    let other = log.clone();
    drop(log);
    let (sender, heard) = channel();
    other.append(one(0, 10), tell(&sender, 0)).unwrap();
    assert!(heard.recv_timeout(DEADLINE).unwrap().1.is_ok());
    other.save_committed(Bytes::from_static(b"id")).unwrap();
    drop(other);
    thread.join().unwrap().unwrap();
    assert!(pulses.load(Ordering::Relaxed) >= 2);
    let (_, recovered, _writer) = open(&disk).unwrap();
    assert_eq!(recovered.last_index, Some(0));
    assert_eq!(recovered.committed, Some(Bytes::from_static(b"id")));
}

#[test]
fn an_idle_writer_pulses() {
    let (log, _, writer) = open(&SimulatedDisk::new(1, 512)).unwrap();
    let (sender, pulses) = channel();
    let thread = std::thread::spawn(move || writer.run(|| sender.send(()).unwrap()));
    for _ in 0..3 {
        pulses.recv_timeout(DEADLINE).unwrap();
    }
    drop(log);
    thread.join().unwrap().unwrap();
}

#[test]
fn changes_after_close_are_refused_and_reads_go_on() {
    let disk = SimulatedDisk::new(1, 512);
    let (log, _, writer) = open(&disk).unwrap();
    let (sender, heard) = channel();
    log.append(one(0, 10), tell(&sender, 0)).unwrap();
    log.close();
    assert!(matches!(
        log.append(one(1, 10), ignore()),
        Err(LogError::Closed)
    ));
    writer.run(|| {}).unwrap();
    assert!(heard.recv().unwrap().1.is_ok());
    assert!(matches!(
        log.append(one(1, 10), ignore()),
        Err(LogError::Closed)
    ));
    assert_eq!(log.read(0..9, usize::MAX).unwrap(), one(0, 10));
}

#[test]
fn a_writer_that_is_dropped_lets_nobody_wait() {
    let (log, _, writer) = open(&SimulatedDisk::new(1, 512)).unwrap();
    let (sender, heard) = channel();
    log.append(one(0, 10), tell(&sender, 0)).unwrap();
    drop(writer);
    assert!(matches!(heard.try_recv(), Ok((0, Err(LogError::Closed)))));
    assert!(matches!(
        log.append(one(1, 10), ignore()),
        Err(LogError::Closed)
    ));
}

#[test]
fn a_log_in_use_is_not_opened_again() {
    let disk = SimulatedDisk::new(1, 512);
    let first = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(LogError::InUse { .. })));
    drop(first);
    open(&disk).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let real = || Log::open(Arc::new(RealDisk::new()), dir.path(), Options::default());
    let first = real().unwrap();
    let error = real().map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::InUse { .. }), "{error}");
    drop(first);
    real().unwrap();
}

#[test]
fn a_segment_moved_to_a_device_with_larger_sectors_is_not_written_on() {
    let disk = SimulatedDisk::new(1, 512);
    let mut driver = Driver::open(&disk).unwrap();
    driver.append(vec![Bytes::from(vec![1; 100])]).unwrap();
    driver.stop().unwrap();
    disk.set_block_bytes(4096);
    let mut driver = Driver::open(&disk).unwrap();
    driver.append(vec![Bytes::from(vec![2; 100])]).unwrap();
    let model = driver.stop().unwrap();
    assert!(
        disk.files()
            .contains_key(&Path::new(DIR).join("0000000000000002.log"))
    );
    // And back: what was begun with larger blocks goes on with them.
    disk.set_block_bytes(512);
    let mut driver = Driver::open(&disk).unwrap();
    assert_eq!(*driver.now(), model);
    driver.append(vec![Bytes::from(vec![3; 100])]).unwrap();
    let model = driver.stop().unwrap();
    assert!(
        !disk
            .files()
            .contains_key(&Path::new(DIR).join("0000000000000003.log"))
    );
    assert_eq!(*Driver::open(&disk).unwrap().now(), model);
}

/// A disk whose reads wait, once, until they are let go.
struct WaitingDisk {
    disk: SimulatedDisk,
    gate: Gate,
}

type Gate = Arc<Mutex<Option<(Sender<()>, Receiver<()>)>>>;

struct WaitingFile {
    file: Box<dyn SegmentFile>,
    gate: Gate,
}

impl Disk for WaitingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create(&self, path: &Path, zeroed: u64) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.disk.create(path, zeroed)?;
        Ok(Box::new(WaitingFile {
            file,
            gate: self.gate.clone(),
        }))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.disk.open(path)?;
        Ok(Box::new(WaitingFile {
            file,
            gate: self.gate.clone(),
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn salt(&self) -> u64 {
        self.disk.salt()
    }
}

impl SegmentFile for WaitingFile {
    fn block_bytes(&self) -> usize {
        self.file.block_bytes()
    }
    fn length_bytes(&self) -> io::Result<u64> {
        self.file.length_bytes()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let gate = self.gate.lock().unwrap().take();
        if let Some((arrived, go)) = gate {
            arrived.send(()).unwrap();
            go.recv_timeout(DEADLINE).unwrap();
        }
        self.file.read_at(offset, into)
    }
    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        self.file.write_durable(offset, blocks)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn a_read_under_way_keeps_its_segment_from_being_used_again() {
    let gate = Gate::default();
    let disk = WaitingDisk {
        disk: SimulatedDisk::new(1, 512),
        gate: gate.clone(),
    };
    let options = Options {
        cache_bytes: 0,
        ..small_options()
    };
    let (log, _, mut writer) = Log::open(Arc::new(disk), Path::new(DIR), options).unwrap();
    for index in 0..4 {
        log.append(one(index, 6000), ignore()).unwrap();
        writer.flush().unwrap();
    }
    let (arrived, at_gate) = channel();
    let (open_gate, go) = channel();
    *gate.lock().unwrap() = Some((arrived, go));
    let reader = log.clone();
    let reading = std::thread::spawn(move || reader.read(0..1, usize::MAX));
    at_gate.recv_timeout(DEADLINE).unwrap();
    // While the reader stands before the disk, what it reads is purged, and so much is written
    // that every emptied segment has been used again.
    for index in 4..30 {
        log.purge_upto(index - 2, Bytes::new(), ignore()).unwrap();
        log.append(one(index, 6000), ignore()).unwrap();
        writer.flush().unwrap();
    }
    open_gate.send(()).unwrap();
    assert_eq!(reading.join().unwrap().unwrap(), one(0, 6000));
    assert_eq!(log.first_index(), Some(28));
}
