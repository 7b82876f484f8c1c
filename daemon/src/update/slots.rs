//! The two roots: which one runs, what the other holds, and writing an update to it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::bundle::Bundle;
use super::entries::{self, Entry};
use super::partitions;

/// The head of a squashfs. A root is found by it, so it is written last: what is half written has none.
const SUPERBLOCK_BYTES: usize = 96;
/// More files than the loader's folder ever has.
const ENTRIES_MAX: usize = 256;
/// An entry has a hundred bytes.
const ENTRY_BYTES_MAX: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    A,
    B,
}

impl Slot {
    pub(super) fn of(partition: &str) -> Option<Slot> {
        match partition {
            "skerry-a" => Some(Slot::A),
            "skerry-b" => Some(Slot::B),
            _ => None,
        }
    }

    /// Of its partition and of its entries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Slot::A => "skerry-a",
            Slot::B => "skerry-b",
        }
    }

    pub(crate) fn letter(self) -> char {
        match self {
            Slot::A => 'a',
            Slot::B => 'b',
        }
    }

    fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }
}

/// What is known of one root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) slot: Slot,
    pub(crate) runs: bool,
    pub(crate) release: String,
    /// None: it was found good.
    pub(crate) tries: Option<u32>,
}

/// This machine's disk.
#[derive(Debug)]
pub(crate) struct Appliance {
    esp: PathBuf,
    running: Slot,
    spare: PathBuf,
}

impl Appliance {
    /// The one that this process runs on.
    pub(crate) fn here() -> anyhow::Result<Appliance> {
        let sysfs = Path::new("/sys");
        let running = partitions::name_of(sysfs, Path::new("/"))?;
        let running = Slot::of(&running).with_context(|| {
            format!("the root is on partition {running}: this is not the appliance")
        })?;
        let spare = partitions::device(sysfs, Path::new("/dev"), running.other().name())?;
        Ok(Appliance {
            esp: "/efi".into(),
            running,
            spare,
        })
    }

    /// Both roots as far as the boot loader has them.
    pub(crate) fn slots(&self) -> anyhow::Result<Vec<Known>> {
        let known = self.entries()?.into_iter().map(|(entry, text)| Known {
            slot: entry.slot,
            runs: entry.slot == self.running,
            release: entries::order_and_release(&text).1.to_owned(),
            tries: entry.tries,
        });
        Ok(known.collect())
    }

    fn loader(&self) -> PathBuf {
        self.esp.join("loader/entries")
    }

    fn entries(&self) -> anyhow::Result<Vec<(Entry, String)>> {
        let folder = self.loader();
        let listed = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut found = Vec::new();
        for file in listed.take(ENTRIES_MAX) {
            let file = file?;
            if let Some(entry) = file.file_name().to_str().and_then(Entry::of) {
                let mut text = String::new();
                let read = File::open(file.path())?.take(ENTRY_BYTES_MAX);
                { read }
                    .read_to_string(&mut text)
                    .with_context(|| file.path().display().to_string())?;
                found.push((entry, text));
            }
        }
        found.sort_by(|(one, _), (two, _)| one.file.cmp(&two.file));
        Ok(found)
    }

    /// Writes an update to the root that does not run; the next start tries it. Returns where it is.
    pub(crate) fn write<R: Read>(&self, mut bundle: Bundle<R>) -> anyhow::Result<Slot> {
        let slot = self.running.other();
        let entries = self.entries()?;
        ensure!(
            entries
                .iter()
                .any(|(entry, _)| entry.slot == self.running && entry.tries != Some(0)),
            "the root that runs has no entry to go back to"
        );
        if let Some((entry, _)) = entries
            .iter()
            .find(|(entry, _)| entry.slot == self.running && entry.tries.is_some())
        {
            bail!(
                "this root is itself on trial ({}): try again once the node was ready for a while",
                entry.file
            );
        }
        let mut root = OpenOptions::new().write(true).open(&self.spare);
        let root = root
            .as_mut()
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| self.spare.display().to_string())?;
        let room = root.seek(SeekFrom::End(0))?;
        let bytes = bundle.manifest.bytes_of("root")?;
        ensure!(
            bytes <= room,
            "the new root has {bytes} bytes, its partition {room}"
        );
        ensure!(bytes > SUPERBLOCK_BYTES as u64, "the new root is empty");

        // From here on the other root is nobody's, until its entry is there again.
        for (entry, _) in entries.iter().filter(|(entry, _)| entry.slot == slot) {
            fs::remove_file(self.loader().join(&entry.file))?;
        }
        sync_folder(&self.loader())?;

        let kernels = self.esp.join("EFI/skerry");
        let kernel = kernels.join(entries::kernel(slot));
        let mut file = File::create(&kernel).with_context(|| kernel.display().to_string())?;
        bundle.part("kernel", |chunk| Ok(file.write_all(chunk)?))?;
        file.sync_all()?;
        drop(file);
        write_root(root, &mut bundle)?;
        sync_folder(&kernels)?;

        let order = entries
            .iter()
            .map(|(_, text)| entries::order_and_release(text).0)
            .max()
            .unwrap_or(0);
        let text = entries::text(slot, order.saturating_add(1), &bundle.manifest.version);
        let entry = self.loader().join(entries::on_trial(slot));
        let mut file = File::create(&entry).with_context(|| entry.display().to_string())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_folder(&self.loader())?;
        Ok(slot)
    }
}

/// All but the superblock, then, once all is known to be good and on the disk, that one.
fn write_root<R: Read>(root: &mut File, bundle: &mut Bundle<R>) -> anyhow::Result<()> {
    root.seek(SeekFrom::Start(0))?;
    root.write_all(&[0; SUPERBLOCK_BYTES])?;
    root.sync_all()?;
    let mut superblock = Vec::with_capacity(SUPERBLOCK_BYTES);
    bundle.part("root", |chunk| {
        let missing = SUPERBLOCK_BYTES - superblock.len();
        let (head, rest) = chunk.split_at(missing.min(chunk.len()));
        superblock.extend_from_slice(head);
        Ok(root.write_all(rest)?)
    })?;
    root.sync_all()?;
    root.seek(SeekFrom::Start(0))?;
    root.write_all(&superblock)?;
    root.sync_all()?;
    Ok(())
}

fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| folder.display().to_string())
}

#[cfg(test)]
#[path = "slots_test.rs"]
mod tests;
