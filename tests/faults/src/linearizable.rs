//! Judges whether the operations on one key are linearizable.
//!
//! The just-in-time form of the Wing and Gong search (Lowe, "Testing for linearizability",
//! 2017; the one Knossos calls `linear`): it walks through the record in time order and holds
//! every configuration (state of the register, which of the running operations have already
//! happened) that explains all answers so far. An operation is made to happen at the latest
//! when it answers. Keys are independent (linearizability is local), so that each is judged
//! by itself. Memory depends on how many operations run at once, not on the record's length.

use std::collections::{BTreeSet, HashMap};

use crate::history::{Operation, Version};
use crate::limits::{CHECKER_CONFIGURATIONS_MAX, CHECKER_STEPS_MAX};
use crate::observed::{Resolved, resolve};
use crate::register::{Register, Step};

/// Why a record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotLinearizable {
    /// No order of the operations explains this answer.
    #[error(
        "no order of the operations explains the answer to {operation:?}; before it the key could \
         hold {possible:?}, with {running} operations running"
    )]
    Unexplained {
        /// The operation that could not be placed.
        operation: Box<Operation>,
        /// What the key could hold before it.
        possible: Vec<Option<Version>>,
        /// Operations that ran at that moment.
        running: usize,
    },
    /// A value was read before its write was asked for.
    #[error("a value was seen before it was written: {0:?}")]
    SeenBeforeWritten(Box<Operation>),
    /// The search grew beyond its bound; nothing is known.
    #[error("undecided: the search grew beyond its bound at {0:?}")]
    Undecided(Box<Operation>),
}

/// One explanation of all answers so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Configuration {
    register: Register,
    /// Running operations that have already happened.
    happened: BTreeSet<usize>,
}

/// Explanations, each with the smallest number of unknown deletes it has used up. Unknown
/// deletes are all alike, so that only their number counts, and fewer is always better.
type Configurations = HashMap<Configuration, usize>;

fn keep_smaller(configurations: &mut Configurations, configuration: Configuration, used: usize) {
    configurations
        .entry(configuration)
        .and_modify(|least| *least = (*least).min(used))
        .or_insert(used);
}

struct Running<'a> {
    resolved: &'a [Resolved],
    /// Running operations that must happen, in the order of their calls.
    required: BTreeSet<usize>,
    unknown_deletes: usize,
}

impl Running<'_> {
    /// All configurations reachable from `start` in which `target` has just happened.
    fn make_happen(
        &self,
        target: usize,
        start: (Configuration, usize),
        reached: &mut Configurations,
        steps: &mut usize,
    ) -> bool {
        let mut seen = Configurations::new();
        let mut open = vec![start];
        while let Some((configuration, used)) = open.pop() {
            *steps += 1;
            if *steps > CHECKER_STEPS_MAX {
                return false;
            }
            match seen.get(&configuration) {
                Some(least) if *least <= used => continue,
                _ => seen.insert(configuration.clone(), used),
            };
            let deletable = configuration.register.version().is_some();
            if used < self.unknown_deletes
                && deletable
                && let Some(register) = configuration.register.after(&Step::DeleteUnknown)
            {
                open.push((
                    Configuration {
                        register,
                        ..configuration.clone()
                    },
                    used + 1,
                ));
            }
            for &id in &self.required {
                if configuration.happened.contains(&id) {
                    continue;
                }
                let Some(register) = configuration.register.after(&self.resolved[id].step) else {
                    continue;
                };
                let mut happened = configuration.happened.clone();
                happened.insert(id);
                let next = Configuration { register, happened };
                if id == target {
                    keep_smaller(reached, next, used);
                } else {
                    open.push((next, used));
                }
            }
        }
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    // At equal times calls come first: the operations count as overlapping.
    Call,
    Answer,
}

fn moments(resolved: &[Resolved]) -> Vec<(u64, Moment, usize)> {
    let calls = resolved
        .iter()
        .enumerate()
        .map(|(id, one)| (one.call, Moment::Call, id));
    let answers = resolved
        .iter()
        .enumerate()
        .filter_map(|(id, one)| one.answer.map(|at| (at, Moment::Answer, id)));
    let mut all: Vec<_> = calls.chain(answers).collect();
    all.sort_unstable();
    all
}

/// Judges the operations on one key, in any order.
///
/// # Errors
/// [`NotLinearizable`] names the first answer in time that no order explains.
pub fn check_key(operations: &[Operation]) -> Result<(), NotLinearizable> {
    let resolved = resolve(operations);
    let mut running = Running {
        resolved: &resolved,
        required: BTreeSet::new(),
        unknown_deletes: 0,
    };
    let start = Configuration {
        register: Register::default(),
        happened: BTreeSet::new(),
    };
    let mut configurations = Configurations::from([(start, 0)]);

    for (_, moment, id) in moments(&resolved) {
        let one = &resolved[id];
        match moment {
            Moment::Call if one.answer.is_none() => running.unknown_deletes += 1,
            Moment::Call => {
                running.required.insert(id);
            }
            Moment::Answer => {
                if !running.required.contains(&id) {
                    return Err(NotLinearizable::SeenBeforeWritten(Box::new(one.operation)));
                }
                configurations = answer(&running, id, configurations)?;
                running.required.remove(&id);
            }
        }
    }
    Ok(())
}

/// The configurations that also explain the answer of `id`, which is no longer running.
fn answer(
    running: &Running<'_>,
    id: usize,
    configurations: Configurations,
) -> Result<Configurations, NotLinearizable> {
    let operation = || Box::new(running.resolved[id].operation);
    let mut reached = Configurations::new();
    let mut possible: Vec<Register> = configurations.keys().map(|one| one.register).collect();
    let mut steps = 0;
    for (configuration, used) in configurations {
        if configuration.happened.contains(&id) {
            keep_smaller(&mut reached, configuration, used);
        } else if !running.make_happen(id, (configuration, used), &mut reached, &mut steps) {
            return Err(NotLinearizable::Undecided(operation()));
        }
    }
    if reached.is_empty() {
        possible.sort_unstable();
        possible.dedup();
        return Err(NotLinearizable::Unexplained {
            operation: operation(),
            possible: possible.iter().map(Register::version).collect(),
            running: running.required.len(),
        });
    }
    if reached.len() > CHECKER_CONFIGURATIONS_MAX {
        return Err(NotLinearizable::Undecided(operation()));
    }
    let mut left = Configurations::with_capacity(reached.len());
    for (mut configuration, used) in reached {
        configuration.happened.remove(&id);
        keep_smaller(&mut left, configuration, used);
    }
    Ok(left)
}

/// Judges a whole record, key by key.
///
/// # Errors
/// The first key's [`NotLinearizable`].
pub fn check(operations: &[Operation]) -> Result<(), NotLinearizable> {
    let mut keys: HashMap<u32, Vec<Operation>> = HashMap::new();
    for operation in operations {
        keys.entry(operation.key).or_default().push(*operation);
    }
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys.iter()
        .try_for_each(|(_, operations)| check_key(operations))
}

#[cfg(test)]
#[path = "linearizable_test.rs"]
mod tests;
