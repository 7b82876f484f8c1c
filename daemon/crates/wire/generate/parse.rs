//! Reads the table of messages as it is written by hand and by diff.
//!
//! Lines: `package NAME API_VERSION`, then `MESSAGE SHAPE`, then `NUMBER JSON TYPE FLAGS` of its
//! fields, indented by a tab; columns are set apart by tabs.

use std::collections::HashMap;
use std::error::Error;

use crate::table::{Field, Flags, Many, Message, Name, Names, Of, Package, Shape, Table};

/// Interns names.
#[derive(Default)]
struct Interned {
    names: Names,
    known: HashMap<String, Name>,
}

impl Interned {
    fn name(&mut self, text: &str) -> Result<Name, Box<dyn Error>> {
        if let Some(name) = self.known.get(text) {
            return Ok(*name);
        }
        let name = Name(u16::try_from(self.names.ends.len())?);
        self.names.text.push_str(text);
        self.names.ends.push(u32::try_from(self.names.text.len())?);
        self.known.insert(text.to_owned(), name);
        Ok(name)
    }
}

pub(crate) fn table(text: &str) -> Result<Table, Box<dyn Error>> {
    let numbers = numbers(text)?;
    let mut interned = Interned::default();
    let mut table = Table::default();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let column = |place: usize| columns.get(place).copied().unwrap_or_default();
        match column(0) {
            "package" => {
                let first = u16::try_from(table.messages.len())?;
                table.packages.push(Package {
                    name: column(1).into(),
                    api_version: column(2).into(),
                    first,
                    end: first,
                });
            }
            "" => {
                let package = table.packages.last().ok_or("a field before any package")?;
                let field = Field {
                    number: column(1).parse()?,
                    name: interned.name(column(2))?,
                    of: of(column(3), &package.name, &numbers)
                        .ok_or_else(|| format!("what is the type in {line:?}?"))?,
                    many: match column(4) {
                        flags if flags.contains('r') => Many::List,
                        flags if flags.contains('m') => Many::Map,
                        _ => Many::One,
                    },
                    flags: flags(column(4)),
                };
                table.fields.push(field);
                let message = table.messages.last_mut().ok_or("a field of no message")?;
                message.end = u16::try_from(table.fields.len())?;
            }
            name => {
                let first = u16::try_from(table.fields.len())?;
                table.messages.push(Message {
                    name: interned.name(name)?,
                    shape: shape(column(1)).ok_or_else(|| format!("the shape in {line:?}"))?,
                    first,
                    end: first,
                });
                let package = table.packages.last_mut().ok_or("no package yet")?;
                package.end = u16::try_from(table.messages.len())?;
            }
        }
    }
    table.names = interned.names;
    Ok(table)
}

/// The numbers of all messages, by their full names.
fn numbers(text: &str) -> Result<HashMap<String, u16>, Box<dyn Error>> {
    let (mut package, mut numbers) = ("", HashMap::new());
    for line in text.lines() {
        let mut columns = line.split('\t');
        match columns.next().unwrap_or_default() {
            "package" => package = columns.next().unwrap_or_default(),
            "" => {}
            name => {
                let number = u16::try_from(numbers.len())?;
                let before = numbers.insert(format!("{package}.{name}"), number);
                if before.is_some() {
                    return Err(format!("{package}.{name} is there twice").into());
                }
            }
        }
    }
    Ok(numbers)
}

fn of(text: &str, package: &str, numbers: &HashMap<String, u16>) -> Option<Of> {
    Some(match text {
        "string" => Of::Text,
        "bytes" => Of::Bytes,
        "bool" => Of::Bool,
        "int32" => Of::Int32,
        "int64" => Of::Int64,
        "double" => Of::Double,
        name if name.contains('.') => Of::Message(*numbers.get(name)?),
        name => Of::Message(*numbers.get(&format!("{package}.{name}"))?),
    })
}

fn shape(text: &str) -> Option<Shape> {
    Some(match text {
        "" => Shape::Object,
        "quantity" => Shape::Quantity,
        "int-or-string" => Shape::IntOrString,
        "time" => Shape::Time,
        "micro-time" => Shape::MicroTime,
        "duration" => Shape::Duration,
        "raw" => Shape::Raw,
        "list" => Shape::List,
        "or-bool" => Shape::OrBool,
        "or-list" => Shape::OrList,
        "or-texts" => Shape::OrTexts,
        _ => return None,
    })
}

fn flags(text: &str) -> Flags {
    let bits = [
        ('p', Flags::POINTER),
        ('o', Flags::OMIT_EMPTY),
        ('z', Flags::OMIT_ZERO),
        ('i', Flags::INLINE),
    ];
    let set = bits.iter().filter(|(letter, _)| text.contains(*letter));
    Flags(set.fold(0, |all, (_, bit)| all | bit))
}
