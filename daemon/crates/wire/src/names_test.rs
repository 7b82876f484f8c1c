//! The table against the source of types that others generated from upstream's files: field by
//! field, with the names that the bytes do not say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::built_in::TABLE;
use crate::table::{Field, Many, Of};

/// What is newer in the table (1.36) than with them (1.35), what upstream took out since, and the
/// one inlined field that the files call otherwise than its type: no byte depends on that.
const DIFFERENT: &[&str] = &[
    "io.k8s.api.admissionregistration.v1.applyconfiguration: only ours",
    "io.k8s.api.admissionregistration.v1.jsonpatch: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicy: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicybinding: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicybindinglist: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicybindingspec: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicylist: only ours",
    "io.k8s.api.admissionregistration.v1.mutatingadmissionpolicyspec: only ours",
    "io.k8s.api.admissionregistration.v1.mutation: only ours",
    "io.k8s.api.core.v1.imagevolumestatus: only ours",
    "io.k8s.api.core.v1.nodeallocatableresourceclaimstatus: only ours",
    "io.k8s.api.core.v1.podschedulinggroup: only ours",
    "io.k8s.api.core.v1.podspec.schedulinggroup: only ours",
    "io.k8s.api.core.v1.podspec.workloadref: only theirs",
    "io.k8s.api.core.v1.podstatus.nodeallocatableresourceclaimstatuses: only ours",
    "io.k8s.api.core.v1.probe.1: (\"probehandler\", \"io.k8s.api.core.v1.probehandler\", \"one\"), not (\"handler\", \"io.k8s.api.core.v1.probehandler\", \"one\")",
    "io.k8s.api.core.v1.resourcehealth.message: only ours",
    "io.k8s.api.core.v1.volumemountstatus.volumestatus: only ours",
    "io.k8s.api.core.v1.volumestatus: only ours",
    "io.k8s.api.resource.v1.device.nodeallocatableresourcemappings: only ours",
    "io.k8s.api.resource.v1.deviceattribute.bools: only ours",
    "io.k8s.api.resource.v1.deviceattribute.ints: only ours",
    "io.k8s.api.resource.v1.deviceattribute.strings: only ours",
    "io.k8s.api.resource.v1.deviceattribute.versions: only ours",
    "io.k8s.api.resource.v1.nodeallocatableresourcemapping: only ours",
    "io.k8s.api.storage.v1.csidriverspec.preventpodschedulingifmissing: only ours",
    "io.k8s.apimachinery.pkg.apis.meta.v1.listmeta.shardinfo: only ours",
    "io.k8s.apimachinery.pkg.apis.meta.v1.listoptions.shardselector: only ours",
    "io.k8s.apimachinery.pkg.apis.meta.v1.shardinfo: only ours",
];

/// Fields of a message by their numbers: name, type, how many.
type Fields = BTreeMap<u16, (String, String, &'static str)>;

/// By `package.message`, all of it in small letters without what joins words: they write names in
/// the manner of Rust.
type Messages = BTreeMap<String, Fields>;

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | '$'));
    letters.collect::<String>().to_lowercase()
}

fn ours() -> Messages {
    let mut names = Vec::new();
    for package in &TABLE.packages {
        for number in package.first..package.end {
            let name = TABLE.name(TABLE.message(number).name);
            names.push(plain(&format!("{}.{name}", package.name)));
        }
    }
    let told = |field: &Field| {
        let of = match field.of {
            Of::Text => "string".to_owned(),
            Of::Bytes => "bytes".to_owned(),
            Of::Bool => "bool".to_owned(),
            Of::Int32 => "int32".to_owned(),
            Of::Int64 => "int64".to_owned(),
            Of::Double => "double".to_owned(),
            Of::Message(number) => names[usize::from(number)].clone(),
        };
        let many = match field.many {
            Many::One => "one",
            Many::List => "list",
            Many::Map => "map",
        };
        // What JSON has no name for is called as its message is.
        let name = match field.flags.is_inline() {
            true => of.rsplit('.').next().unwrap_or_default().to_owned(),
            false => plain(TABLE.name(field.name)),
        };
        (field.number, (name, of, many))
    };
    let messages = TABLE.messages.iter().zip(&names);
    messages
        .map(|(message, name)| {
            let fields = TABLE.fields(*message).iter().map(told).collect();
            (name.clone(), fields)
        })
        .collect()
}

