//! Service account tokens: given out, and recognized.
//!
//! Invariant: a token is good only as long as the service account and what it is bound to live.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use skerry_rbac::{User, account, review};
use skerry_token::bound::{Found, identify};
use skerry_token::claims::Claims;
use skerry_token::request::{BoundKind, Issuer, Request, RequestError};
use skerry_token::verify::{Expected, Verified, verify};
use skerry_token::{Keys, SigningKey, discovery};

use crate::admission::Asked;
use crate::answer::Answer;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::nodes::Operation;
use crate::object;
use crate::options::WriteOptions;
use crate::storage::Freshness;
use crate::user_tokens::is_user_token;
use crate::{bootstrap_tokens, time, user};

/// Who signs, and for whom.
pub(crate) struct Tokens {
    keys: RwLock<Arc<Keys>>,
    /// The private keys as they were given, as PEM.
    pem: String,
    issuer: String,
    audiences: Vec<String>,
}

/// A key that cannot sign service account tokens.
#[derive(Debug, thiserror::Error)]
#[error(
    "not a private key of PKCS#8 in PEM, ECDSA P-256 or RSA, that can sign service account tokens"
)]
pub struct ServiceKeyError;

impl Tokens {
    /// With private keys as PEM (PKCS#8): the first signs, those behind it have signed before.
    pub(crate) fn new(pem: &str, issuer: &str) -> Result<Tokens, ServiceKeyError> {
        Ok(Tokens {
            keys: RwLock::new(Arc::new(keys_of(pem)?)),
            pem: pem.to_owned(),
            issuer: issuer.to_owned(),
            audiences: vec![issuer.to_owned()],
        })
    }

    /// Recognizes what these keys sign, too, and goes on signing with its own.
    pub(crate) fn recognize(&self, pem: &str) -> Result<(), ServiceKeyError> {
        let keys = keys_of(&format!("{}\n{pem}", self.pem))?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The documents with which others verify, and of which media type they are.
    pub(crate) fn document(
        &self,
        path: &str,
        server_address: &str,
    ) -> Option<(&'static str, Value)> {
        match path.trim_end_matches('/') {
            discovery::CONFIGURATION_PATH => {
                let url = format!("https://{server_address}{}", discovery::KEYS_PATH);
                let document = discovery::configuration(&self.keys(), &self.issuer, &url);
                Some(("application/json", document))
            }
            discovery::KEYS_PATH => {
                let document = discovery::key_set(&self.keys());
                Some(("application/jwk-set+json", document))
            }
            _ => None,
        }
    }
}

/// Private keys as PEM (PKCS#8): the first signs, all verify.
fn keys_of(pem: &str) -> Result<Keys, ServiceKeyError> {
    let mut keys = Vec::new();
    let mut lines = pem.lines();
    while lines.any(|line| line.starts_with("-----BEGIN")) {
        let body = lines
            .by_ref()
            .take_while(|line| !line.starts_with("-----END"));
        let der = STANDARD.decode(body.map(str::trim).collect::<String>());
        let key = SigningKey::from_pkcs8(&der.map_err(|_| ServiceKeyError)?);
        keys.push(key.map_err(|_| ServiceKeyError)?);
    }
    let mut keys = keys.into_iter();
    let signing = keys.next().ok_or(ServiceKeyError)?;
    let others = keys.map(|key| key.public().clone()).collect();
    Ok(Keys::new(signing, others))
}

fn now() -> i64 {
    i64::try_from(time::now().as_secs()).unwrap_or(i64::MAX)
}

/// What a token proves by itself.
enum Proof {
    Bootstrap(User, Vec<String>),
    Signed(Box<Verified>),
}

/// Why a token is good for nothing.
pub(crate) enum Refused {
    /// It never was.
    Token(String),
    /// It is signed, and what it is bound to is not here, or another.
    Bound(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Token(why) | Refused::Bound(why) => f.write_str(why),
        }
    }
}

