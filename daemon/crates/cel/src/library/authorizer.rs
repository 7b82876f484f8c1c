//! `kubernetes.authz`: questions to the authorizer.
//!
//! Knows nothing about how they are answered: whoever evaluates gives an [`Authorizer`].
//! Invariant: nothing is asked but by `check`.

use super::call::{function, library_type, plain, text};
use super::named;
use super::price::{self, LIST, STRUCT, TRAVERSAL, node_size, size};
use crate::cost::{CallEstimate, Estimate, Size};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::types::Type;
use crate::value::{Opaque, Value};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What decides. Made for one request: it knows whose.
pub trait Authorizer: Send + Sync {
    /// May they?
    fn authorize(&self, check: &Check) -> Decision;
}

/// A question to an [`Authorizer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The namespace and the name of the service account that is asked about; `None`: whoever
    /// made the request.
    pub service_account: Option<(String, String)>,
    /// What is to be done.
    pub verb: String,
    /// To what.
    pub object: Object,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A path that is no resource.
    Path(String),
    /// A resource, in all versions.
    Resource(Resource),
}

/// A resource; what is empty is not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// The group.
    pub group: String,
    /// The plural name.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace; none for the cluster.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The field selector as written. One that cannot be read adds no requirements.
    pub field_selector: String,
    /// The label selector as written. One that cannot be read adds no requirements.
    pub label_selector: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whether they may; no opinion is no.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong in finding out.
    pub error: Option<String>,
}

#[derive(Clone)]
struct Asker {
    authorizer: Arc<dyn Authorizer>,
    service_account: Option<(String, String)>,
}

#[derive(Clone)]
struct PathCheck(Asker, String);

#[derive(Clone)]
struct GroupCheck(Asker, String);

#[derive(Clone)]
struct ResourceCheck(Asker, Resource);

macro_rules! receiver {
    ($type:ty, $name:literal) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($name)
            }
        }

        impl Opaque for $type {
            fn type_name(&self) -> &'static str {
                $name
            }

            fn equals(&self, other: &dyn Opaque) -> bool {
                std::ptr::eq(self.as_any(), other.as_any())
            }

            fn as_any(&self) -> &dyn Any {
                self
            }
        }
    };
}

receiver!(Asker, "kubernetes.authorization.Authorizer");
receiver!(PathCheck, "kubernetes.authorization.PathCheck");
receiver!(GroupCheck, "kubernetes.authorization.GroupCheck");
receiver!(ResourceCheck, "kubernetes.authorization.ResourceCheck");
library_type!(Decision, "kubernetes.authorization.Decision");

/// The type of the variable `authorizer`.
#[must_use]
pub fn authorizer_type() -> Type {
    Type::opaque("kubernetes.authorization.Authorizer")
}

/// The type of the variable `authorizer.requestResource`.
#[must_use]
pub fn resource_check_type() -> Type {
    Type::opaque("kubernetes.authorization.ResourceCheck")
}

/// The value of the variable `authorizer`.
#[must_use]
pub fn authorizer_value<'a>(authorizer: Arc<dyn Authorizer>) -> Value<'a> {
    Value::opaque(Asker {
        authorizer,
        service_account: None,
    })
}

/// The value of the variable `authorizer.requestResource`: the request's own resource.
#[must_use]
pub fn resource_check_value<'a>(authorizer: Arc<dyn Authorizer>, resource: Resource) -> Value<'a> {
    let asker = Asker {
        authorizer,
        service_account: None,
    };
    Value::opaque(ResourceCheck(asker, resource))
}

pub(super) const AUTHZ: Library = Library {
    name: "kubernetes.authz",
    since: Version(1, 27),
    until: None,
    functions: AUTHZ_TABLE,
    types: &[],
};

pub(super) const SELECTORS: Library = Library {
    name: "kubernetes.authzSelectors",
    since: Version(1, 31),
    until: None,
    functions: SELECTORS_TABLE,
    types: &[],
};

/// So much that an expression can afford two.
const CHECK_COST: u64 = 350_000;

const CHECK: Cost = Cost::Of {
    run: |_, _| Some(CHECK_COST),
    estimate: |_, _| price::plain(Estimate::fixed(CHECK_COST)),
};

const SELECTOR: Cost = Cost::Of {
    run: |args, _| Some(selector(Size::fixed(size(args, 1))).max),
    estimate: |_, args| -> Option<CallEstimate> { price::plain(selector(node_size(args.first()))) },
};

/// A list of requirements, of which one can be as short as `k,`.
fn selector(length: Size) -> Estimate {
    #[allow(clippy::cast_precision_loss)]
    let each = (LIST + STRUCT) as f64;
    let requirements = length.cost(0.5).scaled(each);
    Estimate::fixed(LIST)
        .plus(length.cost(TRAVERSAL))
        .plus(requirements)
}

