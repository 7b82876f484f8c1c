//! The walk over a checked tree that adds up what it can cost.
//!
//! Knows nothing about functions but what [`super::calls`] says of them. Invariant: variables of a
//! comprehension are known within it only.

use crate::check::Checked;
use crate::cost::{CallEstimate, Estimate, Node, Size, Sizes, calls, sizes};
use crate::env::Env;
use crate::function::Cost;
use crate::syntax::ast::{Expr, Fold, Id, Kind};
use crate::types::Type;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What an expression can cost.
pub(crate) fn estimate(env: &Env, checked: &Checked, sizes: &dyn Sizes) -> Estimate {
    let mut estimator = Estimator {
        env,
        checked,
        sizes,
        paths: HashMap::new(),
        known: HashMap::new(),
        entries: HashMap::new(),
        locals: Vec::new(),
    };
    estimator.cost(&checked.root)
}

/// How large the keys and values of a list or map can get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    list: bool,
    key: Size,
    value: Size,
}

impl Entries {
    pub(super) fn union(self, other: Self) -> Self {
        let (key, value) = (self.key.union(other.key), self.value.union(other.value));
        Self {
            list: self.list,
            key,
            value,
        }
    }
}

struct Local {
    name: Arc<str>,
    path: Vec<String>,
    size: Option<Size>,
    entries: Option<Entries>,
}

pub(super) struct Estimator<'e> {
    env: &'e Env,
    checked: &'e Checked,
    sizes: &'e dyn Sizes,
    paths: HashMap<Id, Vec<String>>,
    known: HashMap<Id, Size>,
    entries: HashMap<Id, Entries>,
    locals: Vec<Local>,
}

const ONE: Estimate = Estimate::fixed(1);
const LIST: Estimate = Estimate::fixed(10);
const MAP: Estimate = Estimate::fixed(30);
const OBJECT: Estimate = Estimate::fixed(40);

/// The size that holds what nothing was in yet.
const NOTHING: Size = Size {
    min: u64::MAX,
    max: 0,
};

