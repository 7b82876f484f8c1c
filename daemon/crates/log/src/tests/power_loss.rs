//! The run is cut at every single operation on the disk.

use crate::LogError;
use crate::simulated_disk::{Crash, Random, SimulatedDisk};
use crate::tests::model::{Driver, Expected, Model};

const STEPS: usize = 160;

/// Runs a script until its end or until the disk dies.
fn run(driver: &mut Driver, random: &mut Random, steps: usize) -> Result<(), LogError> {
    for _ in 0..steps {
        driver.step(random)?;
    }
    driver.flush()
}

/// Opens after a crash and checks what is there; a cut while opening is one more crash.
fn reopen(disk: &SimulatedDisk, expected: &Expected, crash: Crash, what: &str) -> Driver {
    match Driver::open(disk) {
        Ok(driver) => {
            expected.check(driver.now(), what);
            driver
        }
        Err(error) => {
            assert!(disk.is_dead(), "{what}: must open, but: {error}");
            disk.restart(crash);
            let driver = Driver::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            expected.check(driver.now(), what);
            driver
        }
    }
}

fn cut_at(seed: u64, block_bytes: usize, at: u64) {
    let what = format!("seed {seed}, blocks of {block_bytes}, cut at operation {at}");
    let mut choice = Random::new(seed ^ (at << 20));
    let crash = if choice.below(3) == 0 {
        Crash::Kill
    } else {
        Crash::Power
    };
    let disk = SimulatedDisk::new(seed, block_bytes);
    disk.end_at(at);
    let mut random = Random::new(seed);
    let expected = match Driver::open(&disk) {
        Ok(mut driver) => {
            let _ = run(&mut driver, &mut random, STEPS);
            driver.crash()
        }
        Err(_) => Expected::nothing(),
    };
    assert!(disk.is_dead(), "{what}: the run was not cut");
    disk.restart(crash);

    // What has been read after a kill must outlive a power cut.
    let mut driver = reopen(&disk, &expected, crash, &what);
    if crash == Crash::Kill && choice.below(2) == 0 {
        let expected = driver.crash();
        disk.restart(Crash::Power);
        driver = reopen(
            &disk,
            &expected,
            Crash::Power,
            &format!("{what}, then power"),
        );
    }

    // The log goes on, is cut a second time somewhere, and goes on again.
    disk.end_at(disk.operations() + 1 + choice.below(30));
    let _ = run(&mut driver, &mut choice, 40);
    let expected = driver.crash();
    let again = format!("{what}, second cut");
    disk.restart(Crash::Power);
    disk.end_at(disk.operations() + 1 + choice.below(30));
    let mut driver = reopen(&disk, &expected, Crash::Power, &again);
    let _ = run(&mut driver, &mut choice, 20);
    let expected = driver.crash();
    disk.restart(Crash::Power);
    let mut driver = reopen(
        &disk,
        &expected,
        Crash::Power,
        &format!("{what}, third cut"),
    );
    run(&mut driver, &mut choice, 20).unwrap();
    let all = driver.stop().unwrap();
    assert_eq!(
        *Driver::open(&disk).unwrap().now(),
        all,
        "{what}, at the end"
    );
}

impl Expected {
    fn nothing() -> Expected {
        let disk = SimulatedDisk::new(0, 512);
        Driver::open(&disk).unwrap().crash()
    }
}

#[test]
fn a_cut_at_any_operation_loses_nothing_acknowledged_and_makes_nothing_up() {
    let seeds = std::env::var("SKERRY_LOG_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut cuts = 0;
    for seed in 1..=seeds.unwrap_or(6u64) {
        let block_bytes = if seed % 2 == 0 { 4096 } else { 512 };
        let disk = SimulatedDisk::new(seed, block_bytes);
        let mut driver = Driver::open(&disk).unwrap();
        run(&mut driver, &mut Random::new(seed), STEPS).unwrap();
        println!(
            "seed {seed}: {} operations, {:?}",
            disk.operations(),
            disk.files().keys()
        );
        drop(driver);
        for at in 1..=disk.operations() {
            cut_at(seed, block_bytes, at);
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
}

#[test]
fn what_a_clean_stop_leaves_is_found_whole() {
    for seed in 100..140 {
        let disk = SimulatedDisk::new(seed, 512);
        let mut expected = Model::default();
        let mut random = Random::new(seed);
        for _ in 0..5 {
            let mut driver = Driver::open(&disk).unwrap();
            assert_eq!(*driver.now(), expected, "seed {seed}");
            assert_eq!(driver.recovered.cut, None, "seed {seed}");
            run(&mut driver, &mut random, 60).unwrap();
            expected = driver.stop().unwrap();
        }
    }
}
