//! Which files of a folder and of those below it are manifests.
//!
//! Knows nothing about what is in them. Invariant: what is left out by name is left out whatever
//! it holds, and the order is that of the paths.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::limits::{DEPTH_MAX, FILES_MAX, FOLDERS_MAX};

/// What tells whether a file is another one than before, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    inode: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            bytes: metadata.len(),
            inode: metadata.ino(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What lies in a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// By path below the folder: what is to be applied.
    pub(super) files: BTreeMap<String, Stamp>,
    /// What is there but is not touched: skipped, or disabled.
    pub(super) left_out: Vec<String>,
    /// Folders and files that cannot be looked at, with why.
    pub(super) unreadable: Vec<(String, String)>,
}

/// Looks at a folder; `entered` is called with each folder before that is listed.
pub(super) fn look(base: &Path, disabled: &[String], mut entered: impl FnMut(&Path)) -> Found {
    let mut found = Found::default();
    let mut all = Vec::new();
    let mut skips = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    let mut entered_count = 0;
    while let Some((folder, depth)) = folders.pop() {
        entered_count += 1;
        if entered_count > FOLDERS_MAX || depth > DEPTH_MAX {
            let why = "too many folders, or too deep".to_owned();
            found.unreadable.push((folder.display().to_string(), why));
            continue;
        }
        let path = base.join(&folder);
        entered(&path);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                let place = folder.display().to_string();
                found.unreadable.push((place, error.to_string()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let below = folder.join(&name);
            let place = below.display().to_string();
            // Links are followed: that is how volumes of ConfigMaps look.
            match fs::metadata(base.join(&below)) {
                Ok(metadata) if metadata.is_dir() => {
                    if !name.starts_with('.') {
                        folders.push((below, depth + 1));
                    }
                }
                Ok(metadata) if metadata.is_file() => {
                    if let Some(skipped) = name.strip_suffix(".skip") {
                        skips.push(skipped.to_owned());
                    } else if is_manifest(&name) {
                        all.push((place, name, Stamp::of(&metadata)));
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.unreadable.push((place, error.to_string())),
            }
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    for (place, name, stamp) in all {
        if skips.contains(&name) || is_disabled(&place, disabled) {
            found.left_out.push(place);
        } else if found.files.len() < FILES_MAX {
            found.files.insert(place, stamp);
        } else {
            let why = format!("more than {FILES_MAX} files");
            found.unreadable.push((place, why));
        }
    }
    found
}

fn is_manifest(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let fits = [".yaml", ".yml", ".json"]
        .iter()
        .any(|end| lower.ends_with(end));
    fits && !name.starts_with('.')
}

/// Whether the file or a folder that it is in is named, as in K3s.
fn is_disabled(place: &str, disabled: &[String]) -> bool {
    let stem = |name: &str| {
        name.rsplit_once('.')
            .map_or(name, |(stem, _)| stem)
            .to_owned()
    };
    let name = place.rsplit('/').next().unwrap_or(place);
    let mut folders = place.match_indices('/').map(|(end, _)| &place[..end]);
    disabled.contains(&stem(name)) || folders.any(|folder| disabled.iter().any(|one| one == folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_in_folders_and_left_out_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        fs::create_dir_all(base.join("apps/one")).unwrap();
        fs::create_dir_all(base.join("traefik")).unwrap();
        for name in [
            "b.yaml",
            "a.JSON",
            ".hidden.yaml",
            "notes.txt",
            "traefik.yaml",
            "traefik/crd.yml",
            "apps/one/c.yml",
            "apps/d.yaml",
            "d.yaml.skip",
        ] {
            fs::write(base.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(base, base.join("apps/circle")).unwrap();
        std::os::unix::fs::symlink("/nowhere", base.join("gone.yaml")).unwrap();
        let mut entered = Vec::new();
        let found = look(base, &["traefik".to_owned()], |path| {
            entered.push(path.to_owned())
        });
        assert!(entered.contains(&base.join("apps/one")));
        let names: Vec<&str> = found.files.keys().map(String::as_str).collect();
        assert_eq!(
            names[..3],
            [
                "a.JSON",
                "apps/circle/a.JSON",
                "apps/circle/apps/circle/a.JSON"
            ]
        );
        assert!(names.contains(&"apps/one/c.yml"));
        assert!(!names.iter().any(|name| name.ends_with("/d.yaml")));
        assert!(found.left_out.contains(&"traefik.yaml".to_owned()));
        assert!(found.left_out.contains(&"traefik/crd.yml".to_owned()));
        assert!(
            found
                .unreadable
                .iter()
                .any(|(_, why)| why.contains("too deep"))
        );
    }
}
