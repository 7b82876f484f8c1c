//! Takes out of what etcdctl prints what two correct servers may answer differently.
//!
//! Works by the name of a field, not by the value: ids can be small numbers.

use serde_json::Value;
use skerry_tests_harness::Cluster;
use std::collections::BTreeMap;

/// Fields, columns and keys whose values are ids, terms, sizes, times and the like.
const OPAQUE: &[&str] = &[
    "cluster_id",
    "member_id",
    "raft_term",
    "raftIndex",
    "raftTerm",
    "raftAppliedIndex",
    "dbSize",
    "dbSizeInUse",
    "leader",
    "ID",
    "id",
    "version",
    "hash",
    "took",
    "ClusterID",
    "MemberID",
    "RaftTerm",
    "RaftIndex",
    "RaftAppliedIndex",
    "DBSize",
    "DBSizeInUse",
    "Leader",
    "Version",
    "Hash",
    "VERSION",
    "DB SIZE",
    "RAFT TERM",
    "RAFT INDEX",
    "RAFT APPLIED INDEX",
    "HASH",
    "TOOK",
    "Took",
    "lease",
    "ttl",
];

/// What is known of one cluster, to make its output comparable.
#[derive(Debug, Clone)]
pub struct Plain {
    words: BTreeMap<String, String>,
    leases: Vec<String>,
}

impl Plain {
    /// The addresses and folders of `cluster` get names.
    pub fn new(cluster: &Cluster) -> Self {
        let mut words = BTreeMap::new();
        for (index, member) in cluster.members.iter().enumerate() {
            words.insert(member.client_url(), format!("CLIENT-{index}"));
            words.insert(member.client_address.to_string(), format!("CLIENT-{index}"));
            let peer = member.client_url().replace(":2379", ":2380");
            words.insert(peer, format!("PEER-{index}"));
        }
        words.insert(cluster.folder().display().to_string(), "FOLDER".into());
        Self {
            words,
            leases: Vec::new(),
        }
    }

    /// `id` was granted: from here on it has a name.
    pub fn learn_lease(&mut self, id: &str) {
        self.leases.push(id.to_owned());
    }

    /// The id of the lease learned as number `nth`.
    pub fn lease(&self, nth: usize) -> &str {
        &self.leases[nth]
    }

    /// `text` as it must be on both sides; `format` is what `-w` said.
    pub fn plain(&self, text: &str, format: &str) -> String {
        // The client's own log tells when and how often it tried.
        let lines = text.lines().filter(|line| !line.starts_with("{\"level\""));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        // The longer first: an address is part of a URL.
        for (word, name) in self.words.iter().rev() {
            text = text.replace(word, name);
        }
        for (nth, id) in self.leases.iter().enumerate() {
            text = text.replace(id, &format!("LEASE-{nth}"));
            // In JSON they are the values of fields that are known by name.
            if format != "json"
                && let Ok(number) = i64::from_str_radix(id, 16)
            {
                text = text.replace(&number.to_string(), &format!("LEASE-{nth}"));
            }
        }
        match format {
            "json" => text.lines().map(json).collect::<Vec<_>>().join("\n"),
            "fields" => text.lines().map(field).collect::<Vec<_>>().join("\n"),
            "table" => table(&text),
            _ => text.lines().map(sentence).collect::<Vec<_>>().join("\n"),
        }
    }
}

fn opaque(value: &str) -> String {
    if value.is_empty() || value == "0" {
        value.to_owned()
    } else {
        "SOME".to_owned()
    }
}

fn json(line: &str) -> String {
    // Warnings may stand between the lines of JSON.
    let Ok(mut value) = serde_json::from_str::<Value>(line) else {
        return sentence(line);
    };
    hide(&mut value);
    value.to_string()
}

fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            for (name, value) in members {
                match &mut *value {
                    Value::Number(number) if OPAQUE.contains(&name.as_str()) => {
                        *value = Value::String(opaque(&number.to_string()));
                    }
                    Value::String(text) if OPAQUE.contains(&name.as_str()) => {
                        *text = opaque(text);
                    }
                    value => hide(value),
                }
                // In the order of their ids.
                if let ("members", Value::Array(items)) = (name.as_str(), value) {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        _ => {}
    }
}

fn field(line: &str) -> String {
    let Some((name, value)) = line.split_once(" : ") else {
        return sentence(line);
    };
    let name_alone = name.trim_matches('"');
    if OPAQUE.contains(&name_alone) || name_alone == "TTL" {
        return format!("{name} : {}", opaque(value.trim_matches('"')));
    }
    line.to_owned()
}

fn table(text: &str) -> String {
    let mut header: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    // Drawn with ASCII or with box characters, as the release likes it.
    let text = text.replace('│', "|");
    for line in text
        .lines()
        .filter(|line| !line.starts_with(['+', '┌', '├', '└']))
    {
        if !line.starts_with('|') {
            lines.push(sentence(line));
            continue;
        }
        let mut cells = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>();
        if header.is_empty() {
            header.clone_from(&cells);
        } else {
            for (cell, _) in std::iter::zip(&mut cells, &header)
                .filter(|(_, name)| OPAQUE.contains(&name.as_str()))
            {
                *cell = opaque(cell);
            }
        }
        lines.push(cells.join(" | "));
    }
    lines.join("\n")
}

/// Prose and comma-separated lines: the words after which an id or a time stands.
fn sentence(line: &str) -> String {
    let cells = line.split(", ").collect::<Vec<_>>();
    let is_address = |text: &str| text.starts_with("CLIENT-") || text.starts_with("PEER-");
    if cells.len() == 6 && (cells[1] == "started" || cells[1] == "unstarted") {
        return format!("SOME, {}", cells[1..].join(", "));
    }
    if cells.len() >= 9 && is_address(cells[0]) {
        // endpoint, id, version, size, leader, learner, term, index, applied index, errors
        return format!(
            "{}, {}, {}, {}",
            cells[0],
            cells[4],
            cells[5],
            cells[9..].join(", ")
        );
    }
    if cells.len() == 2 && is_address(cells[0]) && cells[1].parse::<u32>().is_ok() {
        return format!("{}, SOME", cells[0]);
    }
    let mut words = Vec::new();
    let mut previous = "";
    for word in line.split_whitespace() {
        let shown = match previous {
            "Member" | "cluster" | "Member_ID" => id(word),
            "=" | "in" if is_duration(word) => "TIME".into(),
            "remaining(" => "TIME".into(),
            _ if word.starts_with("remaining(") => "remaining(TIME),".into(),
            _ if word.starts_with("memberID:") => "memberID:SOME".into(),
            _ => word.to_owned(),
        };
        words.push(shown);
        previous = word;
    }
    words.join(" ")
}

fn id(word: &str) -> String {
    let hex = !word.is_empty() && word.chars().all(|c| c.is_ascii_hexdigit());
    if hex { "SOME".into() } else { word.to_owned() }
}

fn is_duration(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',']);
    word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('s')
}
