//! What differs from run to run in what kubectl prints, made the same. The columns that hold it
//! are made narrow: how wide they are differs too.
//!
//! Knows nothing about commands. Invariant: what is masked twice is what is masked once.
//! Generated names' ends are for the scripts: any word of five letters could be one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

struct Masks {
    uid: Regex,
    time: Regex,
    date: Regex,
    age: Regex,
    revision: Regex,
    address: Regex,
    node_port: Regex,
    header: Regex,
    edited: Regex,
    log: Regex,
    token_volume: Regex,
}

static MASKS: LazyLock<Masks> = LazyLock::new(|| {
    let regex = |text| Regex::new(text).unwrap();
    Masks {
        uid: regex(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
        time: regex(r"\b20\d\d-\d\d-\d\d(T| )\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)"),
        date: regex(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d [-+]\d{4}"),
        age: regex(r"(^|[ (])(\d+m)?\d{1,3}s($|,|\)| +)"),
        revision: regex(r#"(esourceVersion"?: ?|Resource Version: +)"?\d+"?"#),
        address: regex(r"\b10\.43\.\d{1,3}\.\d{1,3}\b( *)"),
        node_port: regex(r"\b3[0-2]\d{3}\b"),
        log: regex(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} "),
        token_volume: regex(r"\bkube-api-access-[a-z0-9]{5}\b"),
        edited: regex(r"\bkubectl-edit-(xx)?\d+\b"),
        header: regex(r"\b(AGE|DURATION|LAST SEEN|CLUSTER-IP) +"),
    }
});

/// `line` without its ages, times, uids, revisions and addresses.
pub(crate) fn mask(line: &str) -> String {
    let masks = &*MASKS;
    let line = masks.uid.replace_all(line, "<uid>");
    let line = masks.time.replace_all(&line, "<time>");
    let line = masks.date.replace_all(&line, "<date>");
    let line = masks.revision.replace_all(&line, "${1}\"<version>\"");
    let line = masks.node_port.replace_all(&line, "<port>");
    let line = masks
        .token_volume
        .replace_all(&line, "kube-api-access-<id>");
    let line = masks.edited.replace_all(&line, "kubectl-edit-<id>");
    let line = masks.header.replace_all(&line, "${1}   ");
    let line = masks.address.replace_all(&line, |found: &Captures<'_>| {
        format!("<ip>{}", gap(&found[1]))
    });
    // Twice: of two that stand side by side the first takes the space between them.
    let line = mask_age(&line);
    mask_age(&line).into_owned()
}

/// Whether a line is client-go's own log, which depends on timing: not what kubectl prints.
pub(crate) fn is_log(line: &str) -> bool {
    MASKS.log.is_match(line)
}

fn mask_age(line: &str) -> Cow<'_, str> {
    MASKS.age.replace_all(line, |found: &Captures<'_>| {
        format!("{}<age>{}", &found[1], gap(&found[3]))
    })
}

/// What comes after a cell, a narrow one if it is space up to the next column.
fn gap(after: &str) -> &str {
    if after.len() > 1 { "   " } else { after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_the_same() {
        assert_eq!(mask("a   5s    x=y"), mask("a   115s   x=y"));
        assert_eq!(mask("a   1   5s         15s"), "a   1   <age>   <age>");
        assert_eq!(
            mask("svc   10.43.0.1     80"),
            mask("svc   10.43.22.10   80")
        );
        assert_eq!(mask("AGE    LABELS"), mask("AGE   LABELS"));
        let json = r#""resourceVersion": "12","#;
        assert_eq!(mask(json), r#""resourceVersion": "<version>","#);
    }
}
