//! systemd's side of sd_notify: what a server tells it.

use anyhow::{Context, Result};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// The longest message that is read.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Nothing that a test waits for takes longer, on a machine that is busy with others.
const DEADLINE: Duration = Duration::from_secs(60);

/// The receiving end of `NOTIFY_SOCKET`.
pub struct ServiceManager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl ServiceManager {
    /// Hears from now on.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        Ok(Self { folder, socket })
    }

    /// What a server is given, with a watchdog of that period.
    pub fn environment(&self, watchdog: Duration) -> Vec<(String, String)> {
        let path = self.folder.path().join("notify");
        vec![
            ("NOTIFY_SOCKET".into(), path.display().to_string()),
            ("WATCHDOG_USEC".into(), watchdog.as_micros().to_string()),
        ]
    }

    /// The lines of the next message that comes within `time`.
    pub fn next(&self, time: Duration) -> Result<Option<Vec<String>>> {
        self.socket
            .set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        let mut message = [0; MESSAGE_BYTES_MAX];
        match self.socket.recv(&mut message) {
            Ok(length) => {
                let text = String::from_utf8_lossy(&message[..length]);
                Ok(Some(text.lines().map(str::to_owned).collect()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message with a line that begins with these words; those before it are skipped.
    pub fn wait_for(&self, words: &str) -> Result<Vec<String>> {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.next(left)?;
            let message = message.with_context(|| format!("no {words} within {DEADLINE:?}"))?;
            if message.iter().any(|line| line.starts_with(words)) {
                return Ok(message);
            }
        }
    }
}
