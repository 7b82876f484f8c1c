//! `x-kubernetes-validations`: rules in CEL, compiled when they are first needed, and evaluated
//! within a budget.
//!
//! Invariant: the rules of one object cost no more than `RUNTIME_COST_MAX` all together.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use skerry_cel::limits::{MESSAGE_BYTES_MAX, RUNTIME_COST_MAX};
use skerry_cel::{Budget, Error, Schema as CelSchema, Shape, Value as CelValue, Variables};
use skerry_kinds::{ErrorKind, FieldError, Path};

use super::correlate::Pair;
use super::declared::Declared;
use super::rule::{Compiled, compile};
use super::table::{Flags, Kind, NodeId, Reason, Rule, Table};
use crate::error::{Errors, WHOLE_FIELD, child, index, key};
use crate::limits::DEPTH_MAX;

/// All rules of a schema, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    declared: Arc<Declared>,
    /// By node, and whether it is looked at as a resource.
    compiled: HashMap<(NodeId, bool), Vec<Compiled>>,
}

impl Rules {
    pub(crate) fn new(table: &Arc<Table>) -> Self {
        let declared = Arc::new(Declared::new(Arc::clone(table)));
        let mut rules = Self {
            declared,
            compiled: HashMap::new(),
        };
        rules.add(table, table.root, true, DEPTH_MAX);
        rules
    }

    /// How many programs are kept.
    pub(crate) fn kept(&self) -> usize {
        self.compiled.values().map(Vec::len).sum()
    }

    fn add(&mut self, table: &Table, node: NodeId, is_resource: bool, depth: usize) {
        let this = *table.node(node);
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if !this.has(Flags::HAS_RULES) || self.compiled.contains_key(&(node, is_resource)) {
            return;
        }
        let rules = table.rules(node);
        let compiled = match rules.is_empty() || !self.declared.is_seen(node) {
            true => Vec::new(),
            false => compile(&self.declared, node, is_resource, rules),
        };
        self.compiled.insert((node, is_resource), compiled);
        let below: Vec<NodeId> = table.properties(node).map(|(_, below)| below).collect();
        let rest = [this.items, this.values].into_iter();
        for below in below
            .into_iter()
            .chain(rest.filter_map(|id| table.some(id)))
        {
            self.add(table, below, table.node(below).has(Flags::EMBEDDED), depth);
        }
    }
}

/// Where an evaluation is in the old object.
#[derive(Clone, Copy)]
struct Ratchet<'v> {
    pair: Option<Pair<'v>>,
    /// The nearest part around that stands for a part of the old object.
    around: Option<Pair<'v>>,
}

impl<'v> Ratchet<'v> {
    fn lets_be(self, table: &Table) -> bool {
        let pair = self.pair.or(self.around);
        pair.is_some_and(|pair| pair.is_unchanged(table))
    }

    fn below(self, next: impl Fn(Pair<'v>) -> Option<Pair<'v>>) -> Self {
        match self.pair {
            None => self,
            Some(pair) => Self {
                pair: next(pair),
                around: Some(pair),
            },
        }
    }

    fn field(self, table: &Table, name: &str) -> Self {
        if self.pair.is_some() && self.around.is_none() && matches!(name, "apiVersion" | "kind") {
            return Self {
                pair: None,
                around: None,
            };
        }
        self.below(|pair| pair.field(table, name))
    }
}

/// Evaluates the rules of a value and of all within it. `old` is what oldSelf is; what `is_update`
/// was wrong before and has not changed is let be.
pub(crate) fn validate(
    table: &Table,
    rules: &Rules,
    place: (NodeId, bool),
    value: &Value,
    old: Option<&Value>,
    base: Option<&Path<'_>>,
    is_update: bool,
) -> Vec<FieldError> {
    let mut evaluating = Evaluating {
        table,
        rules,
        budget: i64::try_from(RUNTIME_COST_MAX).unwrap_or(i64::MAX),
        errors: Errors::default(),
    };
    let pair = old.filter(|_| is_update).map(|old| Pair {
        new: value,
        old,
        node: place.0,
    });
    let ratchet = Ratchet { pair, around: None };
    // `Err` says that the budget is spent, of which there is an error already.
    let _ = evaluating.value(value, old, place, base, ratchet);
    evaluating.errors.0
}

/// The budget is spent: nothing more is evaluated.
struct Spent;

struct Evaluating<'t> {
    table: &'t Table,
    rules: &'t Rules,
    budget: i64,
    errors: Errors,
}

