//! The functions of an environment by name: signatures read from their texts, once.
//!
//! Knows nothing about what functions do. Invariant: every signature of the tables is well-formed,
//! which a test reads.

use crate::env::Version;
use crate::function::{Function, Library};
use crate::library;
use crate::standard;
use crate::types::Type;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// An overload as the checker needs it.
#[derive(Clone)]
pub(crate) struct Overload {
    pub(crate) function: &'static Function,
    pub(crate) member: bool,
    pub(crate) params: Vec<Type>,
    pub(crate) result: Type,
    /// How many type parameters the signature has; they are [`Type::Var`] from 0.
    pub(crate) parameters: u32,
    since: Version,
    until: Option<Version>,
}

impl Overload {
    pub(crate) fn is_in(&self, version: Version) -> bool {
        self.since <= version && self.until.is_none_or(|until| version < until)
    }
}

/// Overloads by the name of their function, in the order of the tables.
pub(crate) type Functions = HashMap<&'static str, Vec<Overload>>;

/// The functions of all versions.
pub(crate) fn base() -> &'static Arc<Functions> {
    static BASE: OnceLock<Arc<Functions>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut functions = Functions::new();
        for table in standard::TABLES {
            add(&mut functions, table, Version(0, 0), None);
        }
        for library in library::ALL {
            add_library(&mut functions, library);
        }
        Arc::new(functions)
    })
}

/// Adds what a library brings.
pub(crate) fn add_library(functions: &mut Functions, library: &Library) {
    add(functions, library.functions, library.since, library.until);
}

fn add(
    functions: &mut Functions,
    table: &'static [Function],
    since: Version,
    until: Option<Version>,
) {
    for function in table {
        let Some(signature) = read(function.signature) else {
            continue;
        };
        let overload = Overload {
            function,
            member: signature.member,
            params: signature.params,
            result: signature.result,
            parameters: signature.parameters,
            since,
            until,
        };
        let overloads = functions.entry(signature.name).or_default();
        // One id has one meaning: a later table does not repeat it.
        if !overloads
            .iter()
            .any(|known| known.function.id == function.id && known.since == since)
        {
            overloads.push(overload);
        }
    }
}

struct Signature {
    name: &'static str,
    member: bool,
    params: Vec<Type>,
    result: Type,
    parameters: u32,
}

/// Reads `name(T, list(U)): V` or `(T).name(U): V`.
fn read(text: &'static str) -> Option<Signature> {
    let mut reader = Reader {
        rest: text,
        letters: Vec::new(),
    };
    let mut params = Vec::new();
    let member = text.starts_with('(');
    if member {
        reader.take("(")?;
        params.push(reader.kind()?);
        reader.take(").")?;
    }
    let open = reader.rest.find('(')?;
    let name = &reader.rest[..open];
    reader.rest = &reader.rest[open + 1..];
    while !reader.rest.starts_with(')') {
        params.push(reader.kind()?);
        if reader.rest.starts_with(',') {
            reader.take(", ")?;
        }
    }
    reader.take("): ")?;
    let result = reader.kind()?;
    let parameters = u32::try_from(reader.letters.len()).ok()?;
    reader.rest.is_empty().then_some(Signature {
        name,
        member,
        params,
        result,
        parameters,
    })
}

struct Reader {
    rest: &'static str,
    letters: Vec<&'static str>,
}

impl Reader {
    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn kind(&mut self) -> Option<Type> {
        let length = self
            .rest
            .find(['(', ')', ',', ' '])
            .unwrap_or(self.rest.len());
        let name = &self.rest[..length];
        self.rest = &self.rest[length..];
        if name.len() == 1 && name.as_bytes()[0].is_ascii_uppercase() {
            let place = self.letters.iter().position(|letter| *letter == name);
            let place = place.unwrap_or_else(|| {
                self.letters.push(name);
                self.letters.len() - 1
            });
            return Some(Type::Var(u32::try_from(place).ok()?));
        }
        Some(match name {
            "dyn" => Type::Dyn,
            "null" => Type::Null,
            "timestamp" => Type::Timestamp,
            "duration" => Type::Duration,
            "list" => Type::list(self.inner()?),
            "optional_type" => Type::optional(self.inner()?),
            "type" => Type::kind(self.inner()?),
            "map" => {
                self.take("(")?;
                let key = self.kind()?;
                self.take(", ")?;
                let value = self.kind()?;
                self.take(")")?;
                Type::map(key, value)
            }
            "" => return None,
            other => Type::named(other).unwrap_or_else(|| Type::opaque(other)),
        })
    }

    fn inner(&mut self) -> Option<Type> {
        self.take("(")?;
        let inner = self.kind()?;
        self.take(")")?;
        Some(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_of_the_tables_is_read_and_every_id_is_once() {
        let mut ids = std::collections::HashSet::new();
        let libraries = library::ALL.iter().map(|library| library.functions);
        for table in standard::TABLES.iter().copied().chain(libraries) {
            for function in table {
                assert!(read(function.signature).is_some(), "{}", function.signature);
                assert!(
                    ids.insert((function.id, function.signature)),
                    "{}",
                    function.id
                );
            }
        }
    }

    #[test]
    fn signatures_have_receivers_parameters_and_opaque_types() {
        let read = read("(kubernetes.Quantity).add(map(K, list(V)), K): optional_type(V)");
        let read = read.expect("well-formed");
        assert_eq!(read.name, "add");
        assert!(read.member);
        assert_eq!(read.parameters, 2);
        assert_eq!(read.params[0], Type::opaque("kubernetes.Quantity"));
        assert_eq!(
            read.params[1],
            Type::map(Type::Var(0), Type::list(Type::Var(1)))
        );
        assert_eq!(read.result, Type::optional(Type::Var(1)));
    }
}
