//! `kubernetes.format`: named formats of strings, and what is wrong with a string in their eyes.

use super::call::{function, library_type, plain, strings, text};
use super::named::{FORMATS, Format};
use super::price::{self, PATTERN, TRAVERSAL, node_size, size};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::run::factor;
use crate::value::Value;

/// A format as a value.
#[derive(Debug)]
struct Named(&'static Format);

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

library_type!(Named, "kubernetes.NamedFormat");

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.format",
    since: Version(1, 31),
    until: None,
    functions: TABLE,
    types: &[],
};

/// The longest pattern that estimates reckon with.
const PATTERN_LENGTH_MAX: f64 = 128.0;

macro_rules! constants {
    ($($name:literal),*) => {
        &[
            $(plain(
                concat!("format.", $name),
                concat!("format.", $name, "(): kubernetes.NamedFormat"),
                |_| Ok(named($name).unwrap_or(Value::Null)),
            ),)*
            plain(
                "format-named",
                "format.named(string): optional_type(kubernetes.NamedFormat)",
                |args| Ok(Value::Optional(named(text(args, 0)?).map(Into::into))),
            ),
            function(
                "format-validate",
                "(kubernetes.NamedFormat).validate(string): optional_type(list(string))",
                validate,
                Cost::Of {
                    run: |args, _| {
                        let format = args.first()?.as_opaque::<Named>()?.0;
                        let text = factor(size(args, 1) + 1, TRAVERSAL);
                        Some(text.saturating_mul(factor(format.pattern_length, PATTERN)))
                    },
                    estimate: |_, args| {
                        let text = node_size(args.first()).cost(TRAVERSAL);
                        price::plain(text.scaled(PATTERN_LENGTH_MAX * PATTERN))
                    },
                },
            ),
        ]
    };
}

const TABLE: &[Function] = constants!(
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime"
);

fn named<'a>(name: &str) -> Option<Value<'a>> {
    let format = FORMATS.iter().find(|format| format.name == name)?;
    Some(Value::opaque(Named(format)))
}

fn validate<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let Named(format) = super::call::opaque(args, 0)?;
    let complaints = (format.check)(text(args, 1)?);
    Ok(if complaints.is_empty() {
        Value::none()
    } else {
        Value::some(strings(complaints))
    })
}