impl<'t> Evaluating<'t> {
    fn value<'v>(
        &mut self,
        value: &'v Value,
        old: Option<&'v Value>,
        place: (NodeId, bool),
        path: Option<&Path<'_>>,
        ratchet: Ratchet<'v>,
    ) -> Result<(), Spent> {
        let (node, _) = place;
        let table = self.table;
        let this = *table.node(node);
        if value.is_null() || !this.has(Flags::HAS_RULES) {
            return Ok(());
        }
        self.own(
            value,
            old.filter(|old| !old.is_null()),
            place,
            path,
            ratchet,
        )?;
        let resource = |node: NodeId| (node, table.node(node).has(Flags::EMBEDDED));
        match value {
            Value::Array(items) => {
                let Some(of) = table.some(this.items) else {
                    return Ok(());
                };
                let none = Value::Null;
                let olds = Pair {
                    new: value,
                    old: old.unwrap_or(&none),
                    node,
                };
                let olds = olds.elements(table);
                let pairs = ratchet.pair.map(|pair| pair.elements(table));
                for (i, item) in items.iter().enumerate() {
                    let old_item = olds.old(table, item).cloned();
                    let below = ratchet.below(|_| pairs.as_ref()?.pair(table, item));
                    let path = index(path, i);
                    match below.pair {
                        Some(pair) => {
                            self.value(item, Some(pair.old), resource(of), Some(&path), below)?;
                        }
                        None => self.element(item, old_item, resource(of), &path, below)?,
                    }
                }
            }
            Value::Object(fields) => {
                let olds = old.and_then(Value::as_object);
                for (name, value) in fields {
                    let old = olds.and_then(|olds| olds.get(name));
                    let below = ratchet.field(table, name);
                    if let Some(values) = table.some(this.values) {
                        let path = key(path, name);
                        self.value(value, old, resource(values), Some(&path), below)?;
                    }
                    if let Some(property) = table.property(node, name) {
                        let path = child(path, name);
                        self.value(value, old, resource(property), Some(&path), below)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An element whose old one is known, though it is not let be for it.
    fn element(
        &mut self,
        item: &Value,
        old: Option<Value>,
        place: (NodeId, bool),
        path: &Path<'_>,
        ratchet: Ratchet<'_>,
    ) -> Result<(), Spent> {
        self.value(item, old.as_ref(), place, Some(path), ratchet)
    }

    /// The rules of the value itself.
    fn own(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        place: (NodeId, bool),
        path: Option<&Path<'_>>,
        ratchet: Ratchet<'_>,
    ) -> Result<(), Spent> {
        let table = self.table;
        let (node, is_resource) = place;
        let rules = self.rules;
        let Some(compiled) = rules.compiled.get(&place).filter(|all| !all.is_empty()) else {
            return Ok(());
        };
        let kind = match table.node(node).kind {
            Kind::IntOrString => "",
            kind => kind.name(),
        };
        if self.budget <= 0 {
            return Err(self.spent(path, kind));
        }
        let schema: &dyn CelSchema = &*rules.declared;
        let shape = Shape {
            schema,
            node: Declared::place(node, is_resource),
        };
        for (rule, compiled) in table.rules(node).iter().zip(compiled) {
            if let Some(wrong) = &compiled.wrong {
                self.invalid(path, kind, format!("rule compile error: {wrong}"));
                continue;
            }
            let Some(program) = &compiled.program else {
                continue;
            };
            let is_optional = rule.optional_old_self == Some(true);
            if compiled.uses_old_self && old.is_none() && !is_optional {
                continue;
            }
            let variables = match variables(rule, compiled, value, old, shape) {
                Ok(variables) => variables,
                Err(wrong) => {
                    self.invalid(
                        path,
                        kind,
                        format!("{wrong} evaluating rule: {}", shown(rule)),
                    );
                    continue;
                }
            };
            let mut budget = Budget::per_call();
            let result = program.eval(&variables, &mut budget);
            self.take(&budget, path, kind)?;
            match result {
                Ok(CelValue::Bool(true)) => {}
                Ok(_) => {
                    self.broken(rule, compiled, &variables, value, kind, path, ratchet)?;
                }
                Err(Error::CostExceeded) => {
                    let text = shown(rule);
                    self.invalid(
                        path,
                        kind,
                        format!(
                            "'operation cancelled: actual cost limit exceeded': no further \
                             validation rules will be run due to call cost exceeds limit for \
                             rule: {text}"
                        ),
                    );
                    return Err(Spent);
                }
                Err(wrong) => {
                    let (text, wrong) = (shown(rule), wrong.to_string());
                    self.invalid(
                        path,
                        kind,
                        match wrong.starts_with("no such overload") {
                            true => format!(
                                "'{wrong}': call arguments did not match a supported operator, \
                                 function or macro signature for rule: {text}"
                            ),
                            false => format!("{wrong} evaluating rule: {text}"),
                        },
                    );
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        budget: &Budget<'_>,
        path: Option<&Path<'_>>,
        kind: &str,
    ) -> Result<(), Spent> {
        let spent = i64::try_from(budget.spent()).unwrap_or(i64::MAX);
        if spent > self.budget {
            return Err(self.spent(path, kind));
        }
        self.budget -= spent;
        Ok(())
    }

    fn spent(&mut self, path: Option<&Path<'_>>, kind: &str) -> Spent {
        let detail = "validation failed due to running out of cost budget, no further validation \
                      rules will be run";
        self.invalid(path, kind, detail.to_owned());
        Spent
    }

    fn invalid(&mut self, path: Option<&Path<'_>>, kind: &str, detail: String) {
        self.errors.push(FieldError {
            kind: ErrorKind::Invalid,
            field: place(path),
            bad_value: Value::from(kind),
            detail,
        });
    }

    /// A rule does not hold.
    #[allow(clippy::too_many_arguments)]
    fn broken<'v>(
        &mut self,
        rule: &Rule,
        compiled: &'v Compiled,
        variables: &Variables<'v>,
        value: &Value,
        kind: &str,
        path: Option<&Path<'_>>,
        ratchet: Ratchet<'_>,
    ) -> Result<(), Spent> {
        let field = match (&*rule.field_path, path) {
            ("", path) => place(path),
            (below, None) => below.to_owned(),
            (below, Some(path)) => format!("{path}.{below}"),
        };
        let is_let_be = !compiled.uses_old_self && ratchet.lets_be(self.table);
        let mut detail = None;
        if let Some(message) = &compiled.message {
            let mut budget = Budget::per_call();
            let result = message.eval(variables, &mut budget);
            let spent = i64::try_from(budget.spent()).unwrap_or(i64::MAX);
            let out = match (&result, spent > self.budget) {
                (_, true) => Some(
                    "messageExpression evaluation failed due to running out of cost budget, no \
                     further validation rules will be run"
                        .to_owned(),
                ),
                (Err(Error::CostExceeded), _) => {
                    let text = skerry_kinds::quote(&rule.message_expression);
                    Some(format!(
                        "no further validation rules will be run due to call cost exceeds limit \
                         for messageExpression: {text}"
                    ))
                }
                _ => None,
            };
            if let Some(detail) = out {
                if !is_let_be {
                    self.errors.push(FieldError {
                        kind: ErrorKind::Invalid,
                        field,
                        bad_value: Value::from(kind),
                        detail,
                    });
                }
                return Err(Spent);
            }
            self.budget -= spent;
            detail = match &result {
                Ok(CelValue::String(text)) => good_message(text),
                _ => None,
            };
        }
        if is_let_be {
            return Ok(());
        }
        let detail = detail.unwrap_or_else(|| match rule.message.is_empty() {
            true => format!("failed rule: {}", shown(rule)),
            false => rule.message.trim().to_owned(),
        });
        let is_big = matches!(kind, "object" | "array");
        let (kind, detail) = match (rule.reason, is_big) {
            (Reason::Invalid, false) => (ErrorKind::Invalid, detail),
            (Reason::Invalid, true) => (ErrorKind::InvalidUnshown, detail),
            (Reason::Forbidden, _) => (ErrorKind::Forbidden, detail),
            (Reason::Required, _) => (ErrorKind::Required, detail),
            (Reason::Duplicate, false) => (ErrorKind::Duplicate, String::new()),
            (Reason::Duplicate, true) => (ErrorKind::DuplicateUnshown, String::new()),
        };
        self.errors.push(FieldError {
            kind,
            field,
            bad_value: if is_big { Value::Null } else { value.clone() },
            detail,
        });
        Ok(())
    }
}

/// What a rule calls `self` and `oldSelf`.
fn variables<'v>(
    rule: &Rule,
    compiled: &Compiled,
    value: &'v Value,
    old: Option<&'v Value>,
    shape: Shape<'v>,
) -> Result<Variables<'v>, Error> {
    let variables = Variables::new().with("self", CelValue::typed(value, shape)?);
    if !compiled.uses_old_self {
        return Ok(variables);
    }
    let old = old.map(|old| CelValue::typed(old, shape)).transpose()?;
    Ok(match (rule.optional_old_self, old) {
        (Some(true), old) => variables.with("oldSelf", CelValue::Optional(old.map(Arc::new))),
        (_, Some(old)) => variables.with("oldSelf", old),
        (_, None) => variables,
    })
}

fn place(path: Option<&Path<'_>>) -> String {
    path.map_or_else(|| WHOLE_FIELD.to_owned(), ToString::to_string)
}

/// A message that an expression has made, if it can be shown.
fn good_message(text: &str) -> Option<String> {
    let text = text.trim();
    let is_good = !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n');
    is_good.then(|| text.to_owned())
}

fn shown(rule: &Rule) -> &str {
    match rule.message.is_empty() {
        true => rule.rule.trim(),
        false => rule.message.trim(),
    }
}
