//! The shapes of etcd's messages, as the gateway needs them: read once, on first use, from the
//! descriptors that were compiled together with the messages.
//!
//! Knows nothing about JSON or HTTP. Invariant: every message and enum that a field names exists,
//! so that indexes into the schema never miss.

use std::collections::HashMap;

use prost::Message;

/// All messages and methods of the served protocol.
#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<MessageShape>,
    enums: Vec<EnumShape>,
    methods: HashMap<String, Method>,
}

/// The fields of one message, ordered by number.
#[derive(Debug)]
pub(super) struct MessageShape {
    fields: Vec<FieldShape>,
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct FieldShape {
    /// As written in the .proto file, which is also how answers name it.
    pub(super) name: String,
    /// The lowerCamelCase name, which requests may use too.
    pub(super) json_name: String,
    pub(super) number: u32,
    pub(super) repeated: bool,
    /// The `oneof` that it belongs to.
    pub(super) oneof: Option<u32>,
    pub(super) kind: Kind,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    String,
    Bytes,
    Enum(EnumIndex),
    Message(MessageIndex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageIndex(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnumIndex(usize);

/// Names and numbers of one enum.
#[derive(Debug)]
pub(super) struct EnumShape {
    pub(super) name: String,
    values: Vec<(String, i32)>,
}

/// One method of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    pub(super) input: MessageIndex,
    pub(super) output: MessageIndex,
    pub(super) client_streams: bool,
    pub(super) server_streams: bool,
}

/// The descriptors are not what the generator writes: a fault of the build.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error("the protocol's descriptors do not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("{0}: unknown type")]
    UnknownType(String),
    #[error("{field}: type {number} of descriptor.proto is not one that etcd uses")]
    UnsupportedKind { field: String, number: i32 },
}

impl Schema {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`.
    pub(super) fn parse(descriptors: &[u8]) -> Result<Schema, SchemaError> {
        let set = descriptor::FileSet::decode(descriptors)?;
        let mut names = Names::default();
        for file in &set.file {
            let package = format!(".{}", file.package);
            names.add_enums(&package, &file.enums);
            names.add_messages(&package, &file.messages);
        }
        let messages = names
            .messages
            .iter()
            .map(|message| names.message_shape(message))
            .collect::<Result<_, _>>()?;
        let mut methods = HashMap::new();
        for file in &set.file {
            for service in &file.services {
                for method in &service.methods {
                    let path = format!("/{}.{}/{}", file.package, service.name, method.name);
                    methods.insert(path, names.method(method)?);
                }
            }
        }
        let enums = names.enums;
        Ok(Schema {
            messages,
            enums,
            methods,
        })
    }

    /// The method at a gRPC path such as `/etcdserverpb.KV/Range`.
    pub(super) fn method(&self, path: &str) -> Option<Method> {
        self.methods.get(path).copied()
    }

    pub(super) fn message(&self, index: MessageIndex) -> &MessageShape {
        &self.messages[index.0]
    }

    pub(super) fn enumeration(&self, index: EnumIndex) -> &EnumShape {
        &self.enums[index.0]
    }
}

impl MessageShape {
    /// The field of this name, in either spelling.
    pub(super) fn by_name(&self, name: &str) -> Option<&FieldShape> {
        self.fields
            .iter()
            .find(|field| field.name == name || field.json_name == name)
    }

    pub(super) fn by_number(&self, number: u32) -> Option<&FieldShape> {
        let place = self
            .fields
            .binary_search_by_key(&number, |field| field.number);
        place.ok().map(|place| &self.fields[place])
    }
}

impl EnumShape {
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        let value = self.values.iter().find(|value| value.0 == name);
        value.map(|value| value.1)
    }

    pub(super) fn value_name(&self, number: i32) -> Option<&str> {
        let value = self.values.iter().find(|value| value.1 == number);
        value.map(|value| value.0.as_str())
    }
}

/// Full names, on the way to indexes.
#[derive(Default)]
struct Names<'a> {
    messages: Vec<(String, &'a descriptor::Message)>,
    message_index: HashMap<String, MessageIndex>,
    enums: Vec<EnumShape>,
    enum_index: HashMap<String, EnumIndex>,
}

impl<'a> Names<'a> {
    fn add_messages(&mut self, scope: &str, messages: &'a [descriptor::Message]) {
        for message in messages {
            let name = format!("{scope}.{}", message.name);
            self.add_enums(&name, &message.enums);
            self.add_messages(&name, &message.nested);
            self.message_index
                .insert(name.clone(), MessageIndex(self.messages.len()));
            self.messages.push((name, message));
        }
    }

    fn add_enums(&mut self, scope: &str, enums: &[descriptor::Enum]) {
        for shape in enums {
            let name = format!("{scope}.{}", shape.name);
            self.enum_index
                .insert(name.clone(), EnumIndex(self.enums.len()));
            self.enums.push(EnumShape {
                name: name.trim_start_matches('.').to_owned(),
                values: shape
                    .values
                    .iter()
                    .map(|value| (value.name.clone(), value.number))
                    .collect(),
            });
        }
    }

    fn message_shape(
        &self,
        (name, message): &(String, &descriptor::Message),
    ) -> Result<MessageShape, SchemaError> {
        let mut fields = message
            .fields
            .iter()
            .map(|field| self.field_shape(name, field))
            .collect::<Result<Vec<_>, _>>()?;
        fields.sort_by_key(|field| field.number);
        Ok(MessageShape { fields })
    }

    fn field_shape(
        &self,
        message: &str,
        field: &descriptor::Field,
    ) -> Result<FieldShape, SchemaError> {
        let kind = match field.kind {
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            8 => Kind::Bool,
            9 => Kind::String,
            11 => Kind::Message(self.message(&field.type_name)?),
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => {
                let index = self.enum_index.get(&field.type_name).copied();
                Kind::Enum(index.ok_or_else(|| SchemaError::UnknownType(field.type_name.clone()))?)
            }
            number => {
                return Err(SchemaError::UnsupportedKind {
                    field: format!("{message}.{}", field.name),
                    number,
                });
            }
        };
        Ok(FieldShape {
            name: field.name.clone(),
            json_name: if field.json_name.is_empty() {
                lower_camel_case(&field.name)
            } else {
                field.json_name.clone()
            },
            number: field.number,
            repeated: field.label == descriptor::LABEL_REPEATED,
            oneof: field.oneof_index,
            kind,
        })
    }

    fn method(&self, method: &descriptor::Method) -> Result<Method, SchemaError> {
        Ok(Method {
            input: self.message(&method.input)?,
            output: self.message(&method.output)?,
            client_streams: method.client_streams,
            server_streams: method.server_streams,
        })
    }

    fn message(&self, name: &str) -> Result<MessageIndex, SchemaError> {
        let index = self.message_index.get(name).copied();
        index.ok_or_else(|| SchemaError::UnknownType(name.to_owned()))
    }
}

/// protoc's rule for JSON names: an underscore goes, and what follows it becomes upper case.
fn lower_camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            _ if upper => {
                camel.extend(letter.to_uppercase());
                upper = false;
            }
            _ => camel.push(letter),
        }
    }
    camel
}

/// The part of `google/protobuf/descriptor.proto` that the schema is read from.
mod descriptor {
    /// `FieldDescriptorProto.Label.LABEL_REPEATED`
    pub(super) const LABEL_REPEATED: i32 = 3;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct FileSet {
        #[prost(message, repeated, tag = "1")]
        pub(super) file: Vec<File>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct File {
        #[prost(string, tag = "2")]
        pub(super) package: String,
        #[prost(message, repeated, tag = "4")]
        pub(super) messages: Vec<Message>,
        #[prost(message, repeated, tag = "5")]
        pub(super) enums: Vec<Enum>,
        #[prost(message, repeated, tag = "6")]
        pub(super) services: Vec<Service>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) fields: Vec<Field>,
        #[prost(message, repeated, tag = "3")]
        pub(super) nested: Vec<Message>,
        #[prost(message, repeated, tag = "4")]
        pub(super) enums: Vec<Enum>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Field {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(uint32, tag = "3")]
        pub(super) number: u32,
        #[prost(int32, tag = "4")]
        pub(super) label: i32,
        #[prost(int32, tag = "5")]
        pub(super) kind: i32,
        #[prost(string, tag = "6")]
        pub(super) type_name: String,
        #[prost(uint32, optional, tag = "9")]
        pub(super) oneof_index: Option<u32>,
        #[prost(string, tag = "10")]
        pub(super) json_name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Enum {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) values: Vec<EnumValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct EnumValue {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(int32, tag = "2")]
        pub(super) number: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Service {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) methods: Vec<Method>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Method {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) input: String,
        #[prost(string, tag = "3")]
        pub(super) output: String,
        #[prost(bool, tag = "5")]
        pub(super) client_streams: bool,
        #[prost(bool, tag = "6")]
        pub(super) server_streams: bool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_descriptors_are_understood() {
        let schema = Schema::parse(crate::rpc::DESCRIPTORS).unwrap();
        let range = schema.method("/etcdserverpb.KV/Range").unwrap();
        assert!(!range.client_streams && !range.server_streams);
        let request = schema.message(range.input);
        let field = request.by_name("sort_order").unwrap();
        assert_eq!((field.number, field.name.as_str()), (5, "sort_order"));
        assert_eq!(request.by_name("sortOrder").unwrap().number, 5);
        assert_eq!(request.by_number(5).unwrap().name, "sort_order");
        let Kind::Enum(order) = field.kind else {
            panic!("not an enum: {field:?}");
        };
        assert_eq!(schema.enumeration(order).number("DESCEND"), Some(2));
        assert_eq!(schema.enumeration(order).value_name(1), Some("ASCEND"));
        let watch = schema.method("/etcdserverpb.Watch/Watch").unwrap();
        assert!(watch.client_streams && watch.server_streams);
        assert!(schema.method("/etcdserverpb.KV/Nothing").is_none());
    }

    #[test]
    fn descriptors_that_are_broken_are_refused() {
        assert!(matches!(
            Schema::parse(b"\x0a\xff"),
            Err(SchemaError::Decode(_))
        ));
    }

    #[test]
    fn json_names_follow_protoc() {
        assert_eq!(lower_camel_case("max_mod_revision"), "maxModRevision");
        assert_eq!(lower_camel_case("grantedTTL"), "grantedTTL");
        assert_eq!(lower_camel_case("ID"), "ID");
    }
}
