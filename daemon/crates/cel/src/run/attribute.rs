//! Selections: variables, fields, indexes, optional ones and `has()`.
//!
//! Knows nothing about calls. Invariant: every selection that is made costs 1, and so does every
//! attribute that stands on its own, but for `has()`.

use crate::error::Error;
use crate::run::charge::Outcome;
use crate::run::machine::{Local, Machine};
use crate::run::{Attribute, Key, Qualifier, Root};
use crate::value::{List, Map, Value};

/// What an attribute has come to.
enum Resolved<'a> {
    Value(Value<'a>),
    /// Something on the way was optional, and all was there.
    Present(Value<'a>),
}

impl<'a> Machine<'a, '_, '_, '_> {
    /// An attribute as a step of its own.
    pub(super) fn attribute(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let outcome = self.resolve(attribute);
        if let Err(error) = &outcome
            && error.is_final()
        {
            return outcome;
        }
        let free = attribute.test_only || matches!(attribute.root, Root::Conditional(_));
        self.charge(u64::from(!free))?;
        match outcome? {
            Value::Optional(inner) if attribute.test_only => Ok(Value::Bool(inner.is_some())),
            value => Ok(value),
        }
    }

    fn resolve(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let root = self.root(&attribute.root)?;
        match self.qualify(root, attribute)? {
            Resolved::Value(value) => Ok(value),
            Resolved::Present(value) => Ok(Value::some(value)),
        }
    }

    fn root(&mut self, root: &'a Root) -> Outcome<'a> {
        match root {
            Root::Variable(name) => match self.variables.variable(name)? {
                Some(value) => Ok(value),
                None => Err(Error::new(format!("no such attribute(s): {name}"))),
            },
            Root::Local(slot) => self.local(*slot),
            Root::Step(step) => self.eval(step),
            Root::Conditional(parts) => match self.eval(&parts.0)? {
                Value::Bool(true) => self.resolve(&parts.1),
                Value::Bool(false) => self.resolve(&parts.2),
                _ => Err(Error::no_such_overload()),
            },
        }
    }

    fn qualify(
        &mut self,
        root: Value<'a>,
        attribute: &'a Attribute,
    ) -> Result<Resolved<'a>, Error> {
        let mut optional = false;
        let mut value = match root {
            Value::Optional(inner) if !attribute.qualifiers.is_empty() => match inner {
                None => return Ok(Resolved::Value(Value::none())),
                Some(inner) => {
                    optional = true;
                    (*inner).clone()
                }
            },
            other => other,
        };
        let last = attribute.qualifiers.len().wrapping_sub(1);
        for (index, qualifier) in attribute.qualifiers.iter().enumerate() {
            optional = optional || qualifier.optional;
            if attribute.test_only && index == last {
                let found = self.select(&value, qualifier, true);
                self.charge_unless_final(&found)?;
                let present = found?.is_some();
                return Ok(match (optional, present) {
                    (false, present) => Resolved::Value(Value::Bool(present)),
                    (true, true) => Resolved::Present(Value::Null),
                    (true, false) => Resolved::Value(Value::none()),
                });
            }
            let found = self.select(&value, qualifier, optional);
            if !matches!(found, Ok(None)) {
                self.charge_unless_final(&found)?;
            }
            match found? {
                Some(next) => value = next,
                None => return Ok(Resolved::Value(Value::none())),
            }
        }
        Ok(if optional {
            Resolved::Present(value)
        } else {
            Resolved::Value(value)
        })
    }

    fn charge_unless_final(
        &mut self,
        found: &Result<Option<Value<'a>>, Error>,
    ) -> Result<(), Error> {
        match found {
            Err(error) if error.is_final() => Err(error.clone()),
            _ => self.charge(1),
        }
    }

    /// One selection; when it is `lenient`, what is not there is `None` and no error.
    fn select(
        &mut self,
        value: &Value<'a>,
        qualifier: &'a Qualifier,
        lenient: bool,
    ) -> Result<Option<Value<'a>>, Error> {
        let key = match &qualifier.key {
            Key::Constant(key) => key.clone(),
            Key::Attribute(attribute) => self.resolve(attribute)?,
            Key::Step(step) => self.eval(step)?,
        };
        let found = match value {
            Value::Map(Map::Scope(scope)) => match &key {
                Value::String(name) => self.variables.field(scope, name)?,
                _ => return Err(Error::no_such_overload()),
            },
            Value::Map(map) => map.get(&key)?,
            Value::List(list) => {
                let found = item(list, &key)?;
                if found.is_none() && !lenient {
                    return Err(Error::new(format!("index out of bounds: {key}")));
                }
                return Ok(found);
            }
            _ => None,
        };
        if found.is_none() && !lenient {
            return Err(Error::no_such_key(&key.to_string()));
        }
        Ok(found)
    }

    // Variables of comprehensions.

    fn local(&mut self, slot: usize) -> Outcome<'a> {
        match self.locals.get(slot) {
            Some(Local::Known(outcome)) => outcome.clone(),
            Some(Local::Lazy(fold)) => {
                let fold = *fold;
                // Evaluated as where the name was given: what has come since is set aside.
                let aside = self.locals.split_off(slot);
                let outcome = self.eval(&fold.initial);
                self.locals.truncate(slot);
                self.locals.extend(aside);
                if let Err(error) = &outcome
                    && error.is_final()
                {
                    return outcome;
                }
                self.locals[slot] = Local::Known(outcome.clone());
                outcome
            }
            None => Err(Error::text("no such attribute(s): @result")),
        }
    }

    /// The accumulator, taken out of its place so that nobody else holds it.
    pub(super) fn take(&mut self, slot: usize) -> Outcome<'a> {
        let empty = Local::Known(Ok(Value::Null));
        match self
            .locals
            .get_mut(slot)
            .map(|local| std::mem::replace(local, empty))
        {
            Some(Local::Known(outcome)) => outcome,
            Some(Local::Lazy(fold)) => self.eval(&fold.initial),
            None => Err(Error::no_such_overload()),
        }
    }
}

/// The item at an index of any numeric type; `None` past the ends.
fn item<'a>(list: &List<'a>, index: &Value<'_>) -> Result<Option<Value<'a>>, Error> {
    let index = match index {
        Value::Int(index) => usize::try_from(*index).ok(),
        Value::Uint(index) => usize::try_from(*index).ok(),
        // A whole double within i64 is an index, as in cel-go.
        #[allow(clippy::cast_possible_truncation)]
        Value::Double(index) if index.fract() == 0.0 && index.abs() < 9.2e18 => {
            usize::try_from(*index as i64).ok()
        }
        Value::Double(index) => {
            let shown = crate::format::double(*index);
            return Err(Error::new(format!(
                "unsupported index value {shown} in list"
            )));
        }
        other => {
            let kind = other.kind();
            let kind = kind.runtime_name();
            return Err(Error::new(format!(
                "unsupported index type '{kind}' in list"
            )));
        }
    };
    index.map_or(Ok(None), |index| list.get(index))
}
