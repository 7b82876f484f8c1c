//! One request once it is known who asks what of which resource.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use skerry_schema::{Subresource, Types};

use crate::decode;
use crate::error::{About, ApiError};
use crate::flow::Seat;
use crate::kind;
use crate::limits::{
    CALL_ANNOTATIONS_BYTES_MAX, WARNING_RUNES_MAX, WARNINGS_MAX, WARNINGS_RUNES_MAX,
};
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
    /// Somebody who was asked about it has refused it.
    judged: AtomicBool,
    /// What the server does that it cannot do without: nobody else is asked.
    pub(crate) is_exempt: bool,
    /// What its audit event says besides: key, text, and whether only where bodies are recorded.
    annotations: Mutex<Vec<(String, String, bool)>>,
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
            judged: AtomicBool::new(false),
            is_exempt: false,
            annotations: Mutex::default(),
        }
    }

    /// Tells the client something besides the answer, once.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        let text: String = text.into().chars().take(WARNINGS_RUNES_MAX).collect();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = warnings.len() < WARNINGS_MAX;
        if has_room && !text.is_empty() && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Has its audit event say something more, once.
    pub(crate) fn annotate(&self, key: &str, text: &str) {
        self.note(key, text, false);
    }

    /// As [`Call::annotate`], where bodies are recorded.
    pub(crate) fn annotate_request(&self, key: &str, text: &Value) {
        self.note(key, &text.to_string(), true);
    }

    fn note(&self, key: &str, text: &str, with_bodies: bool) {
        let held = self.annotations.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = held
            .iter()
            .map(|(key, text, _)| key.len() + text.len())
            .sum();
        let fits = bytes + key.len() + text.len() <= CALL_ANNOTATIONS_BYTES_MAX;
        if fits && !held.iter().any(|(known, _, _)| known == key) {
            held.push((key.to_owned(), text.to_owned(), with_bodies));
        }
    }

    /// What its audit event says besides: key, text, and whether only where bodies are recorded.
    pub(crate) fn annotations(&self) -> Vec<(String, String, bool)> {
        let held = self.annotations.lock();
        std::mem::take(&mut held.unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody who was asked has refused it: another look at the state changes nothing.
    pub(crate) fn is_judged(&self) -> bool {
        self.judged.load(Ordering::Relaxed)
    }

    pub(crate) fn set_judged(&self) {
        self.judged.store(true, Ordering::Relaxed);
    }

    /// Tells what is old in an object that was created, or that replaces another.
    pub(crate) fn warn_of(&self, object: &Value, old: Option<&Value>) {
        let (group, kind) = (&self.resource.group, &self.resource.kind);
        let found = match kind::is_definition(&self.resource) {
            true => skerry_custom::definition::warnings(object, old),
            false => skerry_kinds::warnings(group, kind, object, old),
        };
        found.into_iter().for_each(|text| self.warn(text));
    }

    /// What is old about what is asked for, whatever is done with it.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        let resource = &*self.resource;
        match &resource.custom {
            Some(custom) => custom.version.deprecation.as_deref(),
            None => skerry_kinds::deprecated(&resource.group, &resource.version, &resource.kind),
        }
    }

    /// All that it is told, cut as upstream cuts it where it is more than a head can hold.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::mem::take(&mut *warnings);
        let runes = |text: &String| text.chars().count();
        if all.iter().map(runes).sum::<usize>() <= WARNINGS_RUNES_MAX {
            return all;
        }
        let mut told = 0;
        all.retain_mut(|text| {
            let fits = told < WARNINGS_RUNES_MAX;
            *text = text.chars().take(WARNING_RUNES_MAX).collect();
            told += runes(text);
            fits
        });
        all
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
        let (group, version, kind) = self.kind();
        let api_version = api_version(group, version);
        let decoded = match self.media_type.as_str() {
            skerry_wire::MEDIA_TYPE if self.is_custom() => {
                return Err(decode::protobuf::refuse_custom(&api_version, kind));
            }
            media_type => decode::decode_as(media_type, &self.body, &api_version, kind)?,
        };
        let mut faults = decoded.duplicates;
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
        if let Some(custom) = self.resource.custom.as_ref().filter(|_| self.is_custom()) {
            let compiled = custom.compiled(&self.resource.version)?;
            let unknown = compiled.schema.prune(value);
            let unknown = unknown.map_err(|error| ApiError::bad_request(error.to_string()))?;
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

    /// Whether bodies are of a kind that a definition describes.
    fn is_custom(&self) -> bool {
        self.resource.custom.is_some() && self.info.subresource != "scale"
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
                    decode::strictly(found).join(", ")
                )));
            }
        }
        Ok(())
    }
}

fn api_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

/// Why upstream cannot make an object of one kind of that of another: it says so with the names
/// of Go's packages.
fn unconvertible(said_version: &str, said_kind: &str, group: &str, kind: &str) -> String {
    if !skerry_wire::knows(said_version, said_kind) {
        return format!(
            "no kind {said_kind:?} is registered for version {said_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        );
    }
    let version = said_version.rsplit('/').next().unwrap_or_default();
    let package = match group.split('.').next().unwrap_or_default() {
        "" | "events" => "core",
        package => package,
    };
    format!("converting ({version}.{said_kind}) to ({package}.{kind}): unknown conversion")
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
    let api_version = api_version(group, version);
    let said = |field: &str| {
        fields
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (said_version, said_kind) = (said("apiVersion"), said("kind"));
    if !said_kind.is_empty() && said_kind != kind {
        let why = unconvertible(said_version, said_kind, group, kind);
        return Err(decode::unfit(said_version, said_kind, kind, &why));
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
