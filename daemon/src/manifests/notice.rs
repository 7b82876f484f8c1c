//! Told by the system when something changes in folders.
//!
//! Knows nothing about what lies there, nor what has changed: whoever is told looks. Invariant:
//! whatever changes in a folder after it was watched ends [`Notice::changed`].

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::limits::{LOOK_INTERVAL, QUIET_TIME, QUIET_WAIT_MAX};

/// What the system tells of one change has room in it.
const EVENT_BYTES: usize = 4096;

/// See the module.
pub(super) struct Notice {
    /// None where the system has no more to give: then the folders are looked at now and then.
    told: Option<(Inotify, Receiver)>,
}

impl Notice {
    pub(super) fn new() -> Notice {
        let open = || -> io::Result<_> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            // It is read as a pipe is; that it is none does not matter.
            let events = inotify.as_fd().try_clone_to_owned()?;
            Ok((inotify, Receiver::from_owned_fd_unchecked(events)?))
        };
        let mut notice = Notice { told: None };
        match open() {
            Ok(told) => notice.told = Some(told),
            Err(error) => notice.give_up(&error),
        }
        notice
    }

    fn give_up(&mut self, error: &dyn std::error::Error) {
        tracing::warn!(%error, "the folder of manifests is looked at only now and then");
        self.told = None;
    }

    /// Watches one more folder; one that is watched stays so.
    pub(super) fn watch(&mut self, folder: &Path) {
        let what = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let Some((inotify, _)) = &self.told else {
            return;
        };
        match inotify.add_watch(folder, what) {
            // It has just gone: that is told by the folder that it was in.
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => self.give_up(&error),
        }
    }

    /// Ends a moment after something has changed, once nothing changes any more.
    pub(super) async fn changed(&mut self) {
        let Some((_, events)) = &self.told else {
            return sleep(LOOK_INTERVAL).await;
        };
        if let Err(error) = take(events).await {
            return self.give_up(&error);
        }
        let end = Instant::now() + QUIET_WAIT_MAX;
        while Instant::now() < end {
            match timeout_at(end.min(Instant::now() + QUIET_TIME), take(events)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.give_up(&error),
                Err(_) => return,
            }
        }
    }
}

/// Waits for events and takes them.
async fn take(events: &Receiver) -> io::Result<()> {
    let mut buffer = [0; EVENT_BYTES];
    events.readable().await?;
    loop {
        match events.try_read(&mut buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
