//! The file of the log, and its older parts: `audit.log`, `audit-2006-01-02T15-04-05.000.log`, ...
//!
//! Knows nothing about events but that each is a line. Invariant: a line is in the file whole or
//! not at all, also where the disk was full meanwhile.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::FOLDER_ENTRIES_MAX;
use crate::time;

/// Where the log goes, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// Bytes at which another file is begun.
    pub bytes_max: u64,
    /// For how long older files are kept; for ever without.
    pub age_max: Option<Duration>,
    /// How many older files are kept; all without.
    pub backups_max: Option<usize>,
}

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("audit log {path}: {source}; give --audit-log-path a file that can be written, or leave it out", path = path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// See the module.
pub(crate) struct RotatedFile {
    options: FileOptions,
    open: Option<(File, u64)>,
}

impl RotatedFile {
    /// Opens the log, and so finds out early whether it can be written.
    pub(crate) fn open(options: FileOptions) -> Result<RotatedFile, OpenError> {
        let mut file = RotatedFile {
            options,
            open: None,
        };
        if !file.is_stdout() {
            let opened = file.opened().map(drop);
            opened.map_err(|source| OpenError {
                path: file.options.path.clone(),
                source,
            })?;
            file.forget_old();
        }
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.options.path
    }

    fn is_stdout(&self) -> bool {
        self.options.path.as_os_str() == "-"
    }

    /// Appends lines. After an error none of them is there.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_stdout() {
            let mut out = io::stdout().lock();
            return out.write_all(lines).and_then(|()| out.flush());
        }
        let written = self.append_to_file(lines);
        if written.is_err() {
            // The next lines start anew: the disk may have been taken out, or mounted elsewhere.
            self.open = None;
        }
        written
    }

    fn append_to_file(&mut self, lines: &[u8]) -> io::Result<()> {
        let more = lines.len() as u64;
        let bytes_max = self.options.bytes_max;
        let (_, bytes) = self.opened()?;
        if *bytes > 0 && *bytes + more > bytes_max {
            self.rotate()?;
        }
        let (file, bytes) = self.opened()?;
        if let Err(error) = file.write_all(lines) {
            // No half line stays. Where this fails too, the next opening looks at the end.
            let _ = file.set_len(*bytes);
            return Err(error);
        }
        *bytes += more;
        Ok(())
    }

    fn opened(&mut self) -> io::Result<&mut (File, u64)> {
        if self.open.is_none() {
            let path = &self.options.path;
            if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)?;
            }
            let mut options = OpenOptions::new();
            let file = options.append(true).read(true).create(true).mode(0o600);
            let file = file.open(path)?;
            let bytes = whole_lines(&file)?;
            self.open = Some((file, bytes));
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        // Behind the newest one also where the clock has gone back: the order is what counts.
        let newest = self.backups().first().map(|(at, _)| *at);
        let next = newest.map_or(Duration::ZERO, |at| at + Duration::from_millis(1));
        let backup = self.backup(time::now().max(next));
        std::fs::rename(&self.options.path, backup)?;
        self.forget_old();
        Ok(())
    }

    /// `audit` and `.log`.
    fn stem_and_end(&self) -> (String, String) {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let stem = part(self.options.path.file_stem()).unwrap_or_default();
        let end = part(self.options.path.extension());
        (stem, end.map_or_else(String::new, |end| format!(".{end}")))
    }

    fn backup(&self, at: Duration) -> PathBuf {
        let (stem, end) = self.stem_and_end();
        let name = format!("{stem}-{}{end}", time::for_name(at));
        self.options.path.with_file_name(name)
    }

    /// Older files, the newest first.
    fn backups(&self) -> Vec<(Duration, PathBuf)> {
        let folder = match self.options.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let (stem, end) = self.stem_and_end();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "old audit logs cannot be looked for");
                return Vec::new();
            }
        };
        let mut backups: Vec<(Duration, PathBuf)> = entries
            .take(FOLDER_ENTRIES_MAX)
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name();
                let name = name.to_str()?.strip_prefix(&stem)?.strip_prefix('-')?;
                let at = time::of_name(name.strip_suffix(&end)?)?;
                Some((at, entry.path()))
            })
            .collect();
        backups.sort_by(|a, b| b.cmp(a));
        backups
    }

    /// Removes what is too old or too much. What cannot be removed is told of, and tried again
    /// when the next file is begun.
    fn forget_old(&self) {
        let kept = self.options.backups_max.unwrap_or(usize::MAX);
        // A box without a clock starts in 1970: what lies ahead of now is not old.
        let oldest = self
            .options
            .age_max
            .map(|age| time::now().saturating_sub(age));
        for (place, (at, path)) in self.backups().into_iter().enumerate() {
            let is_old = oldest.is_some_and(|oldest| at < oldest);
            if (place >= kept || is_old)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(%error, path = %path.display(), "an old audit log cannot be removed");
            }
        }
    }
}

