//! What a place may hold. Invariant: an `Untyped` place takes anything; all others one sort.

use serde_json::Value;
use skerry_schema::types::Keys;
use skerry_schema::{Format, ListKind, Object, Shape, Type};

use crate::fields::Element;
use crate::go;

/// Upstream's type for an object of any kind within another: it is owned as a whole.
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/// What is known of a place.
#[derive(Clone, Copy)]
pub(crate) enum Model<'t> {
    Of(Type<'t>),
    /// Nothing: maps are owned key by key, lists as a whole.
    Deduced,
    /// Nothing, within what is owned as a whole.
    Whole,
}

/// How a place is treated.
#[derive(Clone, Copy)]
pub(super) enum Atom<'t> {
    Scalar(Scalar),
    List(List<'t>),
    Map(Map<'t>),
    /// Anything: the value says what.
    Untyped(List<'t>, Map<'t>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Number,
    String,
    Boolean,
    Any,
}

#[derive(Clone, Copy)]
pub(super) struct List<'t> {
    pub(super) element: Model<'t>,
    pub(super) kind: Listing<'t>,
}

#[derive(Clone, Copy)]
pub(super) enum Listing<'t> {
    Atomic,
    Set,
    Map(Keys<'t>),
}

#[derive(Clone, Copy)]
pub(super) struct Map<'t> {
    fields: Option<Object<'t>>,
    /// What other keys hold; nothing where there may be none.
    others: Option<Model<'t>>,
    pub(super) atomic: bool,
}

impl<'t> Model<'t> {
    pub(super) fn atom(self) -> Atom<'t> {
        let of = match self {
            Self::Of(of) => of,
            Self::Deduced => return Atom::untyped(Self::Deduced, false),
            Self::Whole => return Atom::untyped(Self::Whole, true),
        };
        match of.shape() {
            Shape::Any => Atom::untyped(Self::Deduced, false),
            Shape::String(Format::DateTime | Format::Quantity) | Shape::IntOrString => {
                Atom::Scalar(Scalar::Any)
            }
            Shape::String(_) => Atom::Scalar(Scalar::String),
            Shape::Integer(_) | Shape::Number => Atom::Scalar(Scalar::Number),
            Shape::Boolean => Atom::Scalar(Scalar::Boolean),
            Shape::List(list) => Atom::List(List {
                element: Self::Of(list.element),
                kind: match list.kind {
                    ListKind::Atomic => Listing::Atomic,
                    ListKind::Set => Listing::Set,
                    ListKind::Map(keys) => Listing::Map(keys),
                },
            }),
            Shape::Map(map) => Atom::Map(Map {
                fields: None,
                others: Some(Self::Of(map.element)),
                atomic: map.atomic,
            }),
            Shape::Object(object) => {
                // An object of which no field is known is free.
                let unnamed = object.fields().len() == 0;
                if unnamed && of.name() == Some(RAW_EXTENSION) {
                    return Atom::untyped(Self::Whole, true);
                }
                let free = object.keeps_unknown || unnamed;
                Atom::Map(Map {
                    fields: Some(object),
                    others: free.then_some(Self::Deduced),
                    atomic: object.atomic,
                })
            }
        }
    }

    /// How the place is treated that holds `value`.
    pub(super) fn atom_of(self, value: Option<&Value>) -> Atom<'t> {
        self.atom().deduced(value)
    }
}

impl<'t> Atom<'t> {
    fn untyped(fields: Model<'t>, atomic: bool) -> Self {
        let list = List {
            element: Model::Whole,
            kind: Listing::Atomic,
        };
        let map = Map {
            fields: None,
            others: Some(fields),
            atomic,
        };
        Self::Untyped(list, map)
    }

    fn deduced(self, value: Option<&Value>) -> Self {
        let Self::Untyped(list, map) = self else {
            return self;
        };
        match value {
            None | Some(Value::Null) => self,
            Some(Value::Array(_)) => Self::List(list),
            Some(Value::Object(_)) => Self::Map(map),
            Some(_) => Self::Scalar(Scalar::Any),
        }
    }

    /// Whether both values of an untyped place are of one sort; those of others are.
    pub(super) fn agrees(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl<'t> Map<'t> {
    /// Whether `key` is a field by its type, and not a key that is data.
    pub(super) fn names(self, key: &str) -> bool {
        self.fields
            .is_some_and(|fields| fields.field(key).is_some())
    }

    /// What `key` holds; nothing where there may be no such key.
    pub(super) fn declared(self, key: &str) -> Option<Model<'t>> {
        let field = self.fields.and_then(|fields| fields.field(key));
        field.map(|field| Model::Of(field.of)).or(self.others)
    }

    /// What `key` holds, at a loss anything.
    pub(super) fn model(self, key: &str) -> Model<'t> {
        self.declared(key).unwrap_or(Model::Deduced)
    }

    /// Whether nothing at all is known of its keys.
    pub(super) fn is_deduced(self) -> bool {
        let unnamed = self.fields.is_none_or(|fields| fields.fields().len() == 0);
        let deduced = match self.others {
            Some(Model::Deduced) => true,
            Some(Model::Of(of)) => matches!(of.shape(), Shape::Any),
            _ => false,
        };
        unnamed && deduced
    }
}

impl List<'_> {
    /// What tells `item` apart from the others.
    pub(super) fn element_of(self, item: &Value) -> Result<Element, String> {
        match self.kind {
            Listing::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Listing::Map(keys) => self.keyed(keys, item),
            Listing::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => Err(
                    "associative list without keys has an element that's an explicit null"
                        .to_owned(),
                ),
                scalar => Ok(Element::Value(scalar.clone())),
            },
        }
    }

    fn keyed(self, keys: Keys<'_>, item: &Value) -> Result<Element, String> {
        let fields = match item {
            Value::Object(fields) => fields,
            Value::Null => {
                return Err("associative list with keys may not have a null element".to_owned());
            }
            _ => {
                return Err("associative list with keys may not have non-map elements".to_owned());
            }
        };
        let mut found: Vec<(String, Value)> = Vec::new();
        for key in keys.iter() {
            let value = fields.get(key).cloned().or_else(|| self.default_of(key));
            found.extend(value.map(|value| (key.to_owned(), value)));
        }
        if found.is_empty() {
            let keys: Vec<String> = keys.iter().map(go::quoted).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                keys.join(" ")
            ));
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(Element::Key(found))
    }

    fn default_of(self, key: &str) -> Option<Value> {
        let Model::Of(element) = self.element else {
            return None;
        };
        let default = serde_json::from_str(element.field(key)?.default?);
        default.ok().filter(|default: &Value| !default.is_null())
    }
}
