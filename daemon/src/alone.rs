//! A cluster that a first server has formed without having heard of all others, and that nobody has
//! written to yet.
//!
//! Such a server is still what it was before: one without data. When it hears of another cluster it
//! joins that one, as it would have done had it heard of it in time. Knows nothing about how it
//! hears. Invariants: the mark is there before the cluster is, and gone for good before the first
//! write of a client is proposed; once it gives way no client's write is taken.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

/// Below `db/`: formed alone, and not written to.
const UNTOUCHED: &str = "formed-alone";
/// Below `db/`: formed alone, and clients have written since.
const WRITTEN: &str = "formed-alone.written";
/// Below `db/`: it has given way to another cluster; what is here is to be moved aside.
const GAVE_WAY: &str = "gave-way";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Formed with all others heard of, or joined.
    InCompany,
    Untouched,
    Written,
    Leaving,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Alone {
    db: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Alone {
    /// Of a data directory, whose member is known.
    pub(crate) fn of(data_dir: &Path) -> anyhow::Result<Alone> {
        let db = data_dir.join("db");
        let has = |name: &str| {
            let path = db.join(name);
            path.try_exists()
                .with_context(|| path.display().to_string())
        };
        let state = match (has(UNTOUCHED)?, has(WRITTEN)?) {
            (true, _) => State::Untouched,
            (false, true) => State::Written,
            (false, false) => State::InCompany,
        };
        Ok(Alone {
            db,
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Whether a client's write may be proposed; the first that may ends the state.
    pub(crate) fn may_write(&self) -> bool {
        let mut state = self.state();
        match *state {
            State::InCompany | State::Written => true,
            State::Leaving => false,
            State::Untouched => {
                let noted = std::fs::rename(self.db.join(UNTOUCHED), self.db.join(WRITTEN))
                    .and_then(|()| File::open(&self.db)?.sync_all());
                match noted {
                    Ok(()) => *state = State::Written,
                    Err(error) => {
                        tracing::error!(%error, "cannot note that this cluster is written to");
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Formed alone; not written to since.
    pub(crate) fn told(&self) -> (bool, bool) {
        let state = *self.state();
        (state != State::InCompany, state == State::Untouched)
    }

    /// Whether this server may still look for another cluster to join.
    pub(crate) fn is_untouched(&self) -> bool {
        self.told().1
    }

    /// Others have joined: how the cluster was formed means nothing any more.
    pub(crate) fn has_company(&self) {
        let mut state = self.state();
        if *state != State::Written {
            return;
        }
        match std::fs::remove_file(self.db.join(WRITTEN)) {
            Ok(()) => *state = State::InCompany,
            Err(error) => tracing::warn!(%error, "cannot note that others have joined"),
        }
    }

    /// From now on no client's write is taken, and the next start joins another cluster; false
    /// where a client was first.
    pub(crate) fn give_way(&self) -> anyhow::Result<bool> {
        let mut state = self.state();
        if *state != State::Untouched {
            return Ok(false);
        }
        create(&self.db.join(GAVE_WAY))?;
        *state = State::Leaving;
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Before a cluster is formed alone.
pub(crate) fn mark(data_dir: &Path) -> anyhow::Result<()> {
    create(&data_dir.join("db").join(UNTOUCHED))
}

/// Before a server that is of no cluster becomes one of any: what a start that was cut short has
/// marked means nothing.
pub(crate) fn unmark(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join("db").join(UNTOUCHED);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

/// Whether what this data directory holds has given way to another cluster.
pub(crate) fn gave_way(data_dir: &Path) -> anyhow::Result<bool> {
    let path = data_dir.join("db").join(GAVE_WAY);
    path.try_exists()
        .with_context(|| path.display().to_string())
}

fn create(path: &Path) -> anyhow::Result<()> {
    let made = File::create(path).and_then(|file| file.sync_all());
    let made = made.and_then(|()| match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    });
    made.with_context(|| path.display().to_string())
}

/// Starts this process again in its own place, with nothing of what it was; returns where that
/// fails.
pub(crate) fn start_again() -> io::Error {
    let mut words = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone() -> (tempfile::TempDir, Alone) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("db")).unwrap();
        mark(directory.path()).unwrap();
        let alone = Alone::of(directory.path()).unwrap();
        (directory, alone)
    }

    #[test]
    fn what_a_client_has_written_to_never_gives_way_also_after_a_restart() {
        let (directory, alone) = alone();
        assert!(alone.is_untouched());
        assert!(alone.may_write());
        assert!(!alone.give_way().unwrap());
        let again = Alone::of(directory.path()).unwrap();
        assert_eq!(again.told(), (true, false));
        again.has_company();
        assert_eq!(Alone::of(directory.path()).unwrap().told(), (false, false));
        assert!(!again.give_way().unwrap() && !gave_way(directory.path()).unwrap());
    }

    #[test]
    fn what_gives_way_takes_no_write_any_more() {
        let (directory, alone) = alone();
        assert!(alone.give_way().unwrap());
        assert!(!alone.may_write());
        assert!(gave_way(directory.path()).unwrap());
    }

    #[test]
    fn a_server_in_company_takes_every_write() {
        let directory = tempfile::tempdir().unwrap();
        unmark(directory.path()).unwrap();
        let alone = Alone::of(directory.path()).unwrap();
        assert_eq!(alone.told(), (false, false));
        assert!(alone.may_write() && !alone.give_way().unwrap());
    }
}
