//! One record of one stage of one request: upstream's `audit.k8s.io/v1` Event, as a line of JSON.
//!
//! Pure. Invariant: no line is longer than [`EVENT_BYTES_MAX`](crate::limits::EVENT_BYTES_MAX)
//! but for what is no object of the API, which HTTP bounds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::limits::{EVENT_BYTES_MAX, USER_AGENT_BYTES_MAX};
use crate::policy::Level;
use crate::time::micro;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is there and its sender is known.
    RequestReceived,
    /// The head of the answer is sent, the rest follows: watches.
    ResponseStarted,
    /// It is over.
    ResponseComplete,
    /// The server failed. Never recorded: a panic ends the process.
    Panic,
}

impl Stage {
    /// As policies and events call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::RequestReceived => "RequestReceived",
            Stage::ResponseStarted => "ResponseStarted",
            Stage::ResponseComplete => "ResponseComplete",
            Stage::Panic => "Panic",
        }
    }

    pub(crate) const ALL: [Stage; 4] = [
        Stage::RequestReceived,
        Stage::ResponseStarted,
        Stage::ResponseComplete,
        Stage::Panic,
    ];
}

/// A user in an event.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The name.
    pub name: String,
    /// Empty where there is none.
    pub uid: String,
    /// All groups.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The object of a request, as far as it is known before the answer. What is empty is left out.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // the fields are those of upstream's ObjectReference
pub struct ObjectRef {
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub api_group: String,
    pub api_version: String,
    pub resource_version: String,
    pub subresource: String,
}

/// See the module. Times are since 1970.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are those of upstream's Event
pub struct Event {
    pub level: Level,
    pub audit_id: String,
    pub request_uri: String,
    pub verb: String,
    pub user: Who,
    pub impersonated: Option<Who>,
    pub source_ips: Vec<String>,
    pub user_agent: String,
    pub object: Option<ObjectRef>,
    pub received: Duration,
    /// A `Status`, of which only what says how it went is kept.
    pub status: Option<Value>,
    pub request: Option<Value>,
    pub response: Option<Value>,
    pub annotations: BTreeMap<Cow<'static, str>, String>,
    /// Whether an object was left out for its size.
    pub truncated: bool,
}

impl Event {
    /// The line of a stage, with its end.
    #[must_use]
    pub fn line(&self, stage: Stage, at: Duration) -> Vec<u8> {
        let whole = self.encoded(stage, at, true);
        match whole.len() > EVENT_BYTES_MAX {
            true => self.encoded(stage, at, false),
            false => whole,
        }
    }

    fn encoded(&self, stage: Stage, at: Duration, with_objects: bool) -> Vec<u8> {
        let mut out = Fields(b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\"".to_vec());
        out.text("level", self.level.name());
        out.text("auditID", &self.audit_id);
        out.text("stage", stage.name());
        out.text("requestURI", &self.request_uri);
        out.text("verb", &self.verb);
        out.value("user", &who(&self.user));
        if let Some(user) = &self.impersonated {
            out.value("impersonatedUser", &who(user));
        }
        if !self.source_ips.is_empty() {
            out.value("sourceIPs", &json!(self.source_ips));
        }
        out.text_unless_empty("userAgent", &cut(&self.user_agent));
        if let Some(object) = &self.object {
            out.value("objectRef", &object_ref(object));
        }
        if let Some(status) = &self.status {
            out.value("responseStatus", &self::status(status));
        }
        if with_objects {
            for (name, object) in [
                ("requestObject", &self.request),
                ("responseObject", &self.response),
            ] {
                if let Some(object) = object {
                    out.value(name, object);
                }
            }
        }
        out.text("requestReceivedTimestamp", &micro(self.received));
        out.text("stageTimestamp", &micro(at));
        let mut annotations: Map<String, Value> = self
            .annotations
            .iter()
            .map(|(key, value)| (key.clone().into_owned(), Value::from(value.as_str())))
            .collect();
        if !with_objects || self.truncated {
            annotations.insert("audit.k8s.io/truncated".into(), "true".into());
        }
        if !annotations.is_empty() {
            out.value("annotations", &Value::Object(annotations));
        }
        out.0.extend_from_slice(b"}\n");
        out.0
    }
}

/// The fields of an object in their order, behind what is there.
struct Fields(Vec<u8>);

