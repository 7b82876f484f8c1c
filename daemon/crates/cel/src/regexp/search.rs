//! Programs run over texts, all alternatives at once (Pike's way): every instruction is visited at
//! most once for every character.
//!
//! Knows nothing about syntax.

use super::class::is_word;
use super::compile::{Instruction, Place, Program};
use super::parse::Look;

/// What a search is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Only whether there is a match: the search ends at the first.
    Any,
    /// The leftmost match, and of those the first alternative's.
    Best,
}

/// The instructions that wait for the next character, in order of preference, with the place where
/// each one's match began.
struct Threads {
    list: Vec<(Place, usize)>,
    /// By instruction: where in the list it is, if that entry says so as well.
    places: Vec<u32>,
}

impl Threads {
    fn new(size: usize) -> Self {
        Self {
            list: Vec::with_capacity(size.min(64)),
            places: vec![0; size],
        }
    }

    fn insert(&mut self, place: Place, start: usize) -> bool {
        let known = self.places[place as usize] as usize;
        if self
            .list
            .get(known)
            .is_some_and(|(there, _)| *there == place)
        {
            return false;
        }
        // There are fewer entries than instructions, whose number fits.
        #[allow(clippy::cast_possible_truncation)]
        let index = self.list.len() as u32;
        self.places[place as usize] = index;
        self.list.push((place, start));
        true
    }
}

/// The match at or after a byte of the text, which is a character's beginning.
pub(super) fn search(
    program: &Program,
    text: &str,
    from: usize,
    want: Want,
) -> Option<(usize, usize)> {
    if program.anchored && from > 0 {
        return None;
    }
    let mut now = Threads::new(program.code.len());
    let mut next = Threads::new(program.code.len());
    let mut stack = Vec::new();
    let mut best = None;
    let mut at = from;
    let mut before = text[..from].chars().next_back();
    let mut rest = text[from..].chars();
    loop {
        let c = rest.next();
        let here = Here { before, after: c };
        if best.is_none() && (at == from || !program.anchored) {
            follow(program, &mut now, &mut stack, 0, at, here);
        }
        if now.list.is_empty() && (best.is_some() || program.anchored) {
            return best;
        }
        let after = at + c.map_or(0, char::len_utf8);
        let beyond = Here {
            before: c,
            after: rest.clone().next(),
        };
        for (place, start) in &now.list {
            let taken = match program.code[*place as usize] {
                Instruction::Match => {
                    best = Some((*start, at));
                    if want == Want::Any {
                        return best;
                    }
                    // What comes later in the list is liked less.
                    break;
                }
                Instruction::Char(wanted) => c == Some(wanted),
                Instruction::Any => c.is_some(),
                Instruction::AnyInLine => c.is_some_and(|c| c != '\n'),
                Instruction::Class(index) => {
                    c.is_some_and(|c| program.classes[index as usize].has(c))
                }
                _ => false,
            };
            if taken {
                follow(program, &mut next, &mut stack, place + 1, *start, beyond);
            }
        }
        if c.is_none() {
            return best;
        }
        std::mem::swap(&mut now, &mut next);
        next.list.clear();
        before = c;
        at = after;
    }
}

/// The characters around a place.
#[derive(Clone, Copy)]
struct Here {
    before: Option<char>,
    after: Option<char>,
}

impl Here {
    fn allows(self, look: Look) -> bool {
        let is_boundary = self.before.is_some_and(is_word) != self.after.is_some_and(is_word);
        match look {
            Look::TextStart => self.before.is_none(),
            Look::TextEnd => self.after.is_none(),
            Look::LineStart => self.before.is_none_or(|c| c == '\n'),
            Look::LineEnd => self.after.is_none_or(|c| c == '\n'),
            Look::WordBoundary => is_boundary,
            Look::NotWordBoundary => !is_boundary,
        }
    }
}

/// Adds an instruction and, where it takes no character, those that it leads to, in order.
fn follow(
    program: &Program,
    threads: &mut Threads,
    stack: &mut Vec<Place>,
    place: Place,
    start: usize,
    here: Here,
) {
    stack.push(place);
    while let Some(place) = stack.pop() {
        if !threads.insert(place, start) {
            continue;
        }
        match program.code[place as usize] {
            Instruction::Jump(to) => stack.push(to),
            Instruction::Split(first, second) => {
                stack.push(second);
                stack.push(first);
            }
            Instruction::Look(look) if here.allows(look) => stack.push(place + 1),
            _ => {}
        }
    }
}