/// The length of a file; a half line at its end, as a cut of power leaves one, is taken away.
fn whole_lines(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::FileExt as _;
    let meta = file.metadata()?;
    let mut length = meta.len();
    if !meta.is_file() {
        return Ok(0);
    }
    let mut chunk = [0; 4096];
    while length > 0 {
        let part = length.min(chunk.len() as u64);
        let bytes = &mut chunk[..usize::try_from(part).unwrap_or(0)];
        file.read_exact_at(bytes, length - part)?;
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                length = length - part + end as u64 + 1;
                break;
            }
            None => length -= part,
        }
    }
    if length < meta.len() {
        file.set_len(length)?;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &Path) -> FileOptions {
        FileOptions {
            path: folder.join("audit.log"),
            bytes_max: 100,
            age_max: None,
            backups_max: Some(2),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_gets_a_name_with_its_time_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatedFile::open(options(folder.path())).unwrap();
        let line = |n: u8| format!("{:<59}\n", n).into_bytes();
        for n in 0..5 {
            file.append(&line(n)).unwrap();
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 3, "{names:?}");
        for name in &names[..2] {
            let at = name.strip_prefix("audit-").unwrap();
            assert!(time::of_name(at.strip_suffix(".log").unwrap()).is_some());
        }
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("audit.log"), line(4));
        assert_eq!((read(&names[0]), read(&names[1])), (line(2), line(3)));
    }

    #[test]
    fn what_is_older_than_the_age_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let old = time::for_name(Duration::from_secs(1_000_000_000));
        let new = time::for_name(time::now());
        let others = [
            format!("audit-{new}.log"),
            format!("other-{old}.log"),
            "audit-x.log".to_owned(),
        ];
        for name in others.iter().chain([&format!("audit-{old}.log")]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let options = FileOptions {
            age_max: Some(Duration::from_secs(86_400)),
            ..options(folder.path())
        };
        drop(RotatedFile::open(options).unwrap());
        let left = names(folder.path());
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(others.iter().all(|name| left.contains(name)), "{left:?}");
    }

    #[test]
    fn a_half_line_that_a_cut_of_power_left_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for (before, kept) in [("a\nb\nhal", "a\nb\n"), ("half", ""), ("", "")] {
            std::fs::write(&path, before).unwrap();
            let mut file = RotatedFile::open(options(folder.path())).unwrap();
            file.append(b"next\n").unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{kept}next\n"));
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_what_follows_is_written_once_there_is_room() {
        let options = FileOptions {
            path: "/dev/full".into(),
            bytes_max: 100,
            age_max: None,
            backups_max: None,
        };
        let mut file = RotatedFile::open(options).unwrap();
        let error = file.append(b"a\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let folder = tempfile::tempdir().unwrap();
        file.options.path = folder.path().join("audit.log");
        file.append(b"b\n").unwrap();
        assert_eq!(std::fs::read(&file.options.path).unwrap(), b"b\n");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_named_at_once() {
        let options = FileOptions {
            path: "/proc/no/audit.log".into(),
            bytes_max: 100,
            age_max: None,
            backups_max: None,
        };
        let Err(error) = RotatedFile::open(options) else {
            panic!("/proc takes no files");
        };
        let text = error.to_string();
        assert!(text.starts_with("audit log /proc/no/audit.log: "), "{text}");
    }
}
