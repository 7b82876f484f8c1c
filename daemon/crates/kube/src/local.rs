//! Calls of the server's other parts into the API, in process: the way of every request, without a
//! socket.
//!
//! Knows nothing about what they are for. Invariant: what is asked here is decoded, admitted,
//! audited and answered as if a client with the administrators' rights had asked it.

mod note;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::Value;
use skerry_listen::Peer;

use crate::error::ApiError;
use crate::limits::LOCAL_ANSWER_BYTES_MAX;
use crate::object;
use crate::registry::Resource;
use crate::server::Api;
use crate::storage::Leadership;
use crate::tokens::ServiceKeyError;
pub use note::EventNote;
use note::Notes;

/// How a body is said to be an apply.
const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";

/// A part of the server that asks the API for something. Clones ask in the same name.
#[derive(Clone)]
pub struct Local {
    api: Api,
    /// What the part is called: in events, and behind the name of its user.
    component: &'static str,
    peer: Arc<Peer>,
    notes: Arc<Notes>,
}

impl Api {
    /// This API as a part of the server asks it: as the user `system:skerry:<component>`, who may
    /// do everything.
    pub fn local(&self, component: &'static str) -> Local {
        let mut peer = Peer::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None);
        peer.common_name = Some(format!("system:skerry:{component}"));
        peer.organizations = vec![skerry_rbac::MASTERS.into()];
        Local {
            api: self.clone(),
            component,
            peer: Arc::new(peer),
            notes: Arc::default(),
        }
    }
}

impl Local {
    /// The object of that name, if it is there. `namespace` says nothing where the kind has none.
    ///
    /// # Errors
    /// The kind is not served, or what the API says.
    pub async fn get(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ApiError> {
        let path = self.path(api_version, kind, namespace, name)?;
        match self.ask(Method::GET, &path, None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object of which `apiVersion` and `kind` are known: as it came to be.
    ///
    /// # Errors
    /// The kind is not served, or what the API says.
    pub async fn create(&self, object: &Value) -> Result<Value, ApiError> {
        let path = self.path_of(object, "")?;
        self.ask(Method::POST, &path, Some(object)).await
    }

    /// Applies an object on the server's side, in the name of a field manager; `force` takes the
    /// fields that others own.
    ///
    /// # Errors
    /// The kind is not served, or what the API says.
    pub async fn apply(
        &self,
        object: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, ApiError> {
        let path = self.path_of(object, object::name(object))?;
        let manager = encoded(manager);
        let path = format!("{path}?fieldManager={manager}&force={force}");
        self.send(Method::PATCH, &path, APPLY, Some(object)).await
    }

    /// Deletes the object of that name, and what it owns in the background; false where it is not
    /// there.
    ///
    /// # Errors
    /// The kind is not served, or what the API says.
    pub async fn delete(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<bool, ApiError> {
        let path = self.path(api_version, kind, namespace, name)?;
        let path = format!("{path}?propagationPolicy=Background");
        match self.ask(Method::DELETE, &path, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells of an object what has happened to it, as an event. Where that cannot be written, it
    /// is only in the log.
    pub async fn event(&self, note: &EventNote<'_>) {
        if let Err(error) = self.tell(note).await {
            let EventNote { kind, name, .. } = note;
            let (reason, message) = (note.reason, note.message);
            tracing::debug!(%error, kind, name, reason, message, "an event is not written");
        }
    }

    /// Recognizes service account tokens of these private keys, too, as PEM: another member may sign
    /// with them already.
    ///
    /// # Errors
    /// They are none.
    pub fn recognize_tokens_of(&self, pem: &str) -> Result<(), ServiceKeyError> {
        let tokens = self.api.engine().tokens.as_ref();
        tokens.map_or(Ok(()), |tokens| tokens.recognize(pem))
    }

    /// Whether this member leads: what is to be done once in a cluster is done by who does.
    pub fn leads(&self) -> bool {
        self.api.engine().storage.leadership() == Leadership::Here
    }

    /// Asks what a client may ask: a path of the API, with its query, and a body in JSON.
    ///
    /// # Errors
    /// What the API says.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        self.send(method, path, JSON, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::USER_AGENT, format!("skerry-{}", self.component))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ApiError::bad_request(format!("{path}: {error}")))?;
        let response = Box::pin(self.api.answer(&self.peer, request)).await;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LOCAL_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(ApiError::internal)?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match head.status.is_success() {
            true => Ok(answer),
            false => Err(refused(head.status, &answer)),
        }
    }

    /// The path of an object that says what it is; of its kind where the name is empty.
    fn path_of(&self, object: &Value, name: &str) -> Result<String, ApiError> {
        let text = |field: &str| object.get(field).and_then(Value::as_str);
        let api_version = text("apiVersion").unwrap_or_default();
        let kind = text("kind").unwrap_or_default();
        self.path(api_version, kind, object::namespace(object), name)
    }

    fn path(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<String, ApiError> {
        let resource = self.resource(|one| one.kind == kind && one.api_version() == api_version);
        let resource = resource.ok_or_else(|| {
            let message = format!("no matches for kind {kind:?} in version {api_version:?}");
            ApiError::new(404, "NotFound", message)
        })?;
        Ok(path_of(&resource, namespace, name))
    }

    fn resource(&self, wanted: impl Fn(&Resource) -> bool) -> Option<Arc<Resource>> {
        let all = self.api.engine().registry.all().into_iter();
        let mut kept = all.filter(|one| !one.storage_prefix.is_empty() || one.custom.is_some());
        kept.find(|one| wanted(one))
    }
}

/// The path of an object, or of its kind.
fn path_of(resource: &Resource, namespace: &str, name: &str) -> String {
    let mut path = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    if resource.namespaced {
        let namespace = match namespace {
            "" => "default",
            namespace => namespace,
        };
        path.push_str("/namespaces/");
        path.push_str(&encoded(namespace));
    }
    path.push('/');
    path.push_str(&resource.plural);
    if !name.is_empty() {
        path.push('/');
        path.push_str(&encoded(name));
    }
    path
}

/// What may stand in a path or a query, whatever the text.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The error that a `Status` tells.
fn refused(code: StatusCode, status: &Value) -> ApiError {
    let text = |field: &str| status.get(field).and_then(Value::as_str);
    let message = text("message").unwrap_or(code.as_str());
    let mut error = ApiError::new(code.as_u16(), "", message);
    error.reason = text("reason").unwrap_or_default().to_owned().into();
    error.details = status.get("details").cloned().map(Box::new);
    error
}
