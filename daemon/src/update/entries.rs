//! The boot loader's entries: which root is started next, and how many tries it has.
//!
//! systemd-boot keeps the count in the file's name: `skerry-b+1.conf` has one try left, `+0-1` none,
//! and no `+` means that it was found good. Of those with tries the highest version is started, those
//! without come last. Pure but for reading names.

use super::slots::Slot;

/// One entry, by the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) file: String,
    pub(super) slot: Slot,
    /// Tries left; none: it was found good, or is the first.
    pub(super) tries: Option<u32>,
}

impl Entry {
    /// Of the name of a file; none where it is not one of ours.
    pub(super) fn of(file: &str) -> Option<Entry> {
        let name = file.strip_suffix(".conf")?;
        let (name, count) = match name.split_once('+') {
            Some((name, count)) => (name, Some(count)),
            None => (name, None),
        };
        let slot = Slot::of(name)?;
        let tries = match count {
            Some(count) => Some(count.split('-').next()?.parse().ok()?),
            None => None,
        };
        Some(Entry {
            file: file.to_owned(),
            slot,
            tries,
        })
    }
}

/// The name of the file of an entry that has one try.
pub(super) fn on_trial(slot: Slot) -> String {
    format!("{}+1.conf", slot.name())
}

/// The text of an entry.
pub(super) fn text(slot: Slot, order: u64, release: &str) -> String {
    format!(
        "title Skerry {release}\nsort-key skerry\nversion {order}\nefi /EFI/skerry/{}\n",
        kernel(slot)
    )
}

/// The name of the file of a slot's kernel.
pub(super) fn kernel(slot: Slot) -> String {
    format!("{}.efi", slot.letter())
}

/// The order of an entry among the others, and the release that it says it is.
pub(super) fn order_and_release(text: &str) -> (u64, &str) {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .map_or("", str::trim)
    };
    let release = value("title").strip_prefix("Skerry").unwrap_or_default();
    (value("version").parse().unwrap_or(0), release.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_which_root_and_how_many_tries() {
        let of = |file: &str| Entry::of(file).map(|entry| (entry.slot, entry.tries));
        assert_eq!(of("skerry-a.conf"), Some((Slot::A, None)));
        assert_eq!(of("skerry-b+1.conf"), Some((Slot::B, Some(1))));
        assert_eq!(of("skerry-b+0-1.conf"), Some((Slot::B, Some(0))));
        assert_eq!(of(&on_trial(Slot::A)), Some((Slot::A, Some(1))));
        for other in [
            "skerry-c.conf",
            "skerry-a.conf.new",
            "windows.conf",
            "skerry-a+x.conf",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = text(Slot::B, 7, "0.2.0");
        assert_eq!(order_and_release(&text), (7, "0.2.0"));
        assert!(text.contains("efi /EFI/skerry/b.efi\n"));
        assert_eq!(order_and_release("title Skerry\n"), (0, ""));
    }
}