/// Where cargo keeps the source of the crate.
fn source() -> PathBuf {
    let run = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let metadata: Value = serde_json::from_slice(&run.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == "k8s-pb");
    let manifest = found.unwrap()["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().join("src")
}

fn theirs() -> Messages {
    let mut messages = Messages::new();
    let mut folders = vec![(source(), vec!["io".to_owned(), "k8s".to_owned()])];
    while let Some((folder, package)) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let deeper = [&package[..], &[name]].concat();
                folders.push((path, deeper));
            } else if name == "mod.rs" {
                read(
                    &std::fs::read_to_string(&path).unwrap(),
                    &package,
                    &mut messages,
                );
            }
        }
    }
    messages
}

/// Reads the attributes that make messages of structs.
fn read(text: &str, package: &[String], messages: &mut Messages) {
    let (mut message, mut attribute) = (String::new(), String::new());
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.split([' ', '{']).next().unwrap();
            message = plain(&format!("{}.{name}", package.join(".")));
            messages.entry(message.clone()).or_default();
        } else if line.starts_with("#[prost(") {
            line.clone_into(&mut attribute);
            while !attribute.ends_with(")]") {
                attribute.push_str(lines.next().unwrap());
            }
        } else if let (false, Some(field)) = (attribute.is_empty(), line.strip_prefix("pub ")) {
            let mut field = field.to_owned();
            while field.matches('<').count() > field.matches('>').count() || !field.ends_with(',') {
                field.push_str(lines.next().unwrap());
            }
            let (name, of) = field.split_once(':').unwrap();
            let (number, told) = one(&attribute, name, of, package);
            messages.get_mut(&message).unwrap().insert(number, told);
            attribute.clear();
        }
    }
}

fn one(
    attribute: &str,
    name: &str,
    of: &str,
    package: &[String],
) -> (u16, (String, String, &'static str)) {
    let (_, tag) = attribute.split_once("tag = \"").unwrap();
    let number = tag.split('"').next().unwrap().parse().unwrap();
    let inside = attribute.trim_start_matches("#[prost(");
    let (of_attribute, many) = match inside.strip_prefix("btree_map = \"string, ") {
        Some(rest) => (rest.split('"').next().unwrap(), "map"),
        None if inside.contains(", repeated,") => {
            (inside.split([',', '=']).next().unwrap(), "list")
        }
        None => (inside.split([',', '=']).next().unwrap(), "one"),
    };
    let of = match of_attribute.trim() {
        "message" => absolute(of, package),
        "bytes" => "bytes".to_owned(),
        scalar => scalar.to_owned(),
    };
    (number, (plain(name.trim_start_matches("r#")), of, many))
}

/// The message at the end of `Option<super::super::v1::Message>`.
fn absolute(of: &str, package: &[String]) -> String {
    let ends = of.trim_end_matches([',', '>', ' ']);
    let path = ends.rsplit(['<', ',', ' ']).next().unwrap();
    let mut place = package.to_vec();
    for step in path.split("::") {
        match step {
            "super" => _ = place.pop(),
            step => place.push(step.to_owned()),
        }
    }
    plain(&place.join("."))
}

#[test]
fn every_field_has_the_name_number_and_type_that_others_took_from_upstreams_files() {
    let (ours, theirs) = (ours(), theirs());
    let mut compared = 0;
    let mut different = BTreeSet::new();
    for (message, fields) in &ours {
        let Some(others) = theirs.get(message) else {
            different.insert(format!("{message}: only ours"));
            continue;
        };
        for number in fields.keys().chain(others.keys()).collect::<BTreeSet<_>>() {
            match (fields.get(number), others.get(number)) {
                (Some(field), Some(other)) if field == other => compared += 1,
                (Some(field), Some(other)) => {
                    _ = different.insert(format!("{message}.{number}: {field:?}, not {other:?}"));
                }
                (Some(field), None) => {
                    _ = different.insert(format!("{message}.{}: only ours", field.0));
                }
                (None, other) => {
                    let name = other.map(|other| other.0.as_str()).unwrap_or_default();
                    _ = different.insert(format!("{message}.{name}: only theirs"));
                }
            }
        }
    }
    let different: Vec<&str> = different.iter().map(String::as_str).collect();
    assert_eq!(different, DIFFERENT);
    assert_eq!((ours.len(), compared), (641, 2295));
}