macro_rules! part {
    ($id:literal, $name:literal, $field:ident, $cost:expr) => {
        function(
            $id,
            concat!(
                "(kubernetes.authorization.ResourceCheck).",
                $name,
                "(string): kubernetes.authorization.ResourceCheck"
            ),
            |args| {
                let mut check = super::call::opaque::<ResourceCheck>(args, 0)?.clone();
                text(args, 1)?.clone_into(&mut check.1.$field);
                Ok(Value::opaque(check))
            },
            $cost,
        )
    };
}

const AUTHZ_TABLE: &[Function] = &[
    plain(
        "authorizer_path",
        "(kubernetes.authorization.Authorizer).path(string): kubernetes.authorization.PathCheck",
        |args| {
            let path = filled(text(args, 1)?, "path must not be empty")?;
            Ok(Value::opaque(PathCheck(asker(args)?.clone(), path)))
        },
    ),
    plain(
        "authorizer_group",
        "(kubernetes.authorization.Authorizer).group(string): kubernetes.authorization.GroupCheck",
        |args| {
            Ok(Value::opaque(GroupCheck(
                asker(args)?.clone(),
                text(args, 1)?.to_owned(),
            )))
        },
    ),
    plain(
        "authorizer_serviceaccount",
        "(kubernetes.authorization.Authorizer).serviceAccount(string, string): \
         kubernetes.authorization.Authorizer",
        |args| {
            let (namespace, name) = (text(args, 1)?, text(args, 2)?);
            if !named::dns_subdomain(name).is_empty() {
                return Err(Error::text("Invalid service account name"));
            }
            if !named::dns_label(namespace).is_empty() {
                return Err(Error::text("Invalid service account namespace"));
            }
            Ok(Value::opaque(Asker {
                service_account: Some((namespace.to_owned(), name.to_owned())),
                ..asker(args)?.clone()
            }))
        },
    ),
    plain(
        "groupcheck_resource",
        "(kubernetes.authorization.GroupCheck).resource(string): \
         kubernetes.authorization.ResourceCheck",
        |args| {
            let GroupCheck(asker, group) = super::call::opaque(args, 0)?;
            let resource = filled(text(args, 1)?, "resource must not be empty")?;
            let resource = Resource {
                group: group.clone(),
                resource,
                ..Resource::default()
            };
            Ok(Value::opaque(ResourceCheck(asker.clone(), resource)))
        },
    ),
    part!(
        "resourcecheck_subresource",
        "subresource",
        subresource,
        Cost::One
    ),
    part!("resourcecheck_namespace", "namespace", namespace, Cost::One),
    part!("resourcecheck_name", "name", name, Cost::One),
    function(
        "pathcheck_check",
        "(kubernetes.authorization.PathCheck).check(string): kubernetes.authorization.Decision",
        |args| {
            let PathCheck(asker, path) = super::call::opaque(args, 0)?;
            Ok(asker.ask(text(args, 1)?, Object::Path(path.clone())))
        },
        CHECK,
    ),
    function(
        "resourcecheck_check",
        "(kubernetes.authorization.ResourceCheck).check(string): kubernetes.authorization.Decision",
        |args| {
            let ResourceCheck(asker, resource) = super::call::opaque(args, 0)?;
            Ok(asker.ask(text(args, 1)?, Object::Resource(resource.clone())))
        },
        CHECK,
    ),
    plain(
        "decision_errored",
        "(kubernetes.authorization.Decision).errored(): bool",
        |args| Ok(Value::Bool(decision(args)?.error.is_some())),
    ),
    plain(
        "decision_error",
        "(kubernetes.authorization.Decision).error(): string",
        |args| {
            Ok(Value::string(
                decision(args)?.error.clone().unwrap_or_default(),
            ))
        },
    ),
    plain(
        "decision_allowed",
        "(kubernetes.authorization.Decision).allowed(): bool",
        |args| Ok(Value::Bool(decision(args)?.allowed)),
    ),
    plain(
        "decision_reason",
        "(kubernetes.authorization.Decision).reason(): string",
        |args| Ok(Value::string(decision(args)?.reason.clone())),
    ),
];

const SELECTORS_TABLE: &[Function] = &[
    part!(
        "authorizer_fieldselector",
        "fieldSelector",
        field_selector,
        SELECTOR
    ),
    part!(
        "authorizer_labelselector",
        "labelSelector",
        label_selector,
        SELECTOR
    ),
];

impl Asker {
    fn ask<'a>(&self, verb: &str, object: Object) -> Value<'a> {
        Value::opaque(self.authorizer.authorize(&Check {
            service_account: self.service_account.clone(),
            verb: verb.to_owned(),
            object,
        }))
    }
}

fn asker<'v>(args: &'v [Value<'_>]) -> Result<&'v Asker, Error> {
    super::call::opaque(args, 0)
}

fn decision<'v>(args: &'v [Value<'_>]) -> Result<&'v Decision, Error> {
    super::call::opaque(args, 0)
}

fn filled(text: &str, otherwise: &'static str) -> Result<String, Error> {
    if text.trim().is_empty() {
        Err(Error::text(otherwise))
    } else {
        Ok(text.to_owned())
    }
}
