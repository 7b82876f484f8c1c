//! Damage to a stopped member's files: a torn end of the log is cut and nothing acknowledged
//! is lost; anything else that is not what was written stops the member with an error that
//! names the file, the place and the way out, or is at least never served as if it were right.
//!
//! Knows where Skerry keeps its files (`db/log/*.log`, `db/state.redb`) and that a log
//! segment is written in blocks, but nothing of the formats: values are found by their text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use skerry_tests_harness::Random;
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::history::{Key, Request, Response, Version};
use crate::limits::{OPERATION_DEADLINE, RECOVERY_DEADLINE, STOP_DEADLINE};
use crate::load::{Recorder, Through};
use crate::session::{Target, value_text};

/// Writes before the files are damaged.
const WRITES: u32 = 400;

/// Blocks of a log segment are this long or a divisor of it.
const BLOCK_BYTES: usize = 4096;

/// Flips of single bytes in the state file.
const STATE_FLIPS: usize = 6;

type Written = Vec<(Key, Version)>;

/// Runs all cases on the fleet's only member.
///
/// # Errors
/// The first case that went wrong.
pub async fn run(fleet: &mut Fleet, seed: u64) -> Result<()> {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let recorder = Recorder::new(false);

    // Killed: the last writes are in the log alone.
    let mut written = write(&recorder, fleet, 0).await?;
    fleet.kill(0)?;
    let killed = Copy::of(&fleet.cluster.members[0].data_dir)?;

    println!("a write of zeros, of noise and of half a block behind the last record");
    for tail in [
        vec![0; 3_000],
        noise(&mut random, 3_000),
        noise(&mut random, 300),
    ] {
        killed.restore()?;
        edit(&newest_segment(fleet)?, |bytes| {
            let used = used_bytes(bytes).next_multiple_of(BLOCK_BYTES);
            for (at, byte) in tail.iter().enumerate() {
                match bytes.get_mut(used + at) {
                    Some(place) => *place = *byte,
                    None => bytes.push(*byte),
                }
            }
            Ok(())
        })?;
        opens_with(fleet, &written)
            .await
            .context("noise behind the last record")?;
    }

    println!("the file ends behind the last record");
    killed.restore()?;
    edit(&newest_segment(fleet)?, |bytes| {
        bytes.truncate(used_bytes(bytes).next_multiple_of(BLOCK_BYTES));
        Ok(())
    })?;
    opens_with(fleet, &written)
        .await
        .context("a short segment")?;

    println!("the last record is torn");
    killed.restore()?;
    edit(&newest_segment(fleet)?, |bytes| {
        let used = used_bytes(bytes);
        bytes[used - 5..].fill(0);
        Ok(())
    })?;
    opens_with(fleet, &written[..written.len() - 1])
        .await
        .context("a torn last record")?;

    println!("one byte in the middle of the log is wrong");
    killed.restore()?;
    let middle = written[written.len() / 2].1;
    let segment = find(&segments(fleet)?, middle)?;
    flip(&segment.0, segment.1)?;
    refuses(fleet, &segment.0, &["byte", "rejoin"])?;

    // Stopped: all is in the state.
    killed.restore()?;
    fleet.heal()?;
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    written.extend(write(&recorder, fleet, WRITES).await?);
    fleet.stop(0)?;
    let stopped = Copy::of(&fleet.cluster.members[0].data_dir)?;
    let state = state_file(fleet);

    println!("the state file is cut in half");
    let half = fs::metadata(&state)?.len() / 2;
    fs::File::options()
        .write(true)
        .open(&state)?
        .set_len(half)?;
    refuses(fleet, &state, &["rejoin"])?;

    println!("the state file begins with zeros");
    stopped.restore()?;
    edit(&state, |bytes| {
        bytes[..4096].fill(0);
        Ok(())
    })?;
    refuses(fleet, &state, &["rejoin"])?;

    for flip_number in 0..STATE_FLIPS {
        let (_, version) = written[random.below(written.len())];
        println!(
            "flip {flip_number}: one byte of value {} in the state",
            version.value
        );
        stopped.restore()?;
        let (file, offset) = find(std::slice::from_ref(&state), version)?;
        flip(&file, offset)?;
        serves_right_or_not_at_all(fleet, &written, &state).await?;
    }
    Ok(())
}

/// A data directory as it was.
struct Copy {
    kept: TempDir,
    origin: PathBuf,
}

impl Copy {
    fn of(origin: &Path) -> Result<Self> {
        let copy = Self {
            kept: tempfile::tempdir()?,
            origin: origin.to_owned(),
        };
        copy_tree(origin, copy.kept.path())?;
        Ok(copy)
    }

    fn restore(&self) -> Result<()> {
        fs::remove_dir_all(&self.origin)?;
        copy_tree(self.kept.path(), &self.origin)
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let status = std::process::Command::new("cp")
        .arg("--archive")
        .arg("--no-target-directory")
        .args([from, to])
        .status()
        .context("start cp")?;
    ensure!(
        status.success(),
        "copy {} to {}",
        from.display(),
        to.display()
    );
    Ok(())
}

fn noise(random: &mut Random, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.bits().to_le_bytes()[0]).collect()
}

