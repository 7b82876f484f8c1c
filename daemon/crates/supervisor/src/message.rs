//! What a joining server and a member say to each other, as JSON.
//!
//! Knows nothing about HTTP. Fields may be added: what is not known is passed over.

use serde::{Deserialize, Serialize};

use crate::limits::{URL_BYTES_MAX, URLS_MAX};
use crate::node_password::Shown;
use crate::refusal::Refusal;
use crate::values::CriticalValues;

/// The path of the join route.
pub(crate) const JOIN_PATH: &str = "/v1-skerry/join";
/// The version of these messages.
pub(crate) const JOIN_VERSION: u32 = 1;
/// Longest node name, in bytes.
const NAME_BYTES_MAX: usize = skerry_pki::limits::NODE_NAME_BYTES_MAX;

/// "Take me in."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinRequest {
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) peer_urls: Vec<String>,
    pub(crate) client_urls: Vec<String>,
    /// The cluster that the joiner was in before, where it knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_id: Option<u64>,
    /// What the node keeps, so that nobody takes its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Shown>,
    /// Settings that must be the same on every server.
    #[serde(default, skip_serializing_if = "CriticalValues::is_empty")]
    pub(crate) critical: CriticalValues,
}

impl JoinRequest {
    /// From the body of a request.
    pub(crate) fn decode(body: &[u8]) -> Result<JoinRequest, Refusal> {
        let request: JoinRequest =
            serde_json::from_slice(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Refusal> {
        let wrong = |what: String| Err(Refusal::Malformed(what));
        if self.version != JOIN_VERSION {
            return wrong(format!(
                "version {} of the join protocol is not known here, {JOIN_VERSION} is",
                self.version
            ));
        }
        self.critical.check().map_err(Refusal::Malformed)?;
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !printable(&self.name) {
            return wrong(format!(
                "a node name has 1 to {NAME_BYTES_MAX} printable ASCII characters"
            ));
        }
        for (kind, urls) in [("peer", &self.peer_urls), ("client", &self.client_urls)] {
            if urls.is_empty() || urls.len() > URLS_MAX {
                return wrong(format!("1 to {URLS_MAX} {kind} URLs are needed"));
            }
            for url in urls {
                let host = url.strip_prefix("https://").unwrap_or("");
                if host.is_empty() || url.len() > URL_BYTES_MAX || !printable(url) {
                    return wrong(format!(
                        "a {kind} URL is https://host:port of at most {URL_BYTES_MAX} bytes"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A member of the cluster, as told to a server that joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMember {
    /// Its Raft id.
    pub id: u64,
    /// Its name; empty before its first start.
    pub name: String,
    /// Where the other members find it.
    pub peer_urls: Vec<String>,
    /// Where clients find it.
    pub client_urls: Vec<String>,
    /// Whether it has no vote yet.
    pub learner: bool,
}

/// "You are in."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinAnswer {
    pub(crate) cluster_id: u64,
    pub(crate) member_id: u64,
    pub(crate) members: Vec<KnownMember>,
    /// Base64 of an envelope that holds a [`crate::Bootstrap`].
    pub(crate) bootstrap: String,
}

/// "You are not, because."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusalAnswer {
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_id: Option<u64>,
    /// The setting that differs, and the cluster's value of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) differs: Option<(String, String)>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request() -> JoinRequest {
        JoinRequest {
            version: JOIN_VERSION,
            name: "two".into(),
            peer_urls: vec!["https://127.0.0.2:2380".into()],
            client_urls: vec!["https://127.0.0.2:2379".into()],
            cluster_id: None,
            password: None,
            critical: CriticalValues::default(),
        }
    }

    fn decode(request: &JoinRequest) -> Result<JoinRequest, Refusal> {
        JoinRequest::decode(&serde_json::to_vec(request).unwrap())
    }

    #[test]
    fn a_request_reads_back_and_fields_of_later_versions_are_passed_over() {
        assert_eq!(decode(&request()).unwrap(), request());
        let mut json = serde_json::to_value(request()).unwrap();
        json["later"] = serde_json::json!({"a": 1});
        assert_eq!(
            JoinRequest::decode(json.to_string().as_bytes()).unwrap(),
            request()
        );
    }

    #[test]
    fn requests_out_of_bounds_are_refused_with_the_bound() {
        type Change = fn(&mut JoinRequest);
        let cases: &[(&str, Change, &str)] = &[
            ("version", |r| r.version = 2, "version 2"),
            ("no name", |r| r.name.clear(), "node name"),
            (
                "long name",
                |r| r.name = "a".repeat(NAME_BYTES_MAX + 1),
                "node name",
            ),
            ("control character", |r| r.name = "a\nb".into(), "node name"),
            ("no peer URL", |r| r.peer_urls.clear(), "peer URLs"),
            ("no client URL", |r| r.client_urls.clear(), "client URLs"),
            (
                "peer URLs",
                |r| r.peer_urls = vec!["https://a:1".into(); URLS_MAX + 1],
                "peer URLs",
            ),
            (
                "plain text",
                |r| r.peer_urls = vec!["http://a:1".into()],
                "peer URL is",
            ),
            (
                "no host",
                |r| r.client_urls = vec!["https://".into()],
                "client URL is",
            ),
            (
                "long URL",
                |r| r.peer_urls[0] = format!("https://{}", "a".repeat(URL_BYTES_MAX)),
                "peer URL is",
            ),
        ];
        for (what, change, message) in cases {
            let mut request = request();
            change(&mut request);
            let Err(Refusal::Malformed(text)) = decode(&request) else {
                panic!("{what}")
            };
            assert!(text.contains(message), "{what}: {text}");
        }
        let mut longest = request();
        longest.name = "a".repeat(NAME_BYTES_MAX);
        longest.peer_urls = vec![format!("https://{}", "a".repeat(URL_BYTES_MAX - 8)); URLS_MAX];
        decode(&longest).unwrap();
    }

    /// Seeded, so that a failure repeats.
    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let mut state = 0x5eed_u64;
        let mut next = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let good = serde_json::to_vec(&request()).unwrap();
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len().max(1));
                if bytes.is_empty() {
                    break;
                }
                match next(3) {
                    0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                    1 => _ = bytes.remove(at),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            if let Ok(request) = JoinRequest::decode(&bytes) {
                assert!(!request.name.is_empty() && !request.peer_urls.is_empty());
            }
        }
    }
}
