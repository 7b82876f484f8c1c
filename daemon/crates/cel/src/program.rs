//! A checked expression: its type, its cost, its evaluation.

use crate::activation::Activation;
use crate::budget::Budget;
use crate::cost::{Estimate, Sizes};
use crate::error::Error;
use crate::types::Type;
use crate::value::Value;

/// A checked expression. Share it: it is `Send + Sync` and holds no values of any evaluation.
#[derive(Debug)]
pub struct Program {
    output: Type,
}

impl Program {
    pub(crate) fn unmade() -> Self {
        Self { output: Type::Dyn }
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn output_type(&self) -> &Type {
        &self.output
    }

    /// What evaluating it can cost: sizes come from literals, from the schemas of declared types
    /// ([`crate::Schema::size_max`]), else from `sizes` (give `&()` when nothing more is known).
    #[must_use]
    pub fn cost(&self, sizes: &dyn Sizes) -> Estimate {
        let _ = sizes;
        Estimate {
            min: 0,
            max: u64::MAX,
        }
    }

    /// Whether the expression names the variable anywhere (`oldSelf`, `variables`).
    #[must_use]
    pub fn mentions(&self, variable: &str) -> bool {
        let _ = variable;
        true
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
        let _ = (variables, budget);
        Err(Error::text("not made yet"))
    }
}
