//! What expressions of admission may use, and the expressions themselves, checked once.
//!
//! Policies and `matchConditions` share it. Knows nothing about requests. Invariant: what is wrong
//! with an expression is known when it is read and told when it is asked.

use std::sync::Arc;

use skerry_cel::{
    Constructors, Entries, Env, Error, Program, Type, Value, authorizer_type, json_patch_field,
    resource_check_type,
};

use crate::expressions;

/// The type of `variables`.
const VARIABLES: &str = "kubernetes.variables";
/// The type of one operation of a JSON patch.
pub(super) const JSON_PATCH: &str = skerry_cel::JSON_PATCH_TYPE;
/// The type of what is applied, and the start of those of its fields.
pub(super) const OBJECT: &str = "Object";

/// An expression, checked.
pub(super) struct Expression {
    pub(super) text: String,
    /// What is wrong with it, or what it does.
    pub(super) program: Result<Program, String>,
}

/// What expressions of one policy may use.
#[derive(Clone)]
pub(super) struct Environment {
    has_params: bool,
    has_authorizer: bool,
    patches: bool,
    /// The type of the objects; none: they may be anything.
    object: Option<Type>,
    /// The type of the parameters; none: they may be anything.
    params: Option<Type>,
    variables: Vec<(Arc<str>, Type)>,
}

/// What an expression must come to.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Anything,
    Bool,
    Text,
    TextOrNull,
    Patch,
    Configuration,
}

impl Environment {
    pub(super) fn new(has_params: bool) -> Environment {
        Environment {
            has_params,
            has_authorizer: true,
            patches: false,
            object: None,
            params: None,
            variables: Vec::new(),
        }
    }

    /// The same, about objects of a type, with parameters of a type if that is known.
    pub(super) fn about(self, of: Type, params: Option<Type>) -> Environment {
        Environment {
            object: Some(of),
            params: params.filter(|_| self.has_params),
            ..self
        }
    }

    /// The same, where nobody can be asked who may do what.
    pub(super) fn without_authorizer(&self) -> Environment {
        Environment {
            has_authorizer: false,
            ..self.clone()
        }
    }

    /// The same, where expressions make what changes objects.
    pub(super) fn with_patches(&self) -> Environment {
        Environment {
            patches: true,
            ..self.clone()
        }
    }

    /// Checks a variable; those after it may use it.
    pub(super) fn declare(&mut self, name: &str, text: &str) -> Expression {
        let expression = self.compile(text, Wanted::Anything);
        let kind = match &expression.program {
            Ok(program) => declared(program.output_type()),
            Err(_) => Type::Dyn,
        };
        self.variables.push((name.into(), kind));
        expression
    }

    /// Checks an expression.
    pub(super) fn compile(&self, text: &str, wanted: Wanted) -> Expression {
        let program = self.env().compile(text);
        let program = program.map_err(|issues| format!("compilation failed: {issues}"));
        let program = program.and_then(|mut program| {
            // Nobody asks what it costs before it runs.
            program.slim();
            let is = program.output_type();
            match wanted.fault(is) {
                Some(fault) => Err(fault),
                None => Ok(program),
            }
        });
        Expression {
            text: text.to_owned(),
            program,
        }
    }

    /// What is wrong with the types of an expression, whatever it comes to.
    pub(super) fn fault(&self, text: &str) -> Option<String> {
        let issues = self.env().compile(text).err()?;
        // What makes no program is well typed.
        issues.instantiation.is_none().then(|| issues.to_string())
    }

    fn env(&self) -> Env {
        let known = Known {
            variables: self.variables.clone(),
            patches: self.patches,
        };
        let mut env = expressions::environment(self.has_params)
            .with_variable("variables", Type::Named(VARIABLES.into()))
            .with_constructors(Arc::new(known));
        if let Some(of) = &self.object {
            env = env
                .with_variable("object", of.clone())
                .with_variable("oldObject", of.clone());
        }
        if let Some(of) = &self.params {
            env = env.with_variable("params", of.clone());
        }
        if self.patches {
            env = env.with_library(&skerry_cel::JSON_PATCH);
        }
        if self.has_authorizer {
            env = env
                .with_variable("authorizer", authorizer_type())
                .with_variable("authorizer.requestResource", resource_check_type());
        }
        env
    }
}

/// As what expressions see a variable of a type: objects and what libraries have may be anything.
fn declared(kind: &Type) -> Type {
    match kind {
        Type::List(items) => Type::list(declared(items)),
        Type::Map(pair) => Type::map(declared(&pair.0), declared(&pair.1)),
        Type::Bool
        | Type::Bytes
        | Type::Double
        | Type::Duration
        | Type::Int
        | Type::Null
        | Type::String
        | Type::Timestamp
        | Type::Uint => kind.clone(),
        _ => Type::Dyn,
    }
}

