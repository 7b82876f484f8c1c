//! One rule: compiled, with what it can cost.

use std::sync::Arc;

use skerry_cel::{CURRENT, Env, Program, Schema as CelSchema, Type};

use super::declared::Declared;
use super::table::{NodeId, Rule};

/// A rule that has been compiled, or what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// `None` where the rule is empty or wrong.
    pub(crate) program: Option<Program>,
    pub(crate) wrong: Option<String>,
    pub(crate) uses_old_self: bool,
    /// What it can cost once.
    pub(crate) cost_max: u64,
    pub(crate) message: Option<Program>,
    pub(crate) message_wrong: Option<String>,
    pub(crate) message_cost_max: u64,
}

/// Compiles the rules of one node.
pub(crate) fn compile(
    declared: &Arc<Declared>,
    node: NodeId,
    is_resource: bool,
    rules: &[Rule],
) -> Vec<Compiled> {
    let schema: Arc<dyn CelSchema> = declared.clone();
    let place = Declared::place(node, is_resource);
    let env = Env::kubernetes(CURRENT).with_schema("self", &schema, place);
    let always = env.clone().with_schema("oldSelf", &schema, place);
    let maybe = env.with_variable("oldSelf", Type::optional(Type::of(&schema, place)));
    let one = |rule: &Rule| match rule.optional_old_self {
        Some(true) => compile_one(&maybe, rule),
        _ => compile_one(&always, rule),
    };
    rules.iter().map(one).collect()
}

fn compile_one(env: &Env, rule: &Rule) -> Compiled {
    let mut compiled = Compiled::default();
    if rule.rule.trim().is_empty() {
        return compiled;
    }
    let mut program = match env.compile(&rule.rule) {
        Ok(program) => program,
        Err(issues) => {
            compiled.wrong = Some(format!("compilation failed: {issues}"));
            return compiled;
        }
    };
    if *program.output_type() != Type::Bool {
        compiled.wrong = Some("cel expression must evaluate to a bool".to_owned());
        return compiled;
    }
    compiled.uses_old_self = program.mentions("oldSelf");
    compiled.cost_max = program.cost(&()).max;
    program.slim();
    compiled.program = Some(program);
    if rule.message_expression.is_empty() {
        return compiled;
    }
    match env.compile(&rule.message_expression) {
        Err(issues) => {
            let wrong = format!("messageExpression compilation failed: {issues}");
            compiled.message_wrong = Some(wrong);
        }
        Ok(message) if *message.output_type() != Type::String => {
            let wrong = "messageExpression must evaluate to a string".to_owned();
            compiled.message_wrong = Some(wrong);
        }
        Ok(mut message) => {
            compiled.message_cost_max = message.cost(&()).max;
            message.slim();
            compiled.message = Some(message);
        }
    }
    compiled
}
