//! Definitions and paths of OpenAPI v2 as protobuf, which client-go asks for.
//!
//! The messages are those of `openapi.v2` in gnostic's `OpenAPIv2.proto`; a comment says which
//! one a function writes. What they have no field for is left out.

use serde_json::{Map, Value};

/// A message as it is written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        const LENGTH_DELIMITED: u64 = 2;
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Fields of texts, by number and name.
    fn texts(&mut self, of: &Value, fields: &[(u64, &str)]) {
        for (field, name) in fields {
            if let Some(text) = of[*name].as_str() {
                self.bytes(*field, text.as_bytes());
            }
        }
    }

    fn list(&mut self, field: u64, of: &Value, name: &str) {
        for text in items(&of[name]).iter().filter_map(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn flag(&mut self, field: u64, of: &Value, name: &str) {
        if of[name] == true {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    fn double(&mut self, field: u64, of: &Value, name: &str) {
        const FIXED_64: u64 = 1;
        if let Some(number) = of[name].as_f64() {
            self.varint(field << 3 | FIXED_64);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn integer(&mut self, field: u64, of: &Value, name: &str) {
        if let Some(number) = of[name].as_i64() {
            self.varint(field << 3);
            self.varint(number.cast_unsigned());
        }
    }

    fn any(&mut self, field: u64, value: &Value) {
        if !value.is_null() {
            self.message(field, &any(value));
        }
    }

    /// `repeated NamedAny`.
    fn extensions(&mut self, field: u64, of: &Value) {
        for (name, value) in entries(of).filter(|(name, _)| name.starts_with("x-")) {
            self.message(field, &named(name, &any(value)));
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `Any`, whose value is YAML, as which JSON does.
fn any(value: &Value) -> Message {
    let mut any = Message::default();
    any.bytes(2, value.to_string().as_bytes());
    any
}

/// `NamedSchema` and its like.
fn named(name: &str, value: &Message) -> Message {
    let mut named = Message::default();
    named.bytes(1, name.as_bytes());
    named.message(2, value);
    named
}

/// A message around another.
fn around(field: u64, value: &Message) -> Message {
    let mut outer = Message::default();
    outer.message(field, value);
    outer
}

/// `Document`, with nothing but definitions and paths.
pub(super) fn document(definitions: &Map<String, Value>, paths: &Map<String, Value>) -> Vec<u8> {
    let mut document = Message::default();
    let mut written = Message::default();
    for (name, item) in paths {
        written.message(2, &named(name, &path_item(item)));
    }
    document.message(8, &written);
    let mut written = Message::default();
    for (name, one) in definitions {
        written.message(1, &named(name, &schema(one)));
    }
    document.message(9, &written);
    document.0
}

/// `PathItem`.
fn path_item(of: &Value) -> Message {
    let mut item = Message::default();
    let methods = [
        (2, "get"),
        (3, "put"),
        (4, "post"),
        (5, "delete"),
        (8, "patch"),
    ];
    for (field, method) in methods {
        if of[method].is_object() {
            item.message(field, &operation(&of[method]));
        }
    }
    parameters(&mut item, 9, of);
    item
}

/// `Operation`.
fn operation(of: &Value) -> Message {
    let mut operation = Message::default();
    operation.list(1, of, "tags");
    operation.texts(of, &[(3, "description"), (5, "operationId")]);
    operation.list(6, of, "produces");
    operation.list(7, of, "consumes");
    parameters(&mut operation, 8, of);
    let mut responses = Message::default();
    for (code, one) in entries(&of["responses"]) {
        responses.message(1, &named(code, &response(one)));
    }
    operation.message(9, &responses);
    operation.list(10, of, "schemes");
    operation.extensions(13, of);
    operation
}

/// `repeated ParametersItem`.
fn parameters(to: &mut Message, field: u64, of: &Value) {
    for one in items(&of["parameters"]) {
        to.message(field, &around(1, &parameter(one)));
    }
}

/// `Parameter`.
fn parameter(of: &Value) -> Message {
    let mut one = Message::default();
    if of["in"] == "body" {
        one.texts(of, &[(1, "description"), (2, "name"), (3, "in")]);
        one.flag(4, of, "required");
        one.message(5, &schema(&of["schema"]));
        return around(1, &one);
    }
    // QueryParameterSubSchema and PathParameterSubSchema differ in some of their numbers.
    let (place, kind, unique) = match of["in"] == "query" {
        true => (3, 6, 20),
        false => (4, 5, 19),
    };
    one.flag(1, of, "required");
    one.texts(
        of,
        &[(2, "in"), (3, "description"), (4, "name"), (kind, "type")],
    );
    one.flag(unique, of, "uniqueItems");
    around(2, &around(place, &one))
}

/// `ResponseValue`.
fn response(of: &Value) -> Message {
    let mut response = Message::default();
    response.texts(of, &[(1, "description")]);
    if of["schema"].is_object() {
        response.message(2, &around(1, &schema(&of["schema"])));
    }
    around(1, &response)
}

/// `Schema`.
fn schema(of: &Value) -> Message {
    let mut written = Message::default();
    written.texts(
        of,
        &[(1, "$ref"), (2, "format"), (3, "title"), (4, "description")],
    );
    written.any(5, &of["default"]);
    written.double(6, of, "multipleOf");
    written.double(7, of, "maximum");
    written.flag(8, of, "exclusiveMaximum");
    written.double(9, of, "minimum");
    written.flag(10, of, "exclusiveMinimum");
    written.integer(11, of, "maxLength");
    written.integer(12, of, "minLength");
    written.texts(of, &[(13, "pattern")]);
    written.integer(14, of, "maxItems");
    written.integer(15, of, "minItems");
    written.flag(16, of, "uniqueItems");
    written.integer(17, of, "maxProperties");
    written.integer(18, of, "minProperties");
    written.list(19, of, "required");
    for value in items(&of["enum"]) {
        written.message(20, &any(value));
    }
    match &of["additionalProperties"] {
        Value::Bool(allowed) => {
            let mut item = Message::default();
            item.varint(2 << 3);
            item.varint(u64::from(*allowed));
            written.message(21, &item);
        }
        values @ Value::Object(_) => written.message(21, &around(1, &schema(values))),
        _ => {}
    }
    if let Some(kind) = of["type"].as_str() {
        let mut item = Message::default();
        item.bytes(1, kind.as_bytes());
        written.message(22, &item);
    }
    if of["items"].is_object() {
        written.message(23, &around(1, &schema(&of["items"])));
    }
    if of["properties"].is_object() {
        let mut properties = Message::default();
        for (name, one) in entries(&of["properties"]) {
            properties.message(1, &named(name, &schema(one)));
        }
        written.message(25, &properties);
    }
    written.any(30, &of["example"]);
    written.extensions(31, of);
    written
}
