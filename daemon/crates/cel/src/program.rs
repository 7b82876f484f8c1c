//! A checked expression: its type, its cost, its evaluation.

use crate::activation::Activation;
use crate::budget::Budget;
use crate::check::Checked;
use crate::cost::{self, Estimate, Sizes};
use crate::env::{Constructors, Env};
use crate::error::Error;
use crate::run::{self, Machine, Step};
use crate::syntax::ast::Kind;
use crate::types::Type;
use crate::value::Value;
use std::fmt;
use std::sync::Arc;

/// A checked expression. Share it: it is `Send + Sync` and holds no values of any evaluation.
pub struct Program {
    env: Env,
    checked: Checked,
    step: Step,
    constructors: Option<Arc<dyn Constructors>>,
}

impl Program {
    pub(crate) fn new(env: &Env, checked: Checked, step: Step) -> Self {
        Self {
            env: env.clone(),
            checked,
            step,
            constructors: env.constructors().cloned(),
        }
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn output_type(&self) -> &Type {
        self.checked.kind(&self.checked.root)
    }

    /// What evaluating it can cost: sizes come from literals, from the schemas of declared types
    /// ([`crate::Schema::size_max`]), else from `sizes` (give `&()` when nothing more is known).
    #[must_use]
    pub fn cost(&self, sizes: &dyn Sizes) -> Estimate {
        cost::estimate(&self.env, &self.checked, sizes)
    }

    /// Whether the expression names the variable anywhere (`oldSelf`, `variables`).
    #[must_use]
    pub fn mentions(&self, variable: &str) -> bool {
        self.checked.root.any(&|expr| {
            matches!(&expr.kind, Kind::Ident(name) if name.trim_start_matches('.') == variable)
        })
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

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("output", self.output_type())
            .finish_non_exhaustive()
    }
}
