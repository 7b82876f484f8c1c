//! Which partitions there are, by the names in their table, as the kernel tells in sysfs.

use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// More block devices than any of these machines has.
const DEVICES_MAX: usize = 1024;

/// The device of the partition with this name.
pub(super) fn device(sysfs: &Path, devices: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let block = sysfs.join("class/block");
    let listed = fs::read_dir(&block).with_context(|| block.display().to_string())?;
    for entry in listed.take(DEVICES_MAX) {
        let event = fs::read_to_string(entry?.path().join("uevent")).unwrap_or_default();
        if value(&event, "PARTNAME") == Some(name) {
            let device = value(&event, "DEVNAME").context("a device without a name")?;
            return Ok(devices.join(device));
        }
    }
    bail!("no partition is called {name}: this is not the appliance's disk")
}

/// The name of the partition that a folder's filesystem lies on.
pub(super) fn name_of(sysfs: &Path, folder: &Path) -> anyhow::Result<String> {
    let device = fs::metadata(folder)
        .with_context(|| folder.display().to_string())?
        .st_dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let event = sysfs.join(format!("dev/block/{major}:{minor}/uevent"));
    let text = fs::read_to_string(&event).unwrap_or_default();
    match value(&text, "PARTNAME") {
        Some(name) => Ok(name.to_owned()),
        None => bail!(
            "{} does not lie on a partition with a name: this is not the appliance",
            folder.display()
        ),
    }
}

fn value<'a>(event: &'a str, key: &str) -> Option<&'a str> {
    event
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}
