//! The type checker: names resolved, overloads chosen, types found, mistakes told.
//!
//! Knows nothing about values and costs. Invariant: ids of the tree stay; names that turn out to be
//! qualified variables, types or namespaced functions are rewritten in place.

use crate::check::unify::{Mapping, exceeds, instantiate, most_general};
use crate::check::validate;
use crate::declarations::Overload;
use crate::env::Env;
use crate::function::Function;
use crate::issue::Issues;
use crate::limits::TYPE_PARTS_MAX;
use crate::syntax::ast::{Entry, Expr, Field, Fold, Id, Kind};
use crate::syntax::parser::Parsed;
use crate::syntax::source::Source;
use crate::types::Type;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) root: Expr,
    types: Vec<Type>,
    overloads: HashMap<Id, Vec<&'static Function>>,
}

impl Checked {
    pub(crate) fn kind(&self, expr: &Expr) -> &Type {
        self.types.get(expr.id as usize).unwrap_or(&Type::Dyn)
    }

    /// The overloads that a call may be of.
    pub(crate) fn overloads(&self, id: Id) -> &[&'static Function] {
        self.overloads.get(&id).map_or(&[], Vec::as_slice)
    }
}

struct Checker<'e> {
    env: &'e Env,
    source: &'e Source,
    places: Vec<u32>,
    types: Vec<Type>,
    overloads: HashMap<Id, Vec<&'static Function>>,
    locals: Vec<(Arc<str>, Type)>,
    mapping: Mapping,
    issues: Issues,
}

/// Checks a parsed expression.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(env: &Env, source: &Source, parsed: Parsed) -> Result<Checked, Issues> {
    let Parsed { mut root, places } = parsed;
    let mut checker = Checker {
        env,
        source,
        types: vec![Type::Error; places.len()],
        places,
        overloads: HashMap::new(),
        locals: Vec::new(),
        mapping: Mapping::default(),
        issues: Issues::default(),
    };
    checker.check(&mut root);
    for kind in &mut checker.types {
        *kind = checker.mapping.substitute(kind, true);
    }
    let Checker {
        types,
        overloads,
        places,
        mut issues,
        ..
    } = checker;
    let checked = Checked {
        root,
        types,
        overloads,
    };
    if issues.is_empty() {
        validate::validate(&checked, &mut |id, text| {
            issues.push(source.issue(places.get(id as usize).copied(), text));
        });
    }
    if issues.is_empty() {
        Ok(checked)
    } else {
        Err(issues.sorted())
    }
}

/// What a name stands for.
enum Name {
    Variable(Type, Arc<str>),
    Type(Type),
}

