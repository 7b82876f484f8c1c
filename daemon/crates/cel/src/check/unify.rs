//! Which type may stand where another is asked for, and what type variables become by it.
//!
//! Knows nothing about expressions. Invariant: a variable never becomes a type that holds itself,
//! and a refused assignment leaves all variables as they were.

use crate::types::Type;
use std::sync::Arc;

/// What type variables have become.
#[derive(Default)]
pub(super) struct Mapping {
    bound: Vec<Option<Type>>,
    /// What to put back when an assignment is refused half-way.
    trail: Vec<(usize, Option<Type>)>,
}

impl Mapping {
    /// So many new variables; the number of the first.
    pub(super) fn fresh(&mut self, count: u32) -> u32 {
        let first = self.bound.len();
        self.bound.resize(first + count as usize, None);
        u32::try_from(first).unwrap_or(u32::MAX)
    }

    fn find(&self, kind: &Type) -> Option<Type> {
        match kind {
            Type::Var(number) => self.bound.get(*number as usize).cloned().flatten(),
            _ => None,
        }
    }

    fn bind(&mut self, number: u32, kind: Type) {
        if let Some(place) = self.bound.get_mut(number as usize) {
            let before = place.replace(kind);
            self.trail.push((number as usize, before));
        }
    }

    /// Whether each of `from` may stand for its like of `to`.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        self.trail.clear();
        if from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.unify(from, to)) {
            return true;
        }
        while let Some((place, before)) = self.trail.pop() {
            self.bound[place] = before;
        }
        false
    }

    /// Whether `from` may stand where `to` is asked for.
    pub(super) fn assign(&mut self, from: &Type, to: &Type) -> bool {
        self.assign_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    fn unify(&mut self, one: &Type, two: &Type) -> bool {
        if let Type::Var(number) = two {
            match self.substitution(one, *number) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if let Type::Var(number) = one {
            return self.substitution(two, *number).0;
        }
        match (one, two) {
            (Type::Dyn | Type::Error, _) | (_, Type::Dyn | Type::Error) => true,
            (Type::Null, other) | (other, Type::Null) => takes_null(other),
            (Type::Wrapper(one), Type::Wrapper(two)) => one == two,
            (Type::Wrapper(inner), plain) | (plain, Type::Wrapper(inner)) => **inner == *plain,
            (Type::List(one), Type::List(two)) | (Type::Optional(one), Type::Optional(two)) => {
                self.unify(one, two)
            }
            (Type::Map(one), Type::Map(two)) => {
                self.unify(&one.0, &two.0) && self.unify(&one.1, &two.1)
            }
            (Type::Type(_), Type::Type(_)) => true,
            (one, two) => one == two,
        }
    }

    /// Whether the variable may be `kind`, and whether it already was something.
    fn substitution(&mut self, kind: &Type, number: u32) -> (bool, bool) {
        if *kind == Type::Var(number) {
            return (true, true);
        }
        if let Some(known) = self.find(&Type::Var(number)) {
            if *kind == known {
                return (true, true);
            }
            if self.unify(kind, &known) {
                let general = most_general(kind, &known);
                if self.is_free_of(number, &general) {
                    self.bind(number, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.is_free_of(number, kind) {
            self.bind(number, kind.clone());
            return (true, false);
        }
        (false, false)
    }

    fn is_free_of(&self, number: u32, kind: &Type) -> bool {
        match kind {
            Type::Var(other) if *other == number => false,
            Type::Var(_) => self
                .find(kind)
                .is_none_or(|known| self.is_free_of(number, &known)),
            Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => {
                self.is_free_of(number, inner)
            }
            Type::Map(pair) => self.is_free_of(number, &pair.0) && self.is_free_of(number, &pair.1),
            _ => true,
        }
    }

    /// The type with its variables replaced by what they are; unknown ones stay, or become `dyn`.
    pub(super) fn substitute(&self, kind: &Type, free_to_dyn: bool) -> Type {
        match kind {
            Type::Var(_) => match self.find(kind) {
                Some(known) => self.substitute(&known, free_to_dyn),
                None if free_to_dyn => Type::Dyn,
                None => kind.clone(),
            },
            Type::List(inner) => Type::List(self.substitute_inner(inner, free_to_dyn)),
            Type::Optional(inner) => Type::Optional(self.substitute_inner(inner, free_to_dyn)),
            Type::Type(inner) => Type::Type(self.substitute_inner(inner, free_to_dyn)),
            Type::Map(pair) => Type::map(
                self.substitute(&pair.0, free_to_dyn),
                self.substitute(&pair.1, free_to_dyn),
            ),
            other => other.clone(),
        }
    }

    fn substitute_inner(&self, inner: &Arc<Type>, free_to_dyn: bool) -> Arc<Type> {
        match **inner {
            Type::Var(_) | Type::List(_) | Type::Optional(_) | Type::Type(_) | Type::Map(_) => {
                Arc::new(self.substitute(inner, free_to_dyn))
            }
            _ => inner.clone(),
        }
    }
}

/// The type with the parameters of a signature replaced by variables from `first` on.
pub(super) fn instantiate(kind: &Type, first: u32) -> Type {
    match kind {
        Type::Var(number) => Type::Var(first + number),
        Type::List(inner) => Type::list(instantiate(inner, first)),
        Type::Optional(inner) => Type::optional(instantiate(inner, first)),
        Type::Type(inner) => Type::kind(instantiate(inner, first)),
        Type::Map(pair) => Type::map(instantiate(&pair.0, first), instantiate(&pair.1, first)),
        other => other.clone(),
    }
}

fn takes_null(kind: &Type) -> bool {
    matches!(
        kind,
        Type::Null
            | Type::Wrapper(_)
            | Type::Optional(_)
            | Type::Opaque(_)
            | Type::Object(_)
            | Type::Named(_)
            | Type::Duration
            | Type::Timestamp
    )
}

/// The more general of two types that go together.
pub(super) fn most_general(one: &Type, two: &Type) -> Type {
    if less_specific(one, two) {
        one.clone()
    } else {
        two.clone()
    }
}

fn less_specific(one: &Type, two: &Type) -> bool {
    match (one, two) {
        (Type::Dyn | Type::Var(_), _) => true,
        (_, Type::Dyn | Type::Var(_)) => false,
        (Type::List(one), Type::List(two)) | (Type::Optional(one), Type::Optional(two)) => {
            less_specific(one, two)
        }
        (Type::Map(one), Type::Map(two)) => {
            less_specific(&one.0, &two.0) && less_specific(&one.1, &two.1)
        }
        (Type::Type(_), Type::Type(_)) => true,
        (one, two) => one == two,
    }
}

/// Whether a type has more parts than `limit`.
pub(super) fn exceeds(kind: &Type, limit: usize) -> bool {
    fn take(kind: &Type, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(1) else {
            return false;
        };
        *left = rest;
        match kind {
            Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => take(inner, left),
            Type::Map(pair) => take(&pair.0, left) && take(&pair.1, left),
            _ => true,
        }
    }
    let mut left = limit;
    !take(kind, &mut left)
}