impl Fields {
    fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    fn text_unless_empty(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.text(name, text);
        }
    }

    fn value(&mut self, name: &str, value: &Value) {
        self.key(name);
        // Writing a Value to memory cannot fail: its keys are texts.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn key(&mut self, name: &str) {
        self.0.push(b',');
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

fn who(user: &Who) -> Value {
    let mut found = Map::new();
    if !user.name.is_empty() {
        found.insert("username".into(), user.name.as_str().into());
    }
    if !user.uid.is_empty() {
        found.insert("uid".into(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        found.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        found.insert("extra".into(), json!(user.extra));
    }
    Value::Object(found)
}

fn object_ref(object: &ObjectRef) -> Value {
    let fields = [
        ("resource", &object.resource),
        ("namespace", &object.namespace),
        ("name", &object.name),
        ("uid", &object.uid),
        ("apiGroup", &object.api_group),
        ("apiVersion", &object.api_version),
        ("resourceVersion", &object.resource_version),
        ("subresource", &object.subresource),
    ];
    let said = fields.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| (name.to_owned(), Value::from(text.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

fn status(status: &Value) -> Value {
    let mut found = Map::new();
    found.insert("metadata".into(), json!({}));
    for name in ["status", "message", "reason", "details", "code"] {
        if let Some(value) = status.get(name) {
            found.insert(name.into(), value.clone());
        }
    }
    Value::Object(found)
}

/// As upstream cuts a long user agent.
fn cut(agent: &str) -> String {
    const END: &str = "...TRUNCATED";
    if agent.len() <= USER_AGENT_BYTES_MAX {
        return agent.to_owned();
    }
    let mut at = USER_AGENT_BYTES_MAX;
    while !agent.is_char_boundary(at) {
        at -= 1;
    }
    format!("{}{END}", &agent[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            level: Level::RequestResponse,
            audit_id: "id".into(),
            request_uri: "/api/v1/namespaces/a/configmaps?x=\"".into(),
            verb: "create".into(),
            user: Who {
                name: "admin".into(),
                groups: vec!["system:masters".into()],
                ..Who::default()
            },
            impersonated: None,
            source_ips: vec!["192.0.2.1".into()],
            user_agent: "kubectl".into(),
            object: Some(ObjectRef {
                resource: "configmaps".into(),
                namespace: "a".into(),
                api_version: "v1".into(),
                ..ObjectRef::default()
            }),
            received: Duration::from_micros(1),
            status: None,
            request: None,
            response: None,
            annotations: BTreeMap::new(),
            truncated: false,
        }
    }

    fn line(event: &Event) -> String {
        let line = event.line(Stage::ResponseComplete, Duration::from_micros(2));
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn an_event_is_one_line_in_upstreams_form() {
        let mut event = event();
        event.status = Some(json!({"kind": "Status", "code": 201}));
        event.request = Some(json!({"data": {"a": "b\nc"}}));
        event
            .annotations
            .insert("authorization.k8s.io/decision".into(), "allow".into());
        assert_eq!(
            line(&event),
            concat!(
                r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id","#,
                r#""stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/configmaps?x=\"","verb":"create","#,
                r#""user":{"groups":["system:masters"],"username":"admin"},"sourceIPs":["192.0.2.1"],"userAgent":"kubectl","#,
                r#""objectRef":{"apiVersion":"v1","namespace":"a","resource":"configmaps"},"#,
                r#""responseStatus":{"code":201,"metadata":{}},"requestObject":{"data":{"a":"b\nc"}},"#,
                r#""requestReceivedTimestamp":"1970-01-01T00:00:00.000001Z","stageTimestamp":"1970-01-01T00:00:00.000002Z","#,
                r#""annotations":{"authorization.k8s.io/decision":"allow"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_event_that_is_too_large_loses_its_objects_and_says_so() {
        let mut event = event();
        event.request = Some(json!({"data": "x".repeat(EVENT_BYTES_MAX)}));
        let line = line(&event);
        assert!(line.len() < 2000);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["annotations"]["audit.k8s.io/truncated"], "true");
        assert!(value.get("requestObject").is_none());
    }

    #[test]
    fn a_long_user_agent_is_cut_between_characters() {
        let mut event = event();
        event.user_agent = "é".repeat(600) + "x";
        assert!(line(&event).contains("é...TRUNCATED\""));
    }
}
