//! Trees made into programs for the search: a list of instructions, alternatives in order.
//!
//! Invariant: a program has at most [`crate::limits::REGEXP_INSTRUCTIONS_MAX`] instructions, and
//! every place that one names is an instruction.

use super::class::Class;
use super::parse::{Look, Tree};
use crate::limits::REGEXP_INSTRUCTIONS_MAX;
use std::collections::HashMap;

/// A place in a program.
pub(super) type Place = u32;

#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) code: Vec<Instruction>,
    pub(super) classes: Vec<Class>,
    /// Whether every match begins where the text does.
    pub(super) anchored: bool,
    /// The classes by their place in the tree, while it is read.
    known: HashMap<usize, u32>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Instruction {
    Char(char),
    Any,
    AnyInLine,
    /// The index of a class.
    Class(u32),
    Look(Look),
    /// First one way, then the other.
    Split(Place, Place),
    Jump(Place),
    Match,
}

/// The program; `None` when it would be too large.
pub(super) fn compile(tree: &Tree) -> Option<Program> {
    let mut program = Program {
        code: Vec::new(),
        classes: Vec::new(),
        anchored: starts_at_text(tree),
        known: HashMap::new(),
    };
    program.tree(tree)?;
    program.push(Instruction::Match)?;
    program.known = HashMap::new();
    program.code.shrink_to_fit();
    Some(program)
}

fn starts_at_text(tree: &Tree) -> bool {
    match tree {
        Tree::Look(Look::TextStart) => true,
        Tree::Concat(parts) => parts.first().is_some_and(starts_at_text),
        Tree::Alternate(branches) => branches.iter().all(starts_at_text),
        Tree::Repeat { what, min, .. } => *min > 0 && starts_at_text(what),
        _ => false,
    }
}

impl Program {
    fn here(&self) -> Option<Place> {
        u32::try_from(self.code.len()).ok()
    }

    fn push(&mut self, instruction: Instruction) -> Option<usize> {
        if self.code.len() >= REGEXP_INSTRUCTIONS_MAX {
            return None;
        }
        self.code.push(instruction);
        Some(self.code.len() - 1)
    }

    fn tree(&mut self, tree: &Tree) -> Option<()> {
        match tree {
            Tree::Literal(c) => self.push(Instruction::Char(*c)).map(drop),
            Tree::Any { newline: true } => self.push(Instruction::Any).map(drop),
            Tree::Any { newline: false } => self.push(Instruction::AnyInLine).map(drop),
            Tree::Class(class) => {
                let index = self.class(class)?;
                self.push(Instruction::Class(index)).map(drop)
            }
            Tree::Look(look) => self.push(Instruction::Look(*look)).map(drop),
            Tree::Concat(parts) => parts.iter().try_for_each(|part| self.tree(part)),
            Tree::Alternate(branches) => self.alternate(branches),
            Tree::Repeat {
                what,
                min,
                max,
                greedy,
            } => self.repeat(what, *min, *max, *greedy),
        }
    }

    /// A class of the tree is kept once, however often it is repeated.
    fn class(&mut self, class: &Class) -> Option<u32> {
        let address = std::ptr::from_ref(class).addr();
        if let Some(index) = self.known.get(&address) {
            return Some(*index);
        }
        let index = u32::try_from(self.classes.len()).ok()?;
        self.classes.push(class.clone());
        self.known.insert(address, index);
        Some(index)
    }

    fn alternate(&mut self, branches: &[Tree]) -> Option<()> {
        let mut ends = Vec::new();
        let Some((last, others)) = branches.split_last() else {
            return Some(());
        };
        for branch in others {
            let split = self.push(Instruction::Split(0, 0))?;
            let first = self.here()?;
            self.tree(branch)?;
            ends.push(self.push(Instruction::Jump(0))?);
            self.code[split] = Instruction::Split(first, self.here()?);
        }
        self.tree(last)?;
        let end = self.here()?;
        for place in ends {
            self.code[place] = Instruction::Jump(end);
        }
        Some(())
    }

    fn repeat(&mut self, what: &Tree, min: u32, max: Option<u32>, greedy: bool) -> Option<()> {
        let Some(max) = max else {
            for _ in 1..min {
                self.tree(what)?;
            }
            return if min == 0 {
                self.star(what, greedy)
            } else {
                self.plus(what, greedy)
            };
        };
        for _ in 0..min {
            self.tree(what)?;
        }
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.push(Instruction::Split(0, 0))?);
            self.tree(what)?;
        }
        let end = self.here()?;
        for split in splits {
            let inside = u32::try_from(split + 1).ok()?;
            self.code[split] = choice(inside, end, greedy);
        }
        Some(())
    }

    fn plus(&mut self, what: &Tree, greedy: bool) -> Option<()> {
        let inside = self.here()?;
        self.tree(what)?;
        let split = self.push(Instruction::Split(0, 0))?;
        self.code[split] = choice(inside, self.here()?, greedy);
        Some(())
    }

    /// What may match nothing is tried once before it may be left out, as in Go: one choice cannot
    /// tell leaving from a turn that took nothing.
    fn star(&mut self, what: &Tree, greedy: bool) -> Option<()> {
        let split = self.push(Instruction::Split(0, 0))?;
        let inside = self.here()?;
        if can_be_empty(what) {
            self.plus(what, greedy)?;
        } else {
            self.tree(what)?;
            self.push(Instruction::Jump(u32::try_from(split).ok()?))?;
        }
        self.code[split] = choice(inside, self.here()?, greedy);
        Some(())
    }
}

fn can_be_empty(tree: &Tree) -> bool {
    match tree {
        Tree::Literal(_) | Tree::Any { .. } | Tree::Class(_) => false,
        Tree::Look(_) => true,
        Tree::Concat(parts) => parts.iter().all(can_be_empty),
        Tree::Alternate(branches) => branches.iter().any(can_be_empty),
        Tree::Repeat { what, min, .. } => *min == 0 || can_be_empty(what),
    }
}

const fn choice(inside: Place, outside: Place, greedy: bool) -> Instruction {
    if greedy {
        Instruction::Split(inside, outside)
    } else {
        Instruction::Split(outside, inside)
    }
}
