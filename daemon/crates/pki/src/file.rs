//! Small files that are whole or absent: written beside, synced, renamed, and the folder synced.
//! And such as may be lost, which spare the flash the syncs.
//!
//! Knows nothing about what the files hold. A file that already holds the bytes is left alone,
//! for the flash's sake.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::PkiError;
use crate::limits::FILE_BYTES_MAX;

/// Permissions of a private key or token.
pub(crate) const SECRET: u32 = 0o600;
/// Permissions of a certificate.
pub(crate) const PUBLIC: u32 = 0o644;

/// The file's text, or `None` where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    let failed = |source| PkiError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
        Err(error) => Err(failed(io::Error::new(io::ErrorKind::InvalidData, error))),
    }
}

/// A file to be written.
pub(crate) struct NewFile<'a> {
    pub(crate) path: PathBuf,
    pub(crate) text: &'a str,
    pub(crate) mode: u32,
}

/// Puts `text` into `path` with exactly `mode`, surviving a power cut at any moment.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    write_all(&[NewFile {
        path: path.to_owned(),
        text,
        mode,
    }])
}

/// Writes several files, with as few waits for the disk as that takes. All are whole on disk
/// before the first has its name; they get their names in the order given.
pub(crate) fn write_all(files: &[NewFile<'_>]) -> Result<(), PkiError> {
    let wanted = files
        .iter()
        .filter(|file| !holds_already(&file.path, file.text, file.mode));
    let mut staged = Vec::with_capacity(files.len());
    for file in wanted {
        let waiting = stage(staged_name(&file.path), file.text, file.mode)?;
        waiting.file.sync_all().map_err(|source| PkiError::Write {
            path: waiting.path.clone(),
            source,
        })?;
        staged.push((waiting.path, &file.path));
    }
    let folders: BTreeSet<&Path> = staged.iter().map(|(_, path)| folder_of(path)).collect();
    folders.iter().try_for_each(|folder| sync_folder(folder))?;
    for (waiting, path) in &staged {
        commit(waiting, path)?;
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Removes a file, where it is there.
pub(crate) fn remove(path: &Path) -> Result<(), PkiError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PkiError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Puts `text` into `path` without waiting for the disk: after a power cut the file may be the old
/// one, the new one, or torn. For what is looked at and made again at every start, perhaps by
/// several servers at once in a folder that they share.
pub(crate) fn write_lazily(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    if holds_already(path, text, mode) {
        return Ok(());
    }
    let mut own_name = path.as_os_str().to_owned();
    own_name.push(format!(".{}.new", std::process::id()));
    let staged = stage(PathBuf::from(own_name), text, mode)?;
    commit(&staged.path, path)
}

/// A file that is whole and has not got its name yet.
struct Staged {
    path: PathBuf,
    file: File,
}

/// Writes `text` under the name `staged`.
fn stage(staged: PathBuf, text: &str, mode: u32) -> Result<Staged, PkiError> {
    let failed = |source| PkiError::Write {
        path: staged.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&staged)
        .map_err(failed)?;
    // The mode given to open() is subject to the umask, and not applied to a leftover file.
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(Staged { path: staged, file })
}

/// Gives a staged file its name.
pub(crate) fn commit(staged: &Path, path: &Path) -> Result<(), PkiError> {
    fs::rename(staged, path).map_err(|source| PkiError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Where a file waits until it is whole.
pub(crate) fn staged_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), PkiError> {
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn sync_folder(folder: &Path) -> Result<(), PkiError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| PkiError::Write {
            path: folder.to_owned(),
            source,
        })
}

/// Makes a folder and those above it; the last ones made are the owner's alone if `private`.
pub(crate) fn make_folder(path: &Path, private: bool) -> Result<(), PkiError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(if private { 0o700 } else { 0o755 })
        .create(path)
        .map_err(|source| PkiError::Write {
            path: path.to_owned(),
            source,
        })?;
    sync_folder_of(path)
}

fn holds_already(path: &Path, text: &str, mode: u32) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    metadata.permissions().mode() & 0o7777 == mode
        && metadata.len() == text.len() as u64
        && matches!(read(path), Ok(Some(found)) if *found == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_with_its_mode_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        fs::write(staged_name(&path), "left over from a power cut, and longer").unwrap();
        for text in ["first", "second", "second"] {
            write(&path, text, SECRET).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().as_str(), text);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                SECRET
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lazy_file_is_there_at_once_under_its_name_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        for text in ["first", "second"] {
            write_lazily(&path, text, SECRET).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().as_str(), text);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                SECRET
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.crt");
        write(&path, "same", PUBLIC).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        write(&path, "same", PUBLIC).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        write(&path, "same", SECRET).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            SECRET
        );
    }

    #[test]
    fn a_file_over_the_limit_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.crt");
        let size = usize::try_from(FILE_BYTES_MAX).unwrap();
        fs::write(&path, vec![b'a'; size]).unwrap();
        assert!(read(&path).unwrap().is_some());
        fs::write(&path, vec![b'a'; size + 1]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("big.crt") && error.contains("larger than"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_no_error_and_one_that_is_not_text_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none")).unwrap().is_none());
        let path = folder.path().join("binary");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(PkiError::Read { .. })));
    }
}
