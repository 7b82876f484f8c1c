//! What a service account token says, in upstream's layout.

use serde_json::{Map, Value, json};

/// The claim that holds everything particular to Kubernetes.
const PRIVATE: &str = "kubernetes.io";

/// An object by name and uid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// `iss`
    pub issuer: String,
    /// `sub`: the user name.
    pub subject: String,
    /// `aud`
    pub audiences: Vec<String>,
    /// `jti`: a uuid; empty in old tokens.
    pub id: String,
    /// `iat`, in seconds since 1970, as the next two.
    pub issued_at: Option<i64>,
    /// `nbf`
    pub not_before: Option<i64>,
    /// `exp`
    pub expires_at: Option<i64>,
    /// The service account's namespace.
    pub namespace: String,
    /// The service account.
    pub account: Reference,
    /// The pod that the token is bound to.
    pub pod: Option<Reference>,
    /// The secret that the token is bound to.
    pub secret: Option<Reference>,
    /// The node that the token is bound to, or that of its pod.
    pub node: Option<Reference>,
    /// From when on a use is worth a warning.
    pub warn_after: Option<i64>,
}

impl Claims {
    /// The payload to sign.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut private = Map::new();
        private.insert("namespace".to_owned(), json!(self.namespace));
        private.insert("serviceaccount".to_owned(), self.account.to_value());
        for (name, reference) in [
            ("pod", &self.pod),
            ("secret", &self.secret),
            ("node", &self.node),
        ] {
            if let Some(reference) = reference {
                private.insert(name.to_owned(), reference.to_value());
            }
        }
        if let Some(time) = self.warn_after {
            private.insert("warnafter".to_owned(), json!(time));
        }
        let mut payload = Map::new();
        payload.insert("iss".to_owned(), json!(self.issuer));
        payload.insert("sub".to_owned(), json!(self.subject));
        payload.insert("aud".to_owned(), json!(self.audiences));
        payload.insert(PRIVATE.to_owned(), Value::Object(private));
        if !self.id.is_empty() {
            payload.insert("jti".to_owned(), json!(self.id));
        }
        for (name, time) in [
            ("iat", self.issued_at),
            ("nbf", self.not_before),
            ("exp", self.expires_at),
        ] {
            if let Some(time) = time {
                payload.insert(name.to_owned(), json!(time));
            }
        }
        Value::Object(payload)
    }

    /// Reads a payload; `None` if a claim has not its type.
    #[must_use]
    pub fn read(payload: &Value) -> Option<Self> {
        let private = payload.get(PRIVATE).unwrap_or(&Value::Null);
        let reference = |name: &str| match private.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => Reference::read(value).map(Some),
        };
        Some(Self {
            issuer: text(payload, "iss")?,
            subject: text(payload, "sub")?,
            audiences: audiences(payload)?,
            id: text(payload, "jti")?,
            issued_at: time(payload, "iat")?,
            not_before: time(payload, "nbf")?,
            expires_at: time(payload, "exp")?,
            namespace: text(private, "namespace")?,
            account: reference("serviceaccount")?.unwrap_or_default(),
            pod: reference("pod")?,
            secret: reference("secret")?,
            node: reference("node")?,
            warn_after: time(private, "warnafter")?,
        })
    }
}

impl Reference {
    fn to_value(&self) -> Value {
        json!({"name": self.name, "uid": self.uid})
    }

    fn read(value: &Value) -> Option<Self> {
        value.is_object().then_some(())?;
        Some(Self {
            name: text(value, "name")?,
            uid: text(value, "uid")?,
        })
    }

    /// The object's name and uid.
    #[must_use]
    pub fn to(object: &Value) -> Self {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let text = |field| text(metadata, field).unwrap_or_default();
        Self {
            name: text("name"),
            uid: text("uid"),
        }
    }
}

fn text(object: &Value, field: &str) -> Option<String> {
    match object.get(field) {
        None | Some(Value::Null) => Some(String::new()),
        Some(value) => value.as_str().map(str::to_owned),
    }
}

/// A NumericDate; fractions are dropped.
fn time(object: &Value, field: &str) -> Option<Option<i64>> {
    match object.get(field) {
        None | Some(Value::Null) => Some(None),
        Some(value) => match value.as_i64() {
            Some(time) => Some(Some(time)),
            None => {
                let time = value.as_f64().filter(|time| time.abs() < 1e15)?;
                // Within bounds, so the cast only drops the fraction.
                #[allow(clippy::cast_possible_truncation)]
                Some(Some(time as i64))
            }
        },
    }
}

/// One audience may stand without a list.
fn audiences(payload: &Value) -> Option<Vec<String>> {
    match payload.get("aud") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(Value::Array(many)) => many.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}
