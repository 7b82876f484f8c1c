//! What expressions are told of one request: its objects as they are, and what is asked.
//!
//! Invariant: nothing is made that no expression reaches for: `request` and the namespace are made
//! when they are first asked for.

use std::cell::OnceCell;

use serde_json::Value as Json;
use skerry_cel::{Activation, Error, Value, authorizer_value, resource_check_value};

use crate::policies::Asker;

/// See the module. `request` and `namespace` make what they are called.
pub(crate) struct Facts<'a> {
    pub(crate) object: &'a Json,
    pub(crate) old: &'a Json,
    pub(crate) params: Option<&'a Json>,
    /// Who answers what the user may do, where that may be asked.
    pub(crate) asker: Option<&'a Asker>,
    request: Made<'a>,
    namespace: Made<'a>,
}

/// Something that is made when it is wanted, once.
pub(crate) struct Made<'a> {
    cell: OnceCell<Json>,
    make: Box<dyn Fn() -> Json + Send + 'a>,
}

impl<'a> Made<'a> {
    fn new(make: impl Fn() -> Json + Send + 'a) -> Made<'a> {
        Made {
            cell: OnceCell::new(),
            make: Box::new(make),
        }
    }

    fn get(&self) -> &Json {
        self.cell.get_or_init(|| (self.make)())
    }
}

const NOTHING: &Json = &Json::Null;

impl<'a> Facts<'a> {
    pub(crate) fn new(
        object: Option<&'a Json>,
        old: Option<&'a Json>,
        request: impl Fn() -> Json + Send + 'a,
        namespace: impl Fn() -> Json + Send + 'a,
    ) -> Facts<'a> {
        Facts {
            object: object.unwrap_or(NOTHING),
            old: old.unwrap_or(NOTHING),
            params: None,
            asker: None,
            request: Made::new(request),
            namespace: Made::new(namespace),
        }
    }
}

/// The facts as variables, for as long as they are borrowed.
pub(crate) struct Told<'f>(pub(crate) &'f Facts<'f>);

impl<'f> Activation<'f> for Told<'f> {
    fn variable(&self, name: &str) -> Result<Option<Value<'f>>, Error> {
        let facts = self.0;
        let json = match name {
            "object" => facts.object,
            "oldObject" => facts.old,
            "request" => facts.request.get(),
            "namespaceObject" => facts.namespace.get(),
            "params" => facts.params.unwrap_or(NOTHING),
            "authorizer" => return Ok(facts.asker.map(|one| authorizer_value(one.authorizer()))),
            "authorizer.requestResource" => {
                let check =
                    |one: &Asker| resource_check_value(one.authorizer(), one.resource.clone());
                return Ok(facts.asker.map(check));
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::json(json)))
    }
}
