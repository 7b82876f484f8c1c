//! Macros: calls that stand for comprehensions and presence tests.
//!
//! Knows nothing about types. Invariant: what a macro makes has the place of the macro's call.

use crate::comprehension::MAP_INSERT;
use crate::limits::NODES_MAX;
use crate::syntax::ast::{Expr, Fold, Id, Kind};
use crate::syntax::parser::Parser;
use crate::value::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// The variable that a comprehension gathers its result in; nobody can write its name.
pub(crate) const ACCUMULATOR: &str = "@result";

/// What became of a call.
pub(crate) enum Outcome {
    /// It was a macro.
    Expanded(Expr),
    /// It was a macro, wrongly used: the node to blame and what is wrong.
    Wrong(Id, String),
    /// It is a call.
    Call(Option<Expr>, Vec<Expr>),
}

type Wrong = (Id, Cow<'static, str>);
type Expansion = Result<Expr, Wrong>;

const NOT_A_NAME: &str = "argument must be a simple name";
const NOT_AN_IDENTIFIER: &str = "argument is not an identifier";
const OVERWRITES: &str = "iteration variable overwrites accumulator variable";

/// Expands the call if it is a macro.
pub(crate) fn expand(
    parser: &mut Parser<'_>,
    id: Id,
    function: &str,
    target: Option<Expr>,
    args: Vec<Expr>,
) -> Outcome {
    let mut make = Maker { parser, id };
    let expansion = match (target, function, args.len()) {
        (None, "has", 1) => make.has(args),
        (Some(range), "all" | "exists" | "exists_one" | "existsOne", 2) => {
            make.quantifier(function, range, args)
        }
        (Some(range), "map", 2 | 3) | (Some(range), "filter", 2) => {
            make.list(function, range, args)
        }
        (Some(target), "optMap" | "optFlatMap", 2) => make.optional(function, target, args),
        (Some(range), "all" | "exists" | "exists_one" | "existsOne", 3)
            if make.parser.macros.two_variables =>
        {
            make.quantifier_of_two(function, range, args)
        }
        (Some(range), "transformList" | "transformMap" | "transformMapEntry", 3 | 4)
            if make.parser.macros.two_variables =>
        {
            make.transform(function, range, args)
        }
        (Some(target), "sortBy", 2) if make.parser.macros.sorting => make.sort_by(target, args),
        (
            Some(Expr {
                kind: Kind::Ident(name),
                ..
            }),
            "bind",
            3,
        ) if make.parser.macros.bindings && *name == *"cel" => make.binding(args),
        (target, ..) => return Outcome::Call(target, args),
    };
    match expansion {
        Ok(expr) => Outcome::Expanded(expr),
        Err((0, text)) => Outcome::Wrong(id, text.into_owned()),
        Err((at, text)) => Outcome::Wrong(at, text.into_owned()),
    }
}

/// Makes nodes at the place of the macro's call.
pub(crate) struct Maker<'p, 's> {
    parser: &'p mut Parser<'s>,
    id: Id,
}

impl Maker<'_, '_> {
    pub(crate) fn node(&mut self, kind: Kind) -> Expr {
        self.parser.node_at(self.id, kind)
    }

    pub(crate) fn literal(&mut self, value: Value<'static>) -> Expr {
        self.node(Kind::Literal(value))
    }

    pub(crate) fn ident(&mut self, name: &str) -> Expr {
        self.node(Kind::Ident(name.into()))
    }

    fn accumulator(&mut self) -> Expr {
        self.ident(ACCUMULATOR)
    }

    pub(crate) fn call(&mut self, function: &str, args: Vec<Expr>) -> Expr {
        self.node(Kind::Call {
            function: function.into(),
            target: None,
            args,
        })
    }

    pub(crate) fn member(&mut self, target: Expr, function: &str, args: Vec<Expr>) -> Expr {
        let target = Some(Box::new(target));
        self.node(Kind::Call {
            function: function.into(),
            target,
            args,
        })
    }

    pub(crate) fn list_of(&mut self, items: Vec<Expr>) -> Expr {
        let optional = vec![false; items.len()];
        self.node(Kind::List { items, optional })
    }

    /// A copy of a tree with ids of its own, at the places of the first.
    fn copy(&mut self, expr: &Expr) -> Expansion {
        // Each macro in the target of another doubles what the first has made.
        if self.parser.count() + expr.count() > NODES_MAX {
            return Err((0, "expression is too large".into()));
        }
        let mut copy = expr.clone();
        self.renumber(&mut copy);
        Ok(copy)
    }

    fn renumber(&mut self, expr: &mut Expr) {
        expr.id = self.parser.node_at(expr.id, Kind::Unspecified).id;
        match &mut expr.kind {
            Kind::Unspecified | Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => self.renumber(operand),
            Kind::Call { target, args, .. } => {
                target.iter_mut().for_each(|target| self.renumber(target));
                args.iter_mut().for_each(|arg| self.renumber(arg));
            }
            Kind::List { items, .. } => items.iter_mut().for_each(|item| self.renumber(item)),
            Kind::Map(entries) => {
                for entry in entries {
                    self.renumber(&mut entry.key);
                    self.renumber(&mut entry.value);
                }
            }
            Kind::Struct { fields, .. } => {
                for field in fields {
                    field.id = self.parser.node_at(field.id, Kind::Unspecified).id;
                    self.renumber(&mut field.value);
                }
            }
            Kind::Fold(fold) => {
                let Fold {
                    range,
                    initial,
                    condition,
                    step,
                    result,
                    ..
                } = &mut **fold;
                for part in [range, initial, condition, step, result] {
                    self.renumber(part);
                }
            }
        }
    }

    /// `variable` names `value` within `inner`.
    pub(crate) fn bind(&mut self, variable: &str, value: Expr, inner: Expr) -> Expr {
        let range = self.list_of(Vec::new());
        let condition = self.literal(Value::Bool(false));
        let step = self.ident(variable);
        self.node(Kind::Fold(Box::new(Fold {
            range,
            variable: "#unused".into(),
            second: None,
            accumulator: variable.into(),
            initial: value,
            condition,
            step,
            result: inner,
        })))
    }

    fn binding(&mut self, args: Vec<Expr>) -> Expansion {
        let [variable, value, inner] = take(args)?;
        match &variable.kind {
            Kind::Ident(name) => Ok(self.bind(name, value, inner)),
            _ => {
                let text = "cel.bind() variable names must be simple identifiers";
                Err((variable.id, text.into()))
            }
        }
    }

    fn has(&mut self, args: Vec<Expr>) -> Expansion {
        let mut args = args.into_iter();
        match args.next() {
            Some(Expr {
                kind: Kind::Select { operand, field, .. },
                ..
            }) => Ok(self.node(Kind::Select {
                operand,
                field,
                test_only: true,
            })),
            other => {
                let id = other.map_or(0, |arg| arg.id);
                Err((id, "invalid argument to has() macro".into()))
            }
        }
    }

    fn variable(&self, arg: &Expr, otherwise: &'static str) -> Result<Arc<str>, Wrong> {
        let Kind::Ident(name) = &arg.kind else {
            return Err((arg.id, otherwise.into()));
        };
        if &**name == ACCUMULATOR || &**name == "__result__" {
            return Err((arg.id, OVERWRITES.into()));
        }
        Ok(name.clone())
    }

    fn quantifier(&mut self, function: &str, range: Expr, args: Vec<Expr>) -> Expansion {
        let [variable, predicate] = take(args)?;
        let variable = self.variable(&variable, NOT_A_NAME)?;
        Ok(self.quantify(function, range, variable, None, predicate))
    }

    fn quantifier_of_two(&mut self, function: &str, range: Expr, args: Vec<Expr>) -> Expansion {
        let [first, second, predicate] = take(args)?;
        let (first, second) = self.pair(&first, &second)?;
        Ok(self.quantify(function, range, first, Some(second), predicate))
    }

    fn pair(&self, first: &Expr, second: &Expr) -> Result<(Arc<str>, Arc<str>), Wrong> {
        if let (Kind::Ident(one), Kind::Ident(two)) = (&first.kind, &second.kind)
            && one == two
        {
            return Err((second.id, format!("duplicate variable name: {one}").into()));
        }
        let one = self.variable(first, NOT_A_NAME)?;
        Ok((one, self.variable(second, NOT_A_NAME)?))
    }

    fn quantify(
        &mut self,
        function: &str,
        range: Expr,
        variable: Arc<str>,
        second: Option<Arc<str>>,
        predicate: Expr,
    ) -> Expr {
        let (initial, condition, step, result);
        match function {
            "all" => {
                initial = self.literal(Value::Bool(true));
                let so_far = self.accumulator();
                condition = self.call("@not_strictly_false", vec![so_far]);
                let so_far = self.accumulator();
                step = self.call("_&&_", vec![so_far, predicate]);
                result = self.accumulator();
            }
            "exists" => {
                initial = self.literal(Value::Bool(false));
                let so_far = self.accumulator();
                let not = self.call("!_", vec![so_far]);
                condition = self.call("@not_strictly_false", vec![not]);
                let so_far = self.accumulator();
                step = self.call("_||_", vec![so_far, predicate]);
                result = self.accumulator();
            }
            _ => {
                initial = self.literal(Value::Int(0));
                condition = self.literal(Value::Bool(true));
                let (so_far, one) = (self.accumulator(), self.literal(Value::Int(1)));
                let more = self.call("_+_", vec![so_far, one]);
                let so_far = self.accumulator();
                step = self.call("_?_:_", vec![predicate, more, so_far]);
                let (so_far, one) = (self.accumulator(), self.literal(Value::Int(1)));
                result = self.call("_==_", vec![so_far, one]);
            }
        }
        let accumulator = ACCUMULATOR.into();
        self.node(Kind::Fold(Box::new(Fold {
            range,
            variable,
            second,
            accumulator,
            initial,
            condition,
            step,
            result,
        })))
    }

    /// Gathers what `step` makes of the accumulator, where `filter` holds.
    fn gather(
        &mut self,
        range: Expr,
        variables: (Arc<str>, Option<Arc<str>>),
        initial: Expr,
        step: Expr,
        filter: Option<Expr>,
    ) -> Expr {
        let condition = self.literal(Value::Bool(true));
        let step = match filter {
            Some(filter) => {
                let so_far = self.accumulator();
                self.call("_?_:_", vec![filter, step, so_far])
            }
            None => step,
        };
        let result = self.accumulator();
        let accumulator = ACCUMULATOR.into();
        let (variable, second) = variables;
        self.node(Kind::Fold(Box::new(Fold {
            range,
            variable,
            second,
            accumulator,
            initial,
            condition,
            step,
            result,
        })))
    }

    fn list(&mut self, function: &str, range: Expr, args: Vec<Expr>) -> Expansion {
        let mut args = args.into_iter();
        let (Some(first), Some(second)) = (args.next(), args.next()) else {
            return Err((0, NOT_AN_IDENTIFIER.into()));
        };
        let variable = self.variable(&first, NOT_AN_IDENTIFIER)?;
        let (item, filter) = match (function, args.next()) {
            ("filter", _) => (first, Some(second)),
            (_, Some(transform)) => (transform, Some(second)),
            (_, None) => (second, None),
        };
        let initial = self.list_of(Vec::new());
        let (so_far, more) = (self.accumulator(), self.list_of(vec![item]));
        let step = self.call("_+_", vec![so_far, more]);
        Ok(self.gather(range, (variable, None), initial, step, filter))
    }

    fn transform(&mut self, function: &str, range: Expr, args: Vec<Expr>) -> Expansion {
        let mut args = args.into_iter();
        let (Some(first), Some(second), Some(third)) = (args.next(), args.next(), args.next())
        else {
            return Err((0, NOT_A_NAME.into()));
        };
        let (first, second) = self.pair(&first, &second)?;
        let (item, filter) = match args.next() {
            Some(transform) => (transform, Some(third)),
            None => (third, None),
        };
        let so_far = self.accumulator();
        let (initial, step) = if function == "transformList" {
            let more = self.list_of(vec![item]);
            (
                self.list_of(Vec::new()),
                self.call("_+_", vec![so_far, more]),
            )
        } else {
            let args = if function == "transformMap" {
                vec![so_far, self.ident(&first), item]
            } else {
                vec![so_far, item]
            };
            (
                self.node(Kind::Map(Vec::new())),
                self.call(MAP_INSERT, args),
            )
        };
        Ok(self.gather(range, (first, Some(second)), initial, step, filter))
    }

    /// `list.sortBy(x, key)`: the list, and the keys of its items beside it.
    fn sort_by(&mut self, target: Expr, args: Vec<Expr>) -> Expansion {
        const INPUT: &str = "@__sortBy_input__";
        if matches!(
            target.kind,
            Kind::Literal(_) | Kind::Map(_) | Kind::Struct { .. }
        ) {
            let text = "sortBy can only be applied to a list, identifier, comprehension, call or \
                        select expression";
            return Err((target.id, text.into()));
        }
        let range = self.ident(INPUT);
        let keys = self.list("map", range, args)?;
        let input = self.ident(INPUT);
        let sorted = self.member(input, "@sortByAssociatedKeys", vec![keys]);
        Ok(self.bind(INPUT, target, sorted))
    }

    fn optional(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Expansion {
        let [variable, inner] = take(args)?;
        let Kind::Ident(name) = &variable.kind else {
            let text = if function == "optMap" {
                "optMap() variable name must be a simple identifier"
            } else {
                "optFlatMap() variable name must be a simple identifier"
            };
            return Err((variable.id, text.into()));
        };
        let again = self.copy(&target)?;
        let condition = self.member(target, "hasValue", Vec::new());
        let value = self.member(again, "value", Vec::new());
        let bound = self.bind(name, value, inner);
        let then = if function == "optMap" {
            self.call("optional.of", vec![bound])
        } else {
            bound
        };
        let otherwise = self.call("optional.none", Vec::new());
        Ok(self.call("_?_:_", vec![condition, then, otherwise]))
    }
}

fn take<const N: usize>(args: Vec<Expr>) -> Result<[Expr; N], Wrong> {
    <[Expr; N]>::try_from(args).map_err(|_| (0, NOT_A_NAME.into()))
}
