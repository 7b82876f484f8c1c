//! Putting what was made of a snapshot in the place of what was there, whenever the power goes.
//!
//! ```text
//! restoring/   is being made: of no use, the next start removes it
//! restored/    is whole; `aside` in it names where the old goes; each start moves on from here
//! ```
//!
//! Knows nothing about what is in it. Invariants: of what was there nothing is deleted; a step that
//! was cut short is found by what lies where, and done.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::limits::KEPT_MAX;

const MAKING: &str = "restoring";
const MADE: &str = "restored";
/// In what is made: the name of the folder for what was there before.
const ASIDE: &str = "aside";
/// What is put in place; the datastore last.
const PARTS: [&str; 3] = ["token", "tls", "db"];

/// A server that is being made.
pub(super) struct Making {
    data_dir: PathBuf,
    folder: PathBuf,
}

impl Making {
    /// Begins anew.
    pub(super) fn begin(data_dir: &Path) -> anyhow::Result<Making> {
        let folder = data_dir.join(MAKING);
        let begun = match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => make(&folder).and_then(|()| make(&folder.join("db"))),
        };
        begun.with_context(|| folder.display().to_string())?;
        Ok(Making {
            data_dir: data_dir.to_owned(),
            folder,
        })
    }

    /// Takes the place of the data directory.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All is there: from now on it will be in place, and what is there goes to the folder named.
    pub(super) fn commit(self) -> anyhow::Result<PathBuf> {
        let name = aside(&self.data_dir)?;
        let path = self.folder.join(ASIDE);
        let written = fs::write(&path, &name)
            .and_then(|()| File::open(&path)?.sync_all())
            .and_then(|()| sync(&self.folder.join("db")))
            .and_then(|()| sync(&self.folder))
            .and_then(|()| fs::rename(&self.folder, self.data_dir.join(MADE)))
            .and_then(|()| sync(&self.data_dir));
        written.with_context(|| self.folder.display().to_string())?;
        Ok(self.data_dir.join(name))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // It takes room; after the commit it is not there.
        if let Err(error) = fs::remove_dir_all(&self.folder)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot remove what a restore has left");
        }
    }
}

/// Puts what was made in place, if something was; what was not made whole goes.
pub(crate) fn finish(data_dir: &Path) -> anyhow::Result<()> {
    let making = data_dir.join(MAKING);
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| making.display().to_string());
        }
        _ => {}
    }
    let made = data_dir.join(MADE);
    if !made.is_dir() {
        return Ok(());
    }
    let name = fs::read_to_string(made.join(ASIDE))
        .with_context(|| made.join(ASIDE).display().to_string())?;
    if name.is_empty() || name.contains(['/', '.']) {
        bail!("{}: not the name of a folder", made.join(ASIDE).display());
    }
    let kept = data_dir.join(name);
    PARTS
        .into_iter()
        .try_for_each(|part| place(part, data_dir, &made, &kept))
        .and_then(|()| fs::remove_dir_all(&made))
        .and_then(|()| sync(data_dir))
        .with_context(|| format!("cannot put {} in place", made.display()))
}

fn place(part: &str, data_dir: &Path, made: &Path, kept: &Path) -> io::Result<()> {
    let (new, here, old) = (made.join(part), data_dir.join(part), kept.join(part));
    if !new.exists() {
        return Ok(());
    }
    // Where the old is aside already, what is here is a folder that a start has made, and is empty.
    if here.exists() && !old.exists() {
        make(kept)?;
        fs::rename(&here, &old)?;
        sync(kept)?;
        sync(data_dir)?;
    }
    fs::rename(&new, &here)?;
    sync(data_dir)?;
    sync(made)
}

/// The first name that no earlier server has.
fn aside(data_dir: &Path) -> anyhow::Result<String> {
    (1..=KEPT_MAX)
        .map(|number| format!("before-restore-{number}"))
        .find(|name| !data_dir.join(name).exists())
        .with_context(|| {
            format!(
                "{} is full of the data of earlier servers; delete some of it",
                data_dir.display()
            )
        })
}

fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    fn filled() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in ["token", "tls/ca", "db/state"] {
            write(&directory.path().join(name), "old");
        }
        let making = Making::begin(directory.path()).unwrap();
        for name in ["token", "tls/ca", "db/state"] {
            write(&making.folder().join(name), "new");
        }
        making.commit().unwrap();
        directory
    }

    fn is_through(data_dir: &Path) {
        for name in ["token", "tls/ca", "db/state"] {
            assert_eq!(read(data_dir.join(name)), "new", "{name}");
            let kept = read(data_dir.join("before-restore-1").join(name));
            assert_eq!(kept, "old", "{name}");
        }
        assert!(!data_dir.join(MADE).exists());
    }

    #[test]
    fn what_was_made_takes_the_place_of_what_was_there_from_wherever_it_was_cut_short() {
        // Every prefix of the renames that `finish` does.
        for done in 0..=6 {
            let directory = filled();
            let data_dir = directory.path();
            let kept = data_dir.join("before-restore-1");
            fs::create_dir(&kept).unwrap();
            for step in 0..done {
                let part = PARTS[step / 2];
                match step % 2 {
                    0 => fs::rename(data_dir.join(part), kept.join(part)).unwrap(),
                    _ => fs::rename(data_dir.join(MADE).join(part), data_dir.join(part)).unwrap(),
                }
            }
            // As a start does before all else.
            crate::data_dir::make(data_dir).unwrap();
            finish(data_dir).unwrap();
            is_through(data_dir);
            finish(data_dir).unwrap();
            is_through(data_dir);
        }
    }

    #[test]
    fn what_was_not_made_whole_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("db/state"), "old");
        for _ in 0..2 {
            let making = Making::begin(directory.path()).unwrap();
            write(&making.folder().join("db/state"), "new");
            // As after a power cut.
            std::mem::forget(making);
            finish(directory.path()).unwrap();
            assert_eq!(read(directory.path().join("db/state")), "old");
            assert!(!directory.path().join(MAKING).exists());
        }
        drop(Making::begin(directory.path()).unwrap());
        assert!(!directory.path().join(MAKING).exists());
    }
}