impl Engine {
    /// The bearer of a token, and for which audiences it is good.
    pub(crate) async fn bearer(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), Refused> {
        if is_user_token(token) {
            let own = match &self.tokens {
                Some(tokens) => tokens.audiences.as_slice(),
                None => &[],
            };
            let good = good_audiences(own, audiences).map_err(Refused::Token)?;
            let user = self.user_bearer(token).await.map_err(Refused::Token)?;
            return Ok((user, good));
        }
        match self.local_bearer(token, audiences) {
            // It may be bound to what only other members know so far.
            Err(Refused::Bound(why)) => match self.storage.freshen().await {
                Freshness::Newest => self.local_bearer(token, audiences),
                Freshness::Local => Err(Refused::Bound(why)),
            },
            known => known,
        }
    }

    fn local_bearer(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), Refused> {
        let verified = self.verified(token, audiences).map_err(Refused::Token)?;
        match verified {
            Proof::Bootstrap(user, audiences) => Ok((user, audiences)),
            Proof::Signed(verified) => self.bound(*verified).map_err(Refused::Bound),
        }
    }

    /// What a token says of itself.
    fn verified(&self, token: &str, audiences: &[String]) -> Result<Proof, String> {
        let tokens = self.tokens.as_ref().ok_or("no tokens are known here")?;
        if let Some((id, secret)) = bootstrap_tokens::parts(token) {
            let (user, audiences) =
                self.bootstrapper(&tokens.audiences, audiences, (id, secret))?;
            return Ok(Proof::Bootstrap(user, audiences));
        }
        let expected = Expected {
            issuers: std::slice::from_ref(&tokens.issuer),
            own_audiences: &tokens.audiences,
            audiences,
            now: now(),
        };
        let verified = verify(&tokens.keys(), token, expected);
        let verified = verified.map_err(|error| error.to_string())?;
        Ok(Proof::Signed(Box::new(verified)))
    }

    /// The account of a token, while it and all that the token is bound to are there.
    fn bound(&self, verified: Verified) -> Result<(User, Vec<String>), String> {
        let claims = &verified.claims;
        // What cannot be read is another reason than what is gone.
        let look = |plural: &str, namespace: &str, name: Option<&str>| {
            let resource = self.registry.find("", "v1", plural);
            let (Some(resource), Some(name)) = (resource, name) else {
                return Ok(None);
            };
            let found = self.read(resource, namespace, name);
            let found = found.map_err(|error| error.to_string())?;
            Ok::<_, String>(found.map(|found| found.object))
        };
        let named = |reference: &Option<skerry_token::claims::Reference>| {
            reference.as_ref().map(|reference| reference.name.clone())
        };
        let namespace = claims.namespace.as_str();
        let account = look("serviceaccounts", namespace, Some(&claims.account.name))?;
        let pod = look("pods", namespace, named(&claims.pod).as_deref())?;
        let secret = look("secrets", namespace, named(&claims.secret).as_deref())?;
        let node = look("nodes", "", named(&claims.node).as_deref())?;
        let found = Found {
            account: account.as_ref(),
            pod: pod.as_ref(),
            secret: secret.as_ref(),
            node: node.as_ref(),
        };
        let identity = identify(claims, found, now()).map_err(|error| error.to_string())?;
        let name = account::user_name(&identity.namespace, &identity.name);
        let mut user = user::authenticated(name, account::groups(&identity.namespace));
        user.uid = identity.uid;
        user.extra = identity.extra;
        Ok((user, verified.audiences))
    }

    /// The bearer of a bootstrap token, which is good for this server's own audiences.
    fn bootstrapper(
        &self,
        own: &[String],
        asked: &[String],
        (id, secret): (&str, &str),
    ) -> Result<(User, Vec<String>), String> {
        let user = self.bootstrap_bearer(id, secret)?;
        Ok((user, good_audiences(own, asked)?))
    }