impl Checker<'_> {
    fn report(&mut self, id: Id, text: String) {
        let place = self.places.get(id as usize).copied();
        self.issues.push(self.source.issue(place, text));
    }

    fn set(&mut self, id: Id, kind: Type) {
        let kind = if exceeds(&kind, TYPE_PARTS_MAX) {
            self.report(id, "type of the expression is too large".to_owned());
            Type::Error
        } else {
            kind
        };
        if let Some(place) = self.types.get_mut(id as usize) {
            *place = kind;
        }
    }

    fn kind(&self, expr: &Expr) -> Type {
        self.types
            .get(expr.id as usize)
            .cloned()
            .unwrap_or(Type::Error)
    }

    fn known(&self, kind: &Type) -> Type {
        self.mapping.substitute(kind, false)
    }

    fn mismatch(&mut self, id: Id, expected: &Type, found: &Type) {
        self.report(
            id,
            format!("expected type '{expected}' but found '{found}'"),
        );
    }

    fn undeclared(&mut self, id: Id, name: &str) {
        self.report(
            id,
            format!("undeclared reference to '{name}' (in container '')"),
        );
        self.set(id, Type::Error);
    }

    fn check(&mut self, expr: &mut Expr) {
        let id = expr.id;
        match &mut expr.kind {
            Kind::Unspecified => {}
            Kind::Literal(value) => {
                let kind = value.kind();
                self.set(id, kind);
            }
            Kind::Ident(_) => self.check_ident(expr),
            Kind::Select { .. } => self.check_select(expr),
            Kind::Call { .. } => self.check_call(expr),
            Kind::List { items, optional } => self.check_list(id, items, optional),
            Kind::Map(entries) => self.check_map(id, entries),
            Kind::Struct { name, fields } => {
                let name = name.clone();
                self.check_struct(id, &name, fields);
            }
            Kind::Fold(fold) => self.check_fold(id, fold),
        }
    }

    // Names.

    /// What a name means outside of comprehensions.
    fn global(&self, name: &str) -> Option<Name> {
        if let Some(kind) = self.env.variable(name) {
            return Some(Name::Variable(kind.clone(), name.into()));
        }
        self.env.type_named(name).map(Name::Type)
    }

    fn local(&self, name: &str) -> Option<&Type> {
        self.locals
            .iter()
            .rev()
            .find(|(local, _)| **local == *name)
            .map(|(_, kind)| kind)
    }

    fn resolve(&self, name: &str) -> Option<Name> {
        let plain = name.strip_prefix('.').unwrap_or(name);
        match self.local(plain) {
            Some(kind) if plain.len() == name.len() => {
                Some(Name::Variable(kind.clone(), name.into()))
            }
            Some(_) => match self.global(plain)? {
                // The dot stays, for a variable of a comprehension has the name as well.
                Name::Variable(kind, _) => Some(Name::Variable(kind, name.into())),
                other => Some(other),
            },
            None => self.global(plain),
        }
    }

    fn name_found(&mut self, expr: &mut Expr, name: Name) {
        match name {
            Name::Variable(kind, name) => {
                self.set(expr.id, kind);
                expr.kind = Kind::Ident(name);
            }
            Name::Type(kind) => {
                self.set(expr.id, Type::kind(kind.clone()));
                expr.kind = Kind::Literal(Value::Type(kind));
            }
        }
    }

    fn check_ident(&mut self, expr: &mut Expr) {
        let Kind::Ident(name) = &expr.kind else {
            return;
        };
        let name = name.clone();
        match self.resolve(&name) {
            Some(found) => self.name_found(expr, found),
            None => self.undeclared(expr.id, &name),
        }
    }

    fn check_select(&mut self, expr: &mut Expr) {
        if let Some(name) = qualified(expr)
            && let first = name.split('.').next().unwrap_or_default()
            && self.local(first).is_none()
            && let Some(found) = self.global(name.strip_prefix('.').unwrap_or(&name))
        {
            self.name_found(expr, found);
            return;
        }
        let id = expr.id;
        let Kind::Select {
            operand,
            field,
            test_only,
        } = &mut expr.kind
        else {
            return;
        };
        let (field, test_only) = (field.clone(), *test_only);
        self.check(operand);
        let operand = self.kind(operand);
        let kind = self.field(id, &operand, &field, false);
        let kind = if test_only {
            Type::Bool
        } else {
            self.known(&kind)
        };
        self.set(id, kind);
    }

    /// The type of a field; optional when the operand is, or when asked for so.
    fn field(&mut self, id: Id, operand: &Type, field: &str, optional: bool) -> Type {
        let operand = self.known(operand);
        let (target, was_optional) = match &operand {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        };
        let kind = match &target {
            Type::Map(pair) => pair.1.clone(),
            Type::Object(object) => self.declared(id, object.field(field), field),
            Type::Named(name) => {
                let found = self
                    .env
                    .constructors()
                    .and_then(|known| known.field(name, field));
                self.declared(id, found, field)
            }
            Type::Var(_) => {
                self.mapping.assign(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                self.report(
                    id,
                    format!("type '{other}' does not support field selection"),
                );
                Type::Dyn
            }
        };
        if was_optional || optional {
            Type::optional(kind)
        } else {
            kind
        }
    }

    fn declared(&mut self, id: Id, found: Option<Type>, field: &str) -> Type {
        found.unwrap_or_else(|| {
            self.report(id, format!("undefined field '{field}'"));
            Type::Error
        })
    }

    // Calls.

    fn check_call(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let Kind::Call {
            function,
            target,
            args,
        } = &mut expr.kind
        else {
            return;
        };
        if &**function == "_?._" {
            self.check_optional_select(id, args);
            return;
        }
        args.iter_mut().for_each(|arg| self.check(arg));
        if let Some(prefix) = target
            .as_ref()
            .and_then(|target| qualified_or_ident(target))
        {
            let name = format!("{prefix}.{function}");
            let plain = name.strip_prefix('.').unwrap_or(&name);
            if self.env.overloads(plain).is_some() {
                *function = plain.into();
                *target = None;
            }
        }
        if let Some(target) = target {
            self.check(target);
        }
        let plain: Arc<str> = function.strip_prefix('.').unwrap_or(function).into();
        let Some(overloads) = self.env.overloads(&plain) else {
            let name = function.clone();
            self.undeclared(id, &name);
            return;
        };
        *function = plain.clone();
        let operands: Vec<Type> = target
            .iter()
            .map(|target| &**target)
            .chain(&*args)
            .map(|arg| self.kind(arg))
            .collect();
        if matches!(&*plain, "_&&_" | "_||_") {
            let ids: Vec<Id> = args.iter().map(|arg| arg.id).collect();
            self.check_logic(id, &ids, &operands, &overloads);
            return;
        }
        self.choose(id, &plain, target.is_some(), &operands, &overloads);
    }

    fn check_logic(&mut self, id: Id, ids: &[Id], operands: &[Type], overloads: &[&Overload]) {
        let mut wrong = false;
        for (arg, operand) in ids.iter().zip(operands) {
            if !self.mapping.assign(operand, &Type::Bool) {
                self.mismatch(*arg, &Type::Bool, operand);
                wrong = true;
            }
        }
        self.overloads.insert(
            id,
            overloads.iter().map(|overload| overload.function).collect(),
        );
        self.set(id, if wrong { Type::Error } else { Type::Bool });
    }

    fn choose(
        &mut self,
        id: Id,
        name: &str,
        member: bool,
        operands: &[Type],
        overloads: &[&Overload],
    ) {
        let mut chosen = Vec::new();
        let mut result: Option<Type> = None;
        for overload in overloads
            .iter()
            .filter(|overload| overload.member == member)
        {
            if overload.params.len() != operands.len() {
                continue;
            }
            let first = self.mapping.fresh(overload.parameters);
            let params: Vec<Type> = overload
                .params
                .iter()
                .map(|param| instantiate(param, first))
                .collect();
            if !self.mapping.assign_all(operands, &params) {
                continue;
            }
            chosen.push(overload.function);
            let kind = self.known(&instantiate(&overload.result, first));
            match &result {
                None => result = Some(kind),
                Some(Type::Dyn) => {}
                Some(known) if *known == kind => {}
                Some(_) => result = Some(Type::Dyn),
            }
        }
        let Some(result) = result else {
            let shown: Vec<String> = operands
                .iter()
                .map(|operand| self.mapping.substitute(operand, true).to_string())
                .collect();
            let signature = match shown.split_first() {
                Some((receiver, rest)) if member => format!("{receiver}.({})", rest.join(", ")),
                _ => format!("({})", shown.join(", ")),
            };
            let text = format!("found no matching overload for '{name}' applied to '{signature}'");
            self.report(id, text);
            self.set(id, Type::Error);
            return;
        };
        self.overloads.insert(id, chosen);
        self.set(id, result);
    }

    fn check_optional_select(&mut self, id: Id, args: &mut [Expr]) {
        let [operand, field] = args else { return };
        let Kind::Literal(Value::String(name)) = &field.kind else {
            return;
        };
        let name = name.clone();
        self.set(field.id, Type::String);
        self.check(operand);
        let operand = self.kind(operand);
        let kind = self.field(id, &operand, &name, true);
        let kind = self.known(&kind);
        if let Some(overloads) = self.env.overloads("_?._") {
            self.overloads.insert(
                id,
                overloads.iter().map(|overload| overload.function).collect(),
            );
        }
        self.set(id, kind);
    }

    // Literals of lists, maps and objects.

    fn join(&mut self, id: Id, before: Option<Type>, now: Type) -> Type {
        let Some(before) = before else { return now };
        if self.mapping.assign(&before, &now) {
            return most_general(&before, &now);
        }
        self.mismatch(id, &before, &now);
        Type::Error
    }

    /// The type within an optional that an element or entry is given as.
    fn unwrapped(&mut self, id: Id, kind: Type) -> Type {
        match kind {
            Type::Optional(inner) => (*inner).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                self.mismatch(id, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    fn fresh(&mut self) -> Type {
        Type::Var(self.mapping.fresh(1))
    }

    fn check_list(&mut self, id: Id, items: &mut [Expr], optional: &[bool]) {
        let mut element = None;
        for (item, optional) in items.iter_mut().zip(optional) {
            self.check(item);
            let mut kind = self.kind(item);
            if *optional {
                kind = self.unwrapped(item.id, kind);
            }
            element = Some(self.join(item.id, element, kind));
        }
        let element = element.unwrap_or_else(|| self.fresh());
        self.set(id, Type::list(element));
    }

    fn check_map(&mut self, id: Id, entries: &mut [Entry]) {
        let (mut key, mut value) = (None, None);
        for entry in entries {
            self.check(&mut entry.key);
            key = Some(self.join(entry.key.id, key, self.kind(&entry.key)));
            self.check(&mut entry.value);
            let mut kind = self.kind(&entry.value);
            if entry.optional {
                kind = self.unwrapped(entry.value.id, kind);
            }
            value = Some(self.join(entry.value.id, value, kind));
        }
        let key = key.unwrap_or_else(|| self.fresh());
        let value = value.unwrap_or_else(|| self.fresh());
        self.set(id, Type::map(key, value));
    }

    fn check_struct(&mut self, id: Id, name: &str, fields: &mut [Field]) {
        let name = name.strip_prefix('.').unwrap_or(name);
        let kind = match self.env.type_named(name) {
            Some(kind @ Type::Named(_)) => kind,
            Some(_) => {
                self.report(id, format!("'{name}' is not a message type"));
                Type::Error
            }
            None => {
                self.undeclared(id, name);
                return;
            }
        };
        self.set(id, kind);
        for field in fields {
            self.check(&mut field.value);
            let found = self
                .env
                .constructors()
                .and_then(|known| known.field(name, &field.name));
            let expected = self.declared(field.id, found, &field.name);
            let mut given = self.kind(&field.value);
            if field.optional {
                given = self.unwrapped(field.value.id, given);
            }
            if !self.mapping.assign(&expected, &given) {
                let text = format!(
                    "expected type of field '{}' is '{expected}' but provided type is '{given}'",
                    field.name
                );
                self.report(field.id, text);
            }
        }
    }

    // Comprehensions.

    fn check_fold(&mut self, id: Id, fold: &mut Fold) {
        self.check(&mut fold.range);
        self.check(&mut fold.initial);
        let range = self.known(&self.kind(&fold.range));
        let gathered = self.kind(&fold.initial);
        let two = fold.second.is_some();
        let (first, second) = match &range {
            Type::List(element) if two => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Error),
            Type::Map(pair) => (pair.0.clone(), pair.1.clone()),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.mapping.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let text = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be \
                     list, map, or dynamic)"
                );
                self.report(fold.range.id, text);
                (Type::Error, Type::Error)
            }
        };
        let outside = self.locals.len();
        self.locals
            .push((fold.accumulator.clone(), gathered.clone()));
        self.locals.push((fold.variable.clone(), first));
        if let Some(name) = &fold.second {
            self.locals.push((name.clone(), second));
        }
        self.check(&mut fold.condition);
        self.assert(&fold.condition, &Type::Bool);
        self.check(&mut fold.step);
        self.assert(&fold.step, &gathered);
        self.locals.truncate(outside + 1);
        self.check(&mut fold.result);
        self.locals.truncate(outside);
        let kind = self.known(&self.kind(&fold.result));
        self.set(id, kind);
    }

    fn assert(&mut self, expr: &Expr, kind: &Type) {
        let found = self.kind(expr);
        if !self.mapping.assign(kind, &found) {
            self.mismatch(expr.id, kind, &found);
        }
    }
}

/// The dotted name that selections spell out, if they are nothing else.
fn qualified(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Select {
            test_only: false, ..
        } => qualified_or_ident(expr),
        _ => None,
    }
}

fn qualified_or_ident(expr: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut at = expr;
    loop {
        match &at.kind {
            Kind::Ident(name) => {
                parts.push(&**name);
                break;
            }
            Kind::Select {
                operand,
                field,
                test_only: false,
            } => {
                parts.push(&**field);
                at = operand;
            }
            _ => return None,
        }
    }
    parts.reverse();
    Some(parts.join("."))
}