async fn write(recorder: &Recorder, fleet: &Fleet, first: Key) -> Result<Written> {
    let mut through = Through::open(0, &fleet.targets()[0]).await?;
    let mut written = Vec::new();
    for key in first..first + WRITES {
        let value = recorder.fresh_value();
        let request = Request::Put(value);
        let operation = recorder
            .send(&mut through, key, request, OPERATION_DEADLINE)
            .await?;
        written.push((
            key,
            Version {
                value,
                revision: operation.revision,
            },
        ));
    }
    Ok(written)
}

fn segments(fleet: &Fleet) -> Result<Vec<PathBuf>> {
    let folder = fleet.cluster.members[0].data_dir.join("db/log");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn newest_segment(fleet: &Fleet) -> Result<PathBuf> {
    segments(fleet)?.pop().context("the log has no segment")
}

fn state_file(fleet: &Fleet) -> PathBuf {
    fleet.cluster.members[0].data_dir.join("db/state.redb")
}

fn used_bytes(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let mut bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    change(&mut bytes)?;
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn flip(path: &Path, offset: usize) -> Result<()> {
    edit(path, |bytes| {
        bytes[offset] ^= 0x10;
        Ok(())
    })
}

/// The last place where this value's bytes stand, a little behind their beginning.
fn find(files: &[PathBuf], version: Version) -> Result<(PathBuf, usize)> {
    let text = value_text(version.value);
    for path in files {
        let bytes = fs::read(path)?;
        let mut windows = bytes.windows(text.len());
        if let Some(at) = windows.rposition(|window| window == text.as_bytes()) {
            return Ok((path.clone(), at + 20));
        }
    }
    bail!("value {} is in none of {files:?}", version.value)
}

async fn opens_with(fleet: &mut Fleet, written: &[(Key, Version)]) -> Result<()> {
    fleet.heal()?;
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    let (right, failed) = read_all(&fleet.targets()[0], written).await?;
    ensure!(
        failed.is_empty(),
        "{right} values are there, others not: {failed:?}"
    );
    fleet.kill(0)
}

/// Reads all keys: how many are right, and the errors. A wrong value is an error at once.
async fn read_all(target: &Target, written: &[(Key, Version)]) -> Result<(usize, Vec<String>)> {
    let recorder = Recorder::new(false);
    let mut through = Through::open(1, target).await?;
    let mut right = 0;
    let mut failed = Vec::new();
    for (key, version) in written {
        match recorder
            .send(&mut through, *key, Request::Get, OPERATION_DEADLINE)
            .await
        {
            Ok(answer) if answer.response == Response::Found(Some(*version)) => right += 1,
            Ok(answer) => bail!("key {key} is not {version:?}: {answer:?}"),
            Err(crate::session::SessionError::Nonsense(error)) => return Err(error),
            Err(error) => {
                failed.push(error.name());
                if failed.len() > 20 {
                    break;
                }
            }
        }
    }
    Ok((right, failed))
}

/// Starts the member and waits for it to end with an error that says all of this.
fn refuses(fleet: &mut Fleet, file: &Path, words: &[&str]) -> Result<()> {
    let member = &mut fleet.cluster.members[0];
    fs::write(&member.log, "")?;
    member.start()?;
    let status = member
        .wait_for_exit(STOP_DEADLINE)
        .context("it must not serve")?;
    let told = member.log_tail();
    ensure!(!status.success(), "it ended without an error:\n{told}");
    ensure!(
        status.code().is_some(),
        "it was ended by a signal ({status}):\n{told}"
    );
    let name = file.display().to_string();
    for word in words.iter().copied().chain([name.as_str()]) {
        ensure!(told.contains(word), "its last words lack {word:?}:\n{told}");
    }
    println!("  {}", told.lines().last().unwrap_or_default());
    Ok(())
}

async fn serves_right_or_not_at_all(
    fleet: &mut Fleet,
    written: &[(Key, Version)],
    file: &Path,
) -> Result<()> {
    fs::write(&fleet.cluster.members[0].log, "")?;
    fleet.cluster.members[0].start()?;
    let recovered = fleet.wait_recovered(RECOVERY_DEADLINE).await;
    if recovered.is_ok() {
        let (right, failed) = read_all(&fleet.targets()[0], written).await?;
        println!(
            "  served {right} of {} values, refused: {:?}",
            written.len(),
            failed.first()
        );
        if failed.is_empty() {
            // Nothing that is in use was hit.
            return fleet.kill(0);
        }
    }
    let member = &mut fleet.cluster.members[0];
    if member.is_running() {
        // Found out while it served: the next start must not serve.
        member.kill()?;
        return refuses(fleet, file, &["rejoin"]);
    }
    let status = member.wait_for_exit(STOP_DEADLINE)?;
    let told = member.log_tail();
    ensure!(
        status.code().is_some_and(|code| code != 0),
        "it ended with {status}:\n{told}"
    );
    ensure!(
        told.contains(&file.display().to_string()),
        "its last words name no file:\n{told}"
    );
    println!("  {}", told.lines().last().unwrap_or_default());
    Ok(())
}
