//! `skerry update apply|status`: another root for the appliance, on trial.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::update::bundle::{Bundle, public_key};
use crate::update::{Appliance, Slot};

const USAGE: &str = "\
usage:
  skerry update apply FILE   write an update to the root that does not run; the next start tries it
  skerry update status       which root runs, and what the other one is

On the appliance only, as root. An update is taken whose signature is that of the key in
/usr/lib/skerry/update.pub. If the node is not ready within its time after the next start, the old
root is started again by itself.
";

/// The key that came with the root that runs.
const KEY: &str = "/usr/lib/skerry/update.pub";
/// A key has a hundred bytes.
const KEY_BYTES_MAX: u64 = 4096;

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--help" | "-h", ..] => super::print(USAGE),
        ["apply", file] => apply(Path::new(file)),
        ["status"] => super::print(&status(&Appliance::here()?)?),
        _ => bail!("update wants apply FILE or status\n{USAGE}"),
    }
}

fn apply(path: &Path) -> anyhow::Result<()> {
    let appliance = Appliance::here()?;
    let key = trusted_key()?;
    let place = || path.display().to_string();
    let file = File::open(path).with_context(place)?;
    let bundle = Bundle::open(file, &key).with_context(place)?;
    let version = bundle.manifest.version.clone();
    let slot = appliance.write(bundle).with_context(place)?;
    super::print(&format!(
        "version {version} is in root {}; it is tried at the next start (systemctl reboot)\n",
        slot.letter()
    ))
}

fn trusted_key() -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut pem = String::new();
    File::open(KEY)
        .and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut pem))
        .with_context(|| {
            format!("{KEY}: this image was built without a key, and takes no update")
        })?;
    public_key(&pem).context(KEY)
}

fn status(appliance: &Appliance) -> anyhow::Result<String> {
    let mut out = String::new();
    for known in appliance.slots()? {
        let runs = if known.runs { ", runs" } else { "" };
        let trial = match known.tries {
            None => "good",
            Some(0) => "was tried and not found good",
            Some(_) => "is tried at the next start",
        };
        let slot: Slot = known.slot;
        let _ = writeln!(
            out,
            "root {}: {}, {trial}{runs}",
            slot.letter(),
            known.release
        );
    }
    Ok(out)
}
