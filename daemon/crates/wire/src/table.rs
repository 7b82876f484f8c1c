//! The messages of Kubernetes' protobuf API as data: which field has which number, name and type.
//!
//! Knows nothing about bytes or values. Invariant: every number and range in a `Table` lies within
//! it, and the fields of a message are sorted by number: the build script made it so.

use serde::{Deserialize, Serialize};

/// All messages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) names: Names,
    pub(crate) packages: Vec<Package>,
    /// By package, and in it by name.
    pub(crate) messages: Vec<Message>,
    pub(crate) fields: Vec<Field>,
}

/// The number of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name(pub(crate) u16);

/// Names, one behind the other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) text: String,
    pub(crate) ends: Vec<u32>,
}

/// The messages of one group and version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Package {
    /// `io.k8s.api.apps.v1`
    pub(crate) name: Box<str>,
    /// `apps/v1`; `-` where no kinds are in it.
    pub(crate) api_version: Box<str>,
    pub(crate) first: u16,
    pub(crate) end: u16,
}

/// One message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) name: Name,
    pub(crate) shape: Shape,
    pub(crate) first: u16,
    pub(crate) end: u16,
}

/// How a message looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// As it is.
    Object,
    /// Text.
    Quantity,
    /// A number or a text.
    IntOrString,
    /// RFC 3339 of seconds.
    Time,
    /// RFC 3339 of microseconds.
    MicroTime,
    /// `1h2m3s`
    Duration,
    /// Any JSON, as text in the message's one field.
    Raw,
    /// The list in the message's one field.
    List,
    /// `JSONSchemaPropsOrBool`
    OrBool,
    /// `JSONSchemaPropsOrArray`
    OrList,
    /// `JSONSchemaPropsOrStringArray`
    OrTexts,
}

/// One field of a message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) number: u16,
    pub(crate) name: Name,
    pub(crate) of: Of,
    pub(crate) many: Many,
    pub(crate) flags: Flags,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Of {
    Text,
    Bytes,
    Bool,
    Int32,
    Int64,
    Double,
    Message(u16),
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Many {
    One,
    List,
    /// By text.
    Map,
}

/// What Go's type of the field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) const POINTER: u8 = 1;
    pub(crate) const OMIT_EMPTY: u8 = 2;
    pub(crate) const OMIT_ZERO: u8 = 4;
    pub(crate) const INLINE: u8 = 8;

    /// It may be absent: where it is not, it is always on the wire.
    pub(crate) fn is_pointer(self) -> bool {
        self.0 & Flags::POINTER != 0
    }

    /// A scalar that is zero is left out of JSON.
    pub(crate) fn omits_empty(self) -> bool {
        self.0 & (Flags::OMIT_EMPTY | Flags::OMIT_ZERO) != 0
    }

    /// Its fields are those of what it is in.
    pub(crate) fn is_inline(self) -> bool {
        self.0 & Flags::INLINE != 0
    }
}

impl Table {
    pub(crate) fn name(&self, name: Name) -> &str {
        let place = usize::from(name.0);
        let start = match place.checked_sub(1) {
            Some(before) => self.names.ends[before],
            None => 0,
        };
        &self.names.text[start as usize..self.names.ends[place] as usize]
    }

    pub(crate) fn message(&self, number: u16) -> Message {
        self.messages[usize::from(number)]
    }

    pub(crate) fn fields(&self, message: Message) -> &[Field] {
        &self.fields[usize::from(message.first)..usize::from(message.end)]
    }

    /// The field of this number.
    pub(crate) fn field(&self, message: Message, number: u32) -> Option<Field> {
        let fields = self.fields(message);
        let place = fields.binary_search_by(|field| u32::from(field.number).cmp(&number));
        place.ok().map(|place| fields[place])
    }

    /// The message of a kind.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<Message> {
        let of = |package: &Package| {
            let (first, end) = (usize::from(package.first), usize::from(package.end));
            let messages = &self.messages[first..end];
            let place = messages.binary_search_by(|message| self.name(message.name).cmp(kind));
            place.ok().map(|place| messages[place])
        };
        let mut packages = self.packages.iter();
        packages
            .find(|package| *package.api_version == *api_version)
            .and_then(of)
    }
}
