//! A directory of snapshots through failures.

use super::*;

fn put(folder: &Folder, name: &str, content: &[u8]) -> Result<u64, FolderError> {
    folder.save("n", name, content.len() as u64, |mut file| {
        file.write_all(content)?;
        Ok(file)
    })
}

fn names(folder: &Folder) -> Vec<String> {
    let found = folder.list().unwrap();
    found.into_iter().map(|found| found.name).collect()
}

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder {
        path: dir.path().join("snapshots"),
        is_default: true,
    };
    (dir, folder)
}

#[test]
fn only_what_is_whole_is_listed_and_the_rest_goes_with_the_next() {
    let (_dir, folder) = folder();
    assert!(names(&folder).is_empty());
    assert_eq!(put(&folder, "a-n-2", b"content").unwrap(), 7);
    let cut_short = folder.path_of(".a-n-3@n.partial");
    let of_another = folder.path_of(".a-other-n-3@other-n.partial");
    for path in [&cut_short, &of_another] {
        fs::write(path, b"con").unwrap();
    }
    assert_eq!(names(&folder), ["a-n-2"]);
    put(&folder, "a-n-1", b"").unwrap();
    assert_eq!(names(&folder), ["a-n-1", "a-n-2"]);
    assert!(!cut_short.exists() && of_another.exists());
    assert_eq!(folder.list().unwrap()[1].time, 2);
}

#[test]
fn nothing_is_left_of_a_snapshot_that_fails() {
    let (_dir, folder) = folder();
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let failed = folder.save("n", "a-n-1", 1, |mut file| {
            file.write_all(b"some")?;
            Err(io::Error::from(kind).into())
        });
        let is_full = kind == io::ErrorKind::StorageFull;
        let error = failed.unwrap_err();
        assert_eq!(
            matches!(error, FolderError::NoRoom { .. }),
            is_full,
            "{error}"
        );
        assert_eq!(fs::read_dir(&folder.path).unwrap().count(), 0);
    }
    let error = folder.save("n", "a-n-1", u64::MAX / 2, |_| unreachable!("no room"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no room on the disk"), "{error}");
}

#[test]
fn a_directory_that_somebody_names_must_be_there() {
    let (dir, folder) = folder();
    let other = Folder::at(folder.path.clone());
    let error = put(&other, "a-n-1", b"").unwrap_err();
    assert!(matches!(error, FolderError::Missing { .. }), "{error}");
    assert!(other.list().is_err());
    fs::write(&folder.path, b"a file").unwrap();
    let error = put(&folder, "a-n-1", b"").unwrap_err();
    assert!(matches!(error, FolderError::NotDirectory { .. }), "{error}");
    drop(dir);
}

#[test]
fn what_is_removed_is_in_the_directory_and_nowhere_else() {
    let (dir, folder) = folder();
    fs::write(dir.path().join("outside"), b"").unwrap();
    for n in 1..=4 {
        put(&folder, &format!("a-n-{n}"), b"").unwrap();
    }
    assert!(folder.delete("../outside").is_err());
    assert!(dir.path().join("outside").exists());
    assert!(!folder.delete("a-n-9").unwrap());
    assert_eq!(folder.prune("a", "n", 2).unwrap(), ["a-n-1", "a-n-2"]);
    assert!(folder.prune("a", "m", 1).unwrap().is_empty());
    assert_eq!(names(&folder), ["a-n-3", "a-n-4"]);
}