impl Wanted {
    fn fault(self, is: &Type) -> Option<String> {
        let (kinds, told) = match self {
            Wanted::Anything => return None,
            Wanted::Bool => (vec![Type::Bool], "bool"),
            Wanted::Text => (vec![Type::String], "string"),
            Wanted::TextOrNull => (vec![Type::String, Type::Null], "[string null_type]"),
            Wanted::Patch => (
                vec![Type::list(Type::Named(JSON_PATCH.into()))],
                "list(JSONPatch)",
            ),
            Wanted::Configuration => (vec![Type::Named(OBJECT.into())], OBJECT),
        };
        let fits = kinds.contains(is);
        let start = match kinds.len() {
            1 => "must evaluate to",
            _ => "must evaluate to one of",
        };
        (!fits).then(|| format!("{start} {told} but got {is}"))
    }
}

/// The fields of `variables`, and what mutating policies make.
struct Known {
    variables: Vec<(Arc<str>, Type)>,
    patches: bool,
}

fn is_object(name: &str) -> bool {
    name.strip_prefix(OBJECT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Constructors for Known {
    fn find(&self, name: &str) -> Option<Type> {
        let made = self.patches && (name == JSON_PATCH || is_object(name));
        made.then(|| Type::Named(name.into()))
    }

    fn field(&self, name: &str, field: &str) -> Option<Type> {
        match name {
            VARIABLES => {
                let mut variables = self.variables.iter().rev();
                let found = variables.find(|(known, _)| **known == *field);
                found.map(|(_, kind)| kind.clone())
            }
            JSON_PATCH => json_patch_field(field),
            name if is_object(name) => Some(Type::Dyn),
            _ => None,
        }
    }

    fn build<'a>(
        &self,
        name: &str,
        fields: Vec<(Arc<str>, Value<'a>)>,
    ) -> Result<Value<'a>, Error> {
        let mut made = Entries::default();
        // No field has this key; whoever reads what was made learns from it what it is.
        made.put(TYPE_KEY, Value::string(name))?;
        for (field, value) in fields {
            made.put(Value::string(field), value)?;
        }
        Ok(Value::Map(skerry_cel::Map::Made(Arc::new(made))))
    }
}

/// Under which what an expression has made says its type.
pub(super) const TYPE_KEY: Value<'static> = Value::Bool(true);

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(environment: &Environment, text: &str, wanted: Wanted) -> String {
        let compiled = environment.compile(text, wanted);
        compiled.program.err().unwrap_or_default()
    }

    #[test]
    fn variables_have_the_types_of_their_expressions() {
        let mut environment = Environment::new(false);
        assert!(environment.declare("replicas", "1 + 1").program.is_ok());
        assert!(environment.declare("name", "request.name").program.is_ok());
        let is_bool = |text: &str| fault(&environment, text, Wanted::Bool);
        assert_eq!(is_bool("variables.replicas > 1"), "");
        assert_eq!(
            is_bool("variables.replicas"),
            "must evaluate to bool but got int"
        );
        assert!(is_bool("variables.none > 1").contains("undefined field 'none'"));
        assert!(is_bool("variables.name > 1").contains("found no matching overload"));
        assert!(is_bool("params.a").contains("undeclared reference to 'params'"));
        assert!(is_bool("request.none == ''").contains("undefined field 'none'"));
        assert_eq!(is_bool("namespaceObject.metadata.labels['a'] == 'b'"), "");
        assert_eq!(
            fault(&environment, "1", Wanted::TextOrNull),
            "must evaluate to one of [string null_type] but got int"
        );
    }

    #[test]
    fn what_changes_objects_is_made_where_it_may_be() {
        let environment = Environment::new(true);
        let text = "Object{spec: Object.spec{replicas: 3}}";
        let plain = fault(&environment, text, Wanted::Configuration);
        assert!(
            plain.contains("undeclared reference to 'Object'"),
            "{plain}"
        );
        let environment = environment.with_patches();
        assert_eq!(fault(&environment, text, Wanted::Configuration), "");
        let patch = "[JSONPatch{op: 'add', path: '/a', value: 1}]";
        assert_eq!(fault(&environment, patch, Wanted::Patch), "");
        assert_eq!(
            fault(&environment, "[1]", Wanted::Patch),
            "must evaluate to list(JSONPatch) but got list(int)"
        );
    }
}