impl<'e> Estimator<'e> {
    fn cost(&mut self, expr: &'e Expr) -> Estimate {
        match &expr.kind {
            Kind::Unspecified => Estimate::default(),
            // The name of a type is a name.
            Kind::Literal(Value::Type(_)) => ONE,
            Kind::Literal(_) => Estimate::default(),
            Kind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => vec![name.trim_start_matches('.').to_owned()],
                };
                self.paths.insert(expr.id, path);
                ONE
            }
            Kind::Select {
                operand,
                field,
                test_only,
            } => {
                let sum = self.cost(operand);
                if *test_only {
                    return sum;
                }
                let mut path = self.path(operand);
                path.push(field.to_string());
                self.paths.insert(expr.id, path);
                match self.checked.kind(operand) {
                    Type::Map(_) | Type::Object(_) | Type::Named(_) => sum.plus(ONE),
                    _ => sum,
                }
            }
            Kind::Call {
                function,
                target,
                args,
            } => self.call(expr, function, target.as_deref(), args),
            Kind::List { items, .. } => {
                let mut sum = LIST;
                let mut value = if items.is_empty() {
                    Size::fixed(0)
                } else {
                    NOTHING
                };
                for item in items {
                    sum = sum.plus(self.cost(item));
                    value = value.union(self.size_or_unknown(item));
                }
                self.entries.insert(
                    expr.id,
                    Entries {
                        list: true,
                        key: Size::fixed(1),
                        value,
                    },
                );
                sum
            }
            Kind::Map(entries) => {
                let mut sum = MAP;
                let first = if entries.is_empty() {
                    Size::fixed(0)
                } else {
                    NOTHING
                };
                let (mut key, mut value) = (first, first);
                for entry in entries {
                    sum = sum
                        .plus(self.cost(&entry.key))
                        .plus(self.cost(&entry.value));
                    key = key.union(self.size_or_unknown(&entry.key));
                    value = value.union(self.size_or_unknown(&entry.value));
                }
                self.entries.insert(
                    expr.id,
                    Entries {
                        list: false,
                        key,
                        value,
                    },
                );
                sum
            }
            Kind::Struct { fields, .. } => fields
                .iter()
                .fold(OBJECT, |sum, field| sum.plus(self.cost(&field.value))),
            Kind::Fold(fold) if fold.is_binding() => self.binding(expr, fold),
            Kind::Fold(fold) => self.fold(expr, fold),
        }
    }

    // Sizes.

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| *local.name == *name)
    }

    fn path(&self, expr: &Expr) -> Vec<String> {
        if let Kind::Ident(name) = &expr.kind
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&expr.id).cloned().unwrap_or_default()
    }

    pub(super) fn size(&mut self, expr: &Expr) -> Option<Size> {
        if let Some(size) = self.known.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = literal_size(expr) {
            return Some(Size::fixed(size));
        }
        let path = self.path(expr);
        let kind = self.checked.kind(expr);
        if !path.is_empty() {
            let given = self.sizes.size(&path, kind);
            if let Some(size) = given.or_else(|| sizes::by_schema(self.env, &path)) {
                self.known.insert(expr.id, size);
                return Some(size);
            }
        }
        if is_scalar(kind) {
            return Some(Size::fixed(1));
        }
        match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    pub(super) fn size_or_unknown(&mut self, expr: &Expr) -> Size {
        self.size(expr).unwrap_or(Size::UNKNOWN)
    }

    pub(super) fn entries_of(&self, expr: &Expr) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&expr.id) {
            return Some(*entries);
        }
        match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        }
    }

    pub(super) fn set_entries(&mut self, id: Id, entries: Option<Entries>) {
        if let Some(entries) = entries {
            self.entries.insert(id, entries);
        }
    }

    fn set_size(&mut self, id: Id, size: Option<Size>) {
        if let Some(size) = size {
            self.known.insert(id, size);
        }
    }

    fn copy_sizes(&mut self, id: Id, from: &Expr) {
        let size = self.size(from);
        self.set_size(id, size);
        self.set_entries(id, self.entries_of(from));
    }

    // Calls.

    fn node(&mut self, expr: &'e Expr) -> Node<'e> {
        let literal = match &expr.kind {
            Kind::Literal(Value::String(text)) => Some(&**text),
            _ => None,
        };
        let number = match &expr.kind {
            Kind::Literal(Value::Int(number)) => Some(*number),
            _ => None,
        };
        Node {
            kind: self.checked.kind(expr),
            size: self.size(expr),
            literal,
            number,
            items: self.items(expr),
        }
    }

    fn items(&self, expr: &Expr) -> Option<Size> {
        let Type::List(item) = self.checked.kind(expr) else {
            return None;
        };
        let mut path = self.path(expr);
        if path.is_empty() {
            return None;
        }
        path.push("@items".to_owned());
        let given = self.sizes.size(&path, item);
        given.or_else(|| sizes::by_schema(self.env, &path))
    }

    fn call(
        &mut self,
        expr: &'e Expr,
        function: &str,
        target: Option<&'e Expr>,
        args: &'e [Expr],
    ) -> Estimate {
        if function == "dyn"
            && let [arg] = args
        {
            let cost = self.cost(arg);
            self.copy_sizes(expr.id, arg);
            return ONE.plus(cost);
        }
        let costs: Vec<Estimate> = args.iter().map(|arg| self.cost(arg)).collect();
        let nodes: Vec<Node<'e>> = args.iter().map(|arg| self.node(arg)).collect();
        let checked = self.checked;
        let overloads = checked.overloads(expr.id);
        if overloads.is_empty() {
            return Estimate::default();
        }
        let (target_cost, target) = match target {
            Some(target) => (self.cost(target), Some(self.node(target))),
            None => (Estimate::default(), None),
        };
        let library = self.env.overloads(function).unwrap_or_default();
        let library = library
            .iter()
            .find_map(|overload| match overload.function.cost {
                Cost::One => None,
                Cost::Of { estimate, .. } => estimate(target.as_ref(), &nodes),
            });
        let operands = calls::Operands {
            expr,
            target: target.as_ref(),
            args,
            nodes: &nodes,
            costs: &costs,
        };
        let mut whole = Estimate {
            min: u64::MAX,
            max: 0,
        };
        let mut result: Option<Size> = None;
        for overload in overloads {
            let one = match library {
                Some(CallEstimate { cost, result }) => CallEstimate {
                    cost: operands.with_args(cost),
                    result,
                },
                None => calls::standard(self, overload.id, &operands),
            };
            whole = whole.union(one.cost);
            result = match (result, one.result) {
                (Some(known), Some(new)) => Some(known.union(new)),
                (known, new) => known.or(new),
            };
            if let (Some(part), [first, ..]) = (indexed(overload.id), args) {
                result = self.entries_of(first).map(|entries| entries.value);
                let mut path = self.path(first);
                path.push(part.to_owned());
                self.paths.insert(expr.id, path);
            }
            if result.is_none() {
                result = self.size(expr);
            }
        }
        self.set_size(expr.id, result);
        target_cost.plus(whole)
    }

    // Comprehensions.

    fn binding(&mut self, expr: &'e Expr, fold: &'e Fold) -> Estimate {
        let mut sum = self.cost(&fold.range);
        sum = sum.plus(self.cost(&fold.initial));
        self.push_value(&fold.accumulator, &fold.initial);
        sum = sum.plus(self.cost(&fold.result));
        self.copy_sizes(expr.id, &fold.result);
        self.locals.pop();
        sum
    }

    fn push_value(&mut self, name: &Arc<str>, value: &Expr) {
        let path = self.path(value);
        let (size, entries) = (self.size(value), self.entries_of(value));
        self.locals.push(Local {
            name: name.clone(),
            path,
            size,
            entries,
        });
    }

    fn push_item(&mut self, name: &Arc<str>, range: &Expr, part: &str, size: Option<Size>) {
        let mut path = self.path(range);
        path.push(part.to_owned());
        self.locals.push(Local {
            name: name.clone(),
            path,
            size,
            entries: None,
        });
    }

    fn fold(&mut self, expr: &'e Expr, fold: &'e Fold) -> Estimate {
        let mut sum = self.cost(&fold.range);
        sum = sum.plus(self.cost(&fold.initial));
        self.push_value(&fold.accumulator, &fold.initial);
        let range = &fold.range;
        let entries = self.entries_of(range);
        let list = entries.map_or(
            matches!(self.checked.kind(range), Type::List(_)),
            |entries| entries.list,
        );
        let key = entries.map(|entries| entries.key);
        let value = entries.map(|entries| entries.value);
        if let Some(second) = &fold.second {
            self.push_item(
                &fold.variable,
                range,
                if list { "@indices" } else { "@keys" },
                key,
            );
            self.push_item(
                second,
                range,
                if list { "@items" } else { "@values" },
                value,
            );
        } else if list {
            self.push_item(&fold.variable, range, "@items", value);
        } else {
            self.push_item(&fold.variable, range, "@keys", key);
        }
        let turn = self.cost(&fold.condition).plus(self.cost(&fold.step));
        self.locals.pop();
        if fold.second.is_some() {
            self.locals.pop();
        }
        sum = sum.plus(self.cost(&fold.result));
        self.locals.pop();
        let turns = self.size_or_unknown(range);
        sum = sum.plus(turns.cost_each(turn));
        match &fold.initial.kind {
            Kind::Literal(_) => {
                let size = self.size(&fold.initial);
                self.set_size(expr.id, size);
            }
            Kind::List { .. } | Kind::Map(_) => {
                self.set_size(expr.id, Some(turns));
                self.set_entries(expr.id, self.entries_of(&fold.step));
            }
            _ => {}
        }
        sum
    }
}

/// What an index leads to.
fn indexed(overload: &str) -> Option<&'static str> {
    match overload {
        "index_list" => Some("@items"),
        "index_map" => Some("@values"),
        _ => None,
    }
}

fn literal_size(expr: &Expr) -> Option<u64> {
    let size = match &expr.kind {
        Kind::Literal(Value::Type(_)) => return None,
        Kind::Literal(value) => return Some(value.cost_size()),
        Kind::List { items, .. } => items.len(),
        Kind::Map(entries) => entries.len(),
        _ => return None,
    };
    Some(size as u64)
}

fn is_scalar(kind: &Type) -> bool {
    match kind {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => {
            true
        }
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}
