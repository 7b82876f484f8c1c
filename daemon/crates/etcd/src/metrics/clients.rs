//! Calls by the version that clients say they speak.
//!
//! Invariant: what clients send names at most [`VERSIONS_MAX`] versions; others are `unknown`.

use std::sync::{Mutex, PoisonError};

use skerry_metrics::{Text, Type};

use super::{Kind, client_kind};

/// Versions told apart.
const VERSIONS_MAX: usize = 16;

/// Bytes of a version that is told apart.
const VERSION_BYTES_MAX: usize = 32;

const UNKNOWN: &str = "unknown";

#[derive(Debug, Default)]
pub(super) struct ClientVersions(Mutex<Vec<Version>>);

#[derive(Debug)]
struct Version {
    name: String,
    unary: u64,
    streams: u64,
}

impl ClientVersions {
    pub(super) fn count(&self, kind: Kind, version: Option<&[u8]>) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = find(&mut versions, version.unwrap_or(UNKNOWN.as_bytes()));
        match kind {
            Kind::Unary => version.unary += 1,
            Kind::ServerStream | Kind::BidiStream => version.streams += 1,
        }
    }

    pub(super) fn render(&self, text: &mut Text) {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = text.labelled(
            "etcd_server_client_requests_total",
            Type::Counter,
            "The total number of client requests per client version.",
        );
        for version in versions.iter() {
            for (kind, count) in [
                (Kind::Unary, version.unary),
                (Kind::BidiStream, version.streams),
            ] {
                if count > 0 {
                    let labels = [
                        ("client_api_version", version.name.as_str()),
                        ("type", client_kind(kind)),
                    ];
                    family.value(&labels, count);
                }
            }
        }
    }
}

fn find<'a>(versions: &'a mut Vec<Version>, name: &[u8]) -> &'a mut Version {
    let known = versions
        .iter()
        .position(|version| version.name.as_bytes() == name);
    let position = known.unwrap_or_else(|| {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| name.len() <= VERSION_BYTES_MAX)
            // The last place is kept for all that are not told apart.
            .filter(|_| versions.len() < VERSIONS_MAX - 1)
            .unwrap_or(UNKNOWN);
        let unknown = versions.iter().position(|version| version.name == name);
        unknown.unwrap_or_else(|| {
            versions.push(Version {
                name: name.to_owned(),
                unary: 0,
                streams: 0,
            });
            versions.len() - 1
        })
    });
    &mut versions[position]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_beyond_the_limit_are_counted_as_unknown() {
        let versions = ClientVersions::default();
        for number in 0..100 {
            versions.count(Kind::Unary, Some(format!("3.{number}").as_bytes()));
        }
        versions.count(Kind::BidiStream, Some(&[b'9'; VERSION_BYTES_MAX + 1]));
        versions.count(Kind::Unary, Some(b"3.1"));
        versions.count(Kind::Unary, None);
        let held = versions.0.lock().unwrap();
        assert_eq!(held.len(), VERSIONS_MAX);
        assert_eq!(held.iter().map(|version| version.unary).sum::<u64>(), 102);
        let unknown = held.iter().find(|version| version.name == UNKNOWN).unwrap();
        assert_eq!((unknown.unary, unknown.streams), (86, 1));
    }
}
