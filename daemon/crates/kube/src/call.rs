//! One request once it is known who asks what of which resource.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use skerry_schema::{Subresource, Types};

use crate::decode;
use crate::error::{About, ApiError};
use crate::flow::Seat;
use crate::limits::WARNINGS_BYTES_MAX;
use crate::negotiate::Form;
use crate::object;
use crate::options::FieldValidation;
use crate::query::Query;
use crate::registry::{self, Resource};
use crate::route::RequestInfo;
use skerry_rbac::User;

/// See the module.
pub(crate) struct Call {
    pub(crate) info: RequestInfo,
    pub(crate) resource: Arc<Resource>,
    pub(crate) query: Query,
    pub(crate) user: User,
    pub(crate) form: Form,
    pub(crate) media_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: Bytes,
    /// What it takes until it is through, or, of a watch, until it knows what there is.
    pub(crate) seat: Mutex<Option<Seat>>,
    /// What the client is to be told besides the answer.
    warnings: Mutex<Vec<String>>,
    /// The state is as new as the call.
    newest: AtomicBool,
}

impl Call {
    pub(crate) fn new(
        info: RequestInfo,
        resource: Arc<Resource>,
        query: Query,
        user: User,
        form: Form,
    ) -> Call {
        Call {
            info,
            resource,
            query,
            user,
            form,
            media_type: String::new(),
            user_agent: String::new(),
            body: Bytes::new(),
            seat: Mutex::default(),
            warnings: Mutex::default(),
            newest: AtomicBool::new(false),
        }
    }

    /// Tells the client something besides the answer: once, and no more than a head can hold.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let told: usize = warnings.iter().map(String::len).sum();
        if told + text.len() <= WARNINGS_BYTES_MAX && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Tells what is old in an object that was created, or that replaces another.
    pub(crate) fn warn_of(&self, object: &Value, old: Option<&Value>) {
        let (group, kind) = (&self.resource.group, &self.resource.kind);
        let found = skerry_kinds::warnings(group, kind, object, old);
        found.into_iter().for_each(|text| self.warn(text));
    }

    /// What is old about what is asked for, whatever is done with it.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        let resource = &*self.resource;
        match &resource.custom {
            Some(custom) => custom.deprecation.as_deref(),
            None => skerry_kinds::deprecated(&resource.group, &resource.version, &resource.kind),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut warnings)
    }

    /// Whether everything that was acknowledged before the call is in the state at hand.
    pub(crate) fn is_newest(&self) -> bool {
        self.newest.load(Ordering::Acquire)
    }

    pub(crate) fn set_newest(&self) {
        self.newest.store(true, Ordering::Release);
    }

    pub(crate) fn subresource(&self) -> Option<&Subresource> {
        self.resource.subresource(&self.info.subresource)
    }

    /// The object of the path, for errors.
    pub(crate) fn about(&self) -> About<'_> {
        registry::about(&self.resource, &self.info.name)
    }

    /// Who keeps the fields of what is written, where the client does not say: the program's name.
    pub(crate) fn manager(&self, asked: &str) -> String {
        if !asked.is_empty() {
            return asked.to_owned();
        }
        let program = self.user_agent.split('/').next().unwrap_or_default();
        let printable = program.chars().filter(|c| !c.is_control());
        let mut manager: String = printable.take(128).collect();
        while manager.len() > 128 {
            manager.pop();
        }
        if manager.is_empty() {
            "unknown".into()
        } else {
            manager
        }
    }

    /// The object in the body, of the kind that the path takes.
    pub(crate) fn object(
        &self,
        types: &Types,
        validation: FieldValidation,
    ) -> Result<Value, ApiError> {
        let kind = self.kind().2;
        let decoded =
            decode::decode(&self.media_type, &self.body).map_err(|error| match error.code {
                400 => ApiError::bad_request(format!(
                    "the object provided is unrecognized (must be of type {kind}): {}",
                    error.message
                )),
                _ => error,
            })?;
        let duplicates = decoded.duplicates.iter();
        let mut faults: Vec<String> = duplicates
            .map(|path| format!("duplicate field {path:?}"))
            .collect();
        let mut value = decoded.value;
        self.check(&mut value, types, validation, &mut faults)?;
        Ok(value)
    }

    /// Makes sure that a value is an object of the kind that the path takes, with no field that
    /// this has not.
    pub(crate) fn check(
        &self,
        value: &mut Value,
        types: &Types,
        validation: FieldValidation,
        faults: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let (group, version, kind) = self.kind();
        conform(value, group, version, kind)?;
        let scales = self.info.subresource == "scale";
        if let Some(custom) = self.resource.custom.as_ref().filter(|_| !scales) {
            let compiled = custom.compiled(&self.resource.version)?;
            let unknown = compiled.schema.prune(value);
            faults.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
        } else if let Some(of) = types.definition(self.definition()) {
            match skerry_schema::check(value, of) {
                Ok(unknown) => faults.extend(unknown.iter().map(ToString::to_string)),
                Err(wrong) => {
                    return Err(ApiError::bad_request(format!(
                        "{kind} in version {version:?} cannot be handled as a {kind}: {wrong}"
                    )));
                }
            }
            skerry_schema::prune(value, of);
            skerry_schema::drop_nulls(value, of);
        }
        object::shaped(value)?;
        self.complain(faults, validation, version, kind)
    }

    /// The name of the type of the bodies that the path takes.
    pub(crate) fn definition(&self) -> &str {
        match self.subresource() {
            Some(sub) if !sub.definition.is_empty() => &sub.definition,
            _ => &self.resource.definition,
        }
    }

    /// Group, version and kind of the bodies that the path takes.
    pub(crate) fn kind(&self) -> (&str, &str, &str) {
        match self.subresource() {
            Some(sub) if !sub.kind.is_empty() => (&sub.group, &sub.version, &sub.kind),
            _ => {
                let resource = &*self.resource;
                (&resource.group, &resource.version, &resource.kind)
            }
        }
    }

    /// Refuses, tells or forgets what is wrong with the fields of a body.
    fn complain(
        &self,
        found: &[String],
        validation: FieldValidation,
        version: &str,
        kind: &str,
    ) -> Result<(), ApiError> {
        if found.is_empty() {
            return Ok(());
        }
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => found.iter().for_each(|text| self.warn(text)),
            FieldValidation::Strict => {
                return Err(ApiError::bad_request(format!(
                    "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
                    found.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// Makes sure that a body is of a kind; what does not say is taken for it.
pub(crate) fn conform(
    object: &mut Value,
    group: &str,
    version: &str,
    kind: &str,
) -> Result<(), ApiError> {
    let Value::Object(fields) = object else {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): the body is not an object"
        )));
    };
    let api_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    let said = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (said_version, said_kind) = (said("apiVersion"), said("kind"));
    if !said_kind.is_empty() && said_kind != kind {
        let short = said_version.rsplit('/').next().unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "{said_kind} in version {short:?} cannot be handled as a {kind}: the kind does not match the path"
        )));
    }
    if !said_version.is_empty() && said_version != api_version {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({said_version}) does not match the expected API version ({api_version})"
        )));
    }
    fields.insert("apiVersion".into(), api_version.into());
    fields.insert("kind".into(), kind.into());
    Ok(())
}
