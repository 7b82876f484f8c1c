//! The OpenAPI v2 document in its protobuf form, which client-go asks for.
//!
//! The messages are those of `openapi.v2` in gnostic's `OpenAPIv2.proto`; a comment says which one
//! a function writes. Knows only what our own document holds, and refuses the rest.

use std::error::Error;

use serde_json::{Map, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A message as it is written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0
                .push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or_default());
    }

    fn bytes(&mut self, field: usize, bytes: &[u8]) {
        const LENGTH_DELIMITED: usize = 2;
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: usize, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn string(&mut self, field: usize, of: &Value, key: &str) -> Result<()> {
        match of.get(key) {
            None => {}
            Some(Value::String(text)) => self.bytes(field, text.as_bytes()),
            Some(other) => return Err(format!("{key} is no string: {other}").into()),
        }
        Ok(())
    }

    fn strings(&mut self, field: usize, of: &Value, key: &str) {
        for text in of[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            self.bytes(field, text.as_bytes());
        }
    }

    fn boolean(&mut self, field: usize, of: &Value, key: &str) {
        if of[key] == true {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    /// `repeated NamedAny`, whose values are YAML, as which JSON does.
    fn extensions(&mut self, field: usize, of: &Value) {
        for (name, value) in object(of) {
            if name.starts_with("x-") {
                let mut any = Self::default();
                any.bytes(2, value.to_string().as_bytes());
                self.message(field, &named(name, &any));
            }
        }
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// `NamedSchema` and its like.
fn named(name: &str, value: &Message) -> Message {
    let mut named = Message::default();
    named.bytes(1, name.as_bytes());
    named.message(2, value);
    named
}

/// Fails if there is a key that is not written.
fn only(of: &Value, keys: &[&str]) -> Result<()> {
    let odd = object(of).find(|(key, _)| !key.starts_with("x-") && !keys.contains(&key.as_str()));
    match odd {
        Some((key, _)) => Err(format!("what is {key} in {of}?").into()),
        None => Ok(()),
    }
}

/// `Document`.
pub(crate) fn document(of: &Value) -> Result<Vec<u8>> {
    only(
        of,
        &[
            "swagger",
            "info",
            "paths",
            "definitions",
            "parameters",
            "security",
            "securityDefinitions",
        ],
    )?;
    let mut document = Message::default();
    document.string(1, of, "swagger")?;
    let mut info = Message::default();
    info.string(1, &of["info"], "title")?;
    info.string(2, &of["info"], "version")?;
    document.message(2, &info);
    let mut paths = Message::default();
    for (name, item) in object(&of["paths"]) {
        paths.message(2, &named(name, &path_item(item)?));
    }
    document.message(8, &paths);
    let mut definitions = Message::default();
    for (name, one) in object(&of["definitions"]) {
        definitions.message(1, &named(name, &schema(one)?));
    }
    document.message(9, &definitions);
    let mut parameters = Message::default();
    for (name, one) in object(&of["parameters"]) {
        parameters.message(1, &named(name, &parameter(one)?));
    }
    document.message(10, &parameters);
    for requirement in of["security"].as_array().into_iter().flatten() {
        let mut written = Message::default();
        for (name, _) in object(requirement) {
            written.message(1, &named(name, &Message::default()));
        }
        document.message(12, &written);
    }
    let mut security = Message::default();
    for (name, one) in object(&of["securityDefinitions"]) {
        let mut key = Message::default();
        for (field, name) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
            key.string(field, one, name)?;
        }
        let mut item = Message::default();
        item.message(2, &key);
        security.message(1, &named(name, &item));
    }
    document.message(13, &security);
    Ok(document.0)
}

/// `PathItem`.
fn path_item(of: &Value) -> Result<Message> {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    let mut item = Message::default();
    for (place, method) in METHODS.iter().enumerate() {
        if let Some(one) = of.get(method) {
            item.message(place + 2, &operation(one)?);
        }
    }
    parameters(&mut item, 9, of)?;
    Ok(item)
}

/// `Operation`.
fn operation(of: &Value) -> Result<Message> {
    only(
        of,
        &[
            "tags",
            "description",
            "operationId",
            "produces",
            "consumes",
            "parameters",
            "responses",
            "schemes",
        ],
    )?;
    let mut operation = Message::default();
    operation.strings(1, of, "tags");
    operation.string(3, of, "description")?;
    operation.string(5, of, "operationId")?;
    operation.strings(6, of, "produces");
    operation.strings(7, of, "consumes");
    parameters(&mut operation, 8, of)?;
    let mut responses = Message::default();
    for (code, one) in object(&of["responses"]) {
        responses.message(1, &named(code, &response(one)?));
    }
    operation.message(9, &responses);
    operation.strings(10, of, "schemes");
    operation.extensions(13, of);
    Ok(operation)
}

/// `repeated ParametersItem`.
fn parameters(to: &mut Message, field: usize, of: &Value) -> Result<()> {
    for one in of["parameters"].as_array().into_iter().flatten() {
        let mut item = Message::default();
        if one.get("$ref").is_some() {
            let mut reference = Message::default();
            reference.string(1, one, "$ref")?;
            item.message(2, &reference);
        } else {
            item.message(1, &parameter(one)?);
        }
        to.message(field, &item);
    }
    Ok(())
}

/// `Parameter`.
fn parameter(of: &Value) -> Result<Message> {
    only(
        of,
        &[
            "name",
            "in",
            "description",
            "required",
            "schema",
            "type",
            "uniqueItems",
        ],
    )?;
    let mut parameter = Message::default();
    if of["in"] == "body" {
        let mut body = Message::default();
        for (field, name) in [(1, "description"), (2, "name"), (3, "in")] {
            body.string(field, of, name)?;
        }
        body.boolean(4, of, "required");
        body.message(5, &schema(&of["schema"])?);
        parameter.message(1, &body);
        return Ok(parameter);
    }
    // QueryParameterSubSchema and PathParameterSubSchema differ in some of their numbers.
    let (place, kind, unique) = match of["in"].as_str() {
        Some("query") => (3, 6, 20),
        Some("path") => (4, 5, 19),
        _ => return Err(format!("a parameter that is nowhere: {of}").into()),
    };
    let mut one = Message::default();
    one.boolean(1, of, "required");
    for (field, name) in [(2, "in"), (3, "description"), (4, "name"), (kind, "type")] {
        one.string(field, of, name)?;
    }
    one.boolean(unique, of, "uniqueItems");
    let mut other = Message::default();
    other.message(place, &one);
    parameter.message(2, &other);
    Ok(parameter)
}

/// `ResponseValue`.
fn response(of: &Value) -> Result<Message> {
    only(of, &["description", "schema"])?;
    let mut response = Message::default();
    response.string(1, of, "description")?;
    if let Some(one) = of.get("schema") {
        let mut item = Message::default();
        item.message(1, &schema(one)?);
        response.message(2, &item);
    }
    let mut value = Message::default();
    value.message(1, &response);
    Ok(value)
}

/// `Schema`.
fn schema(of: &Value) -> Result<Message> {
    only(
        of,
        &[
            "$ref",
            "format",
            "description",
            "required",
            "additionalProperties",
            "type",
            "items",
            "properties",
        ],
    )?;
    let mut written = Message::default();
    for (field, name) in [(1, "$ref"), (2, "format"), (4, "description")] {
        written.string(field, of, name)?;
    }
    written.strings(19, of, "required");
    if let Some(one) = of.get("additionalProperties") {
        let mut item = Message::default();
        item.message(1, &schema(one)?);
        written.message(21, &item);
    }
    if of.get("type").is_some() {
        let mut item = Message::default();
        item.string(1, of, "type")?;
        written.message(22, &item);
    }
    if let Some(one) = of.get("items") {
        let mut item = Message::default();
        item.message(1, &schema(one)?);
        written.message(23, &item);
    }
    if of.get("properties").is_some() {
        let mut properties = Message::default();
        for (name, one) in object(&of["properties"]) {
            properties.message(1, &named(name, &schema(one)?));
        }
        written.message(25, &properties);
    }
    written.extensions(31, of);
    Ok(written)
}
