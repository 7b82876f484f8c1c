//! The stages of one request, in their order: received, decided, sent, answered.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use serde_json::json;
use skerry_audit::limits::{AUDIT_ID_BYTES_MAX, EVENT_BYTES_MAX};
use skerry_audit::{Asked, Event, Level, Mode, ObjectRef, Recording, Stage, Target, Who, Written};
use skerry_listen::Peer;
use skerry_rbac::{Decision, User};

use super::{Audit, objects};
use crate::answer::Body;
use crate::answer::body::{Parts, Streamed};
use crate::call::Call;
use crate::error::ApiError;
use crate::object;
use crate::route::RequestInfo;
use crate::user;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Subresources whose answers last.
const LASTING: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];

/// See the module. One that is dropped before its answer leaves no further event.
pub(crate) struct Trail<'a> {
    audit: Option<&'a Arc<Audit>>,
    peer: &'a Peer,
    head: &'a Head,
    received: Duration,
    id: Option<HeaderValue>,
    open: Option<Box<Open>>,
}

/// A request that the policy wants recorded.
struct Open {
    audit: Arc<Audit>,
    recording: Recording,
    event: Event,
    /// Its sender is not known.
    is_unknown: bool,
    lasts: bool,
}

impl<'a> Trail<'a> {
    /// A request has come in.
    pub(crate) fn begin(audit: Option<&'a Arc<Audit>>, peer: &'a Peer, head: &'a Head) -> Self {
        let said = head.headers.get(AUDIT_ID);
        let said = said.filter(|id| id.len() <= AUDIT_ID_BYTES_MAX && id.to_str().is_ok());
        let id = match said {
            Some(id) => Some(id.clone()),
            None if audit.is_some() => HeaderValue::try_from(object::new_uid()).ok(),
            None => None,
        };
        Trail {
            audit,
            peer,
            head,
            received: if audit.is_some() {
                now()
            } else {
                Duration::ZERO
            },
            id,
            open: None,
        }
    }

    /// It is known who asks for what; nobody where that could not be proved.
    pub(crate) async fn received(
        &mut self,
        user: Option<&User>,
        info: &RequestInfo,
    ) -> Result<(), ApiError> {
        let Some(audit) = self.audit else {
            return Ok(());
        };
        let known = user.filter(|user| !user::is_anonymous(user));
        let recording = audit.policy.recording(&Asked {
            user: user.map_or("", |user| &user.name),
            groups: user.map_or(&[], |user| &user.groups),
            verb: info.verb,
            target: target(info),
        });
        if recording.level == Level::None {
            return Ok(());
        }
        let open = Open {
            audit: Arc::clone(audit),
            recording,
            event: self.event(user, info, recording),
            is_unknown: known.is_none(),
            lasts: info.verb == "watch" || LASTING.contains(&info.subresource.as_str()),
        };
        let is_strict = audit.writer.mode() == Mode::BlockingStrict;
        // Whoever is not known is recorded when that is answered.
        let written = match open.is_unknown {
            true => Written::Yes,
            false => open.write(Stage::RequestReceived, self.received).await,
        };
        if is_strict && written != Written::Yes {
            return Err(ApiError::internal("failed to store audit event"));
        }
        self.open = Some(Box::new(open));
        Ok(())
    }

    fn event(&self, user: Option<&User>, info: &RequestInfo, recording: Recording) -> Event {
        let uri = &self.head.uri;
        let agent = self.head.headers.get(header::USER_AGENT);
        let id = self.id.as_ref().and_then(|id| id.to_str().ok());
        Event {
            level: recording.level,
            audit_id: id.unwrap_or_default().to_owned(),
            request_uri: uri
                .path_and_query()
                .map_or_else(|| uri.path().to_owned(), ToString::to_string),
            verb: info.verb.to_owned(),
            user: user.map(who).unwrap_or_default(),
            impersonated: None,
            source_ips: source_ips(self.peer, &self.head.headers),
            user_agent: agent.map_or_else(String::new, |agent| {
                String::from_utf8_lossy(agent.as_bytes()).into_owned()
            }),
            object: info.is_resource.then(|| ObjectRef {
                resource: info.resource.clone(),
                namespace: info.namespace.clone(),
                name: info.name.clone(),
                api_group: info.group.clone(),
                api_version: info.version.clone(),
                subresource: info.subresource.clone(),
                ..ObjectRef::default()
            }),
            received: self.received,
            status: None,
            request: None,
            response: None,
            annotations: BTreeMap::new(),
            truncated: false,
        }
    }

    /// They act as somebody else.
    pub(crate) fn acts_as(&mut self, user: &User) {
        if let Some(open) = &mut self.open
            && self.head.headers.contains_key("impersonate-user")
        {
            open.event.impersonated = Some(who(user));
        }
    }

    /// It is decided whether they may.
    pub(crate) fn decided(&mut self, decision: &Decision) {
        if let Some(open) = &mut self.open {
            let word = if decision.allowed { "allow" } else { "forbid" };
            let annotations = &mut open.event.annotations;
            annotations.insert("authorization.k8s.io/decision".into(), word.into());
            annotations.insert(
                "authorization.k8s.io/reason".into(),
                decision.reason.clone(),
            );
        }
    }

    /// The body is there.
    pub(crate) fn sent(&mut self, call: &Call) {
        if let Some(open) = &mut self.open {
            if call.deprecation().is_some() {
                let annotations = &mut open.event.annotations;
                annotations.insert("k8s.io/deprecated".into(), "true".into());
            }
            objects::note_request(&mut open.event, open.recording, call);
        }
    }

