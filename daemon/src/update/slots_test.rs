use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const ROOM: u64 = 8192;

/// A machine whose root A runs, with files for its partitions.
fn machine(folder: &Path) -> Appliance {
    let esp = folder.join("efi");
    fs::create_dir_all(esp.join("loader/entries")).unwrap();
    fs::create_dir_all(esp.join("EFI/skerry")).unwrap();
    fs::write(
        esp.join("loader/entries/skerry-a.conf"),
        entries::text(Slot::A, 1, "0.1.0"),
    )
    .unwrap();
    fs::write(esp.join("EFI/skerry/a.efi"), "old kernel").unwrap();
    let spare = folder.join("b");
    File::create(&spare).unwrap().set_len(ROOM).unwrap();
    Appliance {
        esp,
        running: Slot::A,
        spare,
    }
}

/// An update, signed; the parts may differ from what was signed.
fn update(root: &[u8], sent: &[u8]) -> anyhow::Result<Bundle<std::io::Cursor<Vec<u8>>>> {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let hash = |bytes: &[u8]| -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
    };
    let manifest = json!({
        "version": "0.2.0",
        "architecture": std::env::consts::ARCH,
        "stateFormats": [1, 1],
        "parts": [
            {"name": "kernel", "bytes": 6, "sha256": hash(b"kernel")},
            {"name": "root", "bytes": root.len(), "sha256": hash(root)},
        ],
    })
    .to_string();
    let mut file = b"SKERRY-UPDATE-1\n".to_vec();
    file.extend(u32::try_from(manifest.len()).unwrap().to_be_bytes());
    file.extend(manifest.as_bytes());
    file.extend(key.sign(manifest.as_bytes()).as_ref());
    file.extend(b"kernel");
    file.extend(sent);
    Bundle::open(std::io::Cursor::new(file), key.public_key().as_ref())
}

#[test]
fn an_update_goes_to_the_root_that_does_not_run_and_has_one_try() {
    let folder = tempfile::tempdir().unwrap();
    let machine = machine(folder.path());
    let root: Vec<u8> = (0..=255).cycle().take(4000).collect();
    assert_eq!(
        machine.write(update(&root, &root).unwrap()).unwrap(),
        Slot::B
    );
    assert_eq!(fs::read(&machine.spare).unwrap()[..4000], root);
    assert_eq!(
        fs::read(machine.esp.join("EFI/skerry/b.efi")).unwrap(),
        b"kernel"
    );
    assert_eq!(
        fs::read(machine.esp.join("EFI/skerry/a.efi")).unwrap(),
        b"old kernel"
    );
    let known = |slot, runs, release: &str, tries| Known {
        slot,
        runs,
        release: release.into(),
        tries,
    };
    let wanted = [
        known(Slot::A, true, "0.1.0", None),
        known(Slot::B, false, "0.2.0", Some(1)),
    ];
    assert_eq!(machine.slots().unwrap(), wanted);
    let entry = fs::read_to_string(machine.loader().join("skerry-b+1.conf")).unwrap();
    assert_eq!(entries::order_and_release(&entry), (2, "0.2.0"));
}

#[test]
fn a_root_that_came_damaged_is_never_one_that_can_be_started() {
    let folder = tempfile::tempdir().unwrap();
    let machine = machine(folder.path());
    let old = machine.loader().join("skerry-b+0-1.conf");
    fs::write(&old, entries::text(Slot::B, 9, "0.0.9")).unwrap();
    let root = vec![5; 4000];
    let mut other = root.clone();
    other[3999] = 6;
    let refused = machine.write(update(&root, &other).unwrap()).unwrap_err();
    assert!(
        refused.to_string().contains("part 'root' is damaged"),
        "{refused}"
    );
    let ended = machine
        .write(update(&root, &root[..3000]).unwrap())
        .unwrap_err();
    assert!(
        format!("{ended:#}").contains("ends in its part 'root'"),
        "{ended:#}"
    );
    assert_eq!(
        fs::read(&machine.spare).unwrap()[..SUPERBLOCK_BYTES],
        [0; SUPERBLOCK_BYTES]
    );
    let slots: Vec<Slot> = machine
        .slots()
        .unwrap()
        .iter()
        .map(|known| known.slot)
        .collect();
    assert_eq!(slots, [Slot::A], "no entry names it");
}

#[test]
fn a_root_that_does_not_fit_or_has_nothing_to_go_back_to_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let machine = machine(folder.path());
    let large = vec![5; usize::try_from(ROOM).unwrap() + 1];
    let refused = machine.write(update(&large, &large).unwrap()).unwrap_err();
    assert!(
        refused.to_string().contains("its partition 8192"),
        "{refused}"
    );
    let entry = machine.loader().join("skerry-a.conf");
    fs::rename(&entry, machine.loader().join("skerry-a+0-1.conf")).unwrap();
    let root = vec![5; 4000];
    let refused = machine.write(update(&root, &root).unwrap()).unwrap_err();
    assert!(
        refused.to_string().contains("no entry to go back to"),
        "{refused}"
    );
    fs::rename(
        machine.loader().join("skerry-a+0-1.conf"),
        machine.loader().join("skerry-a+1.conf"),
    )
    .unwrap();
    let refused = machine.write(update(&root, &root).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("itself on trial"), "{refused}");
    assert_eq!(
        fs::read(&machine.spare).unwrap(),
        vec![0; usize::try_from(ROOM).unwrap()]
    );
    assert!(!machine.esp.join("EFI/skerry/b.efi").exists());
}
