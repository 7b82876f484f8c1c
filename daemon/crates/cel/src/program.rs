//! A checked expression: its type, its cost, its evaluation.

use crate::activation::Activation;
use crate::budget::Budget;
use crate::check::Checked;
use crate::cost::{self, Estimate, Sizes};
use crate::env::{Constructors, Env};
use crate::error::Error;
use crate::run::{self, Machine, Step};
use crate::syntax::ast::{Expr, Kind};
use crate::types::Type;
use crate::value::Value;
use std::fmt;
use std::sync::Arc;

/// A checked expression. Share it: it is `Send + Sync` and holds no values of any evaluation.
pub struct Program {
    env: Env,
    output: Type,
    /// The tree with its types; gone once nobody asks for estimates.
    checked: Option<Checked>,
    /// The variables that are named, but for what only macros name.
    names: Vec<Arc<str>>,
    step: Step,
    constructors: Option<Arc<dyn Constructors>>,
}

impl Program {
    pub(crate) fn new(env: &Env, checked: Checked, step: Step) -> Self {
        let output = checked.kind(&checked.root).clone();
        let mut names = Vec::new();
        names_of(&checked.root, &mut names);
        let constructors = env.constructors().cloned();
        Self {
            env: env.clone(),
            output,
            checked: Some(checked),
            names,
            step,
            constructors,
        }
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn output_type(&self) -> &Type {
        &self.output
    }

    /// What evaluating it can cost: sizes come from literals, from the schemas of declared types
    /// ([`crate::Schema::size_max`]), else from `sizes` (give `&()` when nothing more is known).
    ///
    /// After [`Program::slim`] nothing is known any more: anything up to `u64::MAX`.
    #[must_use]
    pub fn cost(&self, sizes: &dyn Sizes) -> Estimate {
        match &self.checked {
            Some(checked) => cost::estimate(&self.env, checked, sizes),
            None => Estimate {
                min: 0,
                max: u64::MAX,
            },
        }
    }

    /// Gives back the memory that only estimates need: about two thirds of the program's.
    pub fn slim(&mut self) {
        self.checked = None;
    }

    /// Whether the expression names the variable anywhere (`oldSelf`, `variables`).
    #[must_use]
    pub fn mentions(&self, variable: &str) -> bool {
        self.names.iter().any(|name| **name == *variable)
    }

    /// Evaluates it. The count in `budget` starts at zero and is left at what this call has cost.
    ///
    /// # Errors
    /// The error that the expression came to, in cel-go's words.
    pub fn eval<'a>(
        &'a self,
        variables: &dyn Activation<'a>,
        budget: &mut Budget<'_>,
    ) -> Result<Value<'a>, Error> {
        budget.spent = 0;
        let constructors = self.constructors.as_deref();
        run::work::counted(|| Machine::new(variables, budget, constructors).eval(&self.step))
    }
}

/// The names of variables, each once.
fn names_of(expr: &Expr, names: &mut Vec<Arc<str>>) {
    if let Kind::Ident(name) = &expr.kind {
        let name = name
            .strip_prefix('.')
            .map_or_else(|| name.clone(), Arc::from);
        if !name.starts_with('@') && !names.contains(&name) {
            names.push(name);
        }
    }
    expr.children(&mut |child| names_of(child, names));
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("output", self.output_type())
            .finish_non_exhaustive()
    }
}
