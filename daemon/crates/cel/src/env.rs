//! What expressions may use: variables with types, functions by version, object constructors.
//!
//! Cheap to clone and to extend: the libraries' tables are read once. Invariant: what compiles
//! in an environment evaluates in every activation that has its variables.

use crate::check;
use crate::declarations::{self, Functions, Overload};
use crate::error::Error;
use crate::function::Library;
use crate::issue::Issues;
use crate::library;
use crate::program::Program;
use crate::run;
use crate::schema::{NodeId, Schema};
use crate::syntax::parser::{self, Macros};
use crate::syntax::source::Source;
use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;

/// A version of Kubernetes, which decides what libraries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

/// The version that this server speaks.
pub const CURRENT: Version = Version(1, 36);

/// The versions that brought macros of two variables, and `sortBy`.
const TWO_VARIABLES: Version = Version(1, 32);
const SORTING: Version = Version(1, 34);

/// Objects that expressions may make (`Object{spec: Object.spec{...}}` of mutating policies).
pub trait Constructors: Send + Sync {
    /// The type of a name; `None` when there is none. Usually [`Type::Named`].
    fn find(&self, name: &str) -> Option<Type>;

    /// The type of a field of a named type.
    fn field(&self, name: &str, field: &str) -> Option<Type>;

    /// The object; fields that were given as absent optionals are not among them.
    ///
    /// # Errors
    /// Why the values make no such object.
    fn build<'a>(&self, name: &str, fields: Vec<(Arc<str>, Value<'a>)>)
    -> Result<Value<'a>, Error>;
}

/// What expressions may use.
#[derive(Clone)]
pub struct Env(Arc<Inner>);

/// What clones share, until one is extended.
#[derive(Clone)]
struct Inner {
    version: Version,
    variables: Vec<(Arc<str>, Type)>,
    schemas: Vec<(Arc<str>, Arc<dyn Schema>, NodeId)>,
    functions: Arc<Functions>,
    types: Vec<&'static str>,
    constructors: Option<Arc<dyn Constructors>>,
    bindings: bool,
}

impl Env {
    /// The base environment of kube-apiserver at a version: the standard functions and all
    /// libraries that are served without asking. No variables.
    #[must_use]
    pub fn kubernetes(version: Version) -> Self {
        let libraries = library::ALL.iter().filter(|library| library.is_in(version));
        Self(Arc::new(Inner {
            version,
            variables: Vec::new(),
            schemas: Vec::new(),
            functions: declarations::base().clone(),
            types: libraries
                .flat_map(|library| library.types)
                .copied()
                .collect(),
            constructors: None,
            bindings: false,
        }))
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// The version it is made for.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The same with a variable that a schema describes: its type and its sizes.
    #[must_use]
    pub fn with_schema(mut self, name: &str, schema: &Arc<dyn Schema>, node: NodeId) -> Self {
        self.inner()
            .schemas
            .push((name.into(), schema.clone(), node));
        self.inner()
            .variables
            .push((name.into(), Type::of(schema, node)));
        self
    }

    /// The same with one more variable; the last of a name wins.
    #[must_use]
    pub fn with_variable(mut self, name: &str, kind: Type) -> Self {
        if let Type::Object(object) = &kind {
            let (schema, node) = object.place();
            self.inner()
                .schemas
                .push((name.into(), schema.clone(), node));
        }
        self.inner().variables.push((name.into(), kind));
        self
    }

    /// The same with one more library (JSON patch, for mutating policies).
    #[must_use]
    pub fn with_library(mut self, library: &'static Library) -> Self {
        let inner = self.inner();
        declarations::add_library(Arc::make_mut(&mut inner.functions), library);
        inner.types.extend(library.types);
        self
    }

    /// The same with `cel.bind(name, value, expression)` (selectors of devices).
    #[must_use]
    pub fn with_bindings(mut self) -> Self {
        self.inner().bindings = true;
        self
    }

    /// The same with objects that expressions may make.
    #[must_use]
    pub fn with_constructors(mut self, constructors: Arc<dyn Constructors>) -> Self {
        self.inner().constructors = Some(constructors);
        self
    }

    /// Parses and checks an expression.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn compile(&self, text: &str) -> Result<Program, Issues> {
        let source = Source::new(text);
        let macros = Macros {
            two_variables: self.0.version >= TWO_VARIABLES,
            sorting: self.0.version >= SORTING,
            bindings: self.0.bindings,
        };
        let parsed = parser::parse(&source, macros)?;
        let checked = check::check(self, &source, parsed)?;
        let step = run::plan(self, &checked).map_err(|why| Issues {
            instantiation: Some(why),
            ..Issues::default()
        })?;
        Ok(Program::new(self, checked, step))
    }

    /// The schema of a variable; for other names, that of the first variable which has one.
    pub(crate) fn schema_of(&self, name: &str) -> Option<(&Arc<dyn Schema>, NodeId)> {
        let named = self
            .0
            .schemas
            .iter()
            .rev()
            .find(|(known, ..)| **known == *name);
        let (_, schema, node) = named.or(self.0.schemas.first())?;
        Some((schema, *node))
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&Type> {
        self.0
            .variables
            .iter()
            .rev()
            .find(|(known, _)| **known == *name)
            .map(|(_, kind)| kind)
    }

    /// The type that a name stands for as an expression.
    pub(crate) fn type_named(&self, name: &str) -> Option<Type> {
        if let Some(kind) = Type::named(name) {
            return Some(kind);
        }
        if self.0.types.contains(&name) {
            return Some(Type::opaque(name));
        }
        self.0.constructors.as_ref()?.find(name)
    }

    pub(crate) fn constructors(&self) -> Option<&Arc<dyn Constructors>> {
        self.0.constructors.as_ref()
    }

    /// The overloads of a function that the version has; `None` when there are none.
    pub(crate) fn overloads(&self, name: &str) -> Option<Vec<&Overload>> {
        let all = self.0.functions.get(name)?;
        let known: Vec<_> = all
            .iter()
            .filter(|overload| overload.is_in(self.0.version))
            .collect();
        if known.is_empty() { None } else { Some(known) }
    }
}