    /// Others who were asked have said something that is to be recorded.
    pub(crate) fn admitted(&mut self, call: &Call) {
        if let Some(open) = &mut self.open {
            let has_bodies = open.recording.level >= Level::Request;
            for (key, text, with_bodies) in call.annotations() {
                if has_bodies || !with_bodies {
                    open.event.annotations.entry(key.into()).or_insert(text);
                }
            }
        }
    }

    /// It is known what is answered.
    pub(crate) async fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        if let Some(id) = self.id.take() {
            response.headers_mut().insert(AUDIT_ID, id);
        }
        match self.open.take() {
            Some(open) => open.answered(self.head, response).await,
            None => response,
        }
    }
}

impl Open {
    async fn answered(
        mut self: Box<Self>,
        head: &Head,
        response: Response<Body>,
    ) -> Response<Body> {
        let code = response.status().as_u16();
        let (parts, body) = response.into_parts();
        let media_type = parts.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let body = match body {
            Body::Parts(streamed) => {
                self.event.status = Some(json!({ "code": code }));
                if self.lasts {
                    self.write(Stage::ResponseStarted, now()).await;
                }
                self.follow(streamed, media_type)
            }
            body => {
                let bytes = match &body {
                    Body::Full(bytes) => bytes.clone(),
                    _ => Bytes::new(),
                };
                let (event, recording) = (&mut self.event, self.recording);
                objects::note_answer(event, recording, code, &media_type, &bytes);
                if self.is_unknown && code == 401 {
                    self.event.status = Some(json!({"code": code, "message": attempted(head)}));
                    self.write(Stage::ResponseStarted, now()).await;
                } else {
                    self.write(Stage::ResponseComplete, now()).await;
                }
                body
            }
        };
        Response::from_parts(parts, body)
    }

    /// Records the end of an answer that is made while it is sent.
    fn follow(self: Box<Self>, streamed: Streamed, media_type: String) -> Body {
        let keeps_object = self.recording.level >= Level::RequestResponse && !self.lasts;
        Body::parts(Followed {
            parts: streamed.0,
            kept: keeps_object.then(BytesMut::new),
            media_type,
            open: Some(self),
        })
    }

    async fn write(&self, stage: Stage, at: Duration) -> Written {
        match self.recording.keeps(stage) {
            true => self.audit.writer.write(self.event.line(stage, at)).await,
            false => Written::Yes,
        }
    }

    fn write_later(&self, stage: Stage, at: Duration) {
        if self.recording.keeps(stage) {
            self.audit.writer.queue(self.event.line(stage, at));
        }
    }
}

/// The parts of an answer, until they end or their reader goes.
struct Followed {
    parts: Parts,
    /// What was sent, where the policy wants it and it is not too large.
    kept: Option<BytesMut>,
    media_type: String,
    open: Option<Box<Open>>,
}

impl Stream for Followed {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.parts.as_mut().poll_next(cx);
        if let Poll::Ready(Some(Ok(part))) = &next
            && let Some(kept) = &mut self.kept
        {
            if kept.len() + part.len() <= EVENT_BYTES_MAX {
                kept.extend_from_slice(part);
            } else {
                self.kept = None;
                if let Some(open) = &mut self.open {
                    open.event.truncated = true;
                }
            }
        }
        if let Poll::Ready(None) = next {
            self.end();
        }
        next
    }
}

impl Followed {
    fn end(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        if let Some(kept) = self.kept.take() {
            let recording = open.recording;
            objects::note_answer(
                &mut open.event,
                recording,
                200,
                &self.media_type,
                &kept.freeze(),
            );
        }
        open.write_later(Stage::ResponseComplete, now());
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // Half an object is none.
        self.kept = None;
        self.end();
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn target(info: &RequestInfo) -> Target<'_> {
    match info.is_resource {
        false => Target::Path(&info.path),
        true => Target::Resource {
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            name: &info.name,
            namespace: &info.namespace,
        },
    }
}

fn who(user: &User) -> Who {
    Who {
        name: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    }
}

/// Who is said to have asked first, then who is connected. The former may be made up.
fn source_ips(peer: &Peer, headers: &HeaderMap) -> Vec<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let address = |text: &str| {
        let text = text.trim();
        text.parse::<std::net::IpAddr>()
            .ok()
            .map(|ip| ip.to_string())
    };
    let forwarded = text("x-forwarded-for").unwrap_or_default().split(',');
    let mut found: Vec<String> = forwarded.filter_map(address).collect();
    let real = text("x-real-ip").and_then(address);
    let connected = peer.address.ip().to_canonical().to_string();
    if let Some(real) = real.filter(|real| !found.contains(real)) {
        found.push(real);
    }
    if found.last() != Some(&connected) {
        found.push(connected);
    }
    found
}

/// How somebody has tried to prove who they are.
fn attempted(head: &Head) -> String {
    let authorization = head.headers.get(header::AUTHORIZATION);
    let scheme = authorization.and_then(|value| value.to_str().ok()?.split_once(' '));
    match scheme.map(|(scheme, _)| scheme.to_ascii_lowercase()) {
        Some(scheme) if matches!(scheme.as_str(), "basic" | "bearer") => {
            format!("Authentication failed, attempted: {scheme}")
        }
        _ => "Authentication failed, no credentials provided".into(),
    }
}