    /// `serviceaccounts/token`: a new token.
    pub(crate) async fn token_request(&self, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let mut object = call.object(&self.registry.types, options.field_validation)?;
        let Some(tokens) = &self.tokens else {
            return Err(ApiError::not_served("serviceaccounts/token"));
        };
        self.restrict_node(call, Operation::Create(&object))?;
        let asked = Asked::create(call, &call.info.name, &options);
        self.pass(&asked, Some(&mut object)).await?;
        let request = Request::read(&object).map_err(|error| refused(&error))?;
        let info = &call.info;
        let account = self.must_read(&call.resource, &info.namespace, &info.name)?;
        let look = |plural: &str, namespace: &str, name: &str| {
            let resource = self.registry.find("", "v1", plural);
            let resource = resource.ok_or_else(ApiError::no_such_path)?;
            self.must_read(resource, namespace, name)
        };
        let (mut bound, mut node) = (None, None);
        if let Some(reference) = &request.bound {
            let found = match reference.kind {
                BoundKind::Pod => look("pods", &info.namespace, &reference.name)?,
                BoundKind::Secret => look("secrets", &info.namespace, &reference.name)?,
                BoundKind::Node => look("nodes", "", &reference.name)?,
            };
            let host = found
                .object
                .pointer("/spec/nodeName")
                .and_then(Value::as_str);
            if let Some(host) = host.filter(|_| reference.kind == BoundKind::Pod) {
                node = match look("nodes", "", host) {
                    Ok(found) => Some(found),
                    Err(error) if error.code == 404 => None,
                    Err(error) => return Err(error),
                };
            }
            bound = Some(found);
        }
        let id = object::new_uid();
        let issuer = Issuer {
            name: &tokens.issuer,
            audiences: &tokens.audiences,
            id: &id,
            now: now(),
        };
        let subject = account::user_name(&info.namespace, &info.name);
        let claims: Claims = request
            .claims(
                issuer,
                &subject,
                &account.object,
                bound.as_ref().map(|bound| &bound.object),
                node.as_ref().map(|node| &node.object),
            )
            .map_err(|error| refused(&error))?;
        let token = tokens
            .keys()
            .sign(&claims.to_value())
            .map_err(ApiError::internal)?;
        Ok(Answer::Object(
            201,
            request.answer(&object, &claims, &token),
        ))
    }

    /// TokenReview: whose token is this.
    pub(crate) async fn token_review(&self, object: &Value) -> Value {
        let token = object.pointer("/spec/token").and_then(Value::as_str);
        let audiences = object.pointer("/spec/audiences").and_then(Value::as_array);
        let audiences: Vec<String> = audiences
            .into_iter()
            .flatten()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        let status = match self.bearer(token.unwrap_or_default(), &audiences).await {
            Ok((user, audiences)) => json!({
                "authenticated": true,
                "user": review::user_info(&user),
                "audiences": audiences,
            }),
            Err(error) => json!({"user": {}, "error": error.to_string()}),
        };
        let mut answer = object.clone();
        answer["status"] = status;
        answer
    }
}

/// Those of this server's own audiences that are asked for: a token that names none is good for.
fn good_audiences(own: &[String], asked: &[String]) -> Result<Vec<String>, String> {
    let mut audiences = own.to_vec();
    audiences.retain(|audience| asked.is_empty() || asked.contains(audience));
    match audiences.is_empty() && !asked.is_empty() {
        true => Err("the token is not for these audiences".into()),
        false => Ok(audiences),
    }
}

fn refused(error: &RequestError) -> ApiError {
    match error {
        RequestError::Invalid { field, value, .. } => {
            let message = error.to_string();
            let message = message
                .strip_prefix(&format!("{field}: "))
                .unwrap_or(value)
                .to_owned();
            let about = About {
                group: "authentication.k8s.io",
                resource: "TokenRequest",
                name: "",
            };
            ApiError::invalid(
                about,
                &[("FieldValueInvalid".into(), message, (*field).to_owned())],
            )
        }
        other => {
            let mut refusal = ApiError::bad_request(other.to_string());
            if matches!(other, RequestError::Conflict { .. }) {
                refusal.code = 409;
                refusal.reason = "Conflict".into();
            }
            refusal
        }
    }
}
